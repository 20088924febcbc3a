package waiver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redoubt-k8s/redoubt/internal/waiver"
)

const full = `# What we decided.
version: 1
waivers:
  - control: privileged
    object: {kind: DaemonSet, namespace: kube-*, name: cni, container: install, file: deploy/**, labels: {tier: node}}
    reason: The plugin writes to the host.
    owner: network
    expires: 2027-01-31
  - control: "*-probe"
    reason: ""
exclude: [testdata, "*.tmp.yaml"]
images:
  - {image: "shop/*", user: 10001}
  - {image: "shop/web:1.2", digest: "` + digest + `"}
`

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseConfigReadsEveryField(t *testing.T) {
	t.Parallel()
	want := waiver.Config{
		Version: 1,
		Waivers: []waiver.Entry{
			{
				Control: "privileged", Reason: "The plugin writes to the host.", Owner: "network", Expires: "2027-01-31",
				Object: waiver.Selector{Kind: "DaemonSet", Namespace: "kube-*", Name: "cni", Container: "install", File: "deploy/**", Labels: map[string]string{"tier": "node"}},
			},
			{Control: "*-probe"},
		},
		Exclude: []string{"testdata", "*.tmp.yaml"},
		Images:  []waiver.Image{{Image: "shop/*", User: 10001}, {Image: "shop/web:1.2", User: waiver.NoUser, Digest: digest}},
	}
	for name, text := range map[string]string{
		"as it is":                      full,
		"after a document marker":       "---\n" + full,
		"after comments and a marker":   "# head\n\n--- # here\n" + full,
		"after a directive":             "%YAML 1.1\n---\n" + full,
		"with a byte order mark":        "\xef\xbb\xbf" + full,
		"with the line ends of Windows": strings.ReplaceAll(full, "\n", "\r\n"),
		"without a last line end":       strings.TrimSuffix(full, "\n"),
		"with two columns of indent":    "  " + strings.TrimSuffix(strings.ReplaceAll(full, "\n", "\n  "), "  "),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := waiver.ParseConfig(".redoubt.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(waiver.Entry{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseConfigTakes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a file with only a version":         "version: 1\n",
		"lists that are left empty":          "version: 1\nwaivers:\nexclude:\nimages: []\n",
		"a map in braces":                    "{version: 1, waivers: [{control: x}]}",
		"JSON":                               "{\n\t\"version\": 1,\n\t\"waivers\": [{\"control\": \"x\"}]\n}\n",
		"a reason of several lines":          "version: 1\nwaivers:\n- control: x\n  reason: |\n    one\n\n    --- two\n  owner: me\n",
		"an anchor":                          "version: 1\nwaivers:\n- &a {control: x, reason: r}\n- {<<: *a, control: z}\n",
		"an expiry in quotes":                "version: 1\nwaivers:\n- {control: x, expires: \"2028-02-29\"}\n",
		"a label with an empty value":        "version: 1\nwaivers:\n- {control: x, object: {labels: {a: \"\"}}}\n",
		"a user and a digest":                "version: 1\nimages:\n- {image: x, user: 1, digest: \"" + digest + "\"}\n",
		"user 0":                             "version: 1\nimages:\n- {image: x, user: 0}\n",
		"a comment with a marker in it only": "version: 1 # ---\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := waiver.ParseConfig("r.yaml", []byte(text)); err != nil || got.Version != 1 {
				t.Errorf("version %d, error %v; want version 1 and no error", got.Version, err)
			}
		})
	}
}

func TestParseConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"an empty file":                {"", []string{"r.yaml: the file is empty"}},
		"a file of comments":           {"# nothing\n", []string{"r.yaml: the file is empty"}},
		"a list":                       {"- a\n", []string{"r.yaml:1: the configuration is a list: want a map"}},
		"a word":                       {"hello\n", []string{`r.yaml:1: the configuration is "hello": want a map`}},
		"no version":                   {"waivers: []\n", []string{"r.yaml:1: the version is missing"}},
		"another version":              {"\nversion: 2\n", []string{"r.yaml:2: version is 2: want version: 1"}},
		"a version in quotes":          {"version: \"1\"\n", []string{`r.yaml:1: version is "1"`}},
		"an unknown field":             {"version: 1\nwaiver: []\n", []string{`r.yaml:2: the configuration has no field "waiver": it knows exclude, facts, images, version, waivers`}},
		"a field in other letters":     {"version: 1\nWaivers: []\n", []string{`r.yaml:2: the configuration has no field "Waivers"`}},
		"an unknown field of a waiver": {"version: 1\nwaivers:\n- control: x\n  until: 2027-01-01\n", []string{`r.yaml:4: a waiver has no field "until": it knows control, expires, object, owner, reason`}},
		"an unknown field of object":   {"version: 1\nwaivers:\n- control: x\n  object:\n    nam: x\n", []string{`r.yaml:5: object has no field "nam"`}},
		"fields that slipped out of the object": {
			"version: 1\nwaivers:\n- control: x\n  object:\n  name: y\n",
			[]string{"r.yaml:4: object is empty", `r.yaml:5: a waiver has no field "name"`},
		},
		"a selector left empty, which would match all":    {"version: 1\nwaivers:\n- control: x\n  object:\n    name: \"\"\n", []string{`r.yaml:5: name is "": want a name or a glob`}},
		"labels left empty, which would match all":        {"version: 1\nwaivers:\n- control: x\n  object: {kind: Pod, labels: }\n", []string{"r.yaml:4: labels is empty"}},
		"a label that is a number":                        {"version: 1\nwaivers:\n- control: x\n  object: {labels: {a: 1}}\n", []string{`r.yaml:4: label "a" is 1: want text`}},
		"a waiver without control":                        {"version: 1\nwaivers:\n- reason: r\n", []string{"r.yaml:3: the waiver names no control"}},
		"a waiver with an empty control":                  {"version: 1\nwaivers:\n- control:\n", []string{"r.yaml:3: control is empty"}},
		"a waiver that is a word":                         {"version: 1\nwaivers: [x]\n", []string{`r.yaml:2: a waiver is "x": want a map`}},
		"waivers that are a map":                          {"version: 1\nwaivers: {control: x}\n", []string{"r.yaml:2: waivers is a map: want a list"}},
		"a glob that is none":                             {"version: 1\nwaivers:\n- control: \"[x\"\n- control: x\n  object: {name: \"a[\"}\n", []string{"r.yaml:3: control is", "r.yaml:5: name is"}},
		"a day that does not exist":                       {"version: 1\nwaivers:\n- control: x\n  expires: 2027-02-29\n", []string{`r.yaml:4: expires is "2027-02-29": want a date`}},
		"a moment instead of a day":                       {"version: 1\nwaivers:\n- control: x\n  expires: 2027-01-31T00:00:00Z\n", []string{"r.yaml:4: expires is"}},
		"a day in another order":                          {"version: 1\nwaivers:\n- control: x\n  expires: 31.01.2027\n", []string{"r.yaml:4: expires is"}},
		"a year as expiry":                                {"version: 1\nwaivers:\n- control: x\n  expires: 2027\n", []string{"r.yaml:4: expires is 2027: want text"}},
		"an owner that is a list":                         {"version: 1\nwaivers:\n- control: x\n  owner: [a]\n", []string{"r.yaml:4: owner is a list"}},
		"a field given twice":                             {"version: 1\nwaivers:\n- control: x\n  owner: a\n  owner: b\n", []string{"r.yaml:5: \"waivers[0].owner\" is given already on line 4"}},
		"waivers given twice":                             {"version: 1\nwaivers: []\nwaivers: []\n", []string{`r.yaml:3: "waivers" is given already on line 2`}},
		"broken YAML":                                     {"version: 1\nwaivers: [\n", []string{"r.yaml:", "invalid YAML"}},
		"a tab for indentation":                           {"version: 1\nwaivers:\n- control: x\n\tobject: {}\n", []string{"r.yaml:4: ", "a tab"}},
		"a second document":                               {"version: 1\n---\nwaivers: []\n", []string{"r.yaml:2: the file holds more than one YAML document"}},
		"text after the end of the document":              {"version: 1\n...\nwaivers: []\n", []string{"r.yaml:2: the file holds more than one YAML document"}},
		"a line end that only YAML sees":                  {"version: 1\u0085waivers: []\n", []string{"r.yaml:"}},
		"a carriage return that hides a field":            {"version: 1\rwaivers: []\n", []string{"r.yaml:"}},
		"a field of the shell it is read in":              {"version: 1\u2028kind: List\u2028items: []\n", []string{"r.yaml:"}},
		"a null byte":                                     {"version: 1\x00", []string{"r.yaml: the file is binary"}},
		"an image without user, which would read as root": {"version: 1\nimages:\n- image: x\n", []string{"r.yaml:3: the image has no user, digest or writable folders"}},
		"an image without name":                           {"version: 1\nimages:\n- user: 1\n", []string{"r.yaml:3: the image has no image"}},
		"a digest that is too short":                      {"version: 1\nimages:\n- {image: x, digest: \"sha256:0123\"}\n", []string{`r.yaml:3: digest is "sha256:0123"`}},
		"a digest in capitals":                            {"version: 1\nimages:\n- {image: x, digest: \"" + strings.ToUpper(digest) + "\"}\n", []string{"r.yaml:3: digest is"}},
		"a digest that is empty":                          {"version: 1\nimages:\n- {image: x, digest: }\n", []string{"r.yaml:3: digest is empty"}},
		"a digest of a glob":                              {"version: 1\nimages:\n- {image: \"x/*\", digest: \"" + digest + "\"}\n", []string{`r.yaml:3: the image "x/*" is a glob`}},
		"a digest of an image that has one":               {"version: 1\nimages:\n- {image: \"x@" + digest + "\", digest: \"" + digest + "\"}\n", []string{"has a digest already"}},
		"a user that is a name":                           {"version: 1\nimages:\n- {image: x, user: nobody}\n", []string{`r.yaml:3: user is "nobody"`}},
		"a user below zero":                               {"version: 1\nimages:\n- {image: x, user: -1}\n", []string{"r.yaml:3: user is -1"}},
		"an empty exclude, which would match all":         {"version: 1\nexclude: [\"\"]\n", []string{`r.yaml:2: a glob of exclude is ""`}},
		"nested aliases that grow":                        {bomb(), []string{"r.yaml:", "more than 500000 values"}},
		"deep nesting":                                    {"version: 1\nwaivers: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), []string{"nested deeper than 20"}},
		"a large file":                                    {"version: 1 #" + strings.Repeat("x", 4<<20), []string{"r.yaml: the file is larger than 4 MiB"}},
		"more faults than anybody reads":                  {"version: 1\n" + many(100), []string{"r.yaml: and 80 more faults"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := waiver.ParseConfig("r.yaml", []byte(c.text))
			if err == nil {
				t.Fatalf("no error, got %+v", got)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want %q in it", err, want)
				}
			}
			if diff := cmp.Diff(waiver.Config{}, got, cmpopts.IgnoreUnexported(waiver.Entry{})); diff != "" {
				t.Errorf("a refused file has content:\n%s", diff)
			}
		})
	}
}

// bomb is a text whose aliases expand to a million values.
func bomb() string {
	var b strings.Builder
	b.WriteString("version: 1\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 6; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	return b.String()
}

// many is a text with unknown fields.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "field%d: x\n", i)
	}
	return b.String()
}

func FuzzParseConfig(f *testing.F) {
	f.Add(full)
	f.Add("---\nversion: 1\nwaivers:\n- control: '[a'\n  expires: 2027-02-30\n")
	f.Add("{\"version\": 1}")
	f.Add("version: 1\u0085waivers: []")
	f.Add("version: 1\n...\n---\nkind: List\nitems: [{kind: x, apiVersion: y}]")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimPrefix(text, "\xef\xbb\xbf")
		got, err := waiver.ParseConfig("r.yaml", []byte(text))
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "r.yaml:") {
					t.Errorf("the fault %q does not start with the file", line)
				}
			}
			return
		}
		if got.Version != 1 {
			t.Errorf("version %d was accepted", got.Version)
		}
		for _, e := range got.Waivers {
			if e.Control == "" {
				t.Error("a waiver without control was accepted")
			}
		}
		// What was read must read the same behind a document marker.
		again, err := waiver.ParseConfig("r.yaml", []byte("# head\n"+text))
		if err != nil {
			t.Fatalf("a comment in front makes it fail: %v", err)
		}
		if diff := cmp.Diff(got, again, cmpopts.IgnoreUnexported(waiver.Entry{})); diff != "" {
			t.Errorf("a comment in front changes it:\n%s", diff)
		}
	})
}
