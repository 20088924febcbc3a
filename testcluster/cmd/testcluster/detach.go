package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster"
	"github.com/redoubt-k8s/redoubt/testcluster/build"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/child"
)

// stopTimeout is how long down waits for a cluster to stop.
const stopTimeout = time.Minute

// A record is what a detached cluster leaves in the cache for others to find.
type record struct {
	PID    int                 `json:"pid"`
	Access *testcluster.Access `json:"access,omitempty"`
}

// A place is the folder of one named cluster. Whoever runs the cluster holds
// the lock in it.
type place string

func (p place) lock() string    { return filepath.Join(string(p), "lock") }
func (p place) record() string  { return filepath.Join(string(p), "state.json") }
func (p place) log() string     { return filepath.Join(string(p), "serve.log") }
func (p place) cluster() string { return filepath.Join(string(p), "cluster") }

func nameFlag(flags *flag.FlagSet) *string {
	return flags.String("name", "default", "`NAME` of the cluster, if you need several")
}

func placeOf(name string) (place, error) {
	if name == "" || name != filepath.Base(name) || !filepath.IsLocal(name) || name == "." {
		return "", fmt.Errorf("name %q: want a plain word", name)
	}
	dir, err := build.Dir()
	if err != nil {
		return "", err
	}
	p := place(filepath.Join(dir, "running", name))
	if err := os.MkdirAll(string(p), 0o700); err != nil {
		return "", fmt.Errorf("make state folder: %w", err)
	}
	return p, nil
}

// read returns the record of a running cluster, or nil if none runs.
func (p place) read() (*record, error) {
	lock, err := child.TryLock(p.lock())
	if err == nil {
		return nil, lock.Unlock()
	}
	if !errors.Is(err, child.ErrBusy) {
		return nil, err
	}
	content, err := os.ReadFile(p.record())
	if err != nil {
		return nil, fmt.Errorf("a cluster is about to start or stop: %w", err)
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("read %s: %w", p.record(), err)
	}
	return &r, nil
}

func (p place) write(r record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := os.WriteFile(p.record()+".part", content, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(p.record()+".part", p.record()); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

func up(ctx context.Context, args []string, std streams) error {
	flags := newFlags("up", std)
	name := nameFlag(flags)
	text := flags.String("options", "{}", "options as JSON, or @FILE")
	if err := parse(flags, args); err != nil {
		return err
	}
	o, err := parseOptions(*text)
	if err != nil {
		return fmt.Errorf("read options: %w", err)
	}
	p, err := placeOf(*name)
	if err != nil {
		return err
	}
	running, err := p.read()
	if err != nil {
		return err
	}
	if running != nil {
		return fmt.Errorf("cluster %s is running: use it (testcluster kubeconfig) or stop it (testcluster down)", *name)
	}
	programs := build.ControlPlane()
	if o.Node {
		programs = append(programs, build.Node()...)
	}
	if _, err := build.Ensure(ctx, std.stderr, programs); err != nil {
		return err
	}
	access, err := spawn(ctx, *name, p, o)
	if err != nil {
		return err
	}
	return std.print(access.Kubeconfig)
}

// spawn starts this program again as a process that outlives this one, and
// waits until its cluster is ready.
func spawn(ctx context.Context, name string, p place, o testcluster.Options) (*testcluster.Access, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	options, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode options: %w", err)
	}
	log, err := os.Create(p.log())
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer log.Close()                                                                 //nolint:errcheck // the other process writes it
	cmd := exec.Command(self, "serve", "--state="+name, "--options="+string(options)) //nolint:gosec,noctx // ourselves, to outlive us
	if err := child.Detach(cmd); err != nil {
		return nil, err
	}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	unhook := context.AfterFunc(ctx, func() {
		_ = child.Interrupt(cmd.Process.Pid) // it may just have ended
	})
	defer unhook()
	var access testcluster.Access
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&access); err != nil {
		return nil, errors.Join(fmt.Errorf("cluster did not start:\n%s", child.Tail(p.log(), 40)), cmd.Wait())
	}
	return &access, nil
}

// serveDetached is the process that up leaves behind.
func serveDetached(ctx context.Context, name, options string, std streams) error {
	o, err := parseOptions(options)
	if err != nil {
		return fmt.Errorf("read options: %w", err)
	}
	p, err := placeOf(name)
	if err != nil {
		return err
	}
	lock, err := child.TryLock(p.lock())
	if err != nil {
		return err
	}
	err = p.own(ctx, o, std)
	return errors.Join(err, lock.Unlock())
}

// own runs the cluster and keeps the record. The record carries the process id
// from the first moment, so that down can stop a cluster that still starts.
func (p place) own(ctx context.Context, o testcluster.Options, std streams) error {
	if err := p.write(record{PID: os.Getpid()}); err != nil {
		return err
	}
	defer os.Remove(p.record()) //nolint:errcheck // a record without lock counts for nothing
	if o.Dir == "" {
		o.Dir = p.cluster()
		if err := os.RemoveAll(o.Dir); err != nil {
			return fmt.Errorf("remove last cluster: %w", err)
		}
	}
	return with(ctx, o, std, func(_ context.Context, cluster *testcluster.Cluster) error {
		access := cluster.Access()
		if err := p.write(record{PID: os.Getpid(), Access: &access}); err != nil {
			return err
		}
		if err := json.NewEncoder(std.stdout).Encode(access); err != nil {
			return fmt.Errorf("tell that the cluster is ready: %w", err)
		}
		<-ctx.Done()
		return nil
	})
}

func kubeconfig(_ context.Context, args []string, std streams) error {
	flags := newFlags("kubeconfig", std)
	name := nameFlag(flags)
	userName := flags.String("user", "", "sign a certificate for this `USER` instead of the administrator")
	groups := flags.String("groups", "", "groups of the user, with commas between")
	if err := parse(flags, args); err != nil {
		return err
	}
	p, err := placeOf(*name)
	if err != nil {
		return err
	}
	running, err := p.read()
	if err != nil {
		return err
	}
	if running == nil || running.Access == nil {
		return fmt.Errorf("cluster %s is not running: start it with testcluster up", *name)
	}
	if *userName == "" {
		return std.print(running.Access.Kubeconfig)
	}
	content, err := running.Access.KubeconfigFor(*userName, strings.FieldsFunc(*groups, func(r rune) bool { return r == ',' })...)
	if err != nil {
		return err
	}
	path, err := keep(running.Access.Dir, content)
	if err != nil {
		return err
	}
	return std.print(path)
}

func down(ctx context.Context, args []string, std streams) error {
	flags := newFlags("down", std)
	name := nameFlag(flags)
	if err := parse(flags, args); err != nil {
		return err
	}
	p, err := placeOf(*name)
	if err != nil {
		return err
	}
	running, err := p.read()
	if err != nil {
		return err
	}
	if running == nil {
		std.tell("testcluster: cluster %s is not running\n", *name)
		return nil
	}
	if err := child.Interrupt(running.PID); err != nil {
		return fmt.Errorf("stop process %d: %w", running.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	lock, err := child.WaitLock(ctx, p.lock(), func() {})
	if err != nil {
		return fmt.Errorf("cluster %s does not stop, see %s: %w", *name, p.log(), err)
	}
	return errors.Join(os.RemoveAll(p.cluster()), lock.Unlock())
}
