//go:build linux || darwin

package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A Lock is a file that one process holds at a time; the kernel frees it when
// the holder dies.
type Lock struct {
	file *os.File
}

// TryLock takes the lock of a file, or answers [ErrBusy].
func TryLock(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrBusy
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return &Lock{file: file}, nil
}

// WaitLock takes the lock of a file as soon as it is free. It calls waiting
// once if it has to wait.
func WaitLock(ctx context.Context, path string, waiting func()) (*Lock, error) {
	for first := true; ; first = false {
		lock, err := TryLock(path)
		if !errors.Is(err, ErrBusy) {
			return lock, err
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w", path, context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Unlock frees the lock.
func (l *Lock) Unlock() error {
	return l.file.Close()
}

// Interrupt asks one process to end.
func Interrupt(pid int) error {
	return syscall.Kill(pid, syscall.SIGTERM)
}

// Detach makes cmd outlive this process and its terminal.
func Detach(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return nil
}

// endGroup asks a process group to end; it may just have done so.
func endGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGTERM)
}

func killGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}
