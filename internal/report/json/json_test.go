package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/json"
	"github.com/redoubt-k8s/redoubt/internal/report/reporttest"
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(json.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const at = "mem:///report.json"
	if err := c.AddResource(at, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema(t).Validate(doc)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	got := reporttest.Render(t, json.Renderer{}, reporttest.Report())
	if !utf8.ValidString(got) {
		t.Error("the output is no UTF-8")
	}
	reporttest.Golden(t, "report.json", got)
}

func TestOutputIsWhatTheSchemaSays(t *testing.T) {
	t.Parallel()
	timed := reporttest.Report()
	timed.Scan.Started, timed.Scan.Seconds = time.Date(2027, 1, 31, 12, 0, 0, 5, time.FixedZone("", 3600)), 1.5
	for name, r := range map[string]*report.Report{
		"a report with everything":  reporttest.Report(),
		"a report with a time":      timed,
		"a report with nothing":     reporttest.Empty(),
		"a gap without controls":    {Schema: report.Schema, Gaps: []report.Gap{{What: "a", Why: "b"}}},
		"a report with much in it":  reporttest.Many(1, 2, 3, 4, 5),
		"a finding without a place": {Schema: report.Schema, Findings: []report.Finding{{Control: "x", Verdict: "unknown", Severity: "low"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := reflect.ValueOf(*r).FieldByName("Findings").IsNil()
			if err := validate(t, reporttest.Render(t, json.Renderer{}, r)); err != nil {
				t.Error(err)
			}
			if r.Findings == nil != before {
				t.Error("the report was changed")
			}
		})
	}
}

func TestTheSchemaRefuses(t *testing.T) {
	t.Parallel()
	good := reporttest.Render(t, json.Renderer{}, reporttest.Report())
	for name, change := range map[string]func(r map[string]any){
		"a field it does not know":                   func(r map[string]any) { r["extra"] = 1 },
		"a field of a finding it does not know":      func(r map[string]any) { one(r, "findings")["extra"] = 1 },
		"a field of a control it does not know":      func(r map[string]any) { one(r, "controls")["extra"] = 1 },
		"a field of a Pod Security level unknown":    func(r map[string]any) { one(r, "podSecurity")["extra"] = 1 },
		"another version":                            func(r map[string]any) { r["schema"] = "redoubt.report/v2" },
		"no findings":                                func(r map[string]any) { delete(r, "findings") },
		"findings that are null":                     func(r map[string]any) { r["findings"] = nil },
		"a verdict that is none":                     func(r map[string]any) { one(r, "findings")["verdict"] = "ok" },
		"a severity that is none":                    func(r map[string]any) { one(r, "findings")["severity"] = "none" },
		"a finding without fingerprint":              func(r map[string]any) { delete(one(r, "findings"), "fingerprint") },
		"a line below zero":                          func(r map[string]any) { within(one(r, "findings"), "location")["line"] = -1 },
		"a count that is no integer":                 func(r map[string]any) { within(r, "summary")["pass"] = 1.5 },
		"a count of failures that is missing":        func(r map[string]any) { delete(within(within(r, "summary"), "fail"), "info") },
		"a Pod Security level that is none":          func(r map[string]any) { one(r, "podSecurity")["level"] = "strict" },
		"a baseline state that is none":              func(r map[string]any) { one(r, "findings")["baseline"] = "old" },
		"a safety of a fix that is none":             func(r map[string]any) { within(one(r, "findings"), "fix")["safety"] = "" },
		"a moment that is none":                      func(r map[string]any) { within(r, "scan")["started"] = "today" },
		"a reason to skip that is no number of them": func(r map[string]any) { within(within(r, "scan"), "skipped")["x"] = "many" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r map[string]any
			if err := stdjson.Unmarshal([]byte(good), &r); err != nil {
				t.Fatal(err)
			}
			change(r)
			text, err := stdjson.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if validate(t, string(text)) == nil {
				t.Error("it was accepted")
			}
		})
	}
}

// one is the first entry of a list of r; it fails the test by a nil map.
func one(r map[string]any, list string) map[string]any {
	entries, _ := r[list].([]any)
	if len(entries) == 0 {
		return nil
	}
	entry, _ := entries[0].(map[string]any)
	return entry
}

func within(r map[string]any, field string) map[string]any {
	inner, _ := r[field].(map[string]any)
	return inner
}

// TestTheSchemaKnowsTheTypes holds the schema against the Go types: the same
// fields, of the same JSON types, required where Go always writes them, and
// nothing else allowed.
func TestTheSchemaKnowsTheTypes(t *testing.T) {
	t.Parallel()
	seen := make(map[reflect.Type]bool)
	compare(t, "report", reflect.TypeFor[report.Report](), schema(t), seen)
	// Excerpt is not written.
	for _, want := range []reflect.Type{
		reflect.TypeFor[report.Finding](), reflect.TypeFor[report.Waiver](), reflect.TypeFor[report.Value](),
		reflect.TypeFor[report.Maps](), reflect.TypeFor[report.PodSecurity](), reflect.TypeFor[report.Counts](),
	} {
		if !seen[want] {
			t.Errorf("%s was not compared", want)
		}
	}
}

func compare(t *testing.T, at string, typ reflect.Type, s *jsonschema.Schema, seen map[reflect.Type]bool) {
	t.Helper()
	for s.Ref != nil {
		s = s.Ref
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.Struct: "object", reflect.Map: "object", reflect.Slice: "array", reflect.String: "string",
		reflect.Int: "integer", reflect.Int32: "integer", reflect.Float64: "number",
	}[typ.Kind()]
	if typ == reflect.TypeFor[time.Time]() {
		want = "string"
	}
	var got []string
	if s.Types != nil {
		got = s.Types.ToStrings()
	}
	if s.Const == nil && s.Enum == nil && !slices.Equal(got, []string{want}) {
		t.Errorf("%s: the schema says type %v, Go writes %s", at, got, want)
	}
	switch {
	case typ == reflect.TypeFor[time.Time]():
	case typ.Kind() == reflect.Struct:
		fields(t, at, typ, s, seen)
	case typ.Kind() == reflect.Slice:
		items := s.Items2020
		if items == nil {
			t.Errorf("%s: the schema does not say what is in the list", at)
			return
		}
		compare(t, at+"[]", typ.Elem(), items, seen)
	case typ.Kind() == reflect.Map:
		values, ok := s.AdditionalProperties.(*jsonschema.Schema)
		if !ok {
			t.Errorf("%s: the schema does not say what is in the map", at)
			return
		}
		compare(t, at+"{}", typ.Elem(), values, seen)
	}
}

func fields(t *testing.T, at string, typ reflect.Type, s *jsonschema.Schema, seen map[reflect.Type]bool) {
	t.Helper()
	seen[typ] = true
	if strict, ok := s.AdditionalProperties.(bool); !ok || strict {
		t.Errorf("%s: the schema allows more fields", at)
	}
	var names, required []string
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		names = append(names, name)
		if options == "" {
			required = append(required, name)
		}
		if inner := s.Properties[name]; inner != nil {
			compare(t, at+"."+name, field.Type, inner, seen)
		}
	}
	known := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		known = append(known, name)
	}
	sorted := cmpopts.SortSlices(strings.Compare)
	if diff := cmp.Diff(known, names, sorted); diff != "" {
		t.Errorf("%s: fields of the schema and of Go differ, -schema +Go:\n%s", at, diff)
	}
	if diff := cmp.Diff(s.Required, required, sorted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: required fields of the schema and those Go always writes differ, -schema +Go:\n%s", at, diff)
	}
}

func TestReadGivesBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	want := reporttest.Report()
	got, err := json.Read(strings.NewReader(reporttest.Render(t, json.Renderer{}, want)))
	if err != nil {
		t.Fatal(err)
	}
	// Bytes that are no UTF-8 become marks, and excerpts stay behind.
	valid := cmp.Transformer("valid", func(s string) string { return strings.Join(strings.Split(string([]rune(s)), ""), "") })
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(report.Finding{}, "Excerpt"), cmpopts.EquateEmpty(), valid, cmpopts.IgnoreFields(report.Scan{}, "Skipped")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := reporttest.Render(t, json.Renderer{}, reporttest.Empty())
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                {"", "EOF"},
		"a report cut short":     {good[:len(good)/2], "unexpected EOF"},
		"another schema":         {`{"schema": "redoubt.report/v2"}`, `schema is "redoubt.report/v2", want "redoubt.report/v1"`},
		"another kind of JSON":   {`{"$schema": "sarif", "runs": []}`, `schema is ""`},
		"a list":                 {"[]", "cannot unmarshal array"},
		"text behind the report": {good + "{}", "more than one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := json.Read(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := json.Read(strings.NewReader(good + "\n \n")); err != nil {
		t.Errorf("blanks behind the report: %v", err)
	}
}
