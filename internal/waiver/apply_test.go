package waiver_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/waiver"
)

// now is in the middle of the day up to which most waivers here work.
var now = time.Date(2027, time.January, 31, 12, 0, 0, 0, time.UTC)

const shop = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {tier: front, empty: ""}
spec:
  template:
    metadata:
      name: web
    spec:
      containers:
      - name: app
        image: shop/web
      - name: proxy
        image: shop/proxy
`

func read(t *testing.T, file, manifest string) *inventory.Inventory {
	t.Helper()
	res, err := decode.File([]byte(manifest), &inventory.Origin{Kind: inventory.FromManifest, File: file}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(res.Objects...)
	inv.Seal()
	return inv
}

func parse(t *testing.T, text string) waiver.Config {
	t.Helper()
	cfg, err := waiver.ParseConfig(".redoubt.yaml", []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// fail is a failure of the first object.
func fail(inv *inventory.Inventory, control, path string) finding.Finding {
	return finding.Finding{Control: control, Verdict: finding.Fail, Severity: finding.High, Object: inv.Objects[0], Path: path, Message: "m"}
}

// outcome is what became of the findings, one line each: the verdict of
// judged controls, then what is said about the waivers.
func outcome(findings []finding.Finding) []string {
	var out []string
	for _, f := range findings {
		line := f.Control + " " + f.Verdict.String()
		if strings.HasPrefix(f.Control, "waiver-") {
			line = f.Control + ": " + f.Message
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	const cluster = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
	for name, c := range map[string]struct {
		object, manifest, file string
		want                   bool
	}{
		"no selector matches all":                             {"", shop, "a.yaml", true},
		"the kind":                                            {"{kind: Deployment}", shop, "a.yaml", true},
		"another kind":                                        {"{kind: DaemonSet}", shop, "a.yaml", false},
		"the kind in other letters":                           {"{kind: deployment}", shop, "a.yaml", false},
		"a glob of kinds":                                     {`{kind: "D*"}`, shop, "a.yaml", true},
		"the name":                                            {"{name: web}", shop, "a.yaml", true},
		"a part of the name":                                  {"{name: we}", shop, "a.yaml", false},
		"a glob of names":                                     {`{name: "w[a-f]?"}`, shop, "a.yaml", true},
		"the namespace":                                       {"{namespace: shop}", shop, "a.yaml", true},
		"the namespace and another name":                      {"{namespace: shop, name: db}", shop, "a.yaml", false},
		"no namespace against one":                            {"{namespace: shop}", cluster, "a.yaml", false},
		"no namespace against any":                            {`{namespace: "*"}`, cluster, "a.yaml", true},
		"the container":                                       {"{container: app}", shop, "a.yaml", true},
		"another container":                                   {"{container: proxy}", shop, "a.yaml", false},
		"a label":                                             {"{labels: {tier: front}}", shop, "a.yaml", true},
		"a label of another value":                            {"{labels: {tier: back}}", shop, "a.yaml", false},
		"all of several labels":                               {`{labels: {tier: front, empty: ""}}`, shop, "a.yaml", true},
		"one of two labels":                                   {"{labels: {tier: front, app: web}}", shop, "a.yaml", false},
		"an empty label that is not there":                    {`{labels: {app: ""}}`, shop, "a.yaml", false},
		"a label is no glob":                                  {`{labels: {tier: "*"}}`, shop, "a.yaml", false},
		"the file":                                            {"{file: deploy/a.yaml}", shop, "deploy/a.yaml", true},
		"the file below ./":                                   {"{file: ./deploy/a.yaml}", shop, "deploy/a.yaml", true},
		"the file in another folder":                          {"{file: a.yaml}", shop, "deploy/a.yaml", false},
		"a star within one folder":                            {"{file: deploy/*.yaml}", shop, "deploy/a.yaml", true},
		"a star does not cross folders":                       {"{file: deploy/*.yaml}", shop, "deploy/x/a.yaml", false},
		"two stars cross folders":                             {"{file: deploy/**}", shop, "deploy/x/a.yaml", true},
		"two stars in the middle match no folder, too":        {`{file: "deploy/**/a.yaml"}`, shop, "deploy/a.yaml", true},
		"two stars try every folder":                          {`{file: "**/x/*.yaml"}`, shop, "x/y/x/a.yaml", true},
		"two stars end where the rest does not match":         {`{file: "**/y/*.yaml"}`, shop, "x/y/x/a.yaml", false},
		"many stars over a deep path end soon":                {`{file: "**/a/**/a/**/a/**/a/**/a/**/b"}`, shop, strings.Repeat("a/", 3000) + "c", false},
		"a name with a slash in a pattern matches no segment": {`{name: "*/web"}`, shop, "a.yaml", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := read(t, c.file, c.manifest)
			text := "waivers:\n- {control: x, reason: r, owner: o, expires: 2027-01-31}\n"
			if c.object != "" {
				text = strings.Replace(text, "reason", "object: "+c.object+", reason", 1)
			}
			f := fail(inv, "x", "")
			f.Container = "app"
			out := waiver.Apply([]finding.Finding{f}, inv, parse(t, text), now, nil)
			if got := slices.ContainsFunc(out, func(f finding.Finding) bool { return f.Verdict == finding.Waived }); got != c.want {
				t.Errorf("waived: %v, want %v", got, c.want)
			}
		})
	}
}

func TestASelectorOfObjectsMatchesNoFindingWithoutObject(t *testing.T) {
	t.Parallel()
	inv := read(t, "a.yaml", shop)
	run := finding.Finding{Control: "x", Verdict: finding.Fail, Severity: finding.Low, File: "Dockerfile", Line: 1}
	for object, want := range map[string]finding.Verdict{
		`{namespace: "*"}`: finding.Fail, `{name: "*"}`: finding.Fail, `{labels: {a: b}}`: finding.Fail, "{file: Dockerfile}": finding.Waived,
	} {
		cfg := parse(t, "waivers:\n- {control: x, object: "+object+", reason: r, owner: o, expires: 2027-01-31}\n")
		out := waiver.Apply([]finding.Finding{run}, inv, cfg, now, nil)
		i := slices.IndexFunc(out, func(f finding.Finding) bool { return f.Control == "x" })
		if got := out[i].Verdict; got != want {
			t.Errorf("object %s: %s, want %s", object, got, want)
		}
	}
}

func TestAWaiverWorksThroughItsLastDayInUTC(t *testing.T) {
	t.Parallel()
	day := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	forms := map[string]struct{ manifest, config string }{
		"the configuration": {shop, "waivers:\n- {control: x, reason: r, owner: o, expires: 2027-01-31}\n"},
		"an annotation":     {strings.Replace(shop, "  labels:", "  annotations:\n    redoubt.dev/ignore.x: \"r; owner=o; expires=2027-01-31\"\n  labels:", 1), ""},
		"a comment":         {"# redoubt:ignore x r owner=o until 2027-01-31\n" + shop, ""},
	}
	for name, c := range map[string]struct {
		at   time.Time
		want []string
	}{
		"the day before":                        {day("2027-01-30T23:59:59Z"), []string{"x waived"}},
		"the first moment of the day":           {day("2027-01-31T00:00:00Z"), []string{"x waived"}},
		"the last moment of the day":            {day("2027-01-31T23:59:59.999999999Z"), []string{"x waived"}},
		"the first moment after":                {day("2027-02-01T00:00:00Z"), []string{"waiver-expired: the waiver of x ended on 2027-01-31 and does not work any more: what it covered counts again", "x fail"}},
		"the day after, far in the east":        {day("2027-02-01T09:00:00+14:00"), []string{"x waived"}},
		"the same day, far in the west":         {day("2027-01-31T20:00:00-08:00"), []string{"waiver-expired: the waiver of x ended on 2027-01-31 and does not work any more: what it covered counts again", "x fail"}},
		"a clock that is not set has no effect": {time.Time{}, []string{"x waived"}},
	} {
		for form, text := range forms {
			t.Run(name+" in "+form, func(t *testing.T) {
				t.Parallel()
				inv := read(t, "a.yaml", text.manifest)
				out := waiver.Apply([]finding.Finding{fail(inv, "x", "spec.template.spec")}, inv, parse(t, text.config), c.at, nil)
				if diff := cmp.Diff(c.want, outcome(out)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value    string
		template bool
		path     string
		want     []string
		waiver   *finding.Waiver
	}{
		"a whole one": {
			value: "needs the host; owner=net work; expires=2027-01-31", path: "spec.x", want: []string{"x waived"},
			waiver: &finding.Waiver{Source: "a.yaml:7", Reason: "needs the host", Owner: "net work", Until: "2027-01-31"},
		},
		"blanks around the parts, and other letters": {
			value: " needs it ;  Owner = net ; EXPIRES = 2027-01-31 ;", path: "spec.x", want: []string{"x waived"},
			waiver: &finding.Waiver{Source: "a.yaml:7", Reason: "needs it", Owner: "net", Until: "2027-01-31"},
		},
		"a reason with an equals sign and a semicolon": {
			value: "runs with a=b; and c; owner=o; expires=2027-01-31", path: "spec.x", want: []string{"x waived"},
			waiver: &finding.Waiver{Source: "a.yaml:7", Reason: "runs with a=b; and c", Owner: "o", Until: "2027-01-31"},
		},
		"only a reason works and is named incomplete": {
			value: "needs it", path: "spec.x",
			want:   []string{"waiver-incomplete: the waiver of x has no owner, no expiry: nobody can tell why it is there and when it ends", "x waived"},
			waiver: &finding.Waiver{Source: "a.yaml:7", Reason: "needs it"},
		},
		"an empty one works and is named incomplete": {
			value: "", path: "spec.x",
			want:   []string{"waiver-incomplete: the waiver of x has no reason, no owner, no expiry: nobody can tell why it is there and when it ends", "x waived"},
			waiver: &finding.Waiver{Source: "a.yaml:7"},
		},
		"an end that is no day does not last for ever": {
			value: "r; owner=o; expires=next year", path: "spec.x",
			want: []string{`waiver-incomplete: the waiver of x ends on "next year", which is no day: it does not work until that is a date such as 2027-01-31`, "x fail"},
		},
		"an end that is no day and nothing else are one finding": {
			value: "expires=soon", path: "spec.x",
			want: []string{`waiver-incomplete: the waiver of x ends on "soon", which is no day: it does not work until that is a date such as 2027-01-31; it has no reason, no owner, too`, "x fail"},
		},
		"one of the pod template covers what is in it": {
			value: "r; owner=o; expires=2027-01-31", template: true, path: "spec.template.spec.x", want: []string{"x waived"},
			waiver: &finding.Waiver{Source: "a.yaml:11", Reason: "r", Owner: "o", Until: "2027-01-31"},
		},
		"one of the pod template does not cover what is beside it": {
			value: "r; owner=o; expires=2027-01-31", template: true, path: "spec.templates",
			want: []string{"waiver-unused: the waiver of x covers nothing: remove it, or correct its control or object", "x fail"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, indent := "  labels:", "  "
			if c.template {
				at, indent = "      name: web\n    spec:", "      "
			}
			manifest := strings.Replace(shop, at, fmt.Sprintf("%sannotations:\n%s  redoubt.dev/ignore.x: %q\n%s", indent, indent, c.value, at), 1)
			inv := read(t, "a.yaml", manifest)
			out := waiver.Apply([]finding.Finding{fail(inv, "x", c.path)}, inv, waiver.Config{}, now, nil)
			if diff := cmp.Diff(c.want, outcome(out)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			i := slices.IndexFunc(out, func(f finding.Finding) bool { return f.Control == "x" })
			if diff := cmp.Diff(c.waiver, out[i].Waiver); diff != "" {
				t.Errorf("waiver, -want +got:\n%s", diff)
			}
		})
	}
}

func TestComments(t *testing.T) {
	t.Parallel()
	const proxy = "spec.template.spec.containers[1]"
	for name, c := range map[string]struct {
		comment string
		path    string
		want    []string
		waiver  *finding.Waiver
	}{
		"on the field that is blamed": {
			"x needs it owner=net until 2027-01-31", proxy + ".image",
			[]string{"x waived"},
			&finding.Waiver{Source: "a.yaml:16", Reason: "needs it", Owner: "net", Until: "2027-01-31"},
		},
		"on a field beside the one that is blamed": {
			"x needs it owner=net until 2027-01-31", proxy + ".imagePullPolicy",
			[]string{"waiver-unused: the waiver of x covers nothing: remove it, or correct its control or object", "x fail"},
			nil,
		},
		"with the owner last": {
			"x needs it until 2027-01-31 owner=net", proxy + ".image",
			[]string{"x waived"},
			&finding.Waiver{Source: "a.yaml:16", Reason: "needs it", Owner: "net", Until: "2027-01-31"},
		},
		"with brackets around the day": {
			"x needs it owner=net (until 2027-01-31)", proxy + ".image",
			[]string{"x waived"},
			&finding.Waiver{Source: "a.yaml:16", Reason: "needs it", Owner: "net", Until: "2027-01-31"},
		},
		"with only an owner": {
			"x owner=net", proxy + ".image",
			[]string{"waiver-incomplete: the waiver of x has no reason, no expiry: nobody can tell why it is there and when it ends", "x waived"},
			&finding.Waiver{Source: "a.yaml:16", Owner: "net"},
		},
		"with a day that does not exist": {
			"x needs it owner=net until 2027-02-31", proxy + ".image",
			[]string{`waiver-incomplete: the waiver of x ends on "2027-02-31", which is no day: it does not work until that is a date such as 2027-01-31`, "x fail"},
			nil,
		},
		"with a day in another order": {
			"x needs it owner=net until 31.1.2026", proxy + ".image",
			[]string{`waiver-incomplete: the waiver of x ends on "31.1.2026", which is no day: it does not work until that is a date such as 2027-01-31`, "x fail"},
			nil,
		},
		"with the word until in the reason": {
			"x until the vendor ships a fix owner=net until 2027-01-31", proxy + ".image",
			[]string{"x waived"},
			&finding.Waiver{Source: "a.yaml:16", Reason: "until the vendor ships a fix", Owner: "net", Until: "2027-01-31"},
		},
		"of several controls, some of them empty": {
			",y,,x r owner=net until 2027-01-31", proxy + ".image",
			[]string{"waiver-unused: the waiver of y covers nothing: remove it, or correct its control or object", "x waived"},
			&finding.Waiver{Source: "a.yaml:16", Reason: "r", Owner: "net", Until: "2027-01-31"},
		},
		"of a glob": {
			"* r owner=net until 2027-01-31", proxy + ".image",
			[]string{"x waived"},
			&finding.Waiver{Source: "a.yaml:16", Reason: "r", Owner: "net", Until: "2027-01-31"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest := strings.Replace(shop, "image: shop/proxy", "image: shop/proxy # redoubt:ignore "+c.comment, 1)
			inv := read(t, "a.yaml", manifest)
			out := waiver.Apply([]finding.Finding{fail(inv, "x", c.path)}, inv, waiver.Config{}, now, nil)
			if diff := cmp.Diff(c.want, outcome(out)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			i := slices.IndexFunc(out, func(f finding.Finding) bool { return f.Control == "x" })
			if diff := cmp.Diff(c.waiver, out[i].Waiver); diff != "" {
				t.Errorf("waiver, -want +got:\n%s", diff)
			}
		})
	}
}

func TestConfigWaivers(t *testing.T) {
	t.Parallel()
	const good = "reason: r, owner: o, expires: 2027-01-31}"
	for name, c := range map[string]struct {
		config  string
		verdict finding.Verdict
		want    []string
	}{
		"a whole one":     {"- {control: x, " + good, finding.Fail, []string{"x waived"}},
		"a glob of it":    {`- {control: "?", ` + good, finding.Fail, []string{"x waived"}},
		"another control": {"- {control: other, " + good, finding.Fail, []string{"waiver-unused: the waiver of other covers nothing: remove it, or correct its control or object", "x fail"}},
		"no reason":       {"- {control: x, owner: o, expires: 2027-01-31}", finding.Fail, []string{"waiver-incomplete: the waiver of x has no reason: nobody can tell why it is there and when it ends", "x waived"}},
		"a blank reason":  {`- {control: x, reason: " ", owner: o, expires: 2027-01-31}`, finding.Fail, []string{"waiver-incomplete: the waiver of x has no reason: nobody can tell why it is there and when it ends", "x waived"}},
		"no owner":        {"- {control: x, reason: r, expires: 2027-01-31}", finding.Fail, []string{"waiver-incomplete: the waiver of x has no owner: nobody can tell why it is there and when it ends", "x waived"}},
		"no expiry":       {"- {control: x, reason: r, owner: o}", finding.Fail, []string{"waiver-incomplete: the waiver of x has no expiry: nobody can tell why it is there and when it ends", "x waived"}},
		"what passes now": {"- {control: x, " + good, finding.Pass, []string{"waiver-unused: the waiver of x covers nothing: remove it, or correct its control or object", "x pass"}},
		"what is unknown stays unknown, and the waiver is left alone": {"- {control: x, " + good, finding.Unknown, []string{"x unknown"}},
		"an expired one that covers nothing":                          {"- {control: other, reason: r, owner: o, expires: 2026-01-31}", finding.Fail, []string{"waiver-unused: the waiver of other covers nothing: remove it, or correct its control or object", "x fail"}},
		"two that cover the same are both used":                       {"- {control: x, " + good + "\n- {control: x, " + good, finding.Fail, []string{"x waived"}},
		"an expired one beside one that works": {
			"- {control: x, reason: r, owner: o, expires: 2026-01-31}\n- {control: x, " + good, finding.Fail,
			[]string{"waiver-unused: the waiver of x ended on 2026-01-31 and another one covers the same: remove it", "x waived"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := read(t, "a.yaml", shop)
			f := fail(inv, "x", "spec")
			f.Verdict = c.verdict
			before := []finding.Finding{f}
			out := waiver.Apply(before, inv, parse(t, "waivers:\n"+c.config+"\n"), now, nil)
			if diff := cmp.Diff(c.want, outcome(out)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if before[0].Verdict != c.verdict || before[0].Waiver != nil {
				t.Error("the findings handed in were changed")
			}
		})
	}
}

func TestFindingsAboutWaiversSayWhereTheyStand(t *testing.T) {
	t.Parallel()
	inv := read(t, "a.yaml", "# redoubt:ignore z r owner=o until 2027-01-31\n"+strings.Replace(shop, "  labels:", "  annotations:\n    redoubt.dev/ignore.y: \"r; owner=o; expires=2027-01-31\"\n  labels:", 1))
	out := waiver.Apply(nil, inv, parse(t, "waivers:\n- {control: x, reason: r, owner: o, expires: 2027-01-31}\n"), now, nil)
	var got []string
	for _, f := range out {
		got = append(got, f.Control+" "+f.Location().String())
	}
	slices.Sort(got)
	want := []string{"waiver-unused .redoubt.yaml:3", "waiver-unused a.yaml:1", "waiver-unused a.yaml:8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAWaiverOfOneObjectLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	inv := read(t, "a.yaml", "# redoubt:ignore x r owner=o until 2027-01-31\n"+shop+"---\n"+strings.Replace(shop, "name: web", "name: db", 1))
	one, other := fail(inv, "x", "spec"), fail(inv, "x", "spec")
	other.Object = inv.Objects[1]
	out := waiver.Apply([]finding.Finding{one, other}, inv, waiver.Config{}, now, nil)
	if diff := cmp.Diff([]string{"x fail", "x waived"}, outcome(out)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// fingerprint names a finding as the report does.
func fingerprint(f *finding.Finding) string {
	r := report.Finding{Control: f.Control, Container: f.Container, Path: f.Path, Location: report.Location(f.Location())}
	if o := f.Object; o != nil {
		r.Object = &report.Object{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
	}
	return report.Fingerprint(&r)
}

func TestCompareWithBaseline(t *testing.T) {
	t.Parallel()
	before := read(t, "a.yaml", shop)
	old := fail(before, "x", "spec.template.spec.containers[1].image")
	old.Container = "proxy"
	twice := fail(before, "twice", "spec")
	gone := fail(before, "gone", "spec")
	baseline := waiver.Baseline{fingerprint(&old): 1, fingerprint(&twice): 2, fingerprint(&gone): 1}
	for name, c := range map[string]struct {
		manifest, file string
		change         func(*finding.Finding)
		want           finding.BaselineState
	}{
		"the same":                        {shop, "a.yaml", func(*finding.Finding) {}, finding.Known},
		"moved to other lines":            {"# one\n# two\n\n" + shop, "a.yaml", func(*finding.Finding) {}, finding.Known},
		"moved to another file":           {shop, "b/c.yaml", func(*finding.Finding) {}, finding.Known},
		"with another message":            {shop, "a.yaml", func(f *finding.Finding) { f.Message = "reworded" }, finding.Known},
		"a container was added before":    {shop, "a.yaml", func(f *finding.Finding) { f.Path = strings.Replace(f.Path, "[1]", "[2]", 1) }, finding.Known},
		"another name of the object":      {strings.Replace(shop, "name: web", "name: db", 1), "a.yaml", func(*finding.Finding) {}, finding.Added},
		"another namespace":               {strings.Replace(shop, "namespace: shop", "namespace: test", 1), "a.yaml", func(*finding.Finding) {}, finding.Added},
		"another kind":                    {strings.Replace(shop, "kind: Deployment", "kind: ReplicaSet", 1), "a.yaml", func(*finding.Finding) {}, finding.Added},
		"another container":               {shop, "a.yaml", func(f *finding.Finding) { f.Container = "app" }, finding.Added},
		"another field":                   {shop, "a.yaml", func(f *finding.Finding) { f.Path = "spec.template.spec.containers[1].name" }, finding.Added},
		"another control":                 {shop, "a.yaml", func(f *finding.Finding) { f.Control = "y" }, finding.Added},
		"no failure any more":             {shop, "a.yaml", func(f *finding.Finding) { f.Verdict = finding.Pass }, finding.Unmatched},
		"an unknown verdict in its place": {shop, "a.yaml", func(f *finding.Finding) { f.Verdict = finding.Unknown }, finding.Unmatched},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := read(t, c.file, c.manifest)
			f := fail(inv, "x", "spec.template.spec.containers[1].image")
			f.Container = "proxy"
			c.change(&f)
			out := waiver.Compare([]finding.Finding{f}, baseline, fingerprint)
			if got := out[0].Baseline; got != c.want {
				t.Errorf("baseline state %d, want %d", got, c.want)
			}
		})
	}
	t.Run("a third of two known ones is new", func(t *testing.T) {
		t.Parallel()
		in := []finding.Finding{twice, twice, twice}
		var got []finding.BaselineState
		for range 2 { // the baseline is not used up
			got = got[:0]
			for _, f := range waiver.Compare(in, baseline, fingerprint) {
				got = append(got, f.Baseline)
			}
		}
		want := []finding.BaselineState{finding.Known, finding.Known, finding.Added}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if in[0].Baseline != finding.Unmatched {
			t.Error("the findings handed in were changed")
		}
	})
	t.Run("what is gone makes nothing else known", func(t *testing.T) {
		t.Parallel()
		fresh := fail(before, "fresh", "spec")
		out := waiver.Compare([]finding.Finding{fresh}, baseline, fingerprint)
		if out[0].Baseline != finding.Added || len(out) != 1 {
			t.Errorf("got %d findings, the first in state %d", len(out), out[0].Baseline)
		}
	})
	t.Run("an empty baseline knows nothing", func(t *testing.T) {
		t.Parallel()
		out := waiver.Compare([]finding.Finding{old}, waiver.Baseline{}, fingerprint)
		if got := out[0].Baseline; got != finding.Added {
			t.Errorf("baseline state %d, want %d", got, finding.Added)
		}
	})
}

func TestManyWaiversInManyObjectsStayQuick(t *testing.T) {
	t.Parallel()
	inv := new(inventory.Inventory)
	var findings []finding.Finding
	const n = 20_000
	for i := range n {
		o := &inventory.Object{Kind: "Pod", Name: strconv.Itoa(i), Root: new(inventory.Node), Origin: &inventory.Origin{File: "a.yaml"}}
		o.Ignores = []inventory.Ignore{{Controls: []string{"x"}, Line: 1}}
		inv.Add(o)
		findings = append(findings, finding.Finding{Control: "x", Verdict: finding.Fail, Object: o, File: "a.yaml", Line: 1})
	}
	started := time.Now() //nolint:forbidigo // measures
	out := waiver.Apply(findings, inv, waiver.Config{}, now, nil)
	if took := time.Since(started); took > 5*time.Second { //nolint:forbidigo // measures
		t.Errorf("took %s", took)
	}
	waived := 0
	for _, f := range out {
		if f.Verdict == finding.Waived {
			waived++
		}
	}
	if waived != n {
		t.Errorf("%d waived, want %d", waived, n)
	}
}

func TestDecisionsAboutOtherControlsAreLeftAlone(t *testing.T) {
	t.Parallel()
	inv := new(inventory.Inventory)
	inv.Seal()
	cfg := parse(t, "waivers:\n- {control: x, object: {kind: Pod}, reason: r, owner: o, expires: 2027-01-31}\n")
	if out := waiver.Apply(nil, inv, cfg, now, func(pattern string) bool { return pattern != "x" }); len(out) != 0 {
		t.Errorf("%d findings about a waiver of a control that is not judged", len(out))
	}
	if out := waiver.Apply(nil, inv, cfg, now, func(pattern string) bool { return pattern == "x" }); len(out) != 1 {
		t.Errorf("%d findings about a waiver that covers nothing, want one", len(out))
	}
}
