package cli_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/redoubt-k8s/redoubt/internal/cli"
)

var update = flag.Bool("update", false, "write golden files instead of comparing them")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"redoubt": func() {
			os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})) //nolint:forbidigo // this is the program
		},
	})
}

// TestScripts runs the program as a user does: every script in testdata/script
// is a transcript with files, calls, exit codes and output.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": exit,
		},
	})
}

// exit runs the program and wants one exit code: exit CODE ARG...
func exit(ts *testscript.TestScript, neg bool, args []string) { //nolint:revive // testscript asks for it
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE program ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = exitCode(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// exitCode is the code of a program that has ended with an error.
func exitCode(err error) string {
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return strconv.Itoa(ended.ExitCode())
	}
	return err.Error()
}
