package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/run"
)

// formatDOT is the format of Graphviz.
const formatDOT = "dot"

// reachFlags are the flags all forms of reach share.
type reachFlags struct {
	format, from, to, port string
	fileSize               string
	cluster                clusterFlags
	progress               *progress
	opts                   run.ReachOptions
}

func (r *reachFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&r.format, "output", "o", formatText, "format: text, json, svg, dot")
	f.StringSliceVar(&r.opts.PodCIDRs, "pod-cidr", nil, "range the pods have their addresses from, may be repeated; settles what ipBlock rules mean for pods")
	f.StringVar(&r.fileSize, "max-file-size", "64Mi", "refuse files larger than this")
	f.BoolVar(&r.opts.KeepGoing, "keep-going", false, "report input that can't be read as a gap instead of ending with 2")
	f.BoolVar(&r.opts.NoGitignore, "no-gitignore", false, "read files that .gitignore excludes, too")
	f.StringSliceVarP(&r.opts.Helm.ValueFiles, "values", "f", nil, "values file for the charts, may be repeated")
	f.StringArrayVar(&r.opts.Helm.Set, "set", nil, "value for the charts: key=value, may be repeated")
	f.StringArrayVar(&r.opts.Helm.SetString, "set-string", nil, "like --set, always a string")
	f.StringVar(&r.opts.Helm.Release, "release-name", "", "release name the charts are rendered with (default: the chart's name)")
	f.StringVarP(&r.opts.Helm.Namespace, "namespace", "n", "", "namespace the charts are rendered for (default \"default\")")
}

func reachCommand(streams Streams) *cobra.Command {
	var flags reachFlags
	cmd := &cobra.Command{
		Use:   "reach [PATH...]",
		Short: "Say who can open a connection to whom, by the network policies",
		Long: `Reach evaluates NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and
ClusterNetworkPolicy and says which workload can talk to which on what port, how
workloads are reached from outside through Services, Ingresses, routes and host
ports, and whether they get out to the internet, private networks, the metadata
service of the cloud, the API server and kubelets.

With --from and --to it explains one connection, policy by policy. An end is a
workload (name, kind/name, namespace/name or namespace/kind/name), an address or
range, or one of outside, private, metadata, metadata6, apiserver, kubelet; --to
may be a Service, as svc/namespace/name.

It reads manifests, charts and kustomizations, a file of redoubt snapshot, or with
--cluster a cluster.

What can't be told is unknown, never unreachable.

Exit codes: 0 the question was answered; 2 the call or the input was wrong.`,
		Example: `  redoubt reach deploy/
  redoubt reach deploy/ --from frontend --to postgres --port 5432
  redoubt reach deploy/ --from payment --to metadata
  redoubt reach deploy/ -o svg > reach.svg
  redoubt reach --cluster --context prod
  redoubt reach diff main/deploy deploy`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.opts.Paths = args
			return reach(cmd, streams, &flags)
		},
	}
	flags.register(cmd)
	flags.cluster.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&flags.cluster.on, "cluster", false, "look at the cluster of the kubeconfig instead of files; only reads")
	f.StringVar(&flags.from, "from", "", "explain a connection from this end")
	f.StringVar(&flags.to, "to", "", "explain a connection to this end")
	f.StringVar(&flags.port, "port", "", "port of the destination: 8080, 53/udp, http (default: any)")
	cmd.MarkFlagsRequiredTogether("from", "to")
	cmd.AddCommand(reachDiffCommand(streams))
	return cmd
}

func reachDiffCommand(streams Streams) *cobra.Command {
	var flags reachFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say which connections a change opens and closes",
		Long: `Diff compares who can talk to whom in two folders or files. Workloads are
matched by namespace, kind and name; all connections of a new workload are new.
Snapshots of clusters may be compared, too; files after a snapshot are put over it
as if they were applied.

Exit codes: 0 nothing opened; 1 something may be possible that was not; 2 the
call or the input was wrong.`,
		Example: `  redoubt reach diff main/deploy deploy`,
		Args:    cobra.ExactArgs(2), //nolint:mnd // OLD and NEW
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := flags.parse(cmd, streams)
			if err != nil {
				return err
			}
			defer done()
			diff, err := run.DiffReach(cmd.Context(), flags.opts, args[0], args[1])
			if err != nil {
				return hintKeepGoing(err)
			}
			if err := flags.write(streams.Out, diff, func(w io.Writer) { writeReachDiff(w, diff) }, nil); err != nil {
				return err
			}
			if diff.Opened > 0 {
				return &ExitError{Code: ExitFindings}
			}
			return nil
		},
	}
	flags.register(cmd)
	return cmd
}

// parse checks the flags and shows progress until the function it returns is
// called.
func (r *reachFlags) parse(cmd *cobra.Command, streams Streams) (func(), error) {
	size, err := parseSize(r.fileSize)
	if err != nil {
		return nil, err
	}
	if err := r.cluster.check(cmd); err != nil {
		return nil, err
	}
	r.progress = startProgress(streams.Err)
	r.opts.MaxFileSize, r.opts.Stdin, r.opts.Progress = size, streams.In, r.progress.set
	r.opts.Place = r.cluster.place(r.opts.Input)
	return r.progress.stop, nil
}

func hintKeepGoing(err error) error {
	if _, broken := errors.AsType[*run.BrokenInputError](err); broken {
		return fmt.Errorf("%w\nhint: --keep-going reports what can't be read as gaps instead; answers that depend on it are unknown then", err)
	}
	return err
}

func reach(cmd *cobra.Command, streams Streams, flags *reachFlags) error {
	if flags.from == "" && flags.port != "" {
		return errors.New("--port goes with --from and --to")
	}
	done, err := flags.parse(cmd, streams)
	if err != nil {
		return err
	}
	defer done()
	if flags.from != "" {
		answer, err := run.ExplainReach(cmd.Context(), flags.opts, flags.from, flags.to, flags.port)
		if err != nil {
			return hintKeepGoing(err)
		}
		return flags.write(streams.Out, answer, func(w io.Writer) { writeReachAnswers(w, answer) }, nil)
	}
	rep, err := run.Reach(cmd.Context(), flags.opts)
	if err != nil {
		return hintKeepGoing(err)
	}
	return flags.write(streams.Out, rep, func(w io.Writer) { writeReach(w, rep) }, rep)
}

// write puts a result out in the format asked for; picture is what can be
// drawn, if anything.
func (r *reachFlags) write(w io.Writer, result any, text func(io.Writer), picture *run.ReachReport) error {
	out := bufio.NewWriterSize(quiet{w, r.progress}, writeBuffer)
	switch r.format {
	case formatText:
		text(out)
	case formatJSON:
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(result); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	case formatDOT, formatSVG:
		if picture == nil {
			return fmt.Errorf("--output %s: only the whole picture can be drawn, without --from, --to and diff", r.format)
		}
		draw := writeReachDOT
		if r.format == formatSVG {
			draw = writeReachSVG
		}
		draw(out, picture)
	default:
		return fmt.Errorf("--output %q: want text, json, svg or dot", r.format)
	}
	return out.Flush()
}
