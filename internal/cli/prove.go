package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/prove"
	"github.com/redoubt-k8s/redoubt/internal/run"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

func proveCommand(streams Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prove",
		Short: "Try a cluster's defences, and report what holds",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(proveAdmissionCommand(streams))
	return cmd
}

// proveFlags are the flags of prove admission that are not handed on as they
// are.
type proveFlags struct {
	selection      selectionFlags
	failOn, format string
	failOnUnknown  bool
}

func proveAdmissionCommand(streams Streams) *cobra.Command {
	var flags proveFlags
	var opts run.ProveOptions
	cmd := &cobra.Command{
		Use:   "admission",
		Short: "Send bad objects as dry runs: which does the cluster refuse, and by what?",
		Long: `Admission asks the cluster to create one bad object for each control, as a dry
run, in each namespace chosen. It reports what the cluster refuses, by which
mechanism (Pod Security, ValidatingAdmissionPolicy, webhook, another admission
plugin), and what it lets in. Nothing is created. It needs the right to create
these objects; with --as it tries what another user could do.

Exit codes: 0 nothing at or above --fail-on gets in; 1 something does; 2 the
call was wrong or the cluster does not answer; 3 something can't be told and
--fail-on-unknown was given.`,
		Example: `  redoubt prove admission --namespace shop --framework pss-baseline
  redoubt prove admission -n shop -n default --as dev --as-group developers`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return proveAdmission(cmd, streams, &flags, opts) },
	}
	flags.selection.register(cmd)
	f := cmd.Flags()
	f.StringSliceVarP(&opts.Namespaces, "namespace", "n", []string{"default"}, "namespaces to try, may be repeated")
	f.StringVar(&opts.Kubeconfig, "kubeconfig", "", "file that says how to reach the cluster (default as kubectl)")
	f.StringVar(&opts.Context, "context", "", "context of the kubeconfig (default the current one)")
	f.StringVar(&opts.As, "as", "", "user to impersonate")
	f.StringSliceVar(&opts.AsGroups, "as-group", nil, "group to impersonate, may be repeated")
	f.DurationVar(&opts.Timeout, "request-timeout", cluster.DefaultTimeout, "longest time for one request to the cluster")
	f.StringVar(&flags.failOn, "fail-on", "high", "exit with 1 if a fault of this severity or worse gets in; never for none")
	f.BoolVar(&flags.failOnUnknown, "fail-on-unknown", false, "exit with 3 if something could not be told")
	f.StringVarP(&flags.format, "output", "o", formatText, "format: text or json")
	return cmd
}

func proveAdmission(cmd *cobra.Command, streams Streams, flags *proveFlags, opts run.ProveOptions) error {
	switch {
	case flags.format != formatText && flags.format != formatJSON:
		return fmt.Errorf("--output %q: want text or json", flags.format)
	case opts.As == "" && len(opts.AsGroups) > 0:
		return errors.New("--as-group needs --as")
	case flags.selection.dir != "":
		return errors.New("--controls: prove admission knows the built-in controls only")
	}
	failOn, err := parseFailOn(flags.failOn)
	if err != nil {
		return err
	}
	if opts.Selection, err = flags.selection.parse(); err != nil {
		return err
	}
	opts.Version = Version()
	progress := startProgress(streams.Err)
	opts.Progress = progress.set
	proofs, err := run.ProveAdmission(cmd.Context(), opts)
	progress.stop()
	if err != nil {
		return err
	}
	if flags.format == formatJSON {
		err = indented(streams.Out, proofs)
	} else {
		err = printProofs(streams.Out, proofs)
	}
	if err != nil {
		return err
	}
	return proofExit(proofs, failOn, flags.failOnUnknown)
}

func proofExit(proofs *run.Proofs, failOn finding.Severity, failOnUnknown bool) error { //nolint:revive // the flag as it is
	unknown := false
	for _, p := range proofs.Proofs {
		severity, err := finding.ParseSeverity(p.Severity)
		if err != nil {
			return err
		}
		if p.Outcome == prove.Admitted && failOn != finding.NoSeverity && severity >= failOn {
			return &ExitError{Code: ExitFindings}
		}
		unknown = unknown || p.Outcome == prove.Unknown
	}
	if unknown && failOnUnknown {
		return &ExitError{Code: ExitUnknown}
	}
	return nil
}

func printProofs(w io.Writer, proofs *run.Proofs) error {
	var b strings.Builder
	var counts [3]int
	for _, p := range proofs.Proofs {
		place := "cluster"
		if p.Namespace != "" {
			place = p.Namespace
		}
		said := ""
		switch p.Outcome {
		case prove.Refused:
			counts[0]++
			said = "refused   by " + strings.TrimSpace(string(p.By)+" "+p.Name)
			if p.By == prove.Plugin {
				said += ": " + p.Message
			}
		case prove.Admitted:
			counts[1]++
			said = "ADMITTED"
			if len(p.Warned) > 0 {
				said += " with a warning of " + strings.Join(p.Warned, ", ")
			}
		case prove.Unknown:
			counts[2]++
			said = "unknown   " + p.Message
		}
		fmt.Fprintf(&b, "%-8s %-34s %-12s %s\n", p.Severity, p.Control, place, said)
	}
	as := ""
	if proofs.User != "" {
		as = " as " + proofs.User
	}
	fmt.Fprintf(&b, "%d bad objects sent to %s%s as dry runs: %d refused, %d admitted, %d unknown; %s no single object to try\n",
		len(proofs.Proofs), proofs.Server, as, counts[0], counts[1], counts[2], counted(proofs.Untried, "chosen control has", "chosen controls have"))
	_, err := io.WriteString(w, b.String())
	return err
}
