package expr_test

import (
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/expr"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func tree(tb testing.TB, text string) *inventory.Node {
	tb.Helper()
	res, err := decode.File([]byte("apiVersion: v1\nkind: Test\nspec:\n  "+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")+"\n"),
		&inventory.Origin{File: "test.yaml"}, decode.DefaultLimits())
	if err != nil {
		tb.Fatal(err)
	}
	return res.Objects[0].Root.Get("spec")
}

func TestBoolReadsTreesAsTheAPIServerReadsObjects(t *testing.T) {
	t.Parallel()
	const self = `
name: app
replicas: 3
half: 0.5
on: true
none: null
list: [a, b, null]
ports: [{name: http, port: 80}, {name: admin, port: 8080}]
labels: {app: shop, "a.b/c": d}
quantity: 500Mi
empty: {}
`
	for _, tc := range []struct {
		name, text string
		want       bool
		fails      string
	}{
		{name: "a string compares", text: `self.name == 'app'`, want: true},
		{name: "an integer compares with arithmetic", text: `self.replicas + 1 == 4`, want: true},
		{name: "a number is a double", text: `self.half < 1.0`, want: true},
		{name: "the key on reads as true like kubectl has it", text: `self['true'] == true`, want: true},
		{name: "has is true for a field that is set", text: `has(self.name)`, want: true},
		{name: "has is false for a field that is absent", text: `has(self.image)`},
		{name: "has is false for a null field", text: `has(self.none)`},
		{name: "an optional absent field takes its default", text: `self.?a.?b.orValue(true)`, want: true},
		{name: "an optional null field takes its default", text: `self.?none.orValue('x') == 'x'`, want: true},
		{name: "an optional index past the end takes its default", text: `self.ports[?5].?port.orValue(1) == 1`, want: true},
		{name: "in looks into a list", text: `'a' in self.list`, want: true},
		{name: "in looks at the keys of a map", text: `'a.b/c' in self.labels`, want: true},
		{name: "size counts items", text: `size(self.ports) == 2 && self.list.size() == 3`, want: true},
		{name: "exists walks a list", text: `self.ports.exists(p, p.port == 8080)`, want: true},
		{name: "all walks the keys of a map", text: `self.labels.all(k, k.startsWith('a'))`, want: true},
		{name: "map and join build text", text: `self.ports.map(p, p.name).join(',') == 'http,admin'`, want: true},
		{name: "filter keeps what matches", text: `self.ports.filter(p, p.port > 100).size() == 1`, want: true},
		{name: "lists concatenate", text: `(self.list + ['z'])[3] == 'z'`, want: true},
		{name: "a list equals a literal", text: `self.ports.map(p, p.port) == [80, 8080]`, want: true},
		{name: "a map equals a literal", text: `self.labels == {'app': 'shop', 'a.b/c': 'd'}`, want: true},
		{name: "an empty map has size zero", text: `self.empty.size() == 0`, want: true},
		{name: "the Kubernetes quantity library is there", text: `quantity(self.quantity).isLessThan(quantity('1Gi'))`, want: true},
		{name: "the Kubernetes list library is there", text: `self.ports.map(p, p.port).max() == 8080`, want: true},
		{name: "type tells a map from a list", text: `type(self.labels) == map && type(self.list) == list`, want: true},
		{name: "an unknown field is an error", text: `self.image == 'x'`, fails: "no such key"},
		{name: "a wrong type is an error", text: `self.name > 3`, fails: "no such overload"},
		{name: "a string where a boolean belongs is an error", text: `self.name`, fails: "want a boolean"},
		{name: "what is not there reads as null", text: `podSpec == null && object == null`, want: true},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			p, err := expr.CompileBool(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Bool(&expr.Scope{Self: tree(t, self)})
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Fatalf("error %v, want one with %q", err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("%s is %t, want %t", tc.text, got, tc.want)
			}
		})
	}
}

func TestCompileRefusesWhatTheAPIServerRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"self.", "selfie.name == ''", "'text'", "1 +"} {
		if _, err := expr.CompileBool(text); err == nil {
			t.Errorf("%q compiles, want an error", text)
		}
	}
}

func TestReadsAreTheFieldsExpressionsLookAt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]expr.Reads{
		"self.name == podSpec.x":                       {Self: fields("name"), PodSpec: fields("x")},
		"has(self.a.b) && self.?c.?d.hasValue()":       {Self: fields("a", "c")},
		"self['k'] == 1 || self[?'l'].hasValue()":      {Self: fields("k", "l")},
		"self.list.exists(x, x.name == podMeta.name)":  {Self: fields("list"), PodMeta: fields("name")},
		"self.exists(k, k == 'a')":                     {Self: expr.Fields{All: true}},
		"self[containerField] == 1":                    {Self: expr.Fields{All: true}, Field: true},
		"'a' in self":                                  {Self: expr.Fields{All: true}},
		"podSpec.a && size(podSpec) == 1":              {PodSpec: expr.Fields{All: true, Names: []string{"a"}}},
		"object.metadata.name == self.name":            {Self: fields("name"), Wide: true},
		"podMeta != null && podMeta.x":                 {PodMeta: fields("x")},
		"has(namespaceObject.metadata)":                {Wide: true},
		"containerField == 'containers'":               {Field: true},
		"[1].all(i, self.items[i] == self.items[0])":   {Self: fields("items")},
		"'object.metadata' == 'namespaceObject'":       {},
		"cel.bind(c, self.securityContext, c.a == 1)":  {Self: fields("securityContext")},
		"self.a.map(self, self.b).size() == podMeta.l": {Self: fields("a", "b"), PodMeta: fields("l")},
	} {
		got, err := expr.ReadsOf(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*got, want); diff != "" {
			t.Errorf("reads of %s (-got +want):\n%s", text, diff)
		}
	}
}

func fields(names ...string) expr.Fields { return expr.Fields{Names: names} }

// TestTreesAndMapsAgree runs expressions over the trees of this program and
// over plain Go maps, which is what cel-go's own adapter is made for.
func TestTreesAndMapsAgree(t *testing.T) {
	t.Parallel()
	e, err := cel.NewEnv(cel.Variable("self", cel.DynType), cel.OptionalTypes())
	if err != nil {
		t.Fatal(err)
	}
	trees := []string{
		"a: 1\nb: [1, 2, {c: d}]",
		"a: x\nb: []",
		"a: {b: {c: [true, false]}}",
		"a: 1.5\nb: {a: 1}",
		"b: text",
	}
	for _, text := range []string{
		"self.a == 1", "has(self.a)", "self.?a.?b.?c.hasValue()", "'b' in self", "size(self) == 2",
		"self.b.exists(x, x == 2)", "self.b == [dyn(1), dyn(2), dyn({'c': 'd'})]", "self == {'a': dyn('x'), 'b': dyn([])}",
		"self.exists(k, self[k] == 1.5)", "self.a.b.c[0]", "self.b.size() == 4", "self.a < 2",
		"self.b + [1] == [1]", "self.b.all(x, type(x) == int)",
	} {
		ast, issues := e.Compile(text)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		theirs, err := e.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := expr.CompileBool(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range trees {
			n := tree(t, source)
			want, _, wantErr := theirs.Eval(map[string]any{"self": n.Any()})
			got, gotErr := ours.Bool(&expr.Scope{Self: n})
			if (wantErr != nil) != (gotErr != nil) {
				t.Errorf("%s over %q: error %v, want %v", text, source, gotErr, wantErr)
				continue
			}
			if wantErr == nil && want.Value() != got {
				t.Errorf("%s over %q: %v, want %v", text, source, got, want)
			}
		}
	}
}

func BenchmarkBool(b *testing.B) {
	p, err := expr.CompileBool("self.?securityContext.?allowPrivilegeEscalation.orValue(true)")
	if err != nil {
		b.Fatal(err)
	}
	s := &expr.Scope{Self: tree(b, "name: app\nimage: nginx\nsecurityContext: {allowPrivilegeEscalation: false}")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Bool(s); err != nil {
			b.Fatal(err)
		}
	}
}
