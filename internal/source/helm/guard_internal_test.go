package helm

import (
	"strings"
	"testing"
	"text/template/parse"
)

// calls checks that every call of include and tpl with an argument has its
// guard, and returns how many there are.
func calls(t *testing.T, n parse.Node) int {
	t.Helper()
	total := 0
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return 0
		}
		for _, child := range n.Nodes {
			total += calls(t, child)
		}
	case *parse.ActionNode:
		return calls(t, n.Pipe)
	case *parse.IfNode:
		return calls(t, n.Pipe) + calls(t, n.List) + calls(t, n.ElseList)
	case *parse.RangeNode:
		return calls(t, n.Pipe) + calls(t, n.List) + calls(t, n.ElseList)
	case *parse.WithNode:
		return calls(t, n.Pipe) + calls(t, n.List) + calls(t, n.ElseList)
	case *parse.TemplateNode:
		return calls(t, n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return 0
		}
		for _, cmd := range n.Cmds {
			total += calls(t, cmd)
		}
	case *parse.ChainNode:
		return calls(t, n.Node)
	case *parse.CommandNode:
		for _, arg := range n.Args {
			total += calls(t, arg)
		}
		name, ok := n.Args[0].(*parse.IdentifierNode)
		if !ok || name.Ident != "include" && name.Ident != "tpl" || len(n.Args) < 2 {
			return total
		}
		pipe, ok := n.Args[1].(*parse.PipeNode)
		if !ok || !strings.HasPrefix(pipe.String(), enter+` "`+name.Ident+`" `) {
			t.Errorf("%s has no guard", n)
		}
		return total + 1
	}
	return total
}

func trees(text string) (map[string]*parse.Tree, error) {
	tree := parse.New("a")
	tree.Mode = parse.SkipFuncCheck
	set := make(map[string]*parse.Tree)
	_, err := tree.Parse(text, "", "", set)
	return set, err
}

func TestCallsAreGuarded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		calls      int
	}{
		{"a call", `{{ include "a" . }}`, 1},
		{"calls in a pipe and in parentheses", `{{- (include (print "a" "b") .) | tpl (tpl .x $) | indent 2 -}}`, 3},
		{"calls in conditions", `{{ if eq (tpl .a .) "x" }}{{ else if include "b" . }}{{ end }}`, 2},
		{"quotes of all kinds", "{{ tpl `}} \" {{` . }}{{ tpl \"\\\"}}\" '}' }}", 2},
		{"a comment with an apostrophe", "{{/* don't */}}{{ tpl .a . }}{{- /* it's \" */ -}}{{ tpl .a . }}", 2},
		{"an argument on the next line", "{{ tpl\n  .a\n  . }}", 1},
		{"an argument right after the name", `{{ tpl(.a) . }}`, 0},
		{"a variable that is set", `{{ $a := tpl .a . }}{{ $a = include $a . }}`, 2},
		{"fields and variables of these names", `{{ .tpl.include }}{{ $tpl := 1 }}{{ $tpl }}`, 0},
		{"plain text", "include x tpl y", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := guarded(tc.text)
			if strings.Count(got, "\n") != strings.Count(tc.text, "\n") {
				t.Errorf("lines have moved: %s", got)
			}
			set, err := trees(got)
			if err != nil {
				if _, plain := trees(tc.text); plain == nil {
					t.Fatalf("%s: %v", got, err)
				}
			}
			n := 0
			for _, tree := range set {
				n += calls(t, tree.Root)
			}
			if n != tc.calls {
				t.Errorf("%d calls with guards, want %d: %s", n, tc.calls, got)
			}
		})
	}
}

// FuzzGuarded holds that a template that parses does so with its guards, and
// that no call goes without.
func FuzzGuarded(f *testing.F) {
	for _, seed := range []string{
		`{{ include "a" . }}`, "{{- /* it's */ -}}{{ tpl `}}` . | x }}", `{{ if tpl (include "a" $) .b }}{{ end }}`, "{{define \"a\"}}{{tpl\n.x\n.}}{{end}}",
		`{{ $x := tpl .a.b $y }}`, `{{ tpl (dict "a" 'b').c . }}`, `{{ tpl "a" .|tpl "b" }}`, `{{ with include "x" .}}{{else}}{{end}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := trees(text); err != nil || strings.Contains(text, enter) {
			return
		}
		got := guarded(text)
		set, err := trees(got)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		for _, tree := range set {
			calls(t, tree.Root)
		}
		if strings.Count(got, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q became %q: lines have moved", text, got)
		}
	})
}
