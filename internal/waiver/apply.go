package waiver

import (
	"cmp"
	"fmt"
	"maps"
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
	control string
	waiver  finding.Waiver
	// until is the first moment at which it no longer works, zero for never.
	until  time.Time
	covers func(f *finding.Finding) bool
	object *inventory.Object
	path   string
	file   string
	line   int32

	// broken is set when the day it ends can't be read. It does not work then.
	broken, expired bool
	// used is set when it covers a failure, reopened when one that no other
	// decision covers, undecided when it covers an unknown verdict.
	used, reopened, undecided bool
}

// Apply waives the failures that a decision covers and adds findings about
// decisions that do not hold. now decides what has expired. Unknown verdicts
// are never waived: nobody can accept what he does not know. Decisions about
// controls for which judged is false are left alone; nil judges all.
func Apply(findings []finding.Finding, inv *inventory.Inventory, cfg Config, now time.Time, judged func(pattern string) bool) []finding.Finding {
	d := collect(inv, cfg)
	if judged != nil {
		d.keep(judged)
	}
	if len(d.all) == 0 {
		return findings
	}
	for _, one := range d.all {
		one.expired = !one.until.IsZero() && !now.Before(one.until)
	}
	out := slices.Clone(findings)
	for i, f := range findings {
		switch f.Verdict {
		case finding.Fail:
			if w := decide(d.about(&f)); w != nil {
				out[i].Verdict, out[i].Waiver = finding.Waived, w
			}
		case finding.Unknown:
			for _, one := range d.about(&f) {
				one.undecided = true
			}
		case finding.Pass, finding.Waived, finding.NotApplicable:
		}
	}
	for _, one := range d.all {
		out = append(out, one.faults()...)
	}
	return finding.Sort(out)
}

// decide picks the first of the decisions about a failure that works.
func decide(about []*decision) *finding.Waiver {
	for _, d := range about {
		d.used = true
	}
	for _, d := range about {
		if !d.expired && !d.broken {
			w := d.waiver
			return &w
		}
	}
	for _, d := range about {
		d.reopened = true
	}
	return nil
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
	name := cmp.Or(d.control, "no control")
	switch {
	case d.expired && d.reopened:
		add(Expired, finding.Medium, "the waiver of %s ended on %s and does not work any more: what it covered counts again", name, d.waiver.Until)
	case d.expired && d.used:
		add(Unused, finding.Info, "the waiver of %s ended on %s and another one covers the same: remove it", name, d.waiver.Until)
	case !d.used && !d.undecided:
		add(Unused, finding.Info, "the waiver of %s covers nothing: remove it, or correct its control or object", name)
	}
	var lacks []string
	for _, part := range []struct{ name, value string }{{"reason", d.waiver.Reason}, {"owner", d.waiver.Owner}, {"expiry", d.waiver.Until}} {
		if part.value == "" {
			lacks = append(lacks, "no "+part.name)
		}
	}
	switch {
	case d.broken:
		also := ""
		if len(lacks) > 0 {
			also = "; it has " + strings.Join(lacks, ", ") + ", too"
		}
		add(Incomplete, finding.Low, "the waiver of %s ends on %q, which is no day: it does not work until that is a date such as 2027-01-31%s", name, d.waiver.Until, also)
	case len(lacks) > 0:
		add(Incomplete, finding.Low, "the waiver of %s has %s: nobody can tell why it is there and when it ends", name, strings.Join(lacks, ", "))
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
	left := maps.Clone(known)
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
