// Package cli is the command line: flags in, one call into run, one renderer
// out, an exit code. It judges nothing.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/klog/v2" //nolint:depguard // to silence it
)

// Streams are the three standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// The exit codes.
const (
	// ExitOK: nothing at or above --fail-on.
	ExitOK = 0
	// ExitFindings: there are findings at or above --fail-on.
	ExitFindings = 1
	// ExitUsage: the call or the input was wrong.
	ExitUsage = 2
	// ExitUnknown: something could not be evaluated and --fail-on-unknown was given.
	ExitUnknown = 3
)

// ExitError is an error with the code the program ends with. Err may be nil
// when everything has been said.
type ExitError struct {
	Code int
	Err  error
}

// Error is the text of the cause.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// Main runs the program and returns its exit code. It touches nothing but what
// it is given and what the arguments name.
func Main(ctx context.Context, args []string, streams Streams) int {
	silenceLibraries()
	root := Root(streams) //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	exit, ok := errors.AsType[*ExitError](err)
	if !ok {
		exit = &ExitError{Code: ExitUsage, Err: err}
	}
	if exit.Err != nil {
		printError(streams.Err, exit.Err)
	}
	return exit.Code
}

// silenceLibraries keeps libraries of Kubernetes from writing to standard
// error: what they warn of is found, placed and reported by controls.
func silenceLibraries() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

// printError writes each of the joined errors on its own line.
func printError(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimRight(line, "\n")
		if line != "" {
			fmt.Fprintln(w, "redoubt:", line) //nolint:errcheck // there is nowhere left to report it
		}
	}
}

// Root builds the command tree.
func Root(streams Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "redoubt",
		Short: "Harden Kubernetes clusters, keep them hardened, and prove it",
		Long: `Redoubt reads manifests, charts, kustomizations and the configuration files of
nodes and control planes, and says what is misconfigured, what only looks
hardened, and what to do about it. It works offline and changes nothing unless
asked to.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.AddCommand(scanCommand(streams), blastCommand(streams), controlsCommand(streams), fixCommand(streams), reachCommand(streams), policyCommand(streams), proveCommand(streams), snapshotCommand(streams), accessCommand(streams), versionCommand(streams))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w\nhint: %s --help lists the flags", err, c.CommandPath())
	})
	return root
}

// colour decides whether to colour an output: on request, or on a terminal
// where nobody objects.
func colour(mode string, w io.Writer) (bool, error) {
	switch mode {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", nil //nolint:forbidigo // cli is where the environment is read
	}
	return false, fmt.Errorf("--color %q: want auto, always or never", mode)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is that of the terminal, or 100 columns elsewhere.
func width(w io.Writer) int {
	const elsewhere = 100
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return elsewhere
}
