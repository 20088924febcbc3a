// Package catalogue is the list of all built-in controls.
package catalogue

import (
	_ "embed" // the packed catalogue is part of the program
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/admission"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/controlplane"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/image"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/live"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/namespace"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/network"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/phantom"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/pod"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/rbac"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/secret"
	"github.com/redoubt-k8s/redoubt/internal/catalogue/waiver"
	"github.com/redoubt-k8s/redoubt/internal/control"
)

// Chapters lists the folders of the catalogue.
func Chapters() []control.Chapter {
	return []control.Chapter{
		admission.Chapter(),
		controlplane.Chapter(),
		image.Chapter(),
		live.Chapter(),
		namespace.Chapter(),
		network.Chapter(),
		phantom.Chapter(),
		pod.Chapter(),
		rbac.Chapter(),
		secret.Chapter(),
		waiver.Chapter(),
	}
}

// packed are the controls without their tests, as one JSON text: reading all
// YAML files would take longer than many a scan.
//
//go:embed controls.gen.json
var packed []byte

// Load returns all built-in controls in id order, without their tests, and
// their analyses.
func Load() ([]*control.Control, map[string]control.Analysis, error) {
	var controls []*control.Control
	if err := json.Unmarshal(packed, &controls); err != nil {
		return nil, nil, fmt.Errorf("read the packed catalogue: %w", err)
	}
	analyses := make(map[string]control.Analysis)
	for _, chapter := range Chapters() {
		maps.Copy(analyses, chapter.Analyses)
	}
	return controls, analyses, nil
}

// Pack makes the text that [Load] reads.
func Pack(controls []*control.Control) ([]byte, error) {
	bare := make([]*control.Control, len(controls))
	for i, c := range controls {
		packed, err := c.WithReads()
		if err != nil {
			return nil, fmt.Errorf("control %s: %w", c.ID, err)
		}
		packed.Tests = nil
		bare[i] = packed
	}
	return json.Marshal(bare)
}

// Sources returns all built-in controls as their YAML files have them, tests
// included, and their analyses. All faults are reported at once.
func Sources() ([]*control.Control, map[string]control.Analysis, error) {
	return load(Chapters())
}

func load(chapters []control.Chapter) ([]*control.Control, map[string]control.Analysis, error) {
	var controls []*control.Control
	var faults []error
	analyses := make(map[string]control.Analysis)
	seen := make(map[string]string)
	for _, chapter := range chapters {
		found, err := chapter.Load()
		faults = append(faults, err)
		for _, c := range found {
			for _, id := range append([]string{c.ID}, c.Formerly...) {
				if other, taken := seen[id]; taken {
					faults = append(faults, fmt.Errorf("control id %s is in %s and %s", id, other, chapter.Name))
				}
				seen[id] = chapter.Name
			}
			if _, ok := chapter.Analyses[c.ID]; ok != c.Analysis {
				faults = append(faults, fmt.Errorf("control %s: analysis in YAML is %t, in Go %t", c.ID, c.Analysis, ok))
			}
		}
		for id, a := range chapter.Analyses {
			if !slices.ContainsFunc(found, func(c *control.Control) bool { return c.ID == id }) {
				faults = append(faults, fmt.Errorf("analysis %s in %s has no YAML file", id, chapter.Name))
			}
			analyses[id] = a
		}
		controls = append(controls, found...)
	}
	slices.SortFunc(controls, func(a, b *control.Control) int { return strings.Compare(a.ID, b.ID) })
	return controls, analyses, errors.Join(faults...)
}

// Own is the chapter of controls that a user brings along.
const Own = "own"

// Compile makes controls ready as they are in force in a Kubernetes minor
// version. Those of the user are compiled at once, to show their faults;
// built-in ones when they are first needed.
func Compile(controls []*control.Control, analyses map[string]control.Analysis, minor int) ([]*control.Compiled, error) {
	out := make([]*control.Compiled, 0, len(controls))
	var faults []error
	for _, c := range controls {
		prepare := control.Prepare
		if c.Chapter == Own {
			prepare = control.Compile
		}
		compiled, err := prepare(c, minor, analyses[c.ID])
		if err != nil {
			faults = append(faults, fmt.Errorf("control %s: %w", c.ID, err))
			continue
		}
		out = append(out, compiled)
	}
	return out, errors.Join(faults...)
}
