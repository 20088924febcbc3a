//go:build !linux

package machine

import (
	"context"
	"errors"
)

var errUnsupported = errors.New("a node needs Linux")

// Check says why no node can run here.
func Check() error { return errUnsupported }

// Up answers that the platform is unsupported.
func Up(context.Context) error { return errUnsupported }

// Down answers that the platform is unsupported.
func Down(context.Context) error { return errUnsupported }

// Snapshotter is empty, since no container runs here.
func Snapshotter() string { return "" }
