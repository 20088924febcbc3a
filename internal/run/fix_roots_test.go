package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

const chart = `-- c/Chart.yaml --
apiVersion: v2
name: shop
version: 1.0.0
-- c/values.yaml --
# Values.
podSecurityContext: {} # for all
web:
  securityContext: {}
pull: IfNotPresent
-- c/templates/d.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
  - name: a
    image: x:latest
    imagePullPolicy: {{ .Values.pull }}
    securityContext:
      {{- toYaml .Values.web.securityContext | nindent 6 }}
`

const overlay = `-- base/kustomization.yaml --
resources: [a.yaml]
-- base/a.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostPID: true
  containers:
  - name: a
    image: x
-- k/kustomization.yaml --
# ours
resources: [../base]
namePrefix: x-
namespace: shop
`

// tree writes the files of a txtar text.
func tree(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
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

// fixTree works out edits of all kinds for some controls.
func fixTree(t *testing.T, dir string, controls []string, set func(o *run.FixOptions)) *run.Fixed {
	t.Helper()
	opts := run.FixOptions{Safety: control.Review}
	opts.Paths, opts.Now = []string{dir}, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	opts.Selection = catalogue.Selection{IDs: controls}
	if set != nil {
		set(&opts)
	}
	res, err := run.Fix(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// fixedAlready wants a second run to find nothing to do, and the findings gone.
func fixedAlready(t *testing.T, dir string, controls []string, left int) {
	t.Helper()
	again := fixTree(t, dir, controls, nil)
	if len(again.Texts) > 0 || len(again.Edits) > 0 || again.Before != left {
		t.Errorf("a second run finds %d, want %d, and edits %v", again.Before, left, again.Edits)
	}
}

func TestEditsOfChartsLandInTheValues(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text, control, file, want string
	}{
		{
			"a value that the line reads", chart, "image-not-pulled-again", "c/values.yaml",
			"# Values.\npodSecurityContext: {} # for all\nweb:\n  securityContext: {}\npull: Always\n",
		},
		{
			"a map that is put in whole", chart, "privilege-escalation", "c/values.yaml",
			"# Values.\npodSecurityContext: {} # for all\nweb:\n  securityContext: {allowPrivilegeEscalation: false}\npull: IfNotPresent\n",
		},
		{
			"a block that is not rendered yet", chart, "seccomp-missing", "c/values.yaml",
			"# Values.\npodSecurityContext: {seccompProfile: {type: RuntimeDefault}} # for all\nweb:\n  securityContext: {}\npull: IfNotPresent\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tc.text)
			res := fixTree(t, dir, []string{tc.control}, nil)
			if len(res.Edits) != 1 || res.Edits[0].File != filepath.ToSlash(filepath.Join(dir, tc.file)) || res.Before != 1 || res.After != 0 {
				t.Fatalf("edits %v, findings %d to %d, refused %v", res.Edits, res.Before, res.After, res.Refused)
			}
			if err := res.Write(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(content(t, filepath.Join(dir, tc.file)), tc.want); diff != "" {
				t.Error(diff)
			}
			fixedAlready(t, dir, []string{tc.control}, 0)
		})
	}
}

func TestEditsOfChartsLandInTheFileThatSetsTheValue(t *testing.T) {
	t.Parallel()
	dir := tree(t, chart+"-- prod.yaml --\npull: Never\n")
	prod := filepath.Join(dir, "prod.yaml")
	withProd := func(o *run.FixOptions) {
		o.Paths, o.Helm.ValueFiles = []string{filepath.Join(dir, "c")}, []string{prod}
	}
	controls := []string{"image-not-pulled-again"}
	res := fixTree(t, dir, controls, withProd)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, prod); len(res.Edits) != 1 || got != "pull: Always\n" {
		t.Errorf("edits %v, refused %v, the file holds %q", res.Edits, res.Refused, got)
	}
	if again := fixTree(t, dir, controls, withProd); again.Before != 0 {
		t.Errorf("%d findings are left", again.Before)
	}
}

func TestValuesOfASubchartAreSetInTheChartAroundIt(t *testing.T) {
	t.Parallel()
	sub := strings.ReplaceAll(chart, "-- c/", "-- p/charts/sub/")
	sub = strings.Replace(sub, "name: shop", "name: sub", 1)
	dir := tree(t, sub+"-- p/Chart.yaml --\napiVersion: v2\nname: parent\nversion: 1.0.0\n-- p/values.yaml --\n# ours\nsub:\n  pull: Never # always there\nother: 1\n")
	before := content(t, filepath.Join(dir, "p", "charts", "sub", "values.yaml"))
	controls := []string{"image-not-pulled-again", "seccomp-missing"}
	res := fixTree(t, filepath.Join(dir, "p"), controls, nil)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	want := "# ours\nsub:\n  pull: Always # always there\n  podSecurityContext:\n    seccompProfile:\n      type: RuntimeDefault\nother: 1\n"
	if diff := cmp.Diff(content(t, filepath.Join(dir, "p", "values.yaml")), want); diff != "" {
		t.Errorf("%s\nrefused %v", diff, res.Refused)
	}
	if content(t, filepath.Join(dir, "p", "charts", "sub", "values.yaml")) != before {
		t.Error("the subchart has changed")
	}
	fixedAlready(t, filepath.Join(dir, "p"), controls, 0)
}

func TestWhatNoValueMakesGetsAPatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text, control, want string
		set                       func(o *run.FixOptions)
	}{
		{
			name: "a field that the template does not know", text: chart, control: "token-mounted",
			want: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  automountServiceAccountToken: false\n",
		},
		{
			name: "a value from the command line", text: chart, control: "image-not-pulled-again",
			set:  func(o *run.FixOptions) { o.Helm.Set = []string{"pull=Never"} },
			want: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      imagePullPolicy: Always\n",
		},
		{
			name: "a value that makes another field, too", text: strings.Replace(chart, "metadata: {name: a}", "metadata: {name: a, labels: {pull: {{ .Values.pull }}}}", 1), control: "image-not-pulled-again",
			want: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      imagePullPolicy: Always\n",
		},
		{
			name: "a field that goes", text: strings.Replace(chart, "spec:\n", "spec:\n  hostPID: true\n", 1), control: "host-pid",
			want: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  hostPID: null\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tc.text)
			res := fixTree(t, dir, []string{tc.control}, tc.set)
			if len(res.Texts) > 0 || res.After != 1 || len(res.Refused) != 1 || len(res.Patches) != 1 {
				t.Fatalf("edits %v, refused %v, patches %v", res.Edits, res.Refused, res.Patches)
			}
			if diff := cmp.Diff(res.Patches[0].Text, tc.want); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(res.Refused[0].Reason, "the patch for Pod/a below") {
				t.Errorf("the reason %q does not tell of the patch", res.Refused[0].Reason)
			}
		})
	}
}

func TestPatchesThatDoHarmAreNotOffered(t *testing.T) {
	t.Parallel()
	dir := tree(t, strings.Replace(chart, "      {{- toYaml .Values.web.securityContext | nindent 6 }}", "      privileged: true", 1))
	res := fixTree(t, dir, []string{"privilege-escalation"}, nil)
	if len(res.Texts)+len(res.Patches) > 0 || len(res.Refused) != 1 {
		t.Errorf("texts %v, patches %v, refused %v", res.Texts, res.Patches, res.Refused)
	}
}

func TestEditsOfKustomizationsAreAPatchInTheOverlay(t *testing.T) {
	t.Parallel()
	controls := []string{"privilege-escalation", "host-pid"}
	dir := tree(t, overlay)
	before := content(t, filepath.Join(dir, "base", "a.yaml"))
	res := fixTree(t, dir, controls, nil)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"base/a.yaml":                before,
		"k/kustomization.yaml":       "# ours\nresources: [../base]\nnamePrefix: x-\nnamespace: shop\npatches:\n- path: redoubt-pod-x-a.yaml\n  target:\n    kind: Pod\n    name: a\n",
		"k/redoubt-pod-x-a.yaml":     "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      securityContext:\n        allowPrivilegeEscalation: false\n  hostPID: null\n",
		"base/kustomization.yaml":    "resources: [a.yaml]\n",
		"k/redoubt-pod-x-a-2.yaml":   "",
		"base/redoubt-pod-x-a.yaml":  "",
		"base/redoubt-pod-a.yaml":    "",
		"k/redoubt-pod-x-a.yaml.new": "",
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil && text != "" {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(got), text); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	fixedAlready(t, dir, controls, 0)

	// What comes later gets a file of its own: that which is there may be the
	// author's by now.
	more := []string{"seccomp-missing"}
	if err := fixTree(t, dir, more, nil).Write(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, "k", "redoubt-pod-x-a-2.yaml")); !strings.Contains(got, "RuntimeDefault") || strings.Contains(got, "hostPID") {
		t.Errorf("the second patch is %q", got)
	}
	fixedAlready(t, dir, append(more, controls...), 0)
}

func TestOverlaysThatAPatchCanNotServeAreRefused(t *testing.T) {
	t.Parallel()
	const rollout = "-- k/kustomization.yaml --\nresources: [a.yaml]\n-- k/a.yaml --\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers: [{name: a, image: x}]\n"
	for name, tc := range map[string]struct{ text, want string }{
		"lists of kinds that can't be merged":     {rollout, "a strategic-merge patch can't say this"},
		"two objects that the patch would change": {strings.Replace(overlay, "-- k/", "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: other}\nspec:\n  containers:\n  - name: a\n    image: x\n    securityContext: {allowPrivilegeEscalation: false, privileged: false}\n  hostPID: true\n-- k/", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.want == "" {
				tc.text = strings.Replace(tc.text, "namespace: shop\n", "", 1)
			}
			dir := tree(t, tc.text)
			res := fixTree(t, dir, []string{"privilege-escalation"}, nil)
			if tc.want != "" && (len(res.Texts) > 0 || len(res.Refused) != 1 || !strings.Contains(res.Refused[0].Reason, tc.want)) {
				t.Errorf("edits %v, refused %v", res.Edits, res.Refused)
			}
			if tc.want == "" && (res.Before != 1 || res.After != 0) {
				t.Errorf("findings %d to %d, refused %v", res.Before, res.After, res.Refused)
			}
		})
	}
}

func TestNewFilesAreNotPutOverOthers(t *testing.T) {
	t.Parallel()
	dir := tree(t, overlay)
	res := fixTree(t, dir, []string{"privilege-escalation"}, nil)
	own := filepath.Join(dir, "k", "redoubt-pod-x-a.yaml")
	if err := os.WriteFile(own, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := res.Write(); err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("error %v", err)
	}
	if got := content(t, own); got != "mine" || strings.Contains(content(t, filepath.Join(dir, "k", "kustomization.yaml")), "patches") {
		t.Errorf("the file holds %q", got)
	}
}

func TestDigestsComeFromTheConfiguration(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0f", 32)
	dir := tree(t, "-- .redoubt.yaml --\nversion: 1\nimages:\n- {image: \"x:1\", digest: \""+digest+"\"}\n-- a.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: x:1\n")
	res := fixTree(t, dir, []string{"image-without-digest"}, nil)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, "a.yaml")); len(res.Edits) != 1 || !strings.HasSuffix(got, "image: \"x:1@"+digest+"\"\n") {
		t.Errorf("edits %v, the file is\n%s", res.Edits, got)
	}
	fixedAlready(t, dir, []string{"image-without-digest"}, 0)
}
