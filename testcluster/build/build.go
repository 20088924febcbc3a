// Package build compiles the programs of a test cluster from Go modules, once
// per version, into the user's cache directory. It downloads no binaries.
package build

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster/internal/child"
)

// KubernetesVersion is the version of every Kubernetes program here.
const KubernetesVersion = "1.36.3"

// The module files end in .txt because a folder with a go.mod can't be embedded.
//
//go:embed kubernetes etcd node pause
var modules embed.FS

// A Program is something to compile.
type Program struct {
	// Name is the file name of the binary.
	Name string

	module  string
	pkg     string
	ldflags string
	tags    string
	cgo     bool
}

// ControlPlane lists the programs of a cluster without nodes.
func ControlPlane() []Program {
	return []Program{
		{Name: "etcd", module: "etcd", pkg: "."},
		kubernetes("kube-apiserver"),
		kubernetes("kube-controller-manager"),
		kubernetes("kube-scheduler"),
	}
}

// Node lists what one node runs besides: kubelet, containerd and its tools,
// runc and network plugins. All of it is for Linux. runc needs a C compiler and
// the headers of libseccomp: the kubelet gives every sandbox a seccomp profile.
func Node() []Program {
	const (
		containerd = "github.com/containerd/containerd/v2/cmd/"
		plugins    = "github.com/containernetworking/plugins/plugins/"
	)
	return []Program{
		kubernetes("kubelet"),
		{Name: "containerd", module: "node", pkg: containerd + "containerd"},
		{Name: "containerd-shim-runc-v2", module: "node", pkg: containerd + "containerd-shim-runc-v2"},
		{Name: "ctr", module: "node", pkg: containerd + "ctr"},
		{Name: "runc", module: "node", pkg: "github.com/opencontainers/runc", tags: "seccomp", cgo: true},
		{Name: "bridge", module: "node", pkg: plugins + "main/bridge"},
		{Name: "loopback", module: "node", pkg: plugins + "main/loopback"},
		{Name: "host-local", module: "node", pkg: plugins + "ipam/host-local"},
		{Name: "portmap", module: "node", pkg: plugins + "meta/portmap"},
		{Name: "pause", module: "pause", pkg: "."},
	}
}

// CanBuildNode says why the programs of a node can't be compiled here, or nil.
// Only runc is demanding, so nothing is amiss if the cache has it.
func CanBuildNode(ctx context.Context) error {
	demanding := slices.DeleteFunc(Node(), func(p Program) bool { return !p.cgo })
	if Built(demanding) {
		return nil
	}
	if runtime.GOOS != "linux" {
		return errors.New("a node needs Linux")
	}
	if out, err := exec.CommandContext(ctx, "pkg-config", "--exists", "--print-errors", "libseccomp").CombinedOutput(); err != nil {
		return fmt.Errorf("runc needs a C compiler, pkg-config and the headers of libseccomp (Debian: gcc pkg-config libseccomp-dev): %w\n%s", err, out)
	}
	return nil
}

// Dir is the folder that holds builds and the state of running clusters.
func Dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(cache, "redoubt-testcluster"), nil
}

// Path tells where the program is or would be.
func (p Program) Path() (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	key, err := p.key()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, key, p.Name), nil
}

// Built tells whether all programs are in the cache.
func Built(programs []Program) bool {
	for _, p := range programs {
		path, err := p.Path()
		if err != nil {
			return false
		}
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

// Ensure compiles the programs that the cache lacks and returns the path of
// each by name. Progress goes to the writer. Several processes may call it at
// once: one compiles, the others wait.
func Ensure(ctx context.Context, progress io.Writer, programs []Program) (map[string]string, error) {
	paths := make(map[string]string, len(programs))
	for _, p := range programs {
		path, err := p.ensure(ctx, progress)
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", p.Name, err)
		}
		paths[p.Name] = path
	}
	return paths, nil
}

// Write writes the build modules under dir, so that a maintainer can update
// them with the go command.
func Write(dir string) error {
	for _, module := range []string{"kubernetes", "etcd", "node", "pause"} {
		if err := writeModule(module, filepath.Join(dir, module)); err != nil {
			return err
		}
	}
	return nil
}

func kubernetes(name string) Program {
	const version = "k8s.io/component-base/version."
	parts := strings.Split(KubernetesVersion, ".")
	return Program{
		Name:   name,
		module: "kubernetes",
		pkg:    "k8s.io/kubernetes/cmd/" + name,
		ldflags: "-X " + version + "gitVersion=v" + KubernetesVersion +
			" -X " + version + "gitMajor=" + parts[0] + " -X " + version + "gitMinor=" + parts[1],
	}
}

// key names a folder of the cache. It changes with anything that may change
// the binary, but for the Go version: a new Go is no reason to spend minutes.
func (p Program) key() (string, error) {
	var text strings.Builder
	fmt.Fprintln(&text, runtime.GOOS, runtime.GOARCH, p.pkg, p.ldflags, p.tags, p.cgo)
	err := fs.WalkDir(modules, p.module, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := modules.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s %x\n", path, sha256.Sum256(content))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read build module: %w", err)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return p.Name + "-" + hex.EncodeToString(sum[:6]), nil
}

func (p Program) ensure(ctx context.Context, progress io.Writer) (string, error) {
	path, err := p.Path()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	lock, err := child.WaitLock(ctx, filepath.Join(dir, "lock"), func() {
		say(progress, "waiting, another process builds %s", p.Name)
	})
	if err != nil {
		return "", err
	}
	if _, missing := os.Stat(path); missing != nil {
		err = p.compile(ctx, progress, path)
	}
	return path, errors.Join(err, lock.Unlock())
}

// compile runs the go command in a fresh copy of the module. The binary gets
// its name only when it is whole.
func (p Program) compile(ctx context.Context, progress io.Writer, path string) error {
	source := filepath.Join(filepath.Dir(path), "source")
	if err := writeModule(p.module, source); err != nil {
		return err
	}
	defer os.RemoveAll(source) //nolint:errcheck // a left-over source folder does no harm
	args := []string{
		"build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-tags=" + p.tags,
		"-ldflags=-s -w " + p.ldflags, "-o", path + ".part", p.pkg,
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are ours
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "CGO_ENABLED=0")
	if p.cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	took, output, err := watch(progress, p.Name, cmd)
	if err != nil {
		return fmt.Errorf("go build %s: %w\n%s", p.pkg, err, output)
	}
	say(progress, "built %s in %s", p.Name, took)
	if err := os.Rename(path+".part", path); err != nil {
		return fmt.Errorf("keep binary: %w", err)
	}
	return nil
}

// watch runs a slow command and says now and then that it still runs.
func watch(progress io.Writer, name string, cmd *exec.Cmd) (time.Duration, []byte, error) {
	say(progress, "building %s, once (kube-apiserver takes some 5 minutes on 2 cores)", name)
	start := time.Now() //nolint:forbidigo // people want to know how long a build takes
	elapsed := func() time.Duration {
		return time.Since(start).Round(time.Second) //nolint:forbidigo // see above
	}
	type result struct {
		output []byte
		err    error
	}
	done := make(chan result, 1)
	go func() {
		output, err := cmd.CombinedOutput()
		done <- result{output, err}
	}()
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return elapsed(), r.output, r.err
		case <-tick.C:
			say(progress, "still building %s (%s)", name, elapsed())
		}
	}
}

// say tells people something; that they can't hear it is no reason to stop.
func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, "testcluster: "+format+"\n", args...)
}

func writeModule(module, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write build module: %w", err)
	}
	entries, err := modules.ReadDir(module)
	if err != nil {
		return fmt.Errorf("read build module: %w", err)
	}
	for _, entry := range entries {
		content, err := modules.ReadFile(module + "/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read build module: %w", err)
		}
		name := strings.TrimSuffix(entry.Name(), ".txt")
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write build module: %w", err)
		}
	}
	return nil
}
