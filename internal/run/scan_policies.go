package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/policy/offline"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// readPolicies reads files and folders with admission policies. All of it has to
// be readable: a policy that is left out would pass everything.
func readPolicies(ctx context.Context, in Input, paths []string) (*inventory.Inventory, error) {
	for _, p := range paths {
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) && p != "-" {
			return nil, fmt.Errorf("--policies %s: there is no such file or folder", p)
		}
	}
	in.Paths, in.Progress, in.Sized, in.Exclude, in.KeepGoing = slices.Clone(paths), nil, nil, nil, false
	policies, err := some(ctx, Place{Input: in}, nil)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	return policies, nil
}

// verdicts are what the user's admission policies say, as findings of controls.
type verdicts struct {
	controls []*control.Control
	findings []finding.Finding
	passed   int
	// gaps are policies that could not say anything.
	gaps []report.Gap
}

// addTo adds the verdicts to those of the built-in controls.
func (v *verdicts) addTo(res check.Result) check.Result {
	res.Passed += v.passed
	if len(v.findings) > 0 {
		res.Findings = finding.Sort(append(res.Findings, v.findings...))
	}
	return res
}

// askPolicies asks the user's admission policies about the inventory. Each
// counts as a control that is named after it.
func (o *ScanOptions) askPolicies(ctx context.Context, inv *inventory.Inventory, taken []*control.Control) (*verdicts, error) {
	v := new(verdicts)
	if len(o.Policies) == 0 {
		return v, nil
	}
	policies, err := readPolicies(ctx, o.Input, o.Policies)
	if err != nil {
		return nil, err
	}
	if o.Progress != nil {
		o.Progress("asking policies", len(inv.Objects), 0)
	}
	res, err := offline.Run(ctx, policies, inv, offline.Options{User: offline.DefaultUser, Groups: []string{offline.DefaultGroup}, Admitted: o.Passed})
	if err != nil {
		return nil, err
	}
	tried := make([]asked, 0, len(res.Tried))
	for _, p := range res.Tried {
		c := controlOf(&p, inv.ClusterWide)
		if slices.ContainsFunc(taken, func(t *control.Control) bool { return t.ID == c.ID }) {
			c.ID = "policy/" + c.ID
		}
		tried = append(tried, asked{p, c})
		v.controls = append(v.controls, c)
		if inv.ClusterWide {
			v.gaps = append(v.gaps, unread(&p, c.ID)...)
		}
	}
	v.passed = res.Admits
	said := make(map[statement]bool)
	for i := range res.Decisions {
		d := &res.Decisions[i]
		s := statement{d.Of, d.Policy, d.Binding, d.Verdict}
		if !d.Pods {
			said[s] = true
		} else if said[s] {
			continue // the workload itself comes first, and says it already
		}
		v.add(d, tried)
	}
	for _, remark := range res.Remarks {
		v.gaps = append(v.gaps, report.Gap{What: "admission policies", Why: remark, Controls: []string{}})
	}
	return v, nil
}

// asked is a policy and the control that it counts as.
type asked struct {
	policy  offline.Policy
	control *control.Control
}

// covers tells whether the policy is about objects like one that could not be
// made a request.
func (a *asked) covers(o *inventory.Object) bool {
	found := false
	rulesOf(&a.policy, func(group, resource string) {
		pods := len(o.PodTemplates()) > 0 && (group == "" || group == "*") && resource == "pods"
		found = found || pods || resource == "*" || (group == "*" || group == o.Group()) && resource == policy.Plural(o.Kind)
	})
	return found
}

// statement is what a policy says of an object.
type statement struct {
	of              *inventory.Object
	policy, binding string
	verdict         offline.Verdict
}

// add makes a finding of a decision. An object that no policy could be asked
// about counts for each that covers it.
func (v *verdicts) add(d *offline.Decision, tried []asked) {
	f := finding.Finding{Object: d.Of, Path: d.Path, Message: d.Message}
	if d.Path == "" {
		f.Line, f.Column = d.Of.Root.Line, d.Of.Root.Column
	}
	if d.Pods {
		f.Message = "its pods: " + f.Message
	}
	switch {
	case d.Verdict == offline.Admitted:
		f.Verdict, f.Message = finding.Pass, ""
	case d.Verdict == offline.Unknown || d.Failed:
	default:
		f.Verdict = finding.Fail
	}
	for _, a := range tried {
		if d.Policy == a.policy.Name || d.Policy == "" && a.covers(d.Of) {
			f.Control, f.Severity = a.control.ID, a.control.SeverityLevel()
			v.findings = append(v.findings, f)
		}
	}
}

// controlOf describes a policy as a control. Without a severity of its own, what
// a policy refuses is high, and what it only notes medium.
func controlOf(p *offline.Policy, onCluster bool) *control.Control { //nolint:revive // the inventory as it is
	severity := finding.Medium
	if p.Denies {
		severity = finding.High
	}
	if said, err := finding.ParseSeverity(p.Annotations["redoubt.dev/severity"]); err == nil {
		severity = said
	}
	title := p.Annotations["redoubt.dev/title"]
	if title == "" {
		title = "Admission policy " + p.Name + " is violated"
	}
	c := &control.Control{
		ID: p.Name, Title: title, Chapter: "policy", Severity: severity.String(), Target: control.TargetObject, Requirements: []string{},
		Rationale: "The ValidatingAdmissionPolicy at " + p.Of.Origin.File + " judges what a cluster lets in.",
		Fix:       control.Fix{Safety: control.Manual, Text: "Change the object as the message of the policy says."},
	}
	if onCluster {
		c.Kinds = kindsCovered(p)
	}
	return c
}

// rulesOf are the pairs of group and resource that a policy covers, without
// subresources.
func rulesOf(p *offline.Policy, each func(group, resource string)) {
	for _, r := range p.Spec.MatchConstraints.ResourceRules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				name, _, _ := strings.Cut(resource, "/")
				each(group, name)
			}
		}
	}
}

// kindsCovered are the kinds that a policy covers, nil for all.
func kindsCovered(p *offline.Policy) []string {
	all, kinds := false, make([]string, 0)
	rulesOf(p, func(group, resource string) {
		all = all || group == "*" || resource == "*"
		for _, r := range cluster.Resources(nil) {
			if r.Group == group && r.Name == resource {
				kinds = append(kinds, r.Kind)
			}
		}
	})
	if all {
		return nil
	}
	return kinds
}

// unread says what a policy covers that is not read from a cluster.
func unread(p *offline.Policy, id string) []report.Gap {
	var gaps []report.Gap
	rulesOf(p, func(group, resource string) {
		for _, r := range cluster.Resources(nil) {
			if r.Group == group && (r.Name == resource || r.Name == cluster.AnyKind) {
				return
			}
		}
		if group == admissionregistrationv1.GroupName && strings.Contains(resource, "admissionpolic") {
			return // the API server asks no policy about policies
		}
		gaps = append(gaps, report.Gap{
			What: "what policy " + p.Name + " covers", Why: fmt.Sprintf("not all of resource %q in group %q is read from a cluster", resource, group), Controls: []string{id},
		})
	})
	return gaps
}
