//go:build !linux && !darwin

package child

import (
	"context"
	"os/exec"
)

// A Lock can't be taken on this platform.
type Lock struct{}

// TryLock answers that the platform is unsupported.
func TryLock(string) (*Lock, error) {
	return nil, ErrUnsupported
}

// WaitLock answers that the platform is unsupported.
func WaitLock(context.Context, string, func()) (*Lock, error) {
	return nil, ErrUnsupported
}

// Unlock answers that the platform is unsupported.
func (*Lock) Unlock() error {
	return ErrUnsupported
}

// Interrupt answers that the platform is unsupported.
func Interrupt(int) error {
	return ErrUnsupported
}

// Detach answers that the platform is unsupported.
func Detach(*exec.Cmd) error {
	return ErrUnsupported
}

func isolate(*exec.Cmd) error {
	return ErrUnsupported
}

func endGroup(int) {}

func killGroup(int) {}
