//go:build !windows

package run

import "syscall"

// errNotDir says that a part of a path is a file.
const errNotDir = syscall.ENOTDIR
