package run

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/netpol"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// ReachOptions say what to read and what is known of the cluster.
type ReachOptions struct {
	Place

	// PodCIDRs are the ranges pods have their addresses from, if known.
	PodCIDRs []string
}

// The versions of the JSON output.
const (
	reachSchema        = "redoubt.reach/v1"
	reachExplainSchema = "redoubt.reach-explain/v1"
	reachDiffSchema    = "redoubt.reach-diff/v1"
)

// ErrNobody means that nothing in the input runs.
var ErrNobody = errors.New("no workload was found: there is nobody to talk to")

// Reach says who can talk to whom.
func Reach(ctx context.Context, opts ReachOptions) (*ReachReport, error) {
	inv, model, err := readModel(ctx, opts)
	if err != nil {
		return nil, err
	}
	rep := &ReachReport{
		Schema: reachSchema, Namespaces: []ReachNamespace{}, Notes: evidence(model.Idle()), Gaps: []ReachGap{},
		Summary: ReachSummary{Workloads: len(model.Endpoints())},
	}
	for _, g := range inv.Gaps {
		rep.Gaps = append(rep.Gaps, ReachGap{g.What, g.Why})
	}
	for _, n := range model.Isolation() {
		rep.Namespaces = append(rep.Namespaces, ReachNamespace{n.Name, isolation(&n.Ingress), isolation(&n.Egress)})
	}
	matrix := model.Matrix()
	entries := make(map[*netpol.Endpoint][]ReachEntry)
	for _, e := range model.Entries() {
		place := netpol.Evidence{Object: e.Object, Path: e.Path}
		entries[e.To] = append(entries[e.To], ReachEntry{e.Through, e.Object.Ref(), location(&place), e.From, e.Port.String(), e.Verdict})
	}
	for _, e := range model.Endpoints() {
		w := workloadReach(model, e)
		w.Entries = entries[e]
		w.Reaches = edges(model, matrix, e, &rep.Summary)
		rep.Workloads = append(rep.Workloads, w)
	}
	return rep, nil
}

// reachKinds are what is read of a cluster: pods and what makes them, policies,
// and what leads to pods.
var reachKinds = slices.Concat(cluster.Templates(), []string{
	"Namespace", "NetworkPolicy", "Service", "EndpointSlice", "Ingress", "IngressClass", "Gateway.gateway.networking.k8s.io",
	"ClusterNetworkPolicy." + netpol.AdminGroup, "Rollout.argoproj.io", "CloneSet.apps.kruise.io",
}, netpol.ForeignKinds())

func readModel(ctx context.Context, opts ReachOptions) (*inventory.Inventory, *netpol.Model, error) {
	cidrs, err := opts.podRanges()
	if err != nil {
		return nil, nil, err
	}
	inv, err := opts.gather(ctx, reachKinds)
	if err != nil {
		return nil, nil, err
	}
	model, err := modelOf(inv, cidrs)
	return inv, model, err
}

func (o *ReachOptions) podRanges() ([]netip.Prefix, error) {
	var cidrs []netip.Prefix
	for _, c := range o.PodCIDRs {
		p, err := netip.ParsePrefix(strings.TrimSpace(c))
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("--pod-cidr %q: want a range such as 10.244.0.0/16", c)
		}
		cidrs = append(cidrs, p.Masked())
	}
	return cidrs, nil
}

func modelOf(inv *inventory.Inventory, cidrs []netip.Prefix) (*netpol.Model, error) {
	model := netpol.NewWith(inv, netpol.Options{PodCIDRs: cidrs})
	if len(model.Endpoints()) == 0 {
		return nil, ErrNobody
	}
	return model, nil
}

func isolation(i *netpol.Isolation) ReachIsolation {
	return ReachIsolation{i.DefaultDeny, i.Isolated, i.Workloads}
}

func location(e *netpol.Evidence) string {
	file, line := e.Place()
	if file == "" || line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

func evidence(all []netpol.Evidence) []ReachEvidence {
	out := make([]ReachEvidence, 0, len(all))
	for i := range all {
		e := &all[i]
		r := ReachEvidence{Side: e.Side, Effect: string(e.Effect), Path: e.Path, Location: location(e), Says: e.Says}
		if e.Object != nil {
			r.Object = e.Object.Ref()
		}
		out = append(out, r)
	}
	return out
}

func workloadReach(model *netpol.Model, e *netpol.Endpoint) ReachWorkload {
	place := netpol.Evidence{Object: e.Template.Object}
	w := ReachWorkload{Name: e.Name, Location: location(&place), HostNetwork: e.HostNetwork, Beyond: make(map[string]netpol.Verdict)}
	for _, p := range model.WellKnown() {
		w.Beyond[p.Name] = model.Allowed(netpol.Of(e), p, netpol.Port{}).Verdict
	}
	w.FromOutside = model.Allowed(netpol.Outside(), netpol.Of(e), netpol.Port{}).Verdict
	return w
}

// edges are the workloads one can or may talk to; all of a namespace, or all
// there are, become one edge if they are alike.
func edges(model *netpol.Model, matrix *netpol.Matrix, from *netpol.Endpoint, sum *ReachSummary) []ReachEdge {
	type group struct {
		namespace string
		edges     []ReachEdge
		members   int
	}
	var groups []group
	row := matrix.Row(from)
	for i, to := range model.Endpoints() {
		if to == from {
			continue
		}
		if len(groups) == 0 || groups[len(groups)-1].namespace != to.Namespace {
			groups = append(groups, group{namespace: to.Namespace})
		}
		g := &groups[len(groups)-1]
		g.members++
		switch row[i] {
		case netpol.Yes:
			sum.Yes++
		case netpol.No:
			sum.No++
			continue
		case netpol.Unknown:
			sum.Unknown++
		}
		g.edges = append(g.edges, ReachEdge{to.Name, row[i], matrix.Ports(from, to)})
	}
	alike := func(list []ReachEdge) bool {
		return !slices.ContainsFunc(list, func(e ReachEdge) bool { return e.Verdict != list[0].Verdict || e.Ports != list[0].Ports })
	}
	out := []ReachEdge{}
	whole := 0
	for _, g := range groups {
		if len(g.edges) == g.members && g.members > 1 && alike(g.edges) {
			g.edges = []ReachEdge{{g.namespace + "/*", g.edges[0].Verdict, g.edges[0].Ports}}
			whole++
		}
		out = append(out, g.edges...)
	}
	if whole == len(groups) && len(out) > 1 && alike(out) {
		out = []ReachEdge{{"*", out[0].Verdict, out[0].Ports}}
	}
	return out
}

// ExplainReach explains whether one peer can talk to another.
func ExplainReach(ctx context.Context, opts ReachOptions, from, to, port string) (*ReachExplanation, error) {
	asked, err := netpol.ParsePort(port)
	if err != nil {
		return nil, fmt.Errorf("--port %w", err)
	}
	_, model, err := readModel(ctx, opts)
	if err != nil {
		return nil, err
	}
	source, err := model.Find(from)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	out := &ReachExplanation{Schema: reachExplainSchema}
	add := func(to netpol.Peer, port netpol.Port, name string) {
		a := model.Allowed(source, to, port)
		out.Answers = append(out.Answers, ReachAnswer{source.Name, name, port.String(), a.Verdict, a.Ports, evidence(a.Because)})
	}
	if namespace, name, ok := serviceName(to); ok {
		targets, service := model.Service(namespace, name, asked)
		if service == nil {
			return nil, fmt.Errorf("--to: the input has no Service %s in the namespace %s", name, namespace)
		}
		if len(targets) == 0 {
			return nil, fmt.Errorf("--to: nothing in the input is behind %s on %s", service.Ref(), asked)
		}
		for _, t := range targets {
			add(netpol.Of(t.Endpoint), t.Port, fmt.Sprintf("%s behind %s", t.Endpoint.Name, service.Ref()))
		}
		return out, nil
	}
	target, err := model.Find(to)
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	add(target, asked, target.Name)
	return out, nil
}

// serviceName reads svc/namespace/name, namespace/svc/name and the like.
func serviceName(s string) (string, string, bool) {
	parts := strings.Split(s, "/")
	const three = 3
	if len(parts) != three {
		return "", "", false
	}
	for i := range 2 {
		if word := strings.ToLower(parts[i]); word == "svc" || word == "service" {
			return parts[1-i], parts[2], true
		}
	}
	return "", "", false
}

// DiffReach compares two inputs.
func DiffReach(ctx context.Context, opts ReachOptions, before, after string) (*ReachDiff, error) {
	cidrs, err := opts.podRanges()
	if err != nil {
		return nil, err
	}
	old, now, err := opts.both(ctx, reachKinds, before, after)
	if err != nil {
		return nil, err
	}
	models := make([]*netpol.Model, 0, 2)
	for _, inv := range []*inventory.Inventory{old, now} {
		m, err := modelOf(inv, cidrs)
		if err != nil {
			return nil, err
		}
		models = append(models, m)
	}
	out := &ReachDiff{Schema: reachDiffSchema, Changes: []ReachChange{}}
	for _, c := range netpol.Diff(models[0], models[1]) {
		out.Changes = append(out.Changes, ReachChange(c))
		if c.Opened {
			out.Opened++
		}
		if c.Closed {
			out.Closed++
		}
	}
	out.Changes = gatherChanges(out.Changes, models)
	return out, nil
}

// gatherChanges makes one of changes toward all other workloads of a namespace
// that are alike.
func gatherChanges(changes []ReachChange, models []*netpol.Model) []ReachChange {
	members := make(map[string]map[string]bool)
	for _, m := range models {
		for _, e := range m.Endpoints() {
			if members[e.Namespace] == nil {
				members[e.Namespace] = make(map[string]bool)
			}
			members[e.Namespace][e.Name] = true
		}
	}
	alike := func(c ReachChange) ReachChange {
		c.To, _, _ = strings.Cut(c.To, "/")
		return c
	}
	out := make([]ReachChange, 0, len(changes))
	for len(changes) > 0 {
		first := alike(changes[0])
		n := 1
		for n < len(changes) && alike(changes[n]) == first && members[first.To] != nil {
			n++
		}
		own := 0
		if members[first.To][first.From] {
			own = 1
		}
		if n > 1 && n == len(members[first.To])-own {
			first.To += "/*"
			out = append(out, first)
		} else {
			out = append(out, changes[:n]...)
		}
		changes = changes[n:]
	}
	return out
}
