// Package child runs the components of a test cluster as child processes and
// makes sure that they end. It knows nothing of what they do.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// ErrUnsupported is what a platform without process groups answers.
var ErrUnsupported = errors.New("test clusters need Linux or macOS")

// ErrBusy says that another process holds a lock.
var ErrBusy = errors.New("held by another process")

// A Spec says what to run.
type Spec struct {
	// Name is for messages.
	Name string
	// Path is the program.
	Path string
	// Args are its arguments, without the name.
	Args []string
	// Env is its whole environment; nil means the parent's.
	Env []string
	// Log is the file that takes both output streams; it is appended to.
	Log string
	// Grace is how long the process may take to end by itself when asked to.
	Grace time.Duration
}

// A Process is a running child. It leads a process group of its own, and on
// Linux the kernel kills it when this process dies, however that happens.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	end  func()
	done chan struct{}
	err  error
}

// Start runs a child until it ends, until [Process.Stop], or until ctx ends.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	// Not CommandContext: it would kill at once, and only the leader of the group.
	cmd := exec.Command(spec.Path, spec.Args...) //nolint:gosec,noctx // the caller chooses the program, terminate follows ctx
	cmd.Env = spec.Env
	cmd.Stdout, cmd.Stderr = log, log
	if err := isolate(cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", spec.Name, err), log.Close())
	}
	p := &Process{spec: spec, cmd: cmd, done: make(chan struct{})}
	p.end = sync.OnceFunc(p.terminate)
	started := make(chan error)
	go func() {
		// The kernel ties the death signal to the thread that forked, so the
		// thread must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.wait(ctx)
		}
	}()
	if err := errors.Join(<-started, log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// Name is the name from the spec.
func (p *Process) Name() string {
	return p.spec.Name
}

// PID is the process id of the child.
func (p *Process) PID() int {
	return p.cmd.Process.Pid
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} {
	return p.done
}

// Stop asks the child to end, kills it and its process group when the grace is
// over, and returns when it is gone.
func (p *Process) Stop() {
	p.end()
	<-p.done
}

// Failure describes a child that has ended on its own, with the end of its log.
func (p *Process) Failure() error {
	<-p.done
	return fmt.Errorf("%s ended: %w\n%s", p.spec.Name, p.err, Tail(p.spec.Log, 15))
}

func (p *Process) wait(ctx context.Context) {
	defer close(p.done)
	unhook := context.AfterFunc(ctx, p.end)
	defer unhook()
	p.err = p.cmd.Wait()
	if p.err == nil {
		p.err = errors.New("exit status 0")
	}
}

func (p *Process) terminate() {
	select {
	case <-p.done:
		return
	default:
	}
	endGroup(p.PID())
	select {
	case <-p.done:
	case <-time.After(p.spec.Grace):
		killGroup(p.PID())
	}
}

// Tail returns the last lines of a log, indented.
func Tail(file string, lines int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return "  (no log: " + err.Error() + ")"
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		if len(line) > 400 {
			line = line[:400] + "..."
		}
		all[i] = "  " + line
	}
	return strings.Join(all, "\n")
}
