package cli

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// selectionFlags choose controls.
type selectionFlags struct {
	frameworks, controls, skip []string
	severity                   string
	dir                        string
}

func (s *selectionFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&s.frameworks, "framework", nil, "only controls of a framework: "+strings.Join(catalogue.Frameworks(), ", "))
	f.StringSliceVar(&s.controls, "control", nil, "only these controls, by id or glob")
	f.StringSliceVar(&s.skip, "skip", nil, "without these controls, by id or glob")
	f.StringVar(&s.severity, "severity", "info", "only controls of this severity or worse: critical, high, medium, low, info")
	f.StringVar(&s.dir, "controls", "", "folder with controls of your own, added to the built-in ones")
}

func (s *selectionFlags) parse() (catalogue.Selection, error) {
	severity, err := finding.ParseSeverity(s.severity)
	if err != nil {
		return catalogue.Selection{}, fmt.Errorf("--severity: %w", err)
	}
	return catalogue.Selection{Frameworks: s.frameworks, IDs: s.controls, Skip: s.skip, Severity: severity}, nil
}

// scanFlags are the flags of scan that are not handed on as they are.
type scanFlags struct {
	selection     selectionFlags
	output        outputFlags
	cluster       clusterFlags
	failOn        string
	failOnUnknown bool
	fileSize      string
}

func scanCommand(streams Streams) *cobra.Command {
	var flags scanFlags
	var opts run.ScanOptions
	cmd := &cobra.Command{
		Use:   "scan [PATH...]",
		Short: "Judge manifests, charts, kustomizations and component configuration files",
		Long: `Scan reads the files and folders it is given, or the current folder, and judges
what it finds: Kubernetes manifests (YAML, JSON, multi-document, Lists), Helm
charts, kustomizations, configuration files of kubelet, API server, etcd and
kubeadm, kubeconfig files and Dockerfiles. "-" is standard input. With --cluster
it reads a cluster; a file of redoubt snapshot stands for the cluster it is of.

Exit codes: 0 nothing at or above --fail-on; 1 findings; 2 the call or the input
was wrong; 3 something could not be evaluated and --fail-on-unknown was given.`,
		Example: `  redoubt scan
  redoubt scan deploy/ --framework pss-restricted
  redoubt scan charts/shop --values prod.yaml -o sarif --output-file shop.sarif
  helm template shop | redoubt scan -
  redoubt scan --cluster --context prod`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Paths, opts.Stdin = args, streams.In
			return scan(cmd, streams, &flags, opts)
		},
	}
	flags.selection.register(cmd)
	flags.output.register(cmd)
	flags.cluster.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&flags.cluster.on, "cluster", false, "scan the cluster of the kubeconfig instead of files; only reads")
	f.StringVar(&flags.failOn, "fail-on", "high", "exit with 1 for findings of this severity or worse; never for none")
	f.BoolVar(&flags.failOnUnknown, "fail-on-unknown", false, "exit with 3 if something could not be evaluated")
	f.StringVar(&flags.fileSize, "max-file-size", "64Mi", "refuse files larger than this")
	f.BoolVar(&opts.KeepGoing, "keep-going", false, "report input that can't be read as a gap instead of ending with 2")
	f.BoolVar(&opts.NoGitignore, "no-gitignore", false, "read files that .gitignore excludes, too")
	f.StringSliceVarP(&opts.Helm.ValueFiles, "values", "f", nil, "values file for the charts, may be repeated")
	f.StringArrayVar(&opts.Helm.Set, "set", nil, "value for the charts: key=value, may be repeated")
	f.StringArrayVar(&opts.Helm.SetString, "set-string", nil, "like --set, always a string")
	f.StringVar(&opts.Helm.Release, "release-name", "", "release name the charts are rendered with (default: the chart's name)")
	f.StringVarP(&opts.Helm.Namespace, "namespace", "n", "", "namespace the charts are rendered for (default \"default\"); with --cluster those to read one by one, with commas, where lists over all are forbidden")
	f.StringSliceVar(&opts.Policies, "policies", nil, "file or folder with ValidatingAdmissionPolicies to ask about every object, may be repeated")
	f.StringVar(&opts.KubernetesVersion, "kubernetes-version", "latest", "Kubernetes version to judge by: latest or v1.N")
	f.StringArrayVar(&opts.Images, "image", nil, "[NAME=]PATH of an image at hand, an OCI layout or an archive of docker save: which user it runs as, and the folders it writes to; may be repeated")
	f.StringVar(&opts.Config, "config", "", "configuration with waivers (default .redoubt.yaml in the scanned or current folder)")
	f.StringVar(&opts.Baseline, "baseline", "", "an earlier JSON report: fail only on what is new")
	f.BoolVar(&opts.Timing, "timing", false, "put start time and duration into the report; it is then no longer reproducible")
	return cmd
}

func scan(cmd *cobra.Command, streams Streams, flags *scanFlags, opts run.ScanOptions) error {
	failOn, err := parseFailOn(flags.failOn)
	if err != nil {
		return err
	}
	if err := flags.cluster.check(cmd); err != nil {
		return err
	}
	if opts.MaxFileSize, err = parseSize(flags.fileSize); err != nil {
		return err
	}
	if opts.Selection, err = flags.selection.parse(); err != nil {
		return err
	}
	opts.OwnControls = flags.selection.dir
	render, err := flags.output.renderer(streams.Out)
	if err != nil {
		return err
	}
	opts.Passed, opts.Excerpts = flags.output.passed, flags.output.format == formatHTML
	opts.Version = Version()
	opts.Now = time.Now() //nolint:forbidigo // the shell is where the clock is read
	progress := startProgress(streams.Err)
	var heap memory
	heap.allow(0)
	opts.Progress, opts.Sized = progress.set, heap.allow
	var rep *report.Report
	if flags.cluster.on {
		if opts.Helm.Namespace != "" {
			flags.cluster.from.Namespaces = strings.Split(opts.Helm.Namespace, ",")
		}
		rep, err = run.ScanCluster(cmd.Context(), opts, flags.cluster.from)
	} else {
		rep, err = run.Scan(cmd.Context(), opts)
	}
	progress.stop()
	if rep == nil {
		return err
	}
	if writeErr := flags.output.write(streams.Out, render, rep); writeErr != nil {
		return writeErr
	}
	if err != nil {
		return fmt.Errorf("%w\nhint: the rest was judged; --keep-going reports what can't be read as gaps instead", err)
	}
	return verdict(rep, failOn, flags.failOnUnknown, opts.Baseline != "")
}

// never is the --fail-on above all severities.
const never = finding.Critical + 1

func parseFailOn(s string) (finding.Severity, error) {
	if s == "never" {
		return never, nil
	}
	severity, err := finding.ParseSeverity(s)
	if err != nil {
		return severity, fmt.Errorf("--fail-on: %w, or never", err)
	}
	return severity, nil
}

// memory makes the collector work harder where the heap would outgrow a
// multiple of the input.
type memory struct{ limit atomic.Int64 }

// limit allows for an input of so many bytes. Changing the limit stops the
// program for a moment, so it grows in steps.
func (m *memory) allow(input int64) {
	const base, factor = 64 << 20, 10
	want, now := base+factor*input, m.limit.Load()
	if now == 0 || want > now+now/4 {
		if m.limit.CompareAndSwap(now, want+want/8) {
			debug.SetMemoryLimit(want + want/8)
		}
	}
}

// verdict turns the report into an exit code.
func verdict(rep *report.Report, failOn finding.Severity, failOnUnknown, onlyNew bool) error { //nolint:revive // both flags come from the command line as they are
	for i := range rep.Findings {
		f := &rep.Findings[i]
		if f.Verdict != finding.Fail.String() || onlyNew && f.Baseline != "new" {
			continue
		}
		if severity, err := finding.ParseSeverity(f.Severity); err == nil && severity >= failOn {
			return &ExitError{Code: ExitFindings}
		}
	}
	if failOnUnknown && (rep.Summary.Unknown > 0 || len(rep.Gaps) > 0) {
		return &ExitError{Code: ExitUnknown, Err: fmt.Errorf("%d verdicts are unknown and %d things could not be read", rep.Summary.Unknown, len(rep.Gaps))}
	}
	return nil
}

var errSize = errors.New("want a size such as 512Ki, 64Mi or 1Gi")

func parseSize(s string) (int64, error) {
	shift := 0
	number := s
	for suffix, bits := range map[string]int{"Ki": 10, "Mi": 20, "Gi": 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			number, shift = rest, bits
		}
	}
	var n int64
	if _, err := fmt.Sscanf(number, "%d", &n); err != nil || n <= 0 || n > 1<<30 {
		return 0, fmt.Errorf("--max-file-size %q: %w", s, errSize)
	}
	return n << shift, nil
}
