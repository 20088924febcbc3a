package run

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/blast/view"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
	"github.com/redoubt-k8s/redoubt/internal/source/kustomize"
)

// BlastOptions say what to read and what to answer.
type BlastOptions struct {
	Place

	// Workload limits the answer to one workload, From and To ask for the way
	// between two things.
	Workload, From, To string
	// WhatIf is a path with manifests that are put over the input; the answer is
	// then what they change.
	WhatIf string
	// Format is text, json, dot, svg or html.
	Format string
	Colour bool
	// Changes is how many changes are proposed, All tells about every workload
	// at length.
	Changes int
	All     bool
	// Verify checks the steps that need rights with the cluster, by at most so
	// many questions; 0 asks none.
	Verify int
	// Protect are things the changes are to keep from an intruder, named as From
	// and To are.
	Protect []string
}

// The formats of blast.
const (
	blastText = "text"
	blastJSON = "json"
	blastDot  = "dot"
	blastSVG  = "svg"
	blastHTML = "html"
)

// Blast answers what each workload gives away, and writes the answer to w. It
// reports whether there is something to object to: with WhatIf that the change
// gives away more, with Verify that the cluster disagrees.
func Blast(ctx context.Context, opts BlastOptions, w io.Writer) (bool, error) {
	if opts.Verify > 0 && (opts.Cluster == nil || opts.WhatIf != "") {
		return false, errVerify
	}
	inv, err := blastInventory(ctx, &opts.Place)
	if err != nil {
		return false, err
	}
	if opts.WhatIf != "" {
		changed, err := opts.changed(ctx, inv)
		if err != nil {
			return false, fmt.Errorf("--what-if: %w", err)
		}
		return writeDiff(opts, w, blastGraph(inv), blastGraph(changed))
	}
	g := blastGraph(inv)
	verified, err := opts.verify(ctx, g)
	if err != nil {
		return false, err
	}
	objects := verified != nil && verified.Disagreed > 0
	if opts.From != "" || opts.To != "" {
		return objects, between(g, opts, w)
	}
	r, err := blastReport(g, opts)
	if err != nil {
		return false, err
	}
	r.Verified = verified
	return objects, writeBlast(g, r, opts, w)
}

var errVerify = errors.New("--verify asks a cluster about what it holds: it goes with --cluster, and not with --what-if")

// verify asks the cluster whether it agrees.
func (o *BlastOptions) verify(ctx context.Context, g *blast.Graph) (*blast.VerifyNote, error) {
	if o.Verify <= 0 {
		return nil, nil //nolint:nilnil // there is nothing to say
	}
	v := g.Verify(o.Verify)
	checks := v.Ask()
	questions := make([]cluster.Question, 0, len(checks))
	for _, c := range checks {
		u := c.Subject.User()
		questions = append(questions, cluster.Question{
			User: u.Name, Groups: u.Groups, Verb: c.Request.Verb, Path: c.Request.URL,
			Group: c.Request.Group, Resource: c.Request.Resource, Subresource: c.Request.Sub, Namespace: c.Namespace, Name: c.Name,
		})
	}
	decisions, err := o.client.Ask(ctx, questions)
	if err != nil {
		return nil, err
	}
	rulings := make([]blast.Ruling, len(decisions))
	for i, d := range decisions {
		rulings[i] = blast.Ruling{Allowed: d.Allowed, Reason: d.Reason, Unclear: d.Unclear}
	}
	return v.Judge(rulings), nil
}

func writeBlast(g *blast.Graph, r *blast.Report, opts BlastOptions, w io.Writer) error {
	switch opts.Format {
	case blastJSON:
		return view.JSON(w, r)
	case blastDot:
		return view.Dot(w, r)
	case blastSVG:
		return view.SVG(w, r)
	case blastHTML:
		const mostLinks = 60_000
		m := g.Map(mostLinks)
		return view.HTML(w, r, &m)
	}
	const told = 20
	text := view.Text{Colour: opts.Colour, Workloads: told}
	if opts.All || opts.Workload != "" {
		text.Workloads = len(r.Workloads)
	}
	return text.Render(w, r)
}

// changed is the inventory with the change of --what-if: patches first, then
// whole objects over those of the same identity.
func (o *BlastOptions) changed(ctx context.Context, inv *inventory.Inventory) (*inventory.Inventory, error) {
	patches, whole, err := kustomize.ReadPatches(o.WhatIf)
	if err != nil {
		return nil, err
	}
	in := o.Input
	in.Paths = []string{o.WhatIf}
	if len(patches) > 0 {
		objects, err := kustomize.Apply(ctx, inv.Objects, patches)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.WhatIf, err)
		}
		inv = with(inv, rolledOut(inv.Objects, objects))
		if len(bytes.TrimSpace(whole)) == 0 {
			return inv, nil
		}
		in.Paths, in.Stdin = []string{"-"}, bytes.NewReader(whole)
	}
	over, err := blastInventory(ctx, &Place{Input: in})
	if err != nil {
		return nil, err
	}
	return overlay(inv, over), nil
}

func blastGraph(inv *inventory.Inventory) *blast.Graph {
	f := blast.Gather(inv)
	f.Network = networkOf(inv)
	return blast.Build(f, step.All())
}

func blastInventory(ctx context.Context, p *Place) (*inventory.Inventory, error) {
	inv, err := p.gather(ctx, nil)
	if err != nil {
		return nil, err
	}
	if len(inv.Objects) == 0 {
		return nil, ErrNothing
	}
	return inv, nil
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
	for _, name := range opts.Protect {
		v, err := g.Facts.Find(name)
		if err != nil {
			return nil, fmt.Errorf("--protect: %w", err)
		}
		limits.Protect = append(limits.Protect, v)
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
	old, now, err := opts.both(ctx, nil, before, after)
	if err != nil {
		return false, err
	}
	if len(old.Objects) == 0 && len(now.Objects) == 0 {
		return false, ErrNothing
	}
	return writeDiff(opts, w, blastGraph(old), blastGraph(now))
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
	inv, err := blastInventory(ctx, &opts.Place)
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
