package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// Cluster says which cluster to read, and as whom.
type Cluster struct {
	Kubeconfig, Context string
	As                  string
	AsGroups            []string
	Timeout             time.Duration
	// NodeProxy reads the configuration of kubelets, too.
	NodeProxy bool
	// Namespaces are read one by one where a list over all is forbidden.
	Namespaces []string
}

func (c Cluster) connect(ctx context.Context, version string, progress func(string, int, int)) (*cluster.Client, error) {
	return cluster.Connect(ctx, cluster.Options{
		Kubeconfig: c.Kubeconfig, Context: c.Context, As: c.As, AsGroups: c.AsGroups,
		Timeout: c.Timeout, UserAgent: "redoubt/" + version, NodeProxy: c.NodeProxy, Namespaces: c.Namespaces, Progress: progress,
	})
}

// errNothingLive means that no chosen control has a look at a cluster.
var errNothingLive = errors.New("the chosen controls look at files only: there is nothing for them to see in a cluster")

// ScanCluster reads what the chosen controls need from a cluster, judges and
// reports.
func ScanCluster(ctx context.Context, opts ScanOptions, from Cluster) (*report.Report, error) {
	if len(opts.Paths) > 0 {
		return nil, errors.New("--cluster reads a cluster and PATH files: give one of them")
	}
	controls, _, err := loadControls(opts.OwnControls)
	if err != nil {
		return nil, err
	}
	selected, err := catalogue.Select(controls, opts.Selection)
	if err != nil {
		return nil, err
	}
	kinds := kindsOf(selected)
	if len(opts.Policies) > 0 {
		kinds = nil // policies may be about anything
	}
	wanted := cluster.Resources(kinds)
	if kinds != nil && slices.ContainsFunc(kinds, func(k string) bool { return kindName(k) == cluster.KubeletConfiguration }) && from.NodeProxy {
		wanted = cluster.Resources(append(kinds, "Node"))
	}
	if len(wanted) == 0 {
		return nil, errNothingLive
	}
	if opts.live, err = from.live(ctx, opts.Version, opts.Progress, wanted); err != nil {
		return nil, err
	}
	read := opts.live.read
	opts.live.read = func(ctx context.Context) (*inventory.Inventory, error) {
		inv, err := read(ctx)
		if inv != nil {
			inv.Time = opts.Now
		}
		return inv, err
	}
	return Scan(ctx, opts)
}

// live connects, and reads resources when asked to.
func (c Cluster) live(ctx context.Context, version string, progress func(string, int, int), wanted []cluster.Resource) (*live, error) {
	client, err := c.connect(ctx, version, progress)
	if err != nil {
		return nil, err
	}
	return &live{
		name: client.Server(), version: client.Version(),
		read: func(ctx context.Context) (*inventory.Inventory, error) { return client.Read(ctx, wanted) },
	}, nil
}

// live is an inventory that is not read from files.
type live struct {
	// name says where it comes from, version is that of the API server.
	name, version string
	read          func(context.Context) (*inventory.Inventory, error)
}

// kubernetesVersion is the version to judge by: that of the server, if nobody
// has asked for another.
func (l *live) kubernetesVersion(asked string) string {
	parts := strings.SplitN(strings.TrimPrefix(l.version, "v"), ".", 3)
	if asked != "" && asked != "latest" || len(parts) < 2 {
		return asked
	}
	minor := "v" + parts[0] + "." + strings.TrimRight(parts[1], "+")
	if _, err := control.ParseMinor(minor); err != nil {
		return asked
	}
	return minor
}

// source is how the inventory is read. It sets what follows from that.
func (o *ScanOptions) source() func(context.Context) (*inventory.Inventory, error) {
	if o.live != nil {
		o.KubernetesVersion = o.live.kubernetesVersion(o.KubernetesVersion)
		return o.live.read
	}
	if len(o.Paths) == 0 {
		o.Paths = []string{"."}
	}
	in := &o.Input
	return func(ctx context.Context) (*inventory.Inventory, error) { return read(ctx, *in) }
}

// sources name where the inventory comes from.
func (o *ScanOptions) sources() []string {
	if o.live != nil {
		return []string{o.live.name}
	}
	return slices.Sorted(slices.Values(o.Paths))
}

// chapterKinds are the kinds that the analyses of a chapter look at, if their
// files do not say. What those of other chapters look at is not known, so they
// need everything.
var chapterKinds = map[string][]string{
	"admission":    {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "Constraint.constraints.gatekeeper.sh"},
	"controlplane": templates,
	"image":        {},
	"namespace":    append([]string{"Namespace", "LimitRange", "ResourceQuota"}, templates...),
	"network":      append([]string{"Namespace", "NetworkPolicy"}, templates...),
	"pod":          append([]string{"LimitRange", "ServiceAccount"}, templates...),
	"rbac":         {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount"},
	"waiver":       {},
}

// templates are the kinds with pod templates.
var templates = cluster.Templates()

// reads are the kinds a control looks at, nil for all.
func reads(c *control.Control) []string {
	if c.Analysis && len(c.Kinds) == 0 {
		kinds, ok := chapterKinds[c.Chapter]
		if !ok {
			return nil
		}
		return kinds
	}
	if c.Analysis || c.Target == control.TargetObject {
		return c.Kinds
	}
	if c.Reads == nil || c.Reads.When.Wide || c.Reads.Verdict.Wide {
		return append([]string{"Namespace"}, templates...)
	}
	return templates
}

// kindsOf are the kinds that some controls look at, nil for all.
func kindsOf(controls []*control.Control) []string {
	all := make([]string, 0)
	for _, c := range controls {
		kinds := reads(c)
		if kinds == nil {
			return nil
		}
		all = append(all, kinds...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// kindName is a kind without its group.
func kindName(kind string) string {
	name, _, _ := strings.Cut(kind, ".")
	return name
}

// needs tells whether a gap may hide what a control looks at.
func needs(c *control.Control, g inventory.Gap) bool {
	kinds := reads(c)
	return kinds == nil || len(g.Kinds) == 0 || slices.ContainsFunc(kinds, func(k string) bool {
		return slices.Contains(g.Kinds, kindName(k))
	})
}

// unjudged adds an unknown verdict for each control that a gap of a cluster
// kept from seeing all of it: what was not read can't have passed.
func unjudged(findings []finding.Finding, inv *inventory.Inventory, selected []*control.Control) []finding.Finding {
	if !inv.ClusterWide || len(inv.Gaps) == 0 {
		return findings
	}
	for _, c := range selected {
		var missing []inventory.Gap
		for _, g := range inv.Gaps {
			if needs(c, g) {
				missing = append(missing, g)
			}
		}
		if len(missing) == 0 {
			continue
		}
		text := fmt.Sprintf("not all that this control looks at could be read: %s: %s", missing[0].What, missing[0].Why)
		if len(missing) > 1 {
			text = fmt.Sprintf("not all that this control looks at could be read: %s and %d more: %s", missing[0].What, len(missing)-1, missing[0].Why)
		}
		findings = append(findings, finding.Finding{Control: c.ID, Verdict: finding.Unknown, Severity: c.SeverityLevel(), Message: text})
	}
	return finding.Sort(findings)
}

// nameControls tells with each gap which controls it keeps from judging.
func nameControls(rep *report.Report, inv *inventory.Inventory, selected []*control.Control) *report.Report {
	if !inv.ClusterWide {
		return rep
	}
	for i, g := range inv.Gaps {
		for _, c := range selected {
			if needs(c, g) {
				rep.Gaps[i].Controls = append(rep.Gaps[i].Controls, c.ID)
			}
		}
	}
	return rep
}

// addImageUsers adds the users that the configuration knows to those that the
// source knows. The configuration wins.
func (s settings) addImageUsers(inv *inventory.Inventory) {
	for image, user := range s.imageUsers(inv) {
		if inv.ImageUsers == nil {
			inv.ImageUsers = make(map[string]string)
		}
		inv.ImageUsers[image] = user
	}
}
