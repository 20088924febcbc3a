package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runReach runs the command alone, in a folder with files, and returns what it
// wrote and its exit code.
func runReach(t *testing.T, files map[string]string, args ...string) (string, int) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "DIR", dir)
	}
	var out bytes.Buffer
	cmd := reachCommand(Streams{In: strings.NewReader(files["-"]), Out: &out, Err: &out})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	code := ExitOK
	if err != nil {
		code = ExitUsage
		if exit, ok := errors.AsType[*ExitError](err); ok {
			code = exit.Code
		} else {
			out.WriteString(err.Error() + "\n")
		}
	}
	return strings.ReplaceAll(out.String(), filepath.ToSlash(dir)+"/", ""), code
}

// reachPods are two pods and a Service.
const reachPods = `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: x, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5000, targetPort: 5432}]}
`

const reachPolicy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: to-db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 5432}]
`

// golden is the picture of the example; the answer to look at when it changes.
func golden(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/reach.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReachAnswersInText(t *testing.T) {
	t.Parallel()
	files := map[string]string{"pods.yaml": reachPods, "policy.yaml": reachPolicy}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"the whole picture", []string{"DIR"}, 0, golden(t)},
		{"one connection that is possible", []string{"DIR", "--from", "web", "--to", "svc/shop/db"}, 0, `shop/Pod/web -> shop/Pod/db behind shop/Service/db, 5432: yes (TCP 5432)
  egress
    open     No policy restricts egress of shop/Pod/web: everything may leave.
  ingress
    allows   shop/NetworkPolicy/to-db allows TCP 5432 from shop/Pod/web.
             policy.yaml:8  spec.ingress[0]
`},
		{"one connection that is not", []string{"DIR", "--from", "web", "--to", "db", "--port", "22"}, 0, `shop/Pod/web -> shop/Pod/db, 22: no
  egress
    open     No policy restricts egress of shop/Pod/web: everything may leave.
  ingress
    denies   shop/NetworkPolicy/to-db isolates shop/Pod/db for ingress, and no rule of it lets in shop/Pod/web.
             policy.yaml:5  spec.podSelector
`},
		{"a name nobody has", []string{"DIR", "--from", "web", "--to", "nope"}, 2, `--to: "nope" is neither a workload of the input, nor a Service, an address, or one of outside, private, metadata, metadata6, apiserver, kubelet
`},
		{"a Service nobody has", []string{"DIR", "--from", "web", "--to", "svc/shop/nope"}, 2, "--to: the input has no Service nope in the namespace shop\n"},
		{"a port that is none", []string{"DIR", "--from", "web", "--to", "db", "--port", "0"}, 2, "--port \"0\": want a port such as 8080, 53/udp or http\n"},
		{"a pod range that is none", []string{"DIR", "--pod-cidr", "ten"}, 2, "--pod-cidr \"ten\": want a range such as 10.244.0.0/16\n"},
		{"a port without ends", []string{"DIR", "--port", "80"}, 2, "--port goes with --from and --to\n"},
		{"a format that does not exist", []string{"DIR", "-o", "png"}, 2, "--output \"png\": want text, json, svg or dot\n"},
		{"a picture of one connection", []string{"DIR", "-o", "dot", "--from", "web", "--to", "db"}, 2, "--output dot: only the whole picture can be drawn, without --from, --to and diff\n"},
		{"files without a workload", []string{"DIR/policy.yaml"}, 2, "no workload was found: there is nobody to talk to\n"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			got, code := runReach(t, files, tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReachReadsBrokenInputOnlyOnRequest(t *testing.T) {
	t.Parallel()
	files := map[string]string{"pods.yaml": reachPods, "policy.yaml": reachPolicy, "broken.yaml": "apiVersion: v1\nkind: [\n"}
	got, code := runReach(t, files, "DIR", "--from", "db", "--to", "web")
	if code != ExitUsage || !strings.Contains(got, "--keep-going") {
		t.Errorf("exit code %d\n%s", code, got)
	}
	got, code = runReach(t, files, "DIR", "--from", "db", "--to", "web", "--keep-going")
	if code != ExitOK || !strings.Contains(got, "any port: unknown") || !strings.Contains(got, "Policies may be missing: ") {
		t.Errorf("exit code %d\n%s", code, got)
	}
}

func TestReachDiffFailsOnWhatOpened(t *testing.T) {
	t.Parallel()
	files := map[string]string{"old/pods.yaml": reachPods, "old/policy.yaml": reachPolicy, "new/pods.yaml": reachPods, "new/policy.yaml": strings.Replace(reachPolicy, "port: 5432", "protocol: TCP", 1)}
	got, code := runReach(t, files, "diff", "DIR/old", "DIR/new")
	want := `OPENED
  shop/Pod/web -> shop/Pod/db  yes (all TCP)  was yes (TCP 5432)
1 opened, 0 closed.
`
	if diff := cmp.Diff(got, want); diff != "" || code != ExitFindings {
		t.Errorf("exit code %d: %s", code, diff)
	}
	got, code = runReach(t, files, "diff", "DIR/new", "DIR/old")
	want = strings.NewReplacer("OPENED", "CLOSED", "yes (all TCP)  was yes (TCP 5432)", "yes (TCP 5432)  was yes (all TCP)", "1 opened, 0 closed", "0 opened, 1 closed").Replace(want)
	if diff := cmp.Diff(got, want); diff != "" || code != ExitOK {
		t.Errorf("exit code %d: %s", code, diff)
	}
	if got, code = runReach(t, files, "diff", "DIR/old", "DIR/old"); code != ExitOK || got != "Nothing opened, nothing closed.\n" {
		t.Errorf("exit code %d: %s", code, got)
	}
}

func TestReachWritesJSONAndDOT(t *testing.T) {
	t.Parallel()
	files := map[string]string{"-": reachPods}
	got, code := runReach(t, files, "-", "-o", "json")
	for _, want := range []string{`"schema": "redoubt.reach/v1"`, `"to": "shop/Pod/db"`, `"verdict": "yes"`, `"defaultDeny": "no"`} {
		if !strings.Contains(got, want) || code != ExitOK {
			t.Errorf("exit code %d, without %s:\n%s", code, want, got)
		}
	}
	got, code = runReach(t, files, "-", "-o", "dot")
	for _, want := range []string{"digraph reach {", `"shop/Pod/web" -> "shop/Pod/db" [label="all ports", style=solid];`, `"shop/Pod/web" -> "metadata"`} {
		if !strings.Contains(got, want) || code != ExitOK {
			t.Errorf("exit code %d, without %s:\n%s", code, want, got)
		}
	}
}
