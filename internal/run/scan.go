package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/report"
)

// ScanOptions say what to scan and how to judge it.
type ScanOptions struct {
	Input

	Selection catalogue.Selection
	// OwnControls is a folder with controls of the user, may be empty.
	OwnControls string
	// Policies are files and folders with admission policies to ask, too.
	Policies []string
	// KubernetesVersion is latest or v1.N.
	KubernetesVersion string
	// Config is the path of the configuration file; empty means that the usual
	// places are tried.
	Config string
	// Images are images at hand that say which user they run as: the path of an
	// OCI layout or archive, with NAME= before it where that names none.
	Images []string
	// Baseline is the path of an earlier JSON report, may be empty.
	Baseline string
	// Passed keeps passes, Excerpts adds source lines, Timing the duration.
	Passed, Excerpts, Timing bool
	// Now is the time at the start: it decides which waivers have expired.
	Now time.Time
	// Version is that of the program.
	Version string

	// live is read instead of files, if set.
	live *live
}

// Input says what to read.
type Input struct {
	// Paths are files and folders; none means the current folder.
	Paths []string
	Stdin io.Reader
	// KeepGoing makes gaps of what can't be read.
	KeepGoing   bool
	NoGitignore bool
	// Exclude are globs of paths to leave alone.
	Exclude     []string
	MaxFileSize int64
	Helm        Helm
	// Progress is told what is being done; may be nil.
	Progress func(what string, done, total int)
	// Sized is told, from several goroutines, how many bytes were read so far;
	// may be nil.
	Sized func(bytes int64)

	// decode reads manifests, if it is not the usual.
	decode func(data []byte, origin *inventory.Origin, limits decode.Limits) (decode.Result, error)
}

// Helm says how to render charts.
type Helm struct {
	ValueFiles, Set, SetString []string
	Release, Namespace         string
}

// ErrNothing means that the paths held nothing to judge.
var ErrNothing = errors.New("nothing to scan: no Kubernetes object, chart, kustomization or component configuration was found")

// BrokenInputError lists what could not be read because the input is at fault.
type BrokenInputError struct{ Gaps []inventory.Gap }

// Error has a line for each place.
func (e *BrokenInputError) Error() string {
	lines := make([]string, 0, len(e.Gaps))
	for _, g := range e.Gaps {
		place := g.File
		if g.Line > 0 {
			place = fmt.Sprintf("%s:%d", g.File, g.Line)
		}
		lines = append(lines, place+": "+g.Why)
	}
	return strings.Join(lines, "\n")
}

// Scan reads, judges and reports. With broken input, unless it is told to keep
// going, it returns a [BrokenInputError] beside the report of the rest.
func Scan(ctx context.Context, opts ScanOptions) (*report.Report, error) {
	started := opts.Now
	if opts.live == nil && slices.ContainsFunc(opts.Paths, isSnapshot) {
		return scanSnapshot(ctx, opts)
	}
	readAll := opts.source()
	minor, err := control.ParseMinor(opts.KubernetesVersion)
	if err != nil {
		return nil, fmt.Errorf("--kubernetes-version: %w", err)
	}
	settings, err := loadSettings(&opts)
	if err != nil {
		return nil, err
	}
	// Loading and compiling the controls takes about as long as reading a small
	// folder, so both run side by side.
	var group errgroup.Group
	var selected []*control.Control
	var compiled []*control.Compiled
	group.Go(func() error {
		selected, compiled, err = compileControls(opts.Selection, opts.OwnControls, minor)
		return err
	})
	inv, readErr := readAll(ctx)
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if readErr != nil {
		return nil, readErr
	}
	if len(inv.Objects) == 0 && len(inv.Gaps) == 0 {
		return nil, ErrNothing
	}
	if opts.Sized != nil {
		opts.Sized(inv.Bytes)
	}
	inv.Seal()
	settings.addImageUsers(inv)
	if opts.Progress != nil {
		opts.Progress("judging objects", len(inv.Objects), 0)
	}
	var levels []report.PodSecurity
	group.Go(func() error {
		levels, err = podSecurity(inv, opts.KubernetesVersion)
		return err
	})
	res := check.Run(inv, compiled, check.Options{Passed: opts.Passed})
	own, ownErr := opts.askPolicies(ctx, inv, selected)
	if err := errors.Join(group.Wait(), ownErr); err != nil {
		return nil, err
	}
	selected, res = append(selected, own.controls...), own.addTo(res)
	res.Findings = settings.apply(unjudged(res.Findings, inv, selected), inv, selected, opts.Now)
	templates := countTemplates(inv)
	inv.Forget()
	rep := nameControls(makeReport(inv, selected, res), inv, selected)
	rep.Scan.PodTemplates, rep.Gaps = templates, append(rep.Gaps, own.gaps...)
	if settings.baseline != nil {
		countNew(rep)
	}
	rep.PodSecurity = levels
	rep.Scan.Version, rep.Scan.Sources = opts.Version, opts.sources()
	if opts.Excerpts {
		addExcerpts(rep)
	}
	if opts.Timing {
		rep.Scan.Started = started
		rep.Scan.Seconds = time.Since(started).Seconds() //nolint:forbidigo // asked for by --timing
	}
	return rep, brokenInput(inv, opts.KeepGoing)
}

func brokenInput(inv *inventory.Inventory, keepGoing bool) error { //nolint:revive // the option as it is
	var broken []inventory.Gap
	for _, g := range inv.Gaps {
		if g.Broken {
			broken = append(broken, g)
		}
	}
	if keepGoing || len(broken) == 0 {
		return nil
	}
	return &BrokenInputError{broken}
}

func compileControls(s catalogue.Selection, own string, minor int) ([]*control.Control, []*control.Compiled, error) {
	controls, analyses, err := loadControls(own)
	if err != nil {
		return nil, nil, err
	}
	selected, err := catalogue.Select(controls, s)
	if err != nil {
		return nil, nil, err
	}
	compiled, err := catalogue.Compile(selected, analyses, minor)
	return selected, compiled, err
}
