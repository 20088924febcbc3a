package waiver

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// The controls on waivers themselves. Their findings come from [Apply], since
// no control can see a configuration file.
const (
	Expired    = "waiver-expired"
	Incomplete = "waiver-incomplete"
	Unused     = "waiver-unused"
)

// Annotation is the key by which an object waives controls for itself:
//
//	redoubt.dev/ignore.CONTROL: "reason; owner=TEAM; expires=YYYY-MM-DD"
const Annotation = "redoubt.dev/ignore."

// decision is a waiver from wherever it stands.
type decision struct {
	control       string
	waiver        finding.Waiver
	until         time.Time
	covers        func(f *finding.Finding) bool
	object        *inventory.Object
	path          string
	file          string
	line          int32
	used, expired bool
}

// Apply waives the failures that a decision covers and adds findings about
// decisions that do not hold. now decides what has expired. Unknown verdicts
// are never waived: nobody can accept what he does not know.
func Apply(findings []finding.Finding, inv *inventory.Inventory, cfg Config, now time.Time) []finding.Finding {
	decisions := collect(inv, cfg)
	if len(decisions) == 0 {
		return findings
	}
	for _, d := range decisions {
		d.expired = !d.until.IsZero() && !now.Before(d.until)
	}
	out := make([]finding.Finding, len(findings))
	for i, f := range findings {
		out[i] = f
		if f.Verdict != finding.Fail {
			continue
		}
		for _, d := range decisions {
			if ok, err := path.Match(d.control, f.Control); err != nil || !ok || !d.covers(&f) {
				continue
			}
			d.used = true
			if !d.expired {
				w := d.waiver
				out[i].Verdict, out[i].Waiver = finding.Waived, &w
				break
			}
		}
	}
	for _, d := range decisions {
		out = append(out, d.faults()...)
	}
	return finding.Sort(out)
}

// faults are the findings about the decision itself.
func (d *decision) faults() []finding.Finding {
	about := finding.Finding{Verdict: finding.Fail, Object: d.object, Path: d.path, File: d.file, Line: d.line, Column: min(d.line, 1)}
	var out []finding.Finding
	add := func(id string, severity finding.Severity, format string, args ...any) {
		f := about
		f.Control, f.Severity, f.Message = id, severity, fmt.Sprintf(format, args...)
		out = append(out, f)
	}
	var lacks []string
	for _, part := range []struct{ name, value string }{{"reason", d.waiver.Reason}, {"owner", d.waiver.Owner}, {"expiry", d.waiver.Until}} {
		if part.value == "" {
			lacks = append(lacks, part.name)
		}
	}
	switch {
	case d.expired && d.used:
		add(Expired, finding.Medium, "the waiver of %s ended on %s and does not work any more: what it covered counts again", d.control, d.waiver.Until)
	case !d.used:
		add(Unused, finding.Info, "the waiver of %s covers nothing: remove it, or correct its control or object", d.control)
	}
	if len(lacks) > 0 {
		add(Incomplete, finding.Low, "the waiver of %s has no %s: nobody can tell why it is there and when it ends", d.control, strings.Join(lacks, ", no "))
	}
	return out
}

func collect(inv *inventory.Inventory, cfg Config) []*decision {
	var out []*decision
	for i := range cfg.Waivers {
		out = append(out, fromConfig(&cfg.Waivers[i]))
	}
	for _, o := range inv.Objects {
		for _, ig := range o.Ignores {
			out = append(out, fromComment(o, ig)...)
		}
		out = append(out, fromAnnotations(o, o.Annotations(), "metadata.annotations", "")...)
		for _, t := range o.PodTemplates() {
			if t.Path != "" {
				out = append(out, fromAnnotations(o, t.Meta.Get("annotations"), inventory.JoinPath(t.Path, "metadata.annotations"), t.Path)...)
			}
		}
	}
	return out
}

func fromConfig(e *Entry) *decision {
	until, err := e.until()
	if err != nil {
		until = time.Time{}
	}
	file, line := e.source, int32(0)
	if i := strings.LastIndexByte(e.source, ':'); i > 0 {
		if _, err := fmt.Sscanf(e.source[i+1:], "%d", &line); err == nil {
			file = e.source[:i]
		}
	}
	return &decision{
		control: e.Control, until: until, file: file, line: line, covers: e.Object.matches,
		waiver: finding.Waiver{Source: e.source, Reason: e.Reason, Owner: e.Owner, Until: e.Expires},
	}
}

// matches tells whether a finding is about something the selector names.
func (s Selector) matches(f *finding.Finding) bool {
	glob := func(pattern, value string) bool {
		ok, err := path.Match(pattern, value)
		return pattern == "" || ok && err == nil
	}
	if !glob(s.File, f.Location().File) || !glob(s.Container, f.Container) {
		return false
	}
	o := f.Object
	if o == nil {
		return s.Kind == "" && s.Namespace == "" && s.Name == "" && len(s.Labels) == 0
	}
	for k, v := range s.Labels {
		if o.Labels().Get(k).StrOr("\x00") != v {
			return false
		}
	}
	return glob(s.Kind, o.Kind) && glob(s.Namespace, o.Namespace) && glob(s.Name, o.Name)
}

func fromComment(o *inventory.Object, ig inventory.Ignore) []*decision {
	reason, owner := ig.Reason, ""
	if before, after, ok := strings.Cut(reason, " owner="); ok {
		reason, owner = before, strings.TrimSpace(after)
	}
	w := finding.Waiver{Source: fmt.Sprintf("%s:%d", o.Origin.File, ig.Line), Reason: reason, Owner: owner}
	until := time.Time{}
	if !ig.Until.IsZero() {
		w.Until, until = ig.Until.Format(time.DateOnly), ig.Until.AddDate(0, 0, 1)
	}
	var out []*decision
	for _, id := range ig.Controls {
		out = append(out, &decision{
			control: id, waiver: w, until: until, object: o, path: ig.Path, line: ig.Line,
			covers: func(f *finding.Finding) bool { return f.Object == o && within(f.Path, ig.Path) },
		})
	}
	return out
}

func fromAnnotations(o *inventory.Object, annotations *inventory.Node, at, below string) []*decision {
	var out []*decision
	for _, a := range annotations.All() {
		id, ours := strings.CutPrefix(a.Key, Annotation)
		if !ours {
			continue
		}
		d := &decision{
			control: id, object: o, path: inventory.Join(at, a.Key), line: a.Line,
			covers: func(f *finding.Finding) bool { return f.Object == o && within(f.Path, below) },
		}
		d.waiver.Source = fmt.Sprintf("%s:%d", o.Origin.File, a.Line)
		for part := range strings.SplitSeq(a.Str(), ";") {
			key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
			switch {
			case ok && key == "owner":
				d.waiver.Owner = value
			case ok && key == "expires":
				d.waiver.Until = value
				if day, err := time.Parse(time.DateOnly, value); err == nil {
					d.until = day.AddDate(0, 0, 1)
				}
			default:
				d.waiver.Reason = cmp.Or(d.waiver.Reason, strings.TrimSpace(part))
			}
		}
		out = append(out, d)
	}
	return out
}

// within tells whether a path is that of a node or of something below it.
func within(p, node string) bool {
	rest, ok := strings.CutPrefix(p, node)
	return node == "" || ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Baseline is the set of findings of an earlier report, by fingerprint, with
// how often each occurred.
type Baseline map[string]int

// Compare marks each failure as known or added. fingerprint names a finding as
// the earlier report did.
func Compare(findings []finding.Finding, known Baseline, fingerprint func(*finding.Finding) string) []finding.Finding {
	left := make(Baseline, len(known))
	for k, n := range known {
		left[k] = n
	}
	out := slices.Clone(findings)
	for i := range out {
		if out[i].Verdict != finding.Fail {
			continue
		}
		out[i].Baseline = finding.Added
		if key := fingerprint(&out[i]); left[key] > 0 {
			left[key]--
			out[i].Baseline = finding.Known
		}
	}
	return out
}
