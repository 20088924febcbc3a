package fix_test

import (
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/fix"
)

// odd are texts that are laid out in ways an editor may stumble over. Each is
// either edited right or refused with a reason.
var odd = map[string]struct {
	text string
	// refused is a part of the reason, "" for one that is edited.
	refused string
}{
	"an anchor that two containers share": {
		text:    head + "spec:\n  containers:\n  - name: a\n    securityContext: &s {runAsNonRoot: true}\n  - name: b\n    securityContext: *s\n",
		refused: "an anchor is used in several places",
	},
	"an anchor that only one object uses": {
		text:    head + "spec:\n  containers:\n  - name: a\n    securityContext: &s {runAsNonRoot: true}\n---\n" + head + "spec:\n  containers:\n  - {name: a, securityContext: {}}\n",
		refused: "",
	},
	"two items of a List that share an anchor": {
		text:    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec: &spec\n    containers: [{name: a}]\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n  spec: *spec\n",
		refused: "an anchor is used in several places",
	},
	"a merge key": {
		text:    "x: &x {image: a}\n" + head + "spec:\n  containers:\n  - name: a\n    <<: *x\n",
		refused: "a merge key",
	},
	"flow style over several lines": {text: head + "spec: {\n  containers: [\n    {name: a,\n     image: x}\n  ]\n}\n"},
	"flow style with comments":      {text: head + "spec:\n  containers: [ # all\n    {name: a, image: x} # the one\n  ]\n"},
	"lines of Windows":              {text: strings.ReplaceAll(head+"spec:\n  containers:\n  - name: a # it\n    image: x\n", "\n", "\r\n")},
	"lines of both kinds":           {text: head + "spec:\r\n  containers:\r\n  - name: a\n    image: x\r\n"},
	"lines of an old Mac":           {text: strings.ReplaceAll(head+"spec:\n  containers:\n  - name: a\n", "\n", "\r"), refused: "unusual line breaks"},
	"tabs in comments":              {text: head + "spec:\t# pods\n  containers:\t\t# here\n  - name: a\t# tab\n    image: x\t#\tmore\n"},
	"strings over several lines":    {text: head + "spec:\n  containers:\n  - name: a\n    args:\n    - |\n      one\n        two\n\n    - >-\n      folded\n      text\n    - \"quoted\n      text\"\n"},
	"a literal at the end":          {text: head + "spec:\n  containers:\n  - name: a\n    command:\n    - sh\n    - -c\n    - |\n      echo '---'\n      exit 0\n"},
	"a byte order mark":             {text: "\ufeff" + head + "spec:\n  containers:\n  - name: a\n"},
	"separators with comments":      {text: "# licence\n--- # first\n" + head + "spec:\n  containers:\n  - name: a\n--- # second\n" + strings.ReplaceAll(head, "name: a", "name: b") + "spec:\n  containers:\n  - name: a\n---\n# nothing\n"},
	"an end of a document":          {text: head + "spec:\n  containers:\n  - name: a\n...\n"},
	"a directive":                   {text: "%YAML 1.1\n---\n" + head + "spec:\n  containers:\n  - name: a\n"},
	"JSON with odd spaces":          {text: "{ \"apiVersion\" :\"v1\",\"kind\":\"Pod\" ,\n\n\"metadata\":{\"name\":\"a\"  },\t\"spec\" : { \"containers\":[ {\"name\" : \"a\"\n} ]}  }\n"},
	"JSON on one line":              {text: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a"}]}}`},
	"a key that stands twice": {
		text:    head + "spec:\n  containers:\n  - name: a\n    securityContext: {}\n    securityContext: {}\n",
		refused: "stands there twice",
	},
	"a tag on the way":                   {text: head + "spec: !!map\n  containers: !!seq\n  - name: !!str a\n"},
	"a tag of its own on the value":      {text: head + "spec:\n  containers:\n  - name: a\n    securityContext: !own {}\n"},
	"a very long line":                   {text: head + "spec:\n  containers:\n  - {name: a, args: [\"" + strings.Repeat("x", 300_000) + "\"]}\n"},
	"a key with a question mark":         {text: head + "spec:\n  containers:\n  - ? name\n    : a\n", refused: "laid out in a way"},
	"no line break at the end":           {text: head + "spec:\n  containers:\n  - name: a"},
	"spaces at the ends":                 {text: head + "spec:  \n  containers:   \n  -   name: a  \n      image: x \n"},
	"names in other scripts":             {text: "# Größe 日本\n" + head + "spec:\n  containers:\n  - name: a\n    env: [{name: A, value: \"日本語 🐙 ß\"}, {name: B, value: ß}]\n"},
	"keys in quotes":                     {text: "'apiVersion': v1\n\"kind\": Pod\nmetadata: {name: a}\n\"spec\":\n  'containers':\n  - \"name\": a\n"},
	"an indentation of one":              {text: "apiVersion: v1\nkind: Pod\nmetadata:\n name: a\nspec:\n containers:\n - name: a\n"},
	"a list far to the right":            {text: head + "spec:\n    containers:\n            -   name: a\n"},
	"empty values":                       {text: head + "spec:\n  securityContext:\n  containers:\n  - name: a\n    securityContext: ~\n"},
	"actions of a template in a comment": {text: head + "spec:\n  # {{ if .Values.x }}\n  containers:\n  - name: a\n  # {{ end }}\n", refused: "the file is a template"},
	"UTF-16":                             {text: utf16(head + "spec:\n  containers:\n  - name: a\n"), refused: "UTF-8"},
}

func utf16(s string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, r := range s {
		b.WriteByte(byte(r))
		b.WriteByte(byte(r >> 8))
	}
	return b.String()
}

func TestOddTextsAreEditedRightOrRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range odd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"a.yaml": tc.text}
			opts := fix.Options{Safety: control.Review, User: 10001, Writable: []string{"/tmp"}}
			res := fixed(t, files, opts, "privilege-escalation")
			if tc.refused != "" {
				if len(res.Refused) == 0 || !strings.Contains(res.Refused[0].Reason, tc.refused) {
					t.Errorf("refused %v, edits %v", res.Refused, res.Edits)
				}
				return
			}
			if res.After != 0 || len(res.Edits) == 0 {
				t.Fatalf("findings from %d to %d, refused %v", res.Before, res.After, res.Refused)
			}
			t.Logf("%q", res.Texts["a.yaml"][:min(len(res.Texts["a.yaml"]), 400)])
			after := map[string]string{"a.yaml": string(res.Texts["a.yaml"])}
			announced(t, files, after, res)
			patched(t, "a.yaml", tc.text, after["a.yaml"])
			untouched(t, "a.yaml", tc.text, after["a.yaml"], res)
			if again := fixed(t, after, opts, "privilege-escalation"); len(again.Edits) > 0 || again.Before != 0 {
				t.Errorf("a second run edits %v", again.Edits)
			}
			// With all controls: what is offered keeps its promises, too.
			all := fixed(t, files, opts)
			later := map[string]string{"a.yaml": string(all.Texts["a.yaml"])}
			announced(t, files, later, all)
			patched(t, "a.yaml", tc.text, later["a.yaml"])
			untouched(t, "a.yaml", tc.text, later["a.yaml"], all)
			if again := fixed(t, later, opts); len(again.Edits) > 0 {
				t.Errorf("a second run with all controls edits %v", again.Edits)
			}
		})
	}
}
