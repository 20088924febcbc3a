//go:build linux

// Command program is what runs inside the pods of the real node. With a role in
// its environment it stands in for a program of an example, and needs from its
// surroundings what that would need; otherwise it does what its arguments say.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // the program ends here
	}
}

// env is a variable of the environment.
func env(name string) string {
	return os.Getenv(name) //nolint:forbidigo // the container's environment is the input
}

func run() error {
	played, err := readRole()
	if err != nil {
		return err
	}
	switch name := filepath.Base(os.Args[0]); {
	case name == "agent":
		return prove()
	case played != nil && slices.Contains(played.Probes, name):
		return played.probe()
	case played != nil && name != "program":
		return played.play()
	case len(os.Args) < 2:
		wait()
		return nil
	}
	verb, args := os.Args[1], os.Args[2:]
	attempt, known := attempts[verb]
	if !known {
		return fmt.Errorf("unknown verb %q", verb)
	}
	if len(args) < attempt.args {
		return fmt.Errorf("%s wants %d arguments", verb, attempt.args)
	}
	said, err := attempt.do(args)
	if said != "" {
		_, _ = fmt.Fprintln(os.Stdout, said)
	}
	return err
}

// wait ends on a signal. As the first process of a container it reaps orphans.
func wait() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || errors.Is(err, syscall.ECHILD) {
				break
			}
		}
	}
}
