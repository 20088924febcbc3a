package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/run"
)

// mostQuestions bounds what --verify asks unless another bound is given.
const mostQuestions = 5000

// blastFlags are those all forms of blast share.
type blastFlags struct {
	colour, file string
	cluster      clusterFlags
	progress     *progress
	opts         run.BlastOptions
}

// run reads and answers, and writes the answer.
func (b *blastFlags) run(cmd *cobra.Command, streams Streams, answer func(context.Context, io.Writer) error) error {
	if err := b.cluster.check(cmd); err != nil {
		return err
	}
	b.progress = startProgress(streams.Err)
	defer b.progress.stop()
	b.opts.Stdin, b.opts.Progress = streams.In, b.progress.set
	b.opts.Place = b.cluster.place(b.opts.Input)
	return b.write(streams.Out, func(w io.Writer) error { return answer(cmd.Context(), w) })
}

func blastCommand(streams Streams) *cobra.Command {
	var flags blastFlags
	verify := false
	cmd := &cobra.Command{
		Use:   "blast [PATH...]",
		Short: "Say what an intruder gets who has taken over a workload",
		Long: `Blast answers the question: what permissions have you given me in your cluster
if I manage to hack into your application? It follows attack steps from every
workload (out of the container, with its identity, by its rights, from the node
onwards) and says what falls, with the field that makes each step possible. Then
it names the changes that take the most away, and those that close every way to
the whole cluster; both are verified by going over the graph again.

It reads manifests, charts and kustomizations, a file of redoubt snapshot, or with
--cluster a cluster. What could not be read there makes things possible that depend
on it, never impossible.

Exit codes: 0 the question was answered; 1 with --what-if and diff, if anything
more is given away, with --verify, if the API server disagrees; 2 the call or the
input was wrong.`,
		Example: `  redoubt blast deploy/
  redoubt blast deploy/ --workload shop/Deployment/search
  redoubt blast deploy/ --from shop/Deployment/search --to cluster-admin
  redoubt blast deploy/ --protect secret:shop/database
  redoubt blast deploy/ --what-if change.yaml
  redoubt blast --cluster --context prod --verify
  redoubt blast prod.redoubt --what-if deploy/
  redoubt blast who-can get secrets -n shop deploy/
  redoubt blast diff main/ branch/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.opts.Paths = args
			switch {
			case !verify:
				flags.opts.Verify = 0
			case flags.opts.Verify < 1:
				return errors.New("--verify-limit: want 1 at least")
			}
			return flags.run(cmd, streams, func(ctx context.Context, w io.Writer) error {
				more, err := run.Blast(ctx, flags.opts, w)
				return moreGiven(more, err)
			})
		},
	}
	flags.register(cmd, "text", "json", "dot", "svg", "html")
	flags.registerCluster(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.opts.Workload, "workload", "", "answer for one workload: namespace/kind/name")
	f.StringVar(&flags.opts.From, "from", "", "show the way from a thing (a workload, sa:, user:, group:, node:, secret: with a name, internet)")
	f.StringVar(&flags.opts.To, "to", "", "show the way to a thing (as --from, or cluster-admin)")
	f.StringVar(&flags.opts.WhatIf, "what-if", "", "file or folder with manifests, or file with patches: say what applying them would give away or take back")
	f.StringArrayVar(&flags.opts.Protect, "protect", nil, "propose changes that keep an intruder from this, too (as --to), such as secret:shop/database; may be repeated")
	f.IntVar(&flags.opts.Changes, "changes", 3, "how many changes to propose")
	f.BoolVar(&verify, "verify", false, "with --cluster: check each step that needs rights with the API server, by SubjectAccessReviews")
	f.IntVar(&flags.opts.Verify, "verify-limit", mostQuestions, "how many questions --verify may ask")
	f.BoolVar(&flags.opts.All, "all", false, "tell about every workload at length")
	cmd.AddCommand(whoCanCommand(streams), blastDiffCommand(streams))
	return cmd
}

// registerCluster adds the flags that read a cluster.
func (b *blastFlags) registerCluster(cmd *cobra.Command) {
	b.cluster.register(cmd)
	cmd.Flags().BoolVar(&b.cluster.on, "cluster", false, "look at the cluster of the kubeconfig instead of files; only reads")
}

func (b *blastFlags) register(cmd *cobra.Command, formats ...string) {
	f := cmd.Flags()
	f.StringVarP(&b.opts.Format, "output", "o", formats[0], "format: "+strings.Join(formats, ", "))
	f.StringVar(&b.file, "output-file", "", "write the answer to a file instead of standard output")
	f.StringVar(&b.colour, "color", "auto", "colour the text: auto, always, never")
	f.BoolVar(&b.opts.KeepGoing, "keep-going", false, "report input that can't be read as a gap instead of ending with 2")
	f.BoolVar(&b.opts.NoGitignore, "no-gitignore", false, "read files that .gitignore excludes, too")
	f.StringSliceVarP(&b.opts.Helm.ValueFiles, "values", "f", nil, "values file for the charts, may be repeated")
	f.StringArrayVar(&b.opts.Helm.Set, "set", nil, "value for the charts: key=value, may be repeated")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, b.opts.Format) {
			return fmt.Errorf("--output %q: want %s", b.opts.Format, strings.Join(formats, ", "))
		}
		return nil
	}
}

// write runs an answer with the output it goes to.
func (b *blastFlags) write(stdout io.Writer, answer func(io.Writer) error) error {
	var err error
	if b.file != "" {
		stdout = io.Discard
	}
	if b.opts.Colour, err = colour(b.colour, stdout); err != nil {
		return err
	}
	if b.file != "" {
		// An exit code is an outcome: the file is written all the same.
		var outcome error
		err := writeFile(b.file, func(w io.Writer) error {
			err := answer(w)
			if exit, ok := errors.AsType[*ExitError](err); ok && exit.Err == nil {
				outcome = err
				return nil
			}
			return err
		})
		return cmp.Or(err, outcome)
	}
	out := bufio.NewWriterSize(quiet{stdout, b.progress}, writeBuffer)
	err = answer(out)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return err
}

func moreGiven(more bool, err error) error { //nolint:revive // the outcome as it comes
	if err == nil && more {
		return &ExitError{Code: ExitFindings}
	}
	return err
}

func whoCanCommand(streams Streams) *cobra.Command {
	var flags blastFlags
	var q run.WhoCanOptions
	cmd := &cobra.Command{
		Use:   "who-can VERB RESOURCE [PATH...]",
		Short: "List who may do something, by which binding, and which workloads act as them",
		Example: `  redoubt blast who-can get secrets -n shop deploy/
  redoubt blast who-can create pods/exec --all-namespaces deploy/
  redoubt blast who-can update deployments.apps --name search -n shop deploy/`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Verb, q.Resource = args[0], args[1]
			flags.opts.Paths = args[2:]
			return flags.run(cmd, streams, func(ctx context.Context, w io.Writer) error {
				return run.BlastWhoCan(ctx, flags.opts, q, w)
			})
		},
	}
	flags.register(cmd, "text", "json")
	flags.registerCluster(cmd)
	f := cmd.Flags()
	f.StringVarP(&q.Namespace, "namespace", "n", "", "the namespace it is done in (default: the whole cluster)")
	f.BoolVarP(&q.AllNamespaces, "all-namespaces", "A", false, "rights in any namespace count")
	f.StringVar(&q.Name, "name", "", "the object it is done to (default: any)")
	return cmd
}

func blastDiffCommand(streams Streams) *cobra.Command {
	var flags blastFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what NEW gives away that OLD did not; exit 1 if anything",
		Long: `Diff compares two inputs: folders or files, or two snapshots of a cluster. With a
snapshot as OLD and files as NEW it says what applying the files to the cluster
would change.`,
		Example: `  redoubt blast diff main/ branch/
  redoubt blast diff monday.redoubt friday.redoubt
  redoubt blast diff prod.redoubt deploy/`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd, streams, func(ctx context.Context, w io.Writer) error {
				more, err := run.BlastDiff(ctx, flags.opts, args[0], args[1], w)
				return moreGiven(more, err)
			})
		},
	}
	flags.register(cmd, "text", "json")
	return cmd
}
