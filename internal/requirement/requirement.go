// Package requirement holds the requirements catalogue: what the NSA/CISA
// Kubernetes Hardening Guide and the practitioners' documents around it ask
// for, in our own words. Controls name the requirements they serve.
//
// It knows nothing of controls.
package requirement

import (
	_ "embed" // the catalogue is part of the program
	"fmt"
	"slices"
	"sync"

	"sigs.k8s.io/yaml"
)

//go:embed requirements.yaml
var text []byte

// Requirement is one thing the sources ask for.
type Requirement struct {
	ID      string `json:"id"`
	Chapter string `json:"chapter"`
	Section string `json:"section"`
	Title   string `json:"title"`
	Text    string `json:"requirement"`
	// Detect says per kind of evidence how a fault shows: static_manifest,
	// live_cluster, node, etcd_snapshot, audit_log, runtime.
	Detect  map[string]string `json:"detect"`
	Fix     string            `json:"fix"`
	Prevent string            `json:"prevent"`
	Prove   string            `json:"prove"`
}

// Chapter is a group of requirements.
type Chapter struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Catalogue is the whole of it.
type Catalogue struct {
	Chapters     []Chapter     `json:"chapters"`
	Requirements []Requirement `json:"requirements"`

	SourceErrors   []Error `json:"source_example_errors"`
	GuideErrors    []Error `json:"guide_example_errors"`
	SilentFailures []Error `json:"silent_failures"`
}

// Error is a fault in an example of a source, or a setting that fails in
// silence.
type Error struct {
	ID string `json:"id"`
}

// Errors are the ids of all errors and silent failures.
func (c *Catalogue) Errors() []string {
	var out []string
	for _, e := range slices.Concat(c.SourceErrors, c.GuideErrors, c.SilentFailures) {
		out = append(out, e.ID)
	}
	return out
}

// Load parses the embedded catalogue on first use.
var Load = sync.OnceValues(func() (*Catalogue, error) {
	c := new(Catalogue)
	if err := yaml.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("parse the requirements catalogue: %w", err)
	}
	return c, nil
})
