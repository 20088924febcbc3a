package waiver

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// decisions are all waivers of a run, in order, and indexed so that a finding
// meets only those that may cover it.
type decisions struct {
	all, config []*decision
	byObject    map[*inventory.Object][]*decision
	byControl   map[string][]*decision
}

func collect(inv *inventory.Inventory, cfg Config) *decisions {
	d := &decisions{byObject: make(map[*inventory.Object][]*decision), byControl: make(map[string][]*decision)}
	for i := range cfg.Waivers {
		d.config = append(d.config, fromConfig(&cfg.Waivers[i]))
	}
	d.all = slices.Clone(d.config)
	for _, o := range inv.Objects {
		var own []*decision
		for _, ig := range o.Ignores {
			own = append(own, fromComment(o, ig)...)
		}
		own = append(own, fromAnnotations(o, o.Annotations(), "metadata.annotations", "")...)
		for _, t := range o.PodTemplates() {
			if t.Path != "" {
				own = append(own, fromAnnotations(o, t.Meta.Get("annotations"), inventory.JoinPath(t.Path, "metadata.annotations"), t.Path)...)
			}
		}
		if len(own) > 0 {
			d.byObject[o] = own
			d.all = append(d.all, own...)
		}
	}
	return d
}

// keep drops the decisions about controls that are not judged.
func (d *decisions) keep(judged func(pattern string) bool) {
	other := func(one *decision) bool { return !judged(one.control) }
	d.all, d.config = slices.DeleteFunc(d.all, other), slices.DeleteFunc(d.config, other)
	for o := range d.byObject {
		d.byObject[o] = slices.DeleteFunc(d.byObject[o], other)
	}
}

// about returns the decisions that cover a finding, those of the configuration
// first.
func (d *decisions) about(f *finding.Finding) []*decision {
	config, ok := d.byControl[f.Control]
	if !ok {
		for _, one := range d.config {
			if one.names(f.Control) {
				config = append(config, one)
			}
		}
		d.byControl[f.Control] = config
	}
	var out []*decision
	for _, one := range config {
		if one.covers(f) {
			out = append(out, one)
		}
	}
	if f.Object == nil {
		return out
	}
	for _, one := range d.byObject[f.Object] {
		if one.names(f.Control) && one.covers(f) {
			out = append(out, one)
		}
	}
	return out
}

// names tells whether the decision is about a control.
func (d *decision) names(control string) bool {
	if d.control == control {
		return true
	}
	ok, err := path.Match(d.control, control)
	return ok && err == nil
}

// end sets the last day on which the decision works.
func (d *decision) end(day string) {
	until, err := endOf(day)
	d.waiver.Until, d.until, d.broken = day, until, err != nil
}

func fromConfig(e *Entry) *decision {
	source := e.file
	if e.line > 0 {
		source = fmt.Sprintf("%s:%d", e.file, e.line)
	}
	d := &decision{
		control: e.Control, file: e.file, line: e.line, covers: e.Object.matches,
		waiver: finding.Waiver{Source: source, Reason: strings.TrimSpace(e.Reason), Owner: strings.TrimSpace(e.Owner)},
	}
	d.end(e.Expires)
	return d
}

// untilForm is the end of a comment that means to say when it ends.
var untilForm = regexp.MustCompile(`(?:^|\s)\(?until (\d[\d./-]*)\)?$`)

func fromComment(o *inventory.Object, ig inventory.Ignore) []*decision {
	reason, owner, ok := strings.Cut(" "+ig.Reason, " owner=")
	if before, after, later := strings.Cut(owner, " until "); ok && later {
		reason, owner = reason+" until "+after, before
	}
	reason = strings.TrimSpace(reason)
	var until string
	switch m := untilForm.FindStringSubmatch(reason); {
	case !ig.Until.IsZero():
		until = ig.Until.Format(time.DateOnly)
	case m != nil:
		until, reason = m[1], strings.TrimSpace(strings.TrimSuffix(reason, m[0]))
	}
	var out []*decision
	for _, id := range ig.Controls {
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		d := &decision{
			control: id, object: o, path: ig.Path, line: ig.Line,
			waiver: finding.Waiver{Source: fmt.Sprintf("%s:%d", o.Origin.File, ig.Line), Reason: reason, Owner: strings.TrimSpace(owner)},
			covers: func(f *finding.Finding) bool { return within(f.Path, ig.Path) },
		}
		d.end(until)
		out = append(out, d)
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
			covers: func(f *finding.Finding) bool { return within(f.Path, below) },
		}
		d.waiver.Source = fmt.Sprintf("%s:%d", o.Origin.File, a.Line)
		d.annotation(a.Str())
		out = append(out, d)
	}
	return out
}

// annotation reads the value of an annotation: the reason, then owner and
// expiry, parted by semicolons.
func (d *decision) annotation(text string) {
	var reason []string
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		key, value, ok := strings.Cut(part, "=")
		value = strings.TrimSpace(value)
		switch key = strings.ToLower(strings.TrimSpace(key)); {
		case ok && key == "owner":
			d.waiver.Owner = value
		case ok && key == "expires":
			d.end(value)
		case part != "":
			reason = append(reason, part)
		}
	}
	d.waiver.Reason = strings.Join(reason, "; ")
}
