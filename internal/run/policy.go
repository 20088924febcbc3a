package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/policy/offline"
)

// PolicyOptions say which controls become policies and how these behave.
type PolicyOptions struct {
	Selection catalogue.Selection
	// OwnControls is a folder with controls of the user, may be empty.
	OwnControls string
	// KubernetesVersion is latest or v1.N.
	KubernetesVersion string
	policy.Options
}

// GeneratePolicies makes admission policies of the chosen controls, and lists
// those that can't have one.
func GeneratePolicies(opts PolicyOptions) ([]policy.Policy, []policy.Skipped, error) {
	compiled, _, err := controlsFor(opts)
	if err != nil {
		return nil, nil, err
	}
	made, skipped := policy.Generate(compiled, opts.Options)
	if len(made) == 0 {
		return nil, nil, fmt.Errorf("none of the chosen controls can be a policy; %s: %s", skipped[0].Control, skipped[0].Why)
	}
	return made, skipped, nil
}

// GenerateMutations makes mutating policies of the safe fixes of the chosen
// controls, and lists those that can't have one.
func GenerateMutations(opts PolicyOptions) ([]policy.Mutation, []policy.Skipped, error) {
	compiled, minor, err := controlsFor(opts)
	if err != nil {
		return nil, nil, err
	}
	made, skipped := policy.Mutations(compiled, minor, opts.Options)
	if len(made) == 0 {
		return nil, nil, fmt.Errorf("none of the chosen controls has a fix that a mutating policy can apply; %s: %s", skipped[0].Control, skipped[0].Why)
	}
	return made, skipped, nil
}

// controlsFor are the chosen controls, ready for policies, and the minor version
// these are for.
func controlsFor(opts PolicyOptions) ([]*control.Compiled, int, error) {
	for _, name := range opts.ExemptNamespaces {
		if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
			return nil, 0, fmt.Errorf("--exempt-namespace %q: %s", name, faults[0])
		}
	}
	minor, err := control.ParseMinor(opts.KubernetesVersion)
	if err != nil {
		return nil, 0, fmt.Errorf("--kubernetes-version: %w", err)
	}
	_, compiled, err := compileControls(opts.Selection, opts.OwnControls, minor)
	return compiled, minor, err
}

// PolicyFile is a policy with its binding.
type PolicyFile struct {
	Name    string
	Objects []runtime.Object
}

// WritePolicies writes one file for each policy, its binding included, into a
// folder that is made if need be.
func WritePolicies(dir string, policies []PolicyFile) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // nothing in it is secret
		return fmt.Errorf("make folder: %w", err)
	}
	for _, p := range policies {
		text, err := policy.YAML(p.Objects...)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p.Name+".yaml"), text, 0o644); err != nil { //nolint:gosec // nothing in it is secret
			return fmt.Errorf("write policy: %w", err)
		}
	}
	return nil
}

// LabelOptions say what to judge the namespaces by.
type LabelOptions struct {
	Place

	// KubernetesVersion is the version of the levels: latest or v1.N.
	KubernetesVersion string
}

// NamespaceLevels is what Pod Security says of a namespace.
type NamespaceLevels = policy.NamespaceLevels

// PodSecurityLevels says for each namespace which level its pods pass.
func PodSecurityLevels(ctx context.Context, opts LabelOptions) ([]NamespaceLevels, error) {
	pods := append([]string{"Namespace"}, templates...)
	inv, err := some(ctx, opts.Place, pods)
	if err != nil {
		return nil, err
	}
	for _, g := range inv.Gaps {
		if inv.ClusterWide && (len(g.Kinds) == 0 || slices.ContainsFunc(pods, func(kind string) bool { return slices.Contains(g.Kinds, kind) })) {
			return nil, fmt.Errorf("the levels would be a guess, because not all pods can be seen: %s: %s", g.What, g.Why)
		}
	}
	return policy.Levels(inv, opts.KubernetesVersion)
}

// some reads a place that has to hold something. Of a cluster only the kinds are
// read, nil for all.
func some(ctx context.Context, p Place, kinds []string) (*inventory.Inventory, error) {
	inv, err := p.gather(ctx, kinds)
	if err == nil && len(inv.Objects) == 0 && len(inv.Gaps) == 0 {
		err = ErrNothing
	}
	return inv, err
}

// PolicyTestOptions say which policies to try on what.
type PolicyTestOptions struct {
	Place

	// Policies are files and folders with policies, bindings and parameters.
	Policies []string
	// User and Groups are those the requests are made as.
	User   string
	Groups []string
}

// TestPolicies tries admission policies on what the paths, a snapshot or a
// cluster hold. What could not be read of a cluster is unknown.
func TestPolicies(ctx context.Context, opts PolicyTestOptions) (*offline.Result, error) {
	if len(opts.Policies) == 0 {
		return nil, errors.New("--policies: name the files or folders with the policies to try")
	}
	policies, err := readPolicies(ctx, opts.Input, opts.Policies)
	if err != nil {
		return nil, err
	}
	objects, err := some(ctx, opts.Place, nil)
	if err != nil {
		return nil, err
	}
	res, err := offline.Run(ctx, policies, objects, offline.Options{User: opts.User, Groups: opts.Groups})
	if err != nil || !objects.ClusterWide {
		return res, err
	}
	covered := make([]string, 0)
	for _, p := range res.Tried {
		kinds := kindsCovered(&p)
		if kinds == nil || covered == nil {
			covered = nil
		} else {
			covered = append(covered, kinds...)
		}
		for _, g := range unread(&p, p.Name) {
			res.Decisions = append(res.Decisions, offline.Decision{Policy: p.Name, Verdict: offline.Unknown, Object: g.What, Message: g.Why})
		}
	}
	for _, g := range objects.Gaps {
		if covered == nil || len(g.Kinds) == 0 || slices.ContainsFunc(covered, func(kind string) bool { return slices.Contains(g.Kinds, kind) }) {
			res.Decisions = append(res.Decisions, offline.Decision{Verdict: offline.Unknown, Object: g.What, Message: g.Why})
		}
	}
	return res, nil
}
