package run

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/dockerfile"
)

// FixOptions say what to fix and how boldly.
type FixOptions struct {
	ScanOptions

	// Safety is the boldest kind of edit that is wanted.
	Safety control.Safety
	// User is the number containers shall run as where none is known, 0 for
	// none.
	User int64
	// Writable are folders that programs write to.
	Writable []string
	// IngressNamespace is where the ingress controller runs.
	IngressNamespace string
	// AuditLog is a file with events of an API server, "" for none. It says what
	// accounts do.
	AuditLog string
	// Ask decides on each edit; nil means that all are wanted.
	Ask func(fix.Question) (bool, error)
	// Cluster is read instead of files, if set.
	Cluster *Cluster
}

// Fixed is the outcome of [Fix].
type Fixed struct {
	*fix.Result

	// Originals are the texts of the files that change, as they were read.
	Originals map[string][]byte
	// From names the cluster or snapshot that was read, "" for files.
	From string
	// Gaps are what could not be read of it.
	Gaps []inventory.Gap
}

// Fix reads, judges and works out edits. It writes nothing; [Write] does.
func Fix(ctx context.Context, opts FixOptions) (*Fixed, error) {
	if err := opts.findLive(ctx); err != nil {
		return nil, err
	}
	readAll := opts.source()
	minor, err := control.ParseMinor(opts.KubernetesVersion)
	if err != nil {
		return nil, fmt.Errorf("--kubernetes-version: %w", err)
	}
	settings, err := loadSettings(&opts.ScanOptions)
	if err != nil {
		return nil, err
	}
	stdin, err := keepStdin(&opts)
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	var all, selected []*control.Control
	var compiled []*control.Compiled
	group.Go(func() error {
		// An edit is judged by all controls: it must do no harm elsewhere.
		if all, compiled, err = compileControls(catalogue.Selection{}, opts.OwnControls, minor); err != nil {
			return err
		}
		selected, err = catalogue.Select(all, opts.Selection)
		return err
	})
	seen := &keeper{parsed: make(map[string][]edit.Parsed), texts: make(map[string][]byte)}
	opts.decode = seen.decode
	inv, readErr := readAll(ctx)
	if err := cmp.Or(group.Wait(), readErr); err != nil {
		return nil, err
	}
	if len(inv.Objects) == 0 && len(inv.Gaps) == 0 {
		return nil, ErrNothing
	}
	inv.Seal()
	settings.addImageUsers(inv)
	memory := new(check.Memory)
	judge := func(inv *inventory.Inventory) ([]finding.Finding, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		res := check.Run(inv, compiled, check.Options{Memory: memory})
		return settings.apply(res.Findings, inv, all, opts.Now), nil
	}
	texts, locked := readTexts(inv, stdin, seen.texts)
	limits := opts.limits()
	shop := &workshop{ctx: ctx, input: opts.Input, limits: limits, copies: make(map[string]*replica)}
	defer shop.close()
	roots := shop.roots(inv, texts, locked)
	facts, err := opts.facts(&settings)
	if err != nil {
		return nil, err
	}
	res, err := fix.Run(inv, fix.Options{
		Facts: facts, Exists: exists, Dockerfile: dockerfile.Decode,
		Controls: byID(all), Selected: ids(selected), Safety: opts.Safety, Judge: judge,
		Texts: texts, Parsed: seen.parsed, Locked: locked, Roots: roots, Limits: limits,
		User: cmp.Or(opts.User, settings.config.Facts.User), Writable: slices.Concat(settings.config.Facts.Writable, opts.Writable),
		IngressNamespace: cmp.Or(opts.IngressNamespace, settings.config.Facts.IngressNamespace), Ask: opts.Ask, Digests: settings.digests(),
	})
	if err != nil {
		return nil, err
	}
	if err := shop.proveOverlays(res); err != nil {
		return nil, err
	}
	fixed := &Fixed{Result: res, Originals: texts}
	if opts.live != nil {
		fixed.From, fixed.Gaps = opts.live.name, inv.Gaps
	}
	return fixed, brokenInput(inv, opts.KeepGoing)
}

// limits bound the files that are read.
func (o *FixOptions) limits() decode.Limits {
	out := decode.DefaultLimits()
	if o.MaxFileSize > 0 {
		out.Bytes = o.MaxFileSize
	}
	return out
}

// facts are what the settings say of the workloads, and what an audit log shows.
func (o *FixOptions) facts(of *settings) (fix.Facts, error) {
	out := of.facts()
	if o.AuditLog == "" {
		return out, nil
	}
	used, err := readAuditLog(o.AuditLog)
	if err != nil {
		return out, err
	}
	out.Rights = used.Over(out.Rights)
	return out, nil
}

// keeper keeps what was parsed when manifests were read: it is needed again where
// they are edited.
type keeper struct {
	mu     sync.Mutex
	bytes  int
	parsed map[string][]edit.Parsed
	texts  map[string][]byte
}

// maxKept bounds the text of which this is kept: nodes are large.
const maxKept = 32 << 20

func (k *keeper) decode(data []byte, origin *inventory.Origin, limits decode.Limits) (decode.Result, error) {
	k.mu.Lock()
	k.bytes += len(data)
	full := k.bytes > maxKept
	k.mu.Unlock()
	if full {
		return decode.File(data, origin, limits)
	}
	res, documents, err := decode.Documents(data, origin, limits)
	if len(res.Objects) > 0 {
		k.mu.Lock()
		k.parsed[origin.File], k.texts[origin.File] = fix.Parsed(documents), data
		k.mu.Unlock()
	}
	return res, err
}

func byID(controls []*control.Control) map[string]*control.Control {
	out := make(map[string]*control.Control, len(controls))
	for _, c := range controls {
		out[c.ID] = c
	}
	return out
}

func ids(controls []*control.Control) map[string]bool {
	out := make(map[string]bool, len(controls))
	for _, c := range controls {
		out[c.ID] = true
	}
	return out
}

// keepStdin reads standard input if it is among the paths: its text is needed
// again.
func keepStdin(opts *FixOptions) ([]byte, error) {
	if !slices.Contains(opts.Paths, "-") || opts.Stdin == nil {
		return nil, nil
	}
	limit := opts.limits().Bytes
	text, err := io.ReadAll(io.LimitReader(opts.Stdin, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	opts.Stdin = bytes.NewReader(text)
	return text, nil
}

// writable are the bits of a mode that let somebody write.
const writable = 0o222

// readTexts reads the files that hold objects, unless their texts are known, and
// says of some that they must not be edited.
func readTexts(inv *inventory.Inventory, stdin []byte, known map[string][]byte) (map[string][]byte, map[string]string) {
	texts, locked := make(map[string][]byte), make(map[string]string)
	for _, o := range inv.Objects {
		name := o.Origin.File
		if _, done := texts[name]; done || locked[name] != "" || o.Origin.Kind != inventory.FromManifest {
			continue
		}
		if name == "-" {
			texts[name] = stdin
			continue
		}
		text, why := readText(name, known[name])
		if why != "" {
			locked[name] = why
			continue
		}
		texts[name] = text
	}
	return texts, locked
}

// readText reads a file that may be edited, unless its text is known. The second
// result says why it must not be.
func readText(name string, text []byte) ([]byte, string) {
	info, err := os.Stat(name)
	if err == nil && text == nil {
		text, err = os.ReadFile(name)
	}
	switch {
	case err != nil:
		return nil, fmt.Sprintf("the file can't be read any more: %v", err)
	case info.Mode()&writable == 0:
		return text, "the file is read-only: make it writable first, or edit what it is generated from"
	}
	return text, ""
}

func sortedKeys(m map[string][]byte) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
