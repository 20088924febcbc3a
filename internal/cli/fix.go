package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// fixFlags are the flags of fix that are not handed on as they are.
type fixFlags struct {
	selection        selectionFlags
	cluster          clusterFlags
	folder           string
	safety, format   string
	fileSize         string
	write, explained bool
	interactive      bool
	unmasked         bool
}

func fixCommand(streams Streams) *cobra.Command {
	var flags fixFlags
	var opts run.FixOptions
	cmd := &cobra.Command{
		Use:   "fix [PATH...]",
		Short: "Work out the smallest edits that answer findings, as a diff or in place",
		Long: `Fix judges the files it is given and works out edits for what it finds. Only the
lines that must change do; comments, quoting and layout stay. Each edit is judged
again: it is offered only if the finding is gone and nothing else is worse.

For a cluster (--cluster) or a file of redoubt snapshot it makes patches, in the
order in which they are to be applied; nothing is ever applied. --output-dir writes
them into a folder, with a script.

Without --write nothing is changed: the edits go to standard output as a unified
diff for patch -p1 or git apply, and what is left to do to standard error.

Edits are safe, if they can't change how a correct program behaves, or need a
review. Only safe ones are offered unless --safety review is given.`,
		Example: `  redoubt fix deploy/
  redoubt fix deploy/ --safety review > hardening.patch
  redoubt fix deploy/cart.yaml --control privilege-escalation --write
  redoubt fix charts/shop --values prod.yaml --write --output-dir patches/
  redoubt fix --cluster --context prod --safety review --output-dir patches/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Paths, opts.Stdin = args, streams.In
			return fixFiles(cmd, streams, &flags, opts)
		},
	}
	flags.selection.register(cmd)
	flags.cluster.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&flags.cluster.on, "cluster", false, "make patches for the objects in the cluster of the kubeconfig, instead of edits of files; only reads")
	f.StringVar(&flags.folder, "output-dir", "", "write patches for what is not in files into this folder: live objects, and what no value of a chart sets")
	f.StringVar(&flags.safety, "safety", "safe", "offer edits up to: safe, review")
	f.StringVarP(&flags.format, "output", "o", "diff", "format: diff or json")
	f.BoolVar(&flags.write, "write", false, "edit the files in place")
	f.BoolVar(&flags.interactive, "interactive", false, "ask about each edit at the terminal: y, n, a (all), q (quit)")
	f.BoolVar(&flags.explained, "explain", false, "list every finding that gets no edit, and why")
	f.Int64Var(&opts.User, "run-as-user", 0, "number of the user that containers shall run as where the manifest says root")
	f.StringSliceVar(&opts.Writable, "writable", nil, "folder that gets an empty volume where the root file system becomes read-only, such as /tmp")
	f.StringVar(&opts.IngressNamespace, "ingress-namespace", "", "namespace of the ingress controller, for the policies that are added")
	f.StringVar(&opts.AuditLog, "audit-log", "", "audit log of the API server (JSON lines): roles are narrowed to what accounts did")
	f.BoolVar(&flags.unmasked, "show-secrets", false, "leave credentials in the diff as they are, so that it can be applied")
	f.StringSliceVarP(&opts.Helm.ValueFiles, "values", "f", nil, "values file for the charts, may be repeated")
	f.StringArrayVar(&opts.Helm.Set, "set", nil, "value for the charts: key=value, may be repeated")
	f.StringArrayVar(&opts.Helm.SetString, "set-string", nil, "like --set, always a string")
	f.StringVar(&opts.Helm.Release, "release-name", "", "release name the charts are rendered with (default: the chart's name)")
	f.StringVarP(&opts.Helm.Namespace, "namespace", "n", "", "namespace the charts are rendered for (default \"default\")")
	f.StringVar(&flags.fileSize, "max-file-size", "64Mi", "refuse files larger than this")
	f.BoolVar(&opts.KeepGoing, "keep-going", false, "edit the rest if some input can't be read")
	f.BoolVar(&opts.NoGitignore, "no-gitignore", false, "read files that .gitignore excludes, too")
	f.StringVar(&opts.KubernetesVersion, "kubernetes-version", "latest", "Kubernetes version to judge by: latest or v1.N")
	f.StringArrayVar(&opts.Images, "image", nil, "[NAME=]PATH of an image at hand, an OCI layout or an archive of docker save: which user it runs as, and the folders it writes to; may be repeated")
	f.StringVar(&opts.Config, "config", "", "configuration with waivers (default .redoubt.yaml in the given or current folder)")
	return cmd
}

func fixFiles(cmd *cobra.Command, streams Streams, flags *fixFlags, opts run.FixOptions) error {
	if err := flags.check(cmd, &opts); err != nil {
		return err
	}
	var err error
	if opts.MaxFileSize, err = parseSize(flags.fileSize); err != nil {
		return err
	}
	if opts.Selection, err = flags.selection.parse(); err != nil {
		return err
	}
	opts.OwnControls = flags.selection.dir
	opts.Now = time.Now() //nolint:forbidigo // the shell is where the clock is read
	res, broken := fixWith(cmd, streams, flags, opts)
	if res == nil {
		return broken
	}
	if broken != nil {
		return fmt.Errorf("%w\nhint: nothing was edited; --keep-going edits the rest", broken)
	}
	if err := fixWrite(res, flags); err != nil {
		return err
	}
	if flags.format == "json" {
		return fixJSON(streams.Out, res)
	}
	if !flags.write && (res.From == "" || flags.folder == "") {
		if err := fixDiff(streams.Out, res, flags); err != nil {
			return err
		}
	}
	fixSummary(streams.Err, res, flags)
	return nil
}

// check refuses flags that make no sense or would have no effect.
func (f *fixFlags) check(cmd *cobra.Command, opts *run.FixOptions) error {
	opts.Safety = control.Safety(f.safety)
	if opts.Safety != control.Safe && opts.Safety != control.Review {
		return fmt.Errorf("--safety %q: want safe or review", f.safety)
	}
	if f.format != "diff" && f.format != "json" {
		return fmt.Errorf("--output %q: want diff or json", f.format)
	}
	if opts.User < 0 {
		return errors.New("--run-as-user: want a number above 0")
	}
	for _, folder := range opts.Writable {
		if !strings.HasPrefix(folder, "/") || folder == "/" {
			return fmt.Errorf("--writable %q: want the full path of a folder", folder)
		}
	}
	if err := f.cluster.check(cmd); err != nil {
		return err
	}
	if f.cluster.on {
		opts.Cluster = &f.cluster.from
		if f.write {
			return errLiveWrite
		}
	}
	return nil
}

var errLiveWrite = errors.New("--write edits files, and a cluster is never written to: --output-dir DIR writes a folder with patches and the commands that apply them")

// fixWrite writes what is asked for.
func fixWrite(res *run.Fixed, flags *fixFlags) error {
	if flags.write {
		if res.From != "" {
			return errLiveWrite
		}
		if err := res.Write(); err != nil {
			return err
		}
	}
	if flags.folder != "" {
		if _, err := res.WriteFolder(flags.folder); err != nil {
			return err
		}
	}
	return nil
}

// fixWith works out the edits, and asks about them or shows how far it is.
func fixWith(cmd *cobra.Command, streams Streams, flags *fixFlags, opts run.FixOptions) (*run.Fixed, error) {
	if flags.interactive {
		if err := startAsking(streams, &opts); err != nil {
			return nil, err
		}
		return run.Fix(cmd.Context(), opts)
	}
	progress := startProgress(streams.Err)
	defer progress.stop()
	opts.Progress = progress.set
	return run.Fix(cmd.Context(), opts)
}

// fixReport is what -o json writes.
type fixReport struct {
	Schema  string        `json:"schema"`
	Edits   []fix.Edit    `json:"edits"`
	Refused []fix.Refusal `json:"refused"`
	Manual  []fix.Refusal `json:"manual"`
	// Patches are for what charts render and no value sets.
	Patches []fix.Patch `json:"patches"`
	// Steps are what is to be done beside the edits.
	Steps []string `json:"steps"`
	// Review is the number of findings with an edit that needs a review and was
	// not asked for.
	Review int `json:"review"`
	// Before and After count the open findings of the selected controls.
	Before int `json:"before"`
	After  int `json:"after"`
}

func fixJSON(w io.Writer, res *run.Fixed) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(fixReport{
		Schema: "redoubt.fix/v1", Edits: append([]fix.Edit{}, res.Edits...), Refused: append([]fix.Refusal{}, res.Refused...),
		Manual: append([]fix.Refusal{}, res.Manual...), Patches: append([]fix.Patch{}, res.Patches...), Steps: append([]string{}, res.Steps...), Review: res.Bolder, Before: res.Before, After: res.After,
	})
}

// fixDiff writes for each file what is changed and why, and then the diff.
// Programs that apply diffs read past the former.
func fixDiff(w io.Writer, res *run.Fixed, flags *fixFlags) error {
	var b strings.Builder
	secrets := res.Secrets
	if flags.unmasked {
		secrets = nil
	}
	of := make(map[string][]*fix.Edit)
	for i := range res.Edits {
		of[res.Edits[i].File] = append(of[res.Edits[i].File], &res.Edits[i])
	}
	for _, name := range slices.Sorted(maps.Keys(res.Texts)) {
		said := make(map[string]bool)
		for _, e := range of[name] {
			what := e.Path
			if what == "" {
				what = e.After
			}
			fmt.Fprintf(&b, "# %s:%d %s (%s) %s\n", e.File, e.Line, e.Control, e.Safety, what)
			if e.Effect != "" && !said[e.Effect] {
				said[e.Effect] = true
				fmt.Fprintf(&b, "#   %s\n", oneLine(e.Effect))
			}
		}
		b.WriteString(fix.Unified(name, fix.Mask(res.Originals[name], secrets), fix.Mask(res.Texts[name], secrets)))
	}
	for i := range res.Patches {
		if p := &res.Patches[i]; p.Chart == "" {
			head := fmt.Sprintf("# %s: %s", p.Object, strings.Join(p.Controls, ", "))
			fmt.Fprintf(&b, "---\n%s\n# %s\n%s", oneLine(head), oneLine(p.Command), p.Text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// maskedAny tells whether there are asterisks in the diff.
func maskedAny(res *run.Fixed) bool {
	for name, text := range res.Texts {
		old := res.Originals[name]
		if fix.Unified(name, fix.Mask(old, res.Secrets), fix.Mask(text, res.Secrets)) != fix.Unified(name, old, text) {
			return true
		}
	}
	return false
}

// fixSummary says what was done and what is left.
func fixSummary(w io.Writer, res *run.Fixed, flags *fixFlags) {
	var b strings.Builder
	verb := "would make"
	if flags.write {
		verb = "made"
	}
	if res.From == "" {
		fmt.Fprintf(&b, "%s %s in %s: findings go from %d to %d\n", verb, report.Count(len(res.Edits), "edit"), report.Count(len(res.Texts), "file"), res.Before, res.After)
	} else {
		fmt.Fprintf(&b, "%s of live objects: applied, findings would go from %d to %d\n", report.Count(len(res.Patches), "patch"), res.Before, res.After)
		for _, g := range res.Gaps {
			fmt.Fprintf(&b, "not read, so not judged: %s: %s\n", oneLine(g.What), oneLine(g.Why))
		}
		if flags.folder != "" && len(res.Patches) > 0 {
			fmt.Fprintf(&b, "nothing was applied: %s/README.md says how\n", strings.TrimSuffix(flags.folder, "/"))
		}
	}
	if res.Bolder > 0 {
		fmt.Fprintf(&b, "%s more with --safety review: these edits may change how a program behaves\n", report.Count(res.Bolder, "finding"))
	}
	if !flags.write && !flags.unmasked && maskedAny(res) {
		b.WriteString("credentials are masked in the diff, so that patch can't apply it there: use --write, or --show-secrets\n")
	}
	if len(res.Steps) > 0 {
		b.WriteString("to be done beside, before the result is applied:\n")
		for _, step := range res.Steps {
			b.WriteString(shifted(step))
		}
	}
	if n := len(res.Refused); n > 0 {
		fmt.Fprintf(&b, "%s could not be edited:\n", report.Count(n, "finding"))
		reasons(&b, res.Refused, flags.explained)
	}
	chartPatches(&b, res.Patches, flags.folder)
	switch n := len(res.Manual); {
	case n > 0 && flags.explained:
		fmt.Fprintf(&b, "%s left to a person:\n", report.Count(n, "finding"))
		reasons(&b, res.Manual, true)
	case n > 0:
		fmt.Fprintf(&b, "%s left to a person; --explain lists them\n", report.Count(n, "finding"))
	}
	io.WriteString(w, b.String()) //nolint:errcheck,gosec // there is nowhere left to report it
}

// chartPatches shows the patches for charts, or says where they were written.
func chartPatches(b *strings.Builder, patches []fix.Patch, folder string) {
	charts := fix.Charts(patches)
	if len(charts) == 0 {
		return
	}
	if folder != "" {
		fmt.Fprintf(b, "patches for what %s renders and no value sets are in %s, with a post-renderer\n", strings.Join(charts, ", "), folder)
		return
	}
	for _, p := range patches {
		if p.Chart != "" {
			fmt.Fprintf(b, "patch for %s, which chart %s renders (--output-dir DIR writes it, with a post-renderer):\n%s", p.Object, p.Chart, shifted(p.Text))
		}
	}
}

// oneLine keeps what comes from a cluster within its comment.
func oneLine(s string) string { return strings.ReplaceAll(printable(s), "\n", " ") }

func shifted(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// reasons lists refusals, unless all are wanted those of a file with the same
// reason once, and not too many.
func reasons(b *strings.Builder, all []fix.Refusal, each bool) { //nolint:revive // an option as it is
	const most = 12
	seen := make(map[string]bool)
	for i, r := range all {
		key := r.File + r.Reason
		if seen[key] && !each {
			continue
		}
		if seen[key] = true; len(seen) > most && !each {
			fmt.Fprintf(b, "  and %d more; --explain lists them\n", len(all)-i)
			return
		}
		place := r.Object
		if r.File != "" {
			place = fmt.Sprintf("%s:%d", r.File, r.Line)
		}
		fmt.Fprintf(b, "  %s %s: %s\n", place, r.Control, r.Reason)
	}
}
