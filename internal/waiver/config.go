// Package waiver knows the decisions of people that a finding is acceptable:
// those of the configuration file, of annotations and of comments. It applies
// them and notices those that have expired, lack a reason, or cover nothing.
//
// It reads no files.
package waiver

import (
	"errors"
	"fmt"
	"path"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Config is the content of .redoubt.yaml.
type Config struct {
	// Version is 1.
	Version int     `json:"version"`
	Waivers []Entry `json:"waivers,omitempty"`
	// Exclude are globs of files that are not read.
	Exclude []string `json:"exclude,omitempty"`
	// Images says which user an image runs as, where somebody looked it up.
	Images []Image `json:"images,omitempty"`
}

// Entry is one waiver.
type Entry struct {
	// Control is an id or glob.
	Control string `json:"control"`
	// Object narrows the waiver; all fields that are set must match.
	Object Selector `json:"object,omitzero"`
	Reason string   `json:"reason"`
	Owner  string   `json:"owner"`
	// Expires is the last day the waiver works, YYYY-MM-DD.
	Expires string `json:"expires"`

	source string
}

// Selector names objects by globs.
type Selector struct {
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Container string `json:"container,omitempty"`
	File      string `json:"file,omitempty"`
	// Labels must all be on the object.
	Labels map[string]string `json:"labels,omitempty"`
}

// Image is the user of an image.
type Image struct {
	// Image is a glob of the name in manifests.
	Image string `json:"image"`
	// User is numeric.
	User int64 `json:"user"`
}

// ParseConfig reads a configuration file. Fields it does not know are errors.
func ParseConfig(name string, text []byte) (Config, error) {
	var c Config
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	if c.Version != 1 {
		return c, fmt.Errorf("%s: version is %d, want version: 1", name, c.Version)
	}
	lines := entryLines(name, text)
	var errs []error
	for i := range c.Waivers {
		w := &c.Waivers[i]
		w.source = name
		if i < len(lines) {
			w.source = fmt.Sprintf("%s:%d", name, lines[i])
		}
		if _, err := path.Match(w.Control, ""); err != nil || w.Control == "" {
			errs = append(errs, fmt.Errorf("%s: a waiver needs a control: an id or a glob", w.source))
		}
		if _, err := w.until(); err != nil {
			errs = append(errs, fmt.Errorf("%s: expires %q: want a date such as 2027-01-31", w.source, w.Expires))
		}
	}
	return c, errors.Join(errs...)
}

// entryLines are the lines on which the waivers start.
func entryLines(name string, text []byte) []int32 {
	wrapped := append([]byte("apiVersion: redoubt/v1\nkind: Config\n"), text...)
	res, err := decode.File(wrapped, &inventory.Origin{File: name}, decode.DefaultLimits())
	if err != nil || len(res.Objects) == 0 {
		return nil
	}
	const added = 2
	var out []int32
	for _, w := range res.Objects[0].Root.Get("waivers").All() {
		out = append(out, w.Line-added)
	}
	return out
}

// until is the first moment at which the waiver no longer works.
func (e *Entry) until() (time.Time, error) {
	if e.Expires == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, e.Expires)
	return day.AddDate(0, 0, 1), err
}
