package helm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/helm"
)

const head = "-- Chart.yaml --\napiVersion: v2\nname: shop\nversion: 1.0.0\n"

// chart writes the files of a txtar text, with a Chart.yaml unless there is one.
func chart(t *testing.T, text string) string {
	t.Helper()
	if !strings.Contains(text, "-- Chart.yaml --") {
		text = head + text
	}
	dir := filepath.Join(t.TempDir(), "shop")
	for _, f := range txtar.Parse([]byte(text)).Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, s *helm.Source) *inventory.Inventory {
	t.Helper()
	s.Limits = decode.DefaultLimits()
	inv, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inv.Seal()
	return inv
}

// pod is a template whose annotation a is the result of an expression.
func pod(expression string) string {
	return "-- templates/a.yaml --\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    a: " + expression + "\n"
}

func annotation(t *testing.T, inv *inventory.Inventory) string {
	t.Helper()
	for _, g := range inv.Gaps {
		t.Errorf("%s:%d: %s", g.File, g.Line, g.Why)
	}
	if len(inv.Objects) != 1 {
		t.Fatalf("%d objects, want 1", len(inv.Objects))
	}
	return inv.Objects[0].Annotations().Get("a").Str()
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"a value", pod(`{{ .Values.a }}`) + "-- values.yaml --\na: x\n", "x"},
		{"an include of a helper", pod(`{{ include "h" . | upper }}`) + "-- templates/_h.tpl --\n{{ define \"h\" }}{{ .Release.Name }}{{ end }}\n", "SHOP"},
		{"the release's namespace has a default", pod(`{{ .Release.Namespace }}/{{ .Release.Service }}`), "default/Helm"},
		{"a lookup finds nothing", pod(`{{ lookup "v1" "Secret" "default" "x" | toJson | quote }}`), "{}"},
		{"a name is not resolved over the network", pod(`{{ getHostByName "localhost" | quote }}`), ""},
		{"a file of the chart", pod(`{{ .Files.Get "f.txt" | trim }}`) + "-- f.txt --\nhello\n", "hello"},
		{"a file outside of the chart is empty", pod(`{{ .Files.Get "../out.txt" | quote }}`), ""},
		{"an absolute file is empty", pod(`{{ .Files.Get "/etc/hosts" | quote }}`), ""},
		{"a random text has its length", pod(`{{ randAlphaNum 12 | len | quote }}`), "12"},
		{"tpl sees helpers and values", pod(`{{ tpl .Values.t . }}`) + "-- values.yaml --\nt: '{{ include \"h\" . }}-{{ tpl .Values.u $ }}'\nu: '{{ .Release.Name }}'\n" +
			"-- templates/_h.tpl --\n{{ define \"h\" }}x{{ end }}\n", "x-shop"},
		{"tpl takes a text in parentheses", pod(`{{ tpl (printf "{{ .Release.%s }}" "Name") . }}`), "shop"},
		{"include takes a name in parentheses", pod(`{{ include (print "a" (print "." "b")) (dict "x" "1") }}`) + "-- templates/_h.tpl --\n{{ define \"a.b\" }}v{{ .x }}{{ end }}\n", "v1"},
		{"the words include and tpl elsewhere stay", pod(`{{ "include tpl x" }} include "x" {{/* tpl don't include */}}{{ .Values.include.tpl }}`) + "-- values.yaml --\ninclude: {tpl: z}\n", `include tpl x include "x" z`},
		{"lists of numbers", pod(`p{{ until 3 }}{{ until -2 }}{{ untilStep 0 6 2 }}{{ seq 3 }};{{ seq 5 3 }};{{ seq 0 2 4 }};{{ seq 3 -1 }}`), "p[0 1 2][0 -1][0 2 4]1 2 3;5 4 3;0 2 4;3 2 1 0 -1"},
		{"texts", pod(`{{ repeat 3 "ab" }} {{ replace "a" "bb" "xax" }} {{ printf "%s-%d" "a" 1 }} {{ print "a" 1 }}`), "ababab xbbx a-1 a1"},
		{"an indented text", pod("|\n{{ \"x\\ny\" | indent 6 }}{{ \"z\" | nindent 6 }}"), "x\ny\nz\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := annotation(t, read(t, &helm.Source{Path: chart(t, tc.text)})); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestValuesInOrder(t *testing.T) {
	t.Parallel()
	dir := chart(t, pod(`"{{ .Values.a }}/{{ .Values.m.x }}/{{ .Values.m.w }}/{{ kindOf .Values.num }}"`)+
		"-- values.yaml --\na: chart\nm: {x: chart, w: chart}\nnum: 1\n-- one.yaml --\na: one\nm: {x: one}\n-- two.yaml --\nm: {x: two}\n")
	one, two := filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yaml")
	for _, tc := range []struct {
		name   string
		source helm.Source
		want   string
	}{
		{"the chart's own values", helm.Source{}, "chart/chart/chart/float64"},
		{"a values file overrides what it names", helm.Source{ValueFiles: []string{one}}, "one/one/chart/float64"},
		{"the last values file wins", helm.Source{ValueFiles: []string{one, two}}, "one/two/chart/float64"},
		{"the order of values files counts", helm.Source{ValueFiles: []string{two, one}}, "one/one/chart/float64"},
		{"--set wins over files", helm.Source{ValueFiles: []string{one}, Set: []string{"a=set,m.w=set"}}, "set/one/set/float64"},
		{"the last --set wins", helm.Source{Set: []string{"a=1st", "a=2nd"}}, "2nd/chart/chart/float64"},
		{"--set tells numbers from texts", helm.Source{Set: []string{"num=2"}}, "chart/chart/chart/int64"},
		{"--set-string does not", helm.Source{SetString: []string{"num=2"}}, "chart/chart/chart/string"},
		{"null removes a value", helm.Source{Set: []string{"num=null"}}, "chart/chart/chart/invalid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.source.Path = dir
			if got := annotation(t, read(t, &tc.source)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReleaseAndNamespace(t *testing.T) {
	t.Parallel()
	got := annotation(t, read(t, &helm.Source{Path: chart(t, pod(`{{ .Release.Name }}.{{ .Release.Namespace }}`)), Release: "r", Namespace: "n"}))
	if got != "r.n" {
		t.Errorf("got %q, want r.n", got)
	}
}

// places are file:line of fields, by path.
func places(t *testing.T, inv *inventory.Inventory, dir string, paths ...string) []string {
	t.Helper()
	for _, g := range inv.Gaps {
		t.Errorf("gap: %s:%d: %s", g.File, g.Line, g.Why)
	}
	var out []string
	for _, o := range inv.Objects {
		for _, p := range paths {
			if n, exact := o.Root.Nearest(p); exact {
				out = append(out, fmt.Sprintf("%s %s %s:%d", o.Name, p, strings.TrimPrefix(o.Origin.File, filepath.ToSlash(dir)+"/"), n.Line))
			}
		}
	}
	return out
}

func TestFieldsPointToTheTemplate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		paths      []string
		want       []string
	}{
		{
			"a plain template", pod("x"), []string{"kind", "metadata.annotations.a"}, []string{"a kind templates/a.yaml:2", "a metadata.annotations.a templates/a.yaml:6"},
		},
		{
			"after actions that leave lines out",
			"-- templates/a.yaml --\n{{- /* c\nd */ -}}\n{{- if true }}\napiVersion: v1\nkind: Pod\nmetadata:\n  {{- if .Values.none }}\n  namespace: x\n  {{- end }}\n  name: a\nspec:\n  hostPID: true\n{{- end }}\n",
			[]string{"kind", "metadata.name", "spec.hostPID"},
			[]string{"a kind templates/a.yaml:5", "a metadata.name templates/a.yaml:10", "a spec.hostPID templates/a.yaml:12"},
		},
		{
			"a range gives several objects from the same lines",
			"-- templates/a.yaml --\n{{ range list \"x\" \"z\" }}\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ . }}\nspec:\n  hostPID: true\n{{ end }}\n",
			[]string{"metadata.name", "spec.hostPID"},
			[]string{"x metadata.name templates/a.yaml:6", "x spec.hostPID templates/a.yaml:8", "z metadata.name templates/a.yaml:6", "z spec.hostPID templates/a.yaml:8"},
		},
		{
			"what toYaml puts in points to the line that puts it in",
			"-- templates/a.yaml --\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  securityContext:\n    {{- toYaml .Values.sc | nindent 4 }}\n  hostPID: true\n" +
				"-- values.yaml --\nsc:\n  runAsUser: 0\n  fsGroup: 1\n",
			[]string{"spec.securityContext.fsGroup", "spec.securityContext.runAsUser", "spec.hostPID"},
			[]string{"a spec.securityContext.fsGroup templates/a.yaml:7", "a spec.securityContext.runAsUser templates/a.yaml:7", "a spec.hostPID templates/a.yaml:8"},
		},
		{
			"what a helper puts in points to the line that includes it",
			"-- templates/a.yaml --\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    {{- include \"l\" . | nindent 4 }}\nspec:\n  hostPID: true\n" +
				"-- templates/_h.tpl --\n{{ define \"l\" -}}\napp: x\ntier: y\n{{- end }}\n",
			[]string{"metadata.labels.app", "metadata.labels.tier", "spec.hostPID"},
			[]string{"a metadata.labels.app templates/a.yaml:6", "a metadata.labels.tier templates/a.yaml:6", "a spec.hostPID templates/a.yaml:8"},
		},
		{
			"fields after a block of text",
			"-- templates/a.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: |\n    one: 1\n    {{ \"two: 2\\nthree: 3\" | nindent 4 }}\n  w: z\n",
			[]string{"data.x", "data.w"},
			[]string{"a data.x templates/a.yaml:6", "a data.w templates/a.yaml:9"},
		},
		{
			"a subchart in a folder", "-- templates/a.yaml --\n-- charts/db/Chart.yaml --\napiVersion: v2\nname: db\nversion: 1.0.0\n" +
				"-- charts/db/templates/b.yaml --\n\napiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n",
			[]string{"metadata.name"},
			[]string{"b metadata.name charts/db/templates/b.yaml:5"},
		},
		{
			"a subchart under another name", "-- Chart.yaml --\napiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n- {name: db, version: 1.0.0, alias: store}\n" +
				"-- charts/db-1/Chart.yaml --\napiVersion: v2\nname: db\nversion: 1.0.0\n-- charts/db-1/templates/b.yaml --\napiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n",
			[]string{"metadata.name"},
			[]string{"b metadata.name charts/db-1/templates/b.yaml:4"},
		},
		{
			"definitions of custom resources", "-- crds/c.yaml --\n# c\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: c\n",
			[]string{"metadata.name"},
			[]string{"c metadata.name crds/c.yaml:5"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := chart(t, tc.text)
			if diff := cmp.Diff(places(t, read(t, &helm.Source{Path: dir}), dir, tc.paths...), tc.want); diff != "" {
				t.Error("-got +want\n", diff)
			}
		})
	}
}

func TestValuesInForceAreTold(t *testing.T) {
	t.Parallel()
	dir := chart(t, "-- templates/a.yaml --\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n  annotations:\n    a: {{ .Values.m.x }}{{ .Values.s }}\n    b: {{ .Values.db.password }}{{ .Values.none }}\n"+
		"-- values.yaml --\nname: a\nm: {x: 1}\ns: 2\ndb: {password: hunter2}\n-- v.yaml --\nm: {x: 7}\n")
	values := filepath.Join(dir, "v.yaml")
	inv := read(t, &helm.Source{Path: dir, ValueFiles: []string{values}, Set: []string{"s=3"}})
	if len(inv.Objects) != 1 {
		t.Fatalf("%d objects, want 1", len(inv.Objects))
	}
	want := map[int32][]inventory.Value{
		4: {{Key: "name", Value: "a", From: "values.yaml"}},
		6: {{Key: "m.x", Value: "7", From: values}, {Key: "s", Value: "3", From: "--set"}},
		7: {{Key: "db.password", Value: "***", From: "values.yaml"}, {Key: "none", Value: "not set", From: "values.yaml"}},
	}
	if diff := cmp.Diff(inv.Objects[0].Origin.Values, want); diff != "" {
		t.Error("-got +want\n", diff)
	}
}

func TestNotesAndTestsAreNoObjects(t *testing.T) {
	t.Parallel()
	hook := func(name, kind string) string {
		return "-- templates/" + name + ".yaml --\napiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\n  annotations: {helm.sh/hook: \"" + kind + "\"}\n"
	}
	inv := read(t, &helm.Source{Path: chart(t, hook("tests/t", "test")+hook("s", "test-success,test-failure")+hook("p", "pre-install, test")+
		"-- templates/NOTES.txt --\napiVersion: v1\nkind: Pod\n-- templates/_part.yaml --\napiVersion: v1\nkind: Pod\n")})
	var got []string
	for _, o := range inv.Objects {
		got = append(got, o.Name)
	}
	if diff := cmp.Diff(got, []string{"p"}); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if diff := cmp.Diff(inv.Skipped, map[string]int{"test of a chart": 2}); diff != "" {
		t.Error("skipped: -got +want\n", diff)
	}
}

// gapWith wants exactly one gap, broken, at a place and with some words.
func gapWith(t *testing.T, inv *inventory.Inventory, place, want string) {
	t.Helper()
	if len(inv.Gaps) != 1 {
		t.Fatalf("%d gaps %v, want one", len(inv.Gaps), inv.Gaps)
	}
	g := inv.Gaps[0]
	if got := fmt.Sprintf("%s:%d", g.File, g.Line); got != place {
		t.Errorf("the gap is at %s, want %s", got, place)
	}
	if !g.Broken || !strings.Contains(g.Why, want) || strings.Contains(g.Why, "redoubtEnter") {
		t.Errorf("the gap is %t %q, want broken with %q", g.Broken, g.Why, want)
	}
}

func TestBrokenCharts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		source     helm.Source
		place      string
		want       string
	}{
		{"a template that fails", pod(`{{ fail "no luck" }}`), helm.Source{}, "templates/a.yaml:6", "no luck"},
		{"a value that is required", pod(`{{ required "set .x" .Values.x }}`), helm.Source{}, "templates/a.yaml:6", "set .x"},
		{"a template that does not parse", pod(`{{ if }}`), helm.Source{}, "templates/a.yaml:6", "missing value for if"},
		{"a helper that is not there", pod(`{{ include "gone" . }}`), helm.Source{}, "templates/a.yaml:6", `include "gone" .`},
		{"the environment of this machine", pod(`{{ env "HOME" }}`), helm.Source{}, "templates/a.yaml:6", `function "env" not defined`},
		{"the environment of this machine, within a text", pod(`{{ expandenv "$HOME" }}`), helm.Source{}, "templates/a.yaml:6", `function "expandenv" not defined`},
		{"output that is no YAML", pod(`[`), helm.Source{}, "templates/a.yaml:6", "invalid YAML"},
		{"values that are no YAML", pod("x") + "-- values.yaml --\na: [\n", helm.Source{}, "Chart.yaml:0", "values.yaml"},
		{"a Chart.yaml without a name", "-- Chart.yaml --\napiVersion: v2\n", helm.Source{}, "Chart.yaml:0", "name"},
		{"values the schema refuses", pod("x") + "-- values.schema.json --\n{\"required\": [\"n\"]}\n", helm.Source{}, "values.yaml:0", "'n'"},
		{"a --set that is broken", pod("x"), helm.Source{Set: []string{"a"}}, ":0", "--set a:"},
		{"include that calls itself without end", pod(`{{ include "h" . }}`) + "-- templates/_h.tpl --\n{{ define \"h\" }}{{ include \"h\" . }}{{ end }}\n", helm.Source{}, "templates/a.yaml:6", "calls itself without end"},
		{"tpl that calls itself without end", pod(`{{ tpl .Values.t . }}`) + "-- values.yaml --\nt: '{{ tpl .Values.t . }}'\n", helm.Source{}, "templates/a.yaml:6", "calls itself without end"},
		{"a text repeated very often", pod(`{{ repeat 1000000000 "x" }}`), helm.Source{}, "templates/a.yaml:6", "repeat 1000000000 times"},
		{"a text repeated so often that the length overflows", pod(`{{ repeat 9223372036854775807 "xx" }}`), helm.Source{}, "templates/a.yaml:6", "times"},
		{"a list of very many numbers", pod(`{{ range until 1000000000 }}x{{ end }}`), helm.Source{}, "templates/a.yaml:6", "a list of 1000000000 numbers"},
		{"a sequence of very many numbers", pod(`{{ seq 1 1000000000 }}`), helm.Source{}, "templates/a.yaml:6", "numbers"},
		{"a long random text", pod(`{{ randAlphaNum 1000000000 }}`), helm.Source{}, "templates/a.yaml:6", "more than 16 MiB"},
		{"a deep indentation", pod(`{{ indent 1000000000 "x" }}`), helm.Source{}, "templates/a.yaml:6", "indent by 1000000000"},
		{"a replacement that grows", pod(`{{ $s := repeat 10000 "x" }}{{ replace "x" $s $s }}`), helm.Source{}, "templates/a.yaml:6", "more than 16 MiB"},
		{"a text that doubles", pod(`{{ $s := "x" }}{{ range until 60 }}{{ $s = printf "%s%s" $s $s }}{{ end }}`), helm.Source{}, "templates/a.yaml:6", "more than 16 MiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.source.Path = chart(t, tc.text)
			place := tc.place
			if strings.HasPrefix(place, ":") {
				place = tc.source.Path + place
			} else {
				place = tc.source.Path + "/" + place
			}
			gapWith(t, read(t, &tc.source), place, tc.want)
		})
	}
}

func TestATemplateThatCallsItselfWithoutEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, body, want string }{
		{"directly", `{{ template "h" . }}`, "exceeded maximum template depth"},
		{"by a text that is put together", `{{ tpl (print "{{tem" "plate \"h\" .}}") . }}`, "include or tpl calls itself without end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := chart(t, pod(`{{ template "h" . }}`)+"-- templates/_h.tpl --\n{{ define \"h\" }}"+tc.body+"{{ end }}\n")
			inv := read(t, &helm.Source{Path: dir})
			if len(inv.Gaps) == 0 || inv.Gaps[0].File != dir+"/templates/_h.tpl" || inv.Gaps[0].Line != 1 || !strings.Contains(inv.Gaps[0].Why, tc.want) {
				t.Errorf("gaps %v, want the first at the helper", inv.Gaps)
			}
			if len(inv.Objects) != 0 {
				t.Errorf("%d objects, want none", len(inv.Objects))
			}
		})
	}
}

func TestValuesFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := chart(t, pod("x")+"-- broken.yaml --\na: [\n")
	gapWith(t, read(t, &helm.Source{Path: dir, ValueFiles: []string{dir + "/gone.yaml"}}), dir+"/gone.yaml:0", "named by --values")
	gapWith(t, read(t, &helm.Source{Path: dir, ValueFiles: []string{dir + "/broken.yaml"}}), dir+"/broken.yaml:0", "values file:")
	gapWith(t, read(t, &helm.Source{Path: dir + "/gone"}), dir+"/gone:0", "no such file")
}

func TestARunWithoutEndIsCutOff(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, expression string }{
		{"loops that call functions", `{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}`},
		{"loops that call none", `{{ $l := until 1000 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := chart(t, pod(tc.expression))
			gapWith(t, read(t, &helm.Source{Path: dir, Timeout: 300 * time.Millisecond}), dir+":0", "without end")
		})
	}
}

func TestABrokenTemplateDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	dir := chart(t, pod("x")+"-- templates/b.yaml --\n{{ fail \"b\" }}\n-- templates/c.yaml --\n{{ .Values.x.y.z }}\n")
	inv := read(t, &helm.Source{Path: dir})
	var got []string
	for _, g := range inv.Gaps {
		got = append(got, fmt.Sprintf("%s:%d", strings.TrimPrefix(g.File, dir), g.Line))
	}
	if diff := cmp.Diff(got, []string{"/templates/b.yaml:1", "/templates/c.yaml:1"}); diff != "" {
		t.Error("gaps: -got +want\n", diff)
	}
	if len(inv.Objects) != 1 || inv.Objects[0].Name != "a" {
		t.Errorf("objects %v, want the one of a.yaml", inv.Objects)
	}
}

func TestMissingDependenciesAreTold(t *testing.T) {
	t.Parallel()
	dir := chart(t, "-- Chart.yaml --\napiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n- {name: redis, version: 1.0.0, repository: https://charts.invalid}\n"+pod("x"))
	inv := read(t, &helm.Source{Path: dir})
	if len(inv.Gaps) != 1 || inv.Gaps[0].Broken || !strings.Contains(inv.Gaps[0].Why, "redis") {
		t.Errorf("gaps %v, want one about redis that is not the input's fault", inv.Gaps)
	}
	if len(inv.Objects) != 1 {
		t.Errorf("%d objects, want 1", len(inv.Objects))
	}
}

func TestNoSchemaIsFetched(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("a request for %s", r.URL)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	for _, tc := range []struct{ name, schema string }{
		{"by a reference", `{"$ref": "` + server.URL + `/a.json"}`},
		{"by a reference deep within", `{"properties": {"a": {"anyOf": [{"$ref": "` + server.URL + `/a.json"}]}}}`},
		{"by a reference relative to an id", `{"$id": "` + server.URL + `/x/", "properties": {"a": {"$ref": "a.json"}}}`},
		{"by the schema's own schema", `{"$schema": "` + server.URL + `/meta"}`},
		{"by a key that is spelled with escapes", `{"\u0024ref": "` + server.URL + `/a.json"}`},
		{"from the disk", `{"$ref": "file:///etc/hosts"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := chart(t, pod("x")+"-- values.schema.json --\n"+tc.schema+"\n")
			if got := annotation(t, read(t, &helm.Source{Path: dir})); got != "x" {
				t.Errorf("got %q, want x", got)
			}
		})
	}
}

func TestLinksInAChartAreNotFollowed(t *testing.T) {
	t.Parallel()
	dir := chart(t, pod(`{{ .Files.Get "secret" | quote }}`))
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"secret": secret, "templates/loop": "..", "templates/out": filepath.Dir(secret), "gone": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if got := annotation(t, read(t, &helm.Source{Path: dir})); got != "" {
		t.Errorf("the chart reads %q through a link", got)
	}
}

func TestHelmignoreIsHonoured(t *testing.T) {
	t.Parallel()
	dir := chart(t, pod(`{{ .Files.Get "b.txt" | quote }}`)+"-- .helmignore --\n*.txt\ntemplates/c.yaml\n-- b.txt --\nx\n-- templates/c.yaml --\n{{ fail \"x\" }}\n")
	if got := annotation(t, read(t, &helm.Source{Path: dir})); got != "" {
		t.Errorf("an ignored file is read: %q", got)
	}
}

func TestTheResultIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(pod(`{{ randAlphaNum 20 }}-{{ uuidv4 }}`))
	for i := range 4 {
		name := fmt.Sprintf("s%d", i)
		fmt.Fprintf(&text, "-- charts/%s/Chart.yaml --\napiVersion: v2\nname: %s\nversion: 1.0.0\n-- charts/%s/templates/a.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: %s-{{ randAlpha 5 }}}\n", name, name, name, name)
	}
	dir := chart(t, text.String())
	all := func() []string {
		var out []string
		for _, o := range read(t, &helm.Source{Path: dir}).Objects {
			out = append(out, string(o.Root.JSON()))
		}
		return out
	}
	first := all()
	if len(first) != 5 {
		t.Fatalf("%d objects, want 5", len(first))
	}
	for range 5 {
		if diff := cmp.Diff(all(), first); diff != "" {
			t.Fatal(diff)
		}
	}
}
