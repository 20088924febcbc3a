package pod_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/pod"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
)

// TestPodSecurityFixtures holds our controls against the admission plugin: on
// every fixture the module k8s.io/pod-security-admission ships, for every
// version, each check of the library and the controls mapped to it agree.
func TestPodSecurityFixtures(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "test", "testdata")
	c := &conformance{t: t, controls: make(map[string][]*control.Compiled)}
	err = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".yaml") {
			c.fixture(path, strings.Split(filepath.ToSlash(strings.TrimPrefix(path, root)), "/")[2])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d fixtures, %d judgements of single checks, %d of levels, %d disagreements", c.fixtures, c.judgements, c.levels, c.disagreements)
	if c.fixtures < 4000 {
		t.Errorf("only %d fixtures, the module has more than 4,000", c.fixtures)
	}
}

type conformance struct {
	t        *testing.T
	controls map[string][]*control.Compiled

	fixtures, judgements, levels, disagreements int
}

// compiled are the controls mapped to a Pod Security check, by version.
func (c *conformance) compiled(version string) []*control.Compiled {
	if got, ok := c.controls[version]; ok {
		return got
	}
	all, err := pod.Chapter().Load()
	if err != nil {
		c.t.Fatal(err)
	}
	minor, err := control.ParseMinor(version)
	if err != nil {
		c.t.Fatal(err)
	}
	var out []*control.Compiled
	for _, ctl := range all {
		if ctl.Maps.PSS == "" {
			continue
		}
		compiled, err := control.Compile(ctl, minor, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, compiled)
	}
	c.controls[version] = out
	return out
}

func (c *conformance) fixture(path, version string) {
	c.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	inv := checktest.Inventory(c.t, filepath.Base(path), string(text), checktest.YAML)
	template := inv.Objects[0].PodTemplates()[0]
	c.fixtures++
	failed := make(map[string]bool)
	for _, f := range check.Run(inv, c.compiled(version), check.Options{}).Findings {
		if f.Verdict == finding.Unknown {
			c.t.Errorf("%s: %s is unknown: %s", path, f.Control, f.Message)
		}
		failed[f.Control] = true
	}
	for _, lib := range policy.DefaultChecks() {
		c.one(path, version, lib, template, failed)
	}
	c.level(path, version, template, failed)
}

// one compares a check of the library with the controls that have its id, and
// those of the checks it replaces.
func (c *conformance) one(path, version string, lib policy.Check, template *inventory.PodTemplate, failed map[string]bool) {
	c.t.Helper()
	v, err := api.ParseVersion(version)
	if err != nil {
		c.t.Fatal(err)
	}
	want, ids := true, map[string]bool{string(lib.ID): true}
	for _, versioned := range lib.Versions {
		if v.Older(versioned.MinimumVersion) {
			break
		}
		meta, spec, err := podsecurity.Decode(template)
		if err != nil {
			c.t.Fatal(err)
		}
		want = versioned.CheckPod(meta, spec).Allowed
		for _, id := range versioned.OverrideCheckIDs {
			ids[string(id)] = true
		}
	}
	if v.Older(lib.Versions[0].MinimumVersion) {
		return
	}
	got := true
	for _, ctl := range c.compiled(version) {
		if ids[filepath.Base(ctl.Maps.PSS)] && failed[ctl.ID] {
			got = false
		}
	}
	c.judgements++
	if got != want {
		c.disagreements++
		c.t.Errorf("%s: check %s at %s allows it: %t; our controls: %t", path, lib.ID, version, want, got)
	}
}

// level compares the level the library grants with what the controls imply.
func (c *conformance) level(path, version string, template *inventory.PodTemplate, failed map[string]bool) {
	c.t.Helper()
	e, err := podsecurity.New(version)
	if err != nil {
		c.t.Fatal(err)
	}
	got := podsecurity.Restricted
	for _, ctl := range c.compiled(version) {
		if failed[ctl.ID] {
			if strings.HasPrefix(ctl.Maps.PSS, "baseline/") {
				got = podsecurity.Privileged
			} else if got == podsecurity.Restricted {
				got = podsecurity.Baseline
			}
		}
	}
	c.levels++
	if want := e.Evaluate(template); got != want.Level {
		c.disagreements++
		c.t.Errorf("%s at %s: %s", path, version, fmt.Sprintf("level %s (%v), our controls imply %s", want.Level, want.Blocks, got))
	}
}
