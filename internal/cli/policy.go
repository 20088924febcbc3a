package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/policy/offline"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

func policyCommand(streams Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Make controls native admission policies, and try policies on files",
		Long: `Policy turns controls into ValidatingAdmissionPolicies, which the API server
evaluates itself: no webhook has to run. It also tries policies of any origin on
files, and says which Pod Security level each namespace could enforce.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(policyGenerateCommand(streams), policyTestCommand(streams), policyLabelsCommand(streams))
	return cmd
}

// policyFlags are the flags of generate that are not handed on as they are.
type policyFlags struct {
	selection       selectionFlags
	enforce, static bool
	mutate          bool
	dir             string
	explain         bool
}

func policyGenerateCommand(streams Streams) *cobra.Command {
	var flags policyFlags
	var opts run.PolicyOptions
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write admission policies and bindings for the chosen controls",
		Long: `Generate writes a ValidatingAdmissionPolicy and a binding for each control that
the API server can judge, as YAML. They cover the creation and the update of
pods, their ephemeral containers, and all kinds of workloads. By default they
warn and write to the audit log; with --enforce they refuse.

With --mutate it writes MutatingAdmissionPolicies instead, which give new pods
and workloads the fixes that are safe, where a field is not set. They act as
soon as they are applied.`,
		Example: `  redoubt policy generate --framework pss-restricted | kubectl apply -f -
  redoubt policy generate --severity high --enforce --output-dir policies/
  redoubt policy generate --mutate --kubernetes-version v1.35 | kubectl apply -f -
  redoubt policy generate --static --enforce --output-dir /etc/kubernetes/policies`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return generatePolicies(streams, &flags, opts) },
	}
	flags.selection.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&flags.enforce, "enforce", false, "refuse violations instead of warning of them")
	f.BoolVar(&flags.mutate, "mutate", false, "write policies that apply the safe fixes instead of judging")
	f.BoolVar(&flags.static, "static", false, "write files for staticManifestsDir of the API server (alpha in v1.36, beta in v1.37)")
	f.StringVar(&flags.dir, "output-dir", "", "write one file for each policy into this folder instead of a stream")
	f.BoolVar(&flags.explain, "explain", false, "list the controls that have no policy, and why, on standard error")
	f.StringSliceVar(&opts.ExemptNamespaces, "exempt-namespace", policy.DefaultExempt(), "namespaces the policies leave alone; empty for none")
	f.StringVar(&opts.BreakGlass, "break-glass-group", policy.DefaultBreakGlass, "group whose members are not refused; empty for none")
	f.StringVar(&opts.KubernetesVersion, "kubernetes-version", "latest", "Kubernetes version to take the controls for: latest or v1.N")
	cmd.MarkFlagsMutuallyExclusive("mutate", "enforce")
	return cmd
}

func generatePolicies(streams Streams, flags *policyFlags, opts run.PolicyOptions) error {
	var err error
	if opts.Selection, err = flags.selection.parse(); err != nil {
		return err
	}
	opts.OwnControls = flags.selection.dir
	if flags.enforce {
		opts.Mode = policy.Enforce
	}
	if flags.static {
		opts.Form = policy.Static
	}
	made, skipped, err := policyFiles(flags, opts)
	if err != nil {
		return err
	}
	if err := writePolicies(streams, flags.dir, made); err != nil {
		return err
	}
	fmt.Fprintf(streams.Err, "redoubt: %s; %s none%s\n", //nolint:errcheck // nowhere left to report it
		counted(len(made), "policy", "policies"), counted(len(skipped), "control has", "controls have"), explainHint(flags.explain, len(skipped)))
	if flags.explain {
		for _, s := range skipped {
			fmt.Fprintf(streams.Err, "  %s: %s\n", s.Control, s.Why) //nolint:errcheck // nowhere left to report it
		}
	}
	return nil
}

func policyFiles(flags *policyFlags, opts run.PolicyOptions) ([]run.PolicyFile, []policy.Skipped, error) {
	var files []run.PolicyFile
	if flags.mutate {
		made, skipped, err := run.GenerateMutations(opts)
		for _, p := range made {
			files = append(files, run.PolicyFile{Name: p.Policy.Name, Objects: []runtime.Object{p.Policy, p.Binding}})
		}
		return files, skipped, err
	}
	made, skipped, err := run.GeneratePolicies(opts)
	for _, p := range made {
		files = append(files, run.PolicyFile{Name: p.Policy.Name, Objects: []runtime.Object{p.Policy, p.Binding}})
	}
	return files, skipped, err
}

func explainHint(explained bool, skipped int) string { //nolint:revive // the flag as it is
	if explained || skipped == 0 {
		return ""
	}
	return " (--explain lists them)"
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func writePolicies(streams Streams, dir string, made []run.PolicyFile) error {
	if dir != "" {
		return run.WritePolicies(dir, made)
	}
	var objects []runtime.Object
	for _, p := range made {
		objects = append(objects, p.Objects...)
	}
	text, err := policy.YAML(objects...)
	if err != nil {
		return err
	}
	_, err = streams.Out.Write(text)
	return err
}

func policyTestCommand(streams Streams) *cobra.Command {
	var opts run.PolicyTestOptions
	var format string
	var from clusterFlags
	cmd := &cobra.Command{
		Use:   "test --policies PATH [PATH...]",
		Short: "Try admission policies on files or a cluster: what would they have refused?",
		Long: `Test asks ValidatingAdmissionPolicies of any origin about the creation of every
object in the files and folders it is given, in a snapshot, or with --cluster in
a cluster; and of the pods that workloads stand for. The matchers and the CEL
compiler are those of the API server. Namespaces and parameters are taken from
the same place, and parameters from beside the policies, too.

Exit codes: 0 nothing refused; 1 something refused; 2 the call or the input was
wrong, or a policy does not compile; 3 nothing refused, but something can't be
told without a cluster.`,
		Example: `  redoubt policy test --policies policies/ deploy/
  redoubt policy generate --enforce | redoubt policy test --policies - deploy/
  redoubt policy test --policies policies/ prod.redoubt
  redoubt policy test --policies policies/ --cluster --context prod`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != formatText && format != formatJSON {
				return fmt.Errorf("--output %q: want text or json", format)
			}
			if err := from.check(cmd); err != nil {
				return err
			}
			opts.Paths, opts.Stdin = args, streams.In
			opts.Place = from.place(opts.Input)
			progress := startProgress(streams.Err)
			opts.Progress = progress.set
			res, err := run.TestPolicies(cmd.Context(), opts)
			progress.stop()
			if err != nil {
				return err
			}
			if err := printPolicyTest(streams.Out, format, res); err != nil {
				return err
			}
			return policyTestExit(res)
		},
	}
	f := cmd.Flags()
	from.register(cmd)
	f.BoolVar(&from.on, "cluster", false, "try the policies on what is in the cluster of the kubeconfig; only reads")
	f.StringSliceVar(&opts.Policies, "policies", nil, "files or folders with policies, bindings and parameters; - for standard input")
	f.StringVar(&opts.User, "user", offline.DefaultUser, "user who makes the requests")
	f.StringSliceVar(&opts.Groups, "group", []string{offline.DefaultGroup}, "groups of the user")
	f.BoolVar(&opts.KeepGoing, "keep-going", false, "go on when a file can't be read")
	f.StringVarP(&format, "output", "o", formatText, "format: text or json")
	return cmd
}

func policyTestExit(res *offline.Result) error {
	code := ExitOK
	for _, d := range res.Decisions {
		switch d.Verdict {
		case offline.Refused:
			return &ExitError{Code: ExitFindings}
		case offline.Unknown:
			code = ExitUnknown
		case offline.Noted, offline.Admitted:
		}
	}
	if code == ExitOK {
		return nil
	}
	return &ExitError{Code: code}
}

func printPolicyTest(w io.Writer, format string, res *offline.Result) error {
	if format == formatJSON {
		return indented(w, res)
	}
	var b strings.Builder
	counts := make(map[offline.Verdict]int)
	for _, d := range res.Decisions {
		counts[d.Verdict]++
		object := d.Object
		if d.Pods {
			object = "the pods of " + object
		}
		by := ""
		if d.Policy != "" {
			by = " by " + d.Policy
		}
		if d.File != "" {
			object = fmt.Sprintf("%s:%d: %s", d.File, d.Line, object)
		}
		fmt.Fprintf(&b, "%s: %s%s: %s\n", object, d.Verdict, by, d.Message)
	}
	for _, remark := range res.Remarks {
		fmt.Fprintf(&b, "remark: %s\n", remark)
	}
	fmt.Fprintf(&b, "%s tried on %s: %d refused, %d noted, %d unknown\n", counted(res.Policies, "policy", "policies"),
		counted(res.Objects, "object", "objects"), counts[offline.Refused], counts[offline.Noted], counts[offline.Unknown])
	_, err := io.WriteString(w, b.String())
	return err
}

func indented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
