//go:build linux

package main

import (
	"errors"
	"os"
)

// An attempt is one thing an intruder tries in the container.
type attempt struct {
	// args is how many arguments it needs.
	args int
	do   func(args []string) (string, error)
}

var attempts = map[string]attempt{
	"read": {1, func(a []string) (string, error) {
		content, err := os.ReadFile(a[0])
		return string(content), err
	}},
	"write": {2, func(a []string) (string, error) {
		return "", os.WriteFile(a[0], []byte(a[1]), 0o600)
	}},
	"fail": {0, func([]string) (string, error) { return "", errors.New("asked to fail") }},
}
