// Package run has one file per verb: which source, which engine, in what
// order. It is what the command line and every other shell call.
package run

import (
	"fmt"
	"os"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
)

// Controls returns the selected controls, those of the folder own included.
func Controls(s catalogue.Selection, own string) ([]*control.Control, error) {
	controls, _, err := loadControls(own)
	if err != nil {
		return nil, err
	}
	return catalogue.Select(controls, s)
}

// loadControls loads the built-in controls and those of the folder own, which
// may be empty for none.
func loadControls(own string) ([]*control.Control, map[string]control.Analysis, error) {
	controls, analyses, err := catalogue.Load()
	if err != nil {
		return nil, nil, err
	}
	if own == "" {
		return controls, analyses, nil
	}
	added, err := control.Chapter{Name: catalogue.Own, Files: os.DirFS(own)}.Load()
	if err != nil {
		return nil, nil, fmt.Errorf("load controls of %s: %w", own, err)
	}
	if len(added) == 0 {
		return nil, nil, fmt.Errorf("load controls of %s: no *.yaml file there", own)
	}
	taken := make(map[string]bool, len(controls))
	for _, c := range controls {
		taken[c.ID] = true
	}
	for _, c := range added {
		switch {
		case taken[c.ID]:
			return nil, nil, fmt.Errorf("control %s of %s: a built-in control has this id", c.ID, own)
		case c.Analysis:
			return nil, nil, fmt.Errorf("control %s of %s: analysis: true needs Go; write a violation in CEL", c.ID, own)
		}
	}
	return append(controls, added...), analyses, nil
}
