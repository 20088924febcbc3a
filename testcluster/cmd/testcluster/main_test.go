package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster"
	"github.com/redoubt-k8s/redoubt/testcluster/build"
)

func TestServeAnswersRequestsAndEndsWithItsInput(t *testing.T) {
	t.Parallel()
	needs(t)
	s := serving(t)
	s.say(`{"without":["kube-controller-manager","kube-scheduler"]}`)
	var access testcluster.Access
	s.hear(&access)
	for _, path := range []string{access.Kubeconfig, access.CA, access.CAKey, access.EtcdCert} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}

	var got reply
	s.say(`{"kubeconfig":{"user":"eve","groups":["dev"]}}`)
	s.hear(&got)
	if content, err := os.ReadFile(got.Kubeconfig); err != nil || !bytes.Contains(content, []byte(`"name": "eve"`)) {
		t.Errorf("got kubeconfig %s, %v", content, err)
	}
	got = reply{}
	s.say(`{"restartAPIServer":{"config":{"audit":"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"}}}`)
	s.hear(&got)
	if got.Access == nil || got.Access.AuditLog == "" || got.Access.URL != access.URL {
		t.Errorf("got %+v after a restart with an audit policy", got)
	}
	for _, wrong := range []string{`{"restartAPIServer":{"confg":1}}`, `{}`} {
		got = reply{}
		s.say(wrong)
		s.hear(&got)
		if got.Error == "" {
			t.Errorf("got no error for %s", wrong)
		}
	}
	if err := s.input.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-s.code; code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, &s.errors)
	}
	if _, err := os.Stat(access.Dir); err == nil {
		t.Errorf("folder %s is still there", access.Dir)
	}
}

func TestServeGivesUpWhenNobodyWaitsForIt(t *testing.T) {
	t.Parallel()
	needs(t)
	s := serving(t)
	s.say(`{}`)
	if err := s.input.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-s.code; code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, &s.errors)
	}
}

func TestKilledServeTakesItsComponentsAlong(t *testing.T) {
	t.Parallel()
	needs(t)
	if runtime.GOOS != "linux" {
		t.Skip("only the Linux kernel ends the children of a killed process")
	}
	dir := filepath.Join(t.TempDir(), "cluster")
	cmd := exec.CommandContext(t.Context(), program(t), "serve")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(input, "{\"dir\":%q}\n", dir); err != nil {
		t.Fatal(err)
	}
	var access testcluster.Access
	if err := json.NewDecoder(output).Decode(&access); err != nil {
		t.Fatal(err)
	}
	if got := processes(t, dir); len(got) != 4 {
		t.Errorf("got processes %q, want four", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	deadline := time.After(10 * time.Second)
	for len(processes(t, dir)) > 0 {
		select {
		case <-deadline:
			t.Fatalf("still there: %q", processes(t, dir))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	needs(t)
	binary, name := program(t), fmt.Sprintf("--name=test-%d", os.Getpid())
	command := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), binary, append(args, name)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	if _, err := command("kubeconfig"); err == nil {
		t.Error("a cluster that does not run has a kubeconfig")
	}
	path, err := command("up")
	t.Cleanup(func() {
		// The context of the test has ended by now.
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "down", name).CombinedOutput()
		if err != nil {
			t.Errorf("down: %v: %s", err, out)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := command("kubeconfig"); err != nil || got != path {
		t.Errorf("got kubeconfig %q, %v, want %q", got, err, path)
	}
	if got, err := command("kubeconfig", "--user=eve", "--groups=a,b"); err != nil || got == path {
		t.Errorf("got kubeconfig %q, %v for another user", got, err)
	}
	if _, err := command("up"); err == nil {
		t.Error("the second up with the same name was accepted")
	}
	if got := processes(t, filepath.Dir(path)); len(got) != 4 {
		t.Errorf("got processes %q, want four", got)
	}
	if _, err := command("down"); err != nil {
		t.Error(err)
	}
	if got := processes(t, filepath.Dir(path)); len(got) > 0 {
		t.Errorf("after down there is still %q", got)
	}
}

func TestCommandLinesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{
		"":                           2,
		"sing":                       2,
		"serve extra":                1,
		"serve --options={":          1,
		"serve --options={\"x\":1}":  1,
		"serve --options=@/nowhere":  1,
		"up --name=../up":            1,
		"up --name=":                 1,
		"down --name=a/b":            1,
		"modules":                    1,
		"kubeconfig --name=..":       1,
		"kubeconfig --no-such-flag=": 1,
		"down -h":                    0,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var errs bytes.Buffer
			got := run(t.Context(), strings.Fields(line), streams{strings.NewReader(""), io.Discard, &errs})
			if got != want || errs.Len() == 0 {
				t.Errorf("got exit code %d, want %d; stderr: %s", got, want, &errs)
			}
		})
	}
}

func TestModulesAreWrittenWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code := run(t.Context(), []string{"modules", dir}, streams{nil, io.Discard, io.Discard}); code != 0 {
		t.Fatalf("got exit code %d", code)
	}
	for _, name := range []string{"kubernetes/go.mod", "kubernetes/go.sum", "etcd/main.go", "node/tools.go"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// A server is a serve command that runs in this process.
type server struct {
	t      *testing.T
	input  *io.PipeWriter
	output *json.Decoder
	errors bytes.Buffer
	code   chan int
}

func serving(t *testing.T) *server {
	t.Helper()
	stdin, input := io.Pipe()
	output, stdout := io.Pipe()
	s := &server{t: t, input: input, output: json.NewDecoder(output), code: make(chan int, 1)}
	go func() {
		code := run(t.Context(), []string{"serve"}, streams{stdin, stdout, &s.errors})
		_ = stdout.Close() // never fails
		s.code <- code
	}()
	return s
}

func (s *server) say(line string) {
	s.t.Helper()
	if _, err := fmt.Fprintln(s.input, line); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) hear(into any) {
	s.t.Helper()
	if err := s.output.Decode(into); err != nil {
		s.t.Fatalf("%v, exit code %d: %s", err, <-s.code, &s.errors)
	}
}

func needs(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a control plane takes seconds, and -short is set")
	}
	if !build.Built(build.ControlPlane()) {
		t.Skip("the control plane is not built: run go run ./cmd/testcluster build (some 9 minutes, once)")
	}
}

func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "testcluster")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// processes lists the command lines of components that work in a folder.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-eo", "stat=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		// Not a zombie, and not the shell or the server that merely names the folder.
		if !strings.HasPrefix(line, "Z") && strings.Contains(line, "="+dir+"/") && !strings.Contains(line, " serve ") {
			found = append(found, line)
		}
	}
	return found
}
