package run_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// credentials are those that lie in the example application.
var credentials = []string{"bluebird-4411", "rk_test_9f8e7d6c5b4a39281706f5e4d3c2b1a0", "npm-7f6e5d4c3b2a", "c2hvcC1leGFtcGxlLWtleS0zMi1ieXRlcy1sb25nISE="}

func fixShop(t *testing.T, dir string) *run.Fixed {
	t.Helper()
	opts := run.FixOptions{Safety: control.Review}
	opts.Paths, opts.Now = []string{dir}, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	res, err := run.Fix(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestTheExampleApplicationEndsWithoutGraveFindings fixes a copy of the example
// with all that its configuration says.
func TestTheExampleApplicationEndsWithoutGraveFindings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/shop")); err != nil {
		t.Fatal(err)
	}
	before := grave(t, dir)
	res := fixShop(t, dir)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	if left := grave(t, dir); before < 40 || left > 0 {
		t.Errorf("%d findings at or above high were there, %d are left", before, left)
	}
	again := fixShop(t, dir)
	if len(again.Edits)+len(again.Texts)+len(again.Steps) > 0 {
		t.Errorf("a second run makes %v", again.Edits)
	}
	t.Logf("%d edits in %d files: findings go from %d to %d, those at or above high from %d to 0", len(res.Edits), len(res.Texts), res.Before, res.After, before)

	shown, err := json.Marshal([]any{res.Edits, res.Refused, res.Manual, res.Steps, res.Patches})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range res.Texts {
		shown = append(shown, fix.Unified(name, fix.Mask(res.Originals[name], res.Secrets), fix.Mask(text, res.Secrets))...)
	}
	for _, c := range credentials {
		if bytes.Contains(shown, []byte(c)) {
			t.Errorf("the credential that starts with %s... is shown", c[:4])
		}
	}
	for name, text := range res.Texts {
		for _, c := range credentials[:3] {
			if bytes.Contains(text, []byte(c)) {
				t.Errorf("a credential is left in %s", filepath.Base(name))
			}
		}
	}
}

// grave counts the open findings at or above high.
func grave(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	report := scan(t, paths(dir))
	for i := range report.Findings {
		severity, err := finding.ParseSeverity(report.Findings[i].Severity)
		if err == nil && severity >= finding.High && report.Findings[i].Verdict == finding.Fail.String() {
			n++
		}
	}
	return n
}

// TestUnmaskedDiffsCanBeApplied gives the diff of the example to patch.
func TestUnmaskedDiffsCanBeApplied(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("needs patch")
	}
	written, patched := t.TempDir(), t.TempDir()
	for _, dir := range []string{written, patched} {
		if err := os.CopyFS(dir, os.DirFS("../../examples/shop")); err != nil {
			t.Fatal(err)
		}
	}
	res := fixShop(t, written)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	var diff strings.Builder
	for name, text := range res.Texts {
		rel, err := filepath.Rel(written, filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		diff.WriteString(fix.Unified(filepath.ToSlash(rel), res.Originals[name], text))
	}
	cmd := exec.CommandContext(t.Context(), tool, "-p1", "--no-backup-if-mismatch")
	cmd.Dir, cmd.Stdin = patched, strings.NewReader(diff.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("patch: %v\n%s", err, out)
	}
	for name := range res.Texts {
		rel, _ := filepath.Rel(written, filepath.FromSlash(name))
		if content(t, filepath.Join(written, rel)) != content(t, filepath.Join(patched, rel)) {
			t.Errorf("%s differs", rel)
		}
	}
}

func TestRolesAreNarrowedByTheAuditLog(t *testing.T) {
	t.Parallel()
	dir := tree(t, "-- a.yaml --\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: bot}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects:\n- {kind: ServiceAccount, name: bot, namespace: shop}\n"+
		"-- audit.log --\n{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"stage\":\"ResponseComplete\",\"verb\":\"get\",\"user\":{\"username\":\"system:serviceaccount:shop:bot\"},\"objectRef\":{\"resource\":\"nodes\"},\"responseStatus\":{\"code\":200}}\n")
	with := func(o *run.FixOptions) { o.AuditLog = filepath.Join(dir, "audit.log") }
	res := fixTree(t, dir, []string{"cluster-admin-binding"}, with)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	got := content(t, filepath.Join(dir, "a.yaml"))
	if !strings.Contains(got, "kind: ClusterRole, name: bot}") || !strings.HasSuffix(got, "rules:\n  - apiGroups: [\"\"]\n    resources: [nodes]\n    verbs: [get]\n") {
		t.Errorf("refused %v, the file is\n%s", res.Refused, got)
	}
	with = func(o *run.FixOptions) { o.AuditLog = filepath.Join(dir, "a.yaml") }
	opts := run.FixOptions{Safety: control.Review}
	opts.Paths = []string{dir}
	with(&opts)
	if _, err := run.Fix(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "--audit-log") {
		t.Errorf("error %v", err)
	}
}

func TestNewFilesStandBesideWhatTheyBelongTo(t *testing.T) {
	t.Parallel()
	const kubeadm = "-- cp/kubeadm.yaml --\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
	controls := []string{"audit-log-missing", "encryption-not-configured"}
	dir := tree(t, kubeadm)
	res := fixTree(t, dir, controls, nil)
	if err := res.Write(); err != nil {
		t.Fatal(err)
	}
	if len(res.Texts) != 3 || res.After != 0 {
		t.Fatalf("texts %d, findings %d to %d, refused %v", len(res.Texts), res.Before, res.After, res.Refused)
	}
	fixedAlready(t, dir, controls, 0)
	if left := grave(t, filepath.Join(dir, "cp")); left > 0 {
		t.Errorf("%d findings at or above high are in what was written", left)
	}
	taken := tree(t, kubeadm+"-- cp/audit-policy.yaml --\nours: true\n")
	if res := fixTree(t, taken, controls[:1], nil); len(res.Texts) > 0 || len(res.Refused) == 0 || !strings.Contains(res.Refused[0].Reason, "there is a file") {
		t.Errorf("texts %d, refused %v", len(res.Texts), res.Refused)
	}
}
