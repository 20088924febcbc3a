package decode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// file decodes a text and sums up what came out: a line "object JSON" for each
// object, "foreign N", and a line for each fault.
func file(name, text string, limits decode.Limits) []string {
	res, err := decode.File([]byte(text), &inventory.Origin{File: name}, limits)
	var out []string
	for _, o := range res.Objects {
		out = append(out, fmt.Sprintf("%s %s %s", o.APIVersion, o.Kind, o.Root.JSON()))
	}
	if res.Foreign > 0 {
		out = append(out, fmt.Sprintf("foreign %d", res.Foreign))
	}
	for _, f := range decode.Faults(err) {
		if f.Foreign {
			out = append(out, "foreign fault "+f.Error())
		} else {
			out = append(out, f.Error())
		}
	}
	return out
}

type fileCase struct {
	name, file, text string
	want             []string
}

func checkFiles(t *testing.T, cases []fileCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.file == "" {
				c.file = "a.yaml"
			}
			if diff := cmp.Diff(c.want, file(c.file, c.text, decode.DefaultLimits())); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

const (
	podA = `v1 Pod {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}`
	podB = `v1 Pod {"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}`
	// yamlA and yamlB are their sources.
	yamlA = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	yamlB = "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n"
	jsonA = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}`
	jsonB = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}`
)

func TestDocumentsOfAFile(t *testing.T) {
	t.Parallel()
	checkFiles(t, []fileCase{
		{name: "two documents are two objects", text: yamlA + "---\n" + yamlB, want: []string{podA, podB}},
		{name: "a separator may carry a comment", text: "--- # one\n" + yamlA + "--- # two\n" + yamlB, want: []string{podA, podB}},
		{name: "empty documents are nothing", text: "---\n---\n# only a comment\n---\n\n" + yamlA + "---\nnull\n---\n~\n---", want: []string{podA}},
		{name: "an empty file is nothing", text: ""},
		{name: "a file of blanks is nothing", text: "\n \n\t\n"},
		{name: "a file of comments is nothing", text: "# nothing here\n"},
		{name: "a document may end with three dots", text: yamlA + "...\n---\n" + yamlB + "...\n", want: []string{podA, podB}},
		{name: "directives belong to the document after them", text: "# head\n%YAML 1.1\n---\n" + yamlA, want: []string{podA}},
		{name: "line ends of Windows are line ends", text: strings.ReplaceAll(yamlA+"---\n"+yamlB, "\n", "\r\n"), want: []string{podA, podB}},
		{name: "a byte order mark is no text", text: "\ufeff" + yamlA, want: []string{podA}},
		{name: "UTF-16 as Windows writes it is read", text: utf16("\xff\xfe", yamlA, 0), want: []string{podA}},
		{name: "UTF-16 with the high byte first is read", text: utf16("\xfe\xff", yamlA, 1), want: []string{podA}},
		{name: "a pair of UTF-16 surrogates is one character", text: "\xff\xfea\x00:\x00 \x00\x3d\xd8\x00\xde", want: []string{"foreign 1"}},
		{name: "other YAML is foreign", text: "replicas: 3\n---\n- a\n---\njust words\n", want: []string{"foreign 3"}},
		{
			name: "a separator ends a document even within a block of text", text: "apiVersion: v1\nkind: A\ntext: |\n  one\n---\n" + yamlB,
			want: []string{`v1 A {"apiVersion":"v1","kind":"A","text":"one\n"}`, podB},
		},
		{name: "an indented separator is text", text: "apiVersion: v1\nkind: A\ntext: |\n  ---\n", want: []string{`v1 A {"apiVersion":"v1","kind":"A","text":"---\n"}`}},
		{name: "a kind in the wrong letter case is still an object", text: "apiversion: v1\nKind: Pod\n", want: []string{`v1 Pod {"apiversion":"v1","Kind":"Pod"}`}},
		{
			name: "a kind without an apiVersion is broken", text: "---\nkind: Pod\nmetadata: {name: a}\n",
			want: []string{"a.yaml:2: the object says kind Pod but no apiVersion; the API server refuses it (add apiVersion)"},
		},
		{
			name: "an apiVersion without a kind is broken", text: "apiVersion: v1\nspec: {}\n",
			want: []string{"a.yaml:1: the object says apiVersion v1 but no kind; the API server refuses it (add kind)"},
		},
		{name: "a kind alone is foreign", text: "kind: compose\nservices: {}\n", want: []string{"foreign 1"}},
	})
}

// utf16 writes ASCII in UTF-16, with the low byte at a position of its pair.
func utf16(mark, ascii string, low int) string {
	out := []byte(mark)
	for _, c := range []byte(ascii) {
		pair := [2]byte{}
		pair[low] = c
		out = append(out, pair[:]...)
	}
	return string(out)
}

func TestJSONFiles(t *testing.T) {
	t.Parallel()
	checkFiles(t, []fileCase{
		{name: "a JSON object is an object", file: "a.json", text: jsonA, want: []string{podA}},
		{name: "JSON values may follow each other", file: "a.json", text: jsonA + jsonB + "\n" + jsonA, want: []string{podA, podB, podA}},
		{name: "JSON values may follow each other in a file named yaml", text: jsonA + "\n" + jsonB, want: []string{podA, podB}},
		{name: "JSON values may follow each other on standard input", file: "-", text: jsonA + "\n" + jsonB, want: []string{podA, podB}},
		{name: "JSON documents may be separated as in YAML", file: "a.json", text: jsonA + "\n---\n" + jsonB, want: []string{podA, podB}},
		{name: "YAML in a file named json is read as kubectl does", file: "a.json", text: yamlA, want: []string{podA}},
		{name: "flow style YAML that starts like JSON is read", file: "-", text: `{apiVersion: v1, kind: "Pod", metadata: {name: a}}`, want: []string{podA}},
		{name: "JSON with comments is read as YAML", file: "a.json", text: "{\n# note\n" + jsonA[1:], want: []string{podA}},
		{
			name: "escapes of JSON are understood in a file named yaml", text: `{"apiVersion":"v1","kind":"A","a":"\ud83d\ude00\/"}`,
			want: []string{`v1 A {"apiVersion":"v1","kind":"A","a":"😀/"}`},
		},
		{name: "a JSON list of other things is foreign", file: "a.json", text: `[1, 2]`, want: []string{"foreign 1"}},
		{name: "an empty JSON file is nothing", file: "a.json", text: " \n"},
		{
			name: "words in JSON keep their type", file: "a.json", text: `{"apiVersion":"v1","kind":"A","a":["yes",true,null,1.50,-0,1e3,12345678901234567890]}`,
			want: []string{`v1 A {"apiVersion":"v1","kind":"A","a":["yes",true,null,1.50,-0,1e3,12345678901234567890]}`},
		},
		{
			name: "truncated JSON says so", file: "a.json", text: "{\"apiVersion\":\"v1\",\n\"kind\":\"Pod\",\n\"spec\":{",
			want: []string{"a.json:3: invalid JSON: the file ends in the middle of a value"},
		},
		{
			name: "what stands before a fault is kept", file: "a.json", text: jsonA + jsonB + "\n" + `{"apiVersion":"v1",,"kind":"Pod"}`,
			want: []string{podA, podB, "a.json:2: invalid JSON: invalid character ',' looking for beginning of object key string"},
		},
		{
			name: "broken JSON of something else is foreign", file: "a.json", text: `{"a": tru`,
			want: []string{"foreign fault a.json:1: invalid JSON: the file ends in the middle of a value"},
		},
		{
			name: "broken minified JSON in a file named yaml is not foreign", text: jsonA + jsonB + `}`,
			want: []string{podA, podB, "a.yaml:1: invalid JSON: invalid character '}' looking for beginning of value"},
		},
	})
}

func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	checkFiles(t, []fileCase{
		{
			name: "a broken document does not hide the others", text: yamlA + "---\napiVersion: v1\nkind: Pod\nspec: {\n---\n" + yamlB,
			want: []string{podA, podB, "a.yaml:7: invalid YAML: did not find expected node content"},
		},
		{
			name: "a tab for indentation is named", text: "apiVersion: v1\nkind: Pod\nspec:\n\thostPID: true\n",
			want: []string{"a.yaml:4: invalid YAML: found character that cannot start any token (a tab is used for indentation; YAML allows spaces only)"},
		},
		{
			name: "a template is named", text: "apiVersion: v1\nkind: Pod\n{{- if .Values.a }}\nspec: {}\n{{- end }}\n",
			want: []string{"a.yaml:3: invalid YAML: could not find expected ':' (this looks like a template; scan the chart folder that has the Chart.yaml instead)"},
		},
		{name: "a template that parses is named", text: "apiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    {{ .Values.labels }}\n", want: []string{"a.yaml:5: a map key must be a string (this looks like a template; scan the chart folder that has the Chart.yaml instead)"}},
		{name: "broken YAML of something else is foreign", text: "a: [\n", want: []string{"foreign fault a.yaml:1: invalid YAML: did not find expected node content"}},
		{
			name: "broken flow style with an apiVersion and a kind is not foreign", text: `- {apiVersion: v1, kind: Pod, spec: {]}`,
			want: []string{"a.yaml:1: invalid YAML: did not find expected node content"},
		},
		{name: "an alias without an anchor is broken", text: "apiVersion: v1\nkind: A\na: *b\n", want: []string{"a.yaml:1: invalid YAML: unknown anchor 'b' referenced"}},
		{name: "binary is foreign", text: "\x7fELF\x00\x00", want: []string{"foreign fault a.yaml: the file is binary, not text"}},
		{name: "an object with a zero byte is broken", text: yamlA + "\x00", want: []string{"a.yaml: the file is binary, not text"}},
		{name: "text that is not UTF-8 is broken", text: yamlA + "# \xe9t\xe9\n", want: []string{"a.yaml:4: invalid YAML: invalid trailing UTF-8 octet (the text is not UTF-8; save it as UTF-8)"}},
	})
}

func TestLists(t *testing.T) {
	t.Parallel()
	list := func(kind, items string) string { return "apiVersion: v1\nkind: " + kind + "\nitems:\n" + items }
	nested := strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, 20) + jsonA + strings.Repeat("]}", 20)
	checkFiles(t, []fileCase{
		{name: "a List is taken apart", text: list("List", "- "+jsonA+"\n- "+jsonB+"\n"), want: []string{podA, podB}},
		{name: "an empty List is foreign", text: "apiVersion: v1\nkind: List\nitems: []\n", want: []string{"foreign 1"}},
		{name: "a List without items is an object", text: "apiVersion: v1\nkind: List\n", want: []string{`v1 List {"apiVersion":"v1","kind":"List"}`}},
		{name: "items of a typed list get its type", text: list("PodList", "- metadata: {name: a}\n"), want: []string{`v1 Pod {"metadata":{"name":"a"}}`}},
		{name: "items of a typed list may say their own type", text: list("PodList", "- "+jsonA+"\n"), want: []string{podA}},
		{name: "Lists within Lists are taken apart at any depth", file: "a.json", text: nested, want: []string{podA}},
		{
			name: "an item without a type is refused", text: list("List", "- "+jsonA+"\n- metadata: {name: b}\n"),
			want: []string{podA, "a.yaml:5: an item of the list says neither apiVersion nor kind; the API server refuses it (add both)"},
		},
		{
			name: "an item without an apiVersion is refused", text: list("List", "- kind: Pod\n"),
			want: []string{"a.yaml:4: the object says kind Pod but no apiVersion; the API server refuses it (add apiVersion)"},
		},
		{
			name: "an item without a kind is refused", text: list("PodList", "- apiVersion: v1\n"),
			want: []string{"a.yaml:4: the object says apiVersion v1 but no kind; the API server refuses it (add kind)"},
		},
		{name: "items that are no maps are nothing", text: list("List", "- a\n- null\n- "+jsonA+"\n"), want: []string{podA}},
		{
			name: "objects under items are found in a kind that is no list", text: list("ConfigMap", "- "+jsonA+"\n"),
			want: []string{`v1 ConfigMap {"apiVersion":"v1","kind":"ConfigMap","items":[` + jsonA + `]}`, podA},
		},
		{
			name: "plain items of a kind that is no list stay in it", text: list("Menu", "- {dish: soup}\n"),
			want: []string{`v1 Menu {"apiVersion":"v1","kind":"Menu","items":[{"dish":"soup"}]}`},
		},
		{
			name: "a kind that ends in List without items is an object", text: "apiVersion: x/v1\nkind: AllowList\nspec: {}\n",
			want: []string{`x/v1 AllowList {"apiVersion":"x/v1","kind":"AllowList","spec":{}}`},
		},
	})
}
