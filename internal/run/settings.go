package run

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/json"
	"github.com/redoubt-k8s/redoubt/internal/waiver"
)

// ConfigName is the name of the configuration file.
const ConfigName = ".redoubt.yaml"

// settings are what configuration and baseline say.
type settings struct {
	config   waiver.Config
	baseline waiver.Baseline
}

// maxConfig bounds a configuration file.
const maxConfig = 4 << 20

func loadSettings(opts *ScanOptions) (settings, error) {
	var s settings
	name, err := configFile(opts)
	if err != nil {
		return s, err
	}
	if name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			return s, fmt.Errorf("read configuration: %w", err)
		}
		if len(text) > maxConfig {
			return s, fmt.Errorf("%s: larger than %d MiB", name, maxConfig>>20)
		}
		if s.config, err = waiver.ParseConfig(filepath.ToSlash(name), text); err != nil {
			return s, err
		}
		opts.Exclude = append(slices.Clone(opts.Exclude), s.config.Exclude...)
	}
	if s.config.Images, err = withImages(s.config.Images, opts.Images); err != nil {
		return s, err
	}
	if opts.Baseline != "" {
		if s.baseline, err = loadBaseline(opts.Baseline); err != nil {
			return s, err
		}
	}
	return s, nil
}

// configFile is the file named by the user, or the first found in the scanned
// folders and the current one.
func configFile(opts *ScanOptions) (string, error) {
	if opts.Config != "" {
		return opts.Config, nil
	}
	for _, dir := range append(slices.Clone(opts.Paths), ".") {
		name := filepath.Join(dir, ConfigName)
		info, err := os.Stat(name)
		switch {
		case err == nil && info.Mode().IsRegular():
			return name, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotDir):
			return "", fmt.Errorf("read configuration: %w", err)
		}
	}
	return "", nil
}

func loadBaseline(name string) (waiver.Baseline, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read baseline: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	rep, err := json.Read(f)
	if err != nil {
		return nil, fmt.Errorf("read baseline %s: %w", name, err)
	}
	out := make(waiver.Baseline)
	for i := range rep.Findings {
		if rep.Findings[i].Verdict == finding.Fail.String() {
			out[rep.Findings[i].Fingerprint]++
		}
	}
	return out, nil
}

// imageUsers are the users of the images in the inventory that the
// configuration knows.
func (s settings) imageUsers(inv *inventory.Inventory) map[string]string {
	if len(s.config.Images) == 0 {
		return nil
	}
	out := make(map[string]string)
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			for i := range t.Containers {
				image := t.Containers[i].Node.Get("image").Str()
				for _, known := range s.config.Images {
					if ok, err := path.Match(known.Image, image); ok && err == nil && known.User != waiver.NoUser {
						out[image] = strconv.FormatInt(known.User, 10)
					}
				}
			}
		}
	}
	return out
}

// digests are those of the images that the configuration knows. An image with
// two digests is ambiguous and left out.
func (s settings) digests() map[string]string {
	out := make(map[string]string)
	for _, known := range s.config.Images {
		if old, twice := out[known.Image]; twice && old != known.Digest && known.Digest != "" {
			out[known.Image] = ""
		} else if known.Digest != "" {
			out[known.Image] = known.Digest
		}
	}
	maps.DeleteFunc(out, func(_, digest string) bool { return digest == "" })
	return out
}

// facts are what the configuration says for edits.
func (s settings) facts() fix.Facts {
	var out fix.Facts
	for _, i := range s.config.Images {
		if i.User > 0 || len(i.Writable) > 0 {
			out.Images = append(out.Images, fix.ImageFact{Image: i.Image, User: i.User, Writable: i.Writable})
		}
	}
	for _, h := range s.config.Facts.HostPaths {
		out.HostPaths = append(out.HostPaths, fix.HostPath(h))
	}
	for _, r := range s.config.Facts.Rights {
		right := fix.Right{AccountNamespace: r.AccountNamespace, Account: r.Account, Namespace: r.Namespace}
		for _, rule := range r.Rules {
			right.Rules = append(right.Rules, fix.RightRule(rule))
		}
		out.Rights = append(out.Rights, right)
	}
	return out
}

// apply waives and compares with the baseline. Findings of controls that were
// not selected are left out.
func (s settings) apply(findings []finding.Finding, inv *inventory.Inventory, selected []*control.Control, now time.Time) []finding.Finding {
	byID := make(map[string]*control.Control, len(selected))
	for _, c := range selected {
		byID[c.ID] = c
	}
	findings = waiver.Apply(findings, inv, s.config, now, func(pattern string) bool {
		return slices.ContainsFunc(selected, func(c *control.Control) bool {
			ok, err := path.Match(pattern, c.ID)
			return pattern == c.ID || ok && err == nil
		})
	})
	findings = slices.DeleteFunc(findings, func(f finding.Finding) bool { return byID[f.Control] == nil })
	if s.baseline == nil {
		return findings
	}
	return waiver.Compare(findings, s.baseline, func(f *finding.Finding) string {
		r := reportFinding(f, byID[f.Control])
		return report.Fingerprint(&r)
	})
}
