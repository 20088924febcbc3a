package control

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Chapter is one folder of controls: the YAML files and the Go analyses beside
// them.
type Chapter struct {
	// Name is the folder.
	Name string
	// Files holds ID.yaml for each control at its top level.
	Files fs.FS
	// Analyses has an entry for each control with analysis: true.
	Analyses map[string]Analysis
}

// Load parses all controls of the chapter, in id order. All faults are
// reported at once.
func (c Chapter) Load() ([]*Control, error) {
	names, err := fs.Glob(c.Files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list controls of %s: %w", c.Name, err)
	}
	var controls []*Control
	var faults []error
	for _, name := range names {
		text, err := fs.ReadFile(c.Files, name)
		if err != nil {
			return nil, fmt.Errorf("read control %s/%s: %w", c.Name, name, err)
		}
		ctl, err := Parse(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s/%s: %w", c.Name, name, err))
			continue
		}
		if stem := strings.TrimSuffix(path.Base(name), ".yaml"); ctl.ID != stem {
			faults = append(faults, fmt.Errorf("%s/%s: id %q differs from the file name", c.Name, name, ctl.ID))
		}
		ctl.Chapter = c.Name
		controls = append(controls, ctl)
	}
	return controls, errors.Join(faults...)
}

// Parse reads one control and checks its form. Fields it does not know are
// errors.
func Parse(text []byte) (*Control, error) {
	c := new(Control)
	if err := yaml.UnmarshalStrict(text, c); err != nil {
		return nil, fmt.Errorf("parse control: %w", err)
	}
	if c.Reads != nil || slices.ContainsFunc(c.Versions, func(v Version) bool { return v.Reads != nil }) {
		return nil, errors.New("reads is computed; leave it out")
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}
