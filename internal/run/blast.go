package run

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/blast/view"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// BlastOptions say what to read and what to answer.
type BlastOptions struct {
	Input

	// Workload limits the answer to one workload, From and To ask for the way
	// between two things.
	Workload, From, To string
	// WhatIf is a path with manifests that are put over the input; the answer is
	// then what they change.
	WhatIf string
	// Format is text, json, dot or html.
	Format string
	Colour bool
	// Changes is how many changes are proposed, All tells about every workload
	// at length.
	Changes int
	All     bool
}

// The formats of blast.
const (
	blastText = "text"
	blastJSON = "json"
	blastDot  = "dot"
	blastHTML = "html"
)

// Blast answers what each workload gives away, and writes the answer to w. With
// WhatIf it reports whether the change gives away more.
func Blast(ctx context.Context, opts BlastOptions, w io.Writer) (bool, error) {
	inv, err := blastInventory(ctx, opts.Input)
	if err != nil {
		return false, err
	}
	if opts.WhatIf != "" {
		in := opts.Input
		in.Paths = []string{opts.WhatIf}
		over, err := blastInventory(ctx, in)
		if err != nil {
			return false, err
		}
		return writeDiff(opts, w, blastGraph(inv), blastGraph(overlay(inv, over)))
	}
	g := blastGraph(inv)
	if opts.From != "" || opts.To != "" {
		return false, between(g, opts, w)
	}
	r, err := blastReport(g, opts)
	if err != nil {
		return false, err
	}
	switch opts.Format {
	case blastJSON:
		return false, view.JSON(w, r)
	case blastDot:
		return false, view.Dot(w, r)
	case blastHTML:
		const mostLinks = 60_000
		m := g.Map(mostLinks)
		return false, view.HTML(w, r, &m)
	}
	const told = 20
	text := view.Text{Colour: opts.Colour, Workloads: told}
	if opts.All || opts.Workload != "" {
		text.Workloads = len(r.Workloads)
	}
	return false, text.Render(w, r)
}

func blastGraph(inv *inventory.Inventory) *blast.Graph {
	f := blast.Gather(inv)
	f.Network = networkOf(inv)
	return blast.Build(f, step.All())
}

func blastInventory(ctx context.Context, in Input) (*inventory.Inventory, error) {
	if len(in.Paths) == 0 {
		in.Paths = []string{"."}
	}
	inv, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(inv.Objects) == 0 {
		return nil, ErrNothing
	}
	if in.Sized != nil {
		in.Sized(inv.Bytes)
	}
	inv.Seal()
	return inv, brokenInput(inv, in.KeepGoing)
}

// The limits of reports: in text the rest is counted, in JSON, too.
const (
	mostDetailed = 2000
	mostGains    = 200
)

func blastReport(g *blast.Graph, opts BlastOptions) (*blast.Report, error) {
	limits := blast.Limits{Detailed: mostDetailed, Gains: mostGains, Changes: cmp.Or(opts.Changes, 3)}
	if opts.Format == blastText && !opts.All && opts.Workload == "" {
		limits.Detailed = 200
	}
	if opts.Workload == "" {
		return g.Report(limits), nil
	}
	w, err := g.Facts.FindWorkload(opts.Workload)
	if err != nil {
		return nil, err
	}
	limits.Detailed = len(g.Facts.Workloads)
	r := g.Report(limits)
	r.Workloads = slices.DeleteFunc(r.Workloads, func(n blast.WorkloadNote) bool { return n.Workload != w.Ref() })
	return r, nil
}

// overlay puts objects over those of the same identity.
func overlay(inv, over *inventory.Inventory) *inventory.Inventory {
	type identity struct{ group, kind, namespace, name string }
	of := func(o *inventory.Object) identity { return identity{o.Group(), o.Kind, o.EffectiveNamespace(), o.Name} }
	replaced := make(map[identity]bool, len(over.Objects))
	for _, o := range over.Objects {
		replaced[of(o)] = true
	}
	out := &inventory.Inventory{Gaps: slices.Concat(inv.Gaps, over.Gaps), ImageUsers: inv.ImageUsers, ClusterWide: inv.ClusterWide}
	for _, o := range inv.Objects {
		if !replaced[of(o)] {
			out.Add(o)
		}
	}
	out.Add(over.Objects...)
	out.Seal()
	return out
}

func between(g *blast.Graph, opts BlastOptions, w io.Writer) error {
	from, err := g.Facts.Find(cmp.Or(opts.From, "internet"))
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	to, err := g.Facts.Find(cmp.Or(opts.To, "cluster-admin"))
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	b := g.Between(from, to)
	if opts.Format == blastJSON {
		return view.JSON(w, b)
	}
	return view.Text{Colour: opts.Colour}.Between(w, &b)
}

// BlastDiff compares two inputs and tells whether the new one gives away more.
func BlastDiff(ctx context.Context, opts BlastOptions, before, after string, w io.Writer) (bool, error) {
	var graphs [2]*blast.Graph
	for i, p := range []string{before, after} {
		in := opts.Input
		in.Paths = []string{p}
		inv, err := blastInventory(ctx, in)
		if err != nil {
			return false, err
		}
		graphs[i] = blastGraph(inv)
	}
	return writeDiff(opts, w, graphs[0], graphs[1])
}

func writeDiff(opts BlastOptions, w io.Writer, before, after *blast.Graph) (bool, error) {
	d := blast.Compare(before, after)
	if opts.Format == blastJSON {
		return len(d.More) > 0, view.JSON(w, d)
	}
	return len(d.More) > 0, view.Text{Colour: opts.Colour}.Diff(w, &d)
}

// WhoCanOptions are the question of who-can.
type WhoCanOptions struct {
	Verb string
	// Resource is resource, resource.group, resource/subresource, resource/name
	// is not meant by the slash: Name is the object. A path that starts with a
	// slash is a URL.
	Resource, Name string
	Namespace      string
	AllNamespaces  bool
}

// BlastWhoCan lists who may do something.
func BlastWhoCan(ctx context.Context, opts BlastOptions, q WhoCanOptions, w io.Writer) error {
	inv, err := blastInventory(ctx, opts.Input)
	if err != nil {
		return err
	}
	f := blast.Gather(inv)
	resource, sub, _ := strings.Cut(q.Resource, "/")
	resource, group, named := strings.Cut(resource, ".")
	if !named {
		group = groupOf(resource)
	}
	holders := f.WhoCan(blast.Question{
		Request:   rbac.Request{Verb: q.Verb, APIGroup: group, Resource: resource, Subresource: sub, Name: q.Name},
		Namespace: q.Namespace, AnyNamespace: q.AllNamespaces,
	})
	if opts.Format == blastJSON {
		return view.JSON(w, holders)
	}
	return view.Text{Colour: opts.Colour}.WhoCan(w, holders)
}

// groupOf is the API group of a built-in resource that is named without one.
func groupOf(resource string) string {
	for group, resources := range map[string]string{
		"apps":                         " deployments daemonsets statefulsets replicasets controllerrevisions ",
		"batch":                        " jobs cronjobs ",
		rbac.Group:                     " roles rolebindings clusterroles clusterrolebindings ",
		"networking.k8s.io":            " networkpolicies ingresses ingressclasses ",
		"certificates.k8s.io":          " certificatesigningrequests signers ",
		"admissionregistration.k8s.io": " validatingwebhookconfigurations mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings mutatingadmissionpolicies mutatingadmissionpolicybindings ",
		"storage.k8s.io":               " storageclasses volumeattachments csidrivers csinodes ",
		"policy":                       " poddisruptionbudgets ",
		"apiextensions.k8s.io":         " customresourcedefinitions ",
		"apiregistration.k8s.io":       " apiservices ",
		"discovery.k8s.io":             " endpointslices ",
		"authentication.k8s.io":        " tokenreviews ",
		"authorization.k8s.io":         " subjectaccessreviews selfsubjectaccessreviews localsubjectaccessreviews ",
		"coordination.k8s.io":          " leases ",
		"autoscaling":                  " horizontalpodautoscalers ",
	} {
		if strings.Contains(resources, " "+resource+" ") {
			return group
		}
	}
	return ""
}
