// Command testcluster builds and runs Kubernetes control planes for tests. It
// is for people at a terminal and for tests outside this module.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/redoubt-k8s/redoubt/testcluster/build"
)

const usage = `usage:
  testcluster build                      compile what the cache lacks
  testcluster up [flags]                 start a cluster in the background, print its kubeconfig path
  testcluster create [flags] PATH...     make the objects of manifests in the cluster
  testcluster kubeconfig [flags]         print the path of a kubeconfig
  testcluster down [flags]               stop the cluster
  testcluster serve [flags]              run a cluster until stdin closes, see README.md
  testcluster modules DIR                write the build modules to DIR, to update them

testcluster COMMAND -h lists the flags.
`

func main() {
	//nolint:forbidigo // the program starts here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code) //nolint:forbidigo // and ends here
}

type streams struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// print writes a result.
func (s streams) print(line string) error {
	if _, err := fmt.Fprintln(s.stdout, line); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// tell writes a message for people; there is nobody to tell if it fails.
func (s streams) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(s.stderr, format, args...)
}

func run(ctx context.Context, args []string, std streams) int {
	commands := map[string]func(context.Context, []string, streams) error{
		"build":      buildCommand,
		"up":         up,
		"create":     create,
		"kubeconfig": kubeconfig,
		"down":       down,
		"serve":      serve,
		"modules":    modules,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		std.tell(usage)
		return 2
	}
	err := commands[args[0]](ctx, args[1:], std)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	default:
		std.tell("testcluster: %v\n", err)
		return 1
	}
}

func buildCommand(ctx context.Context, args []string, std streams) error {
	flags := newFlags("build", std)
	node := flags.Bool("node", false, "also compile what a node needs (Linux)")
	if err := parse(flags, args); err != nil {
		return err
	}
	programs := build.ControlPlane()
	if *node {
		if err := build.CanBuildNode(ctx); err != nil {
			return err
		}
		programs = append(programs, build.Node()...)
	}
	paths, err := build.Ensure(ctx, std.stderr, programs)
	if err != nil {
		return err
	}
	for _, program := range programs {
		if err := std.print(paths[program.Name]); err != nil {
			return err
		}
	}
	return nil
}

func modules(_ context.Context, args []string, _ streams) error {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return errors.New("modules: want one folder")
	}
	return build.Write(args[0])
}

func newFlags(command string, std streams) *flag.FlagSet {
	flags := flag.NewFlagSet("testcluster "+command, flag.ContinueOnError)
	flags.SetOutput(std.stderr)
	return flags
}

// parse parses flags and refuses anything else.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", flags.Name(), flags.Arg(0))
	}
	return nil
}
