package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// parallel is how many lists are read at once.
const parallel = 4

// Stream reads the resources and hands each object on as soon as it is known
// how it is to be judged, from one goroutine at a time. It returns what could
// not be read and what was left out. An error comes from emit only.
func (c *Client) Stream(ctx context.Context, wanted []Resource, emit func(*inventory.Object) error) (*inventory.Inventory, error) {
	r := newReading(c, emit)
	found, err := r.discover(ctx, wanted)
	if err != nil {
		return r.rest, err
	}
	r.total = len(found)
	pods := slices.ContainsFunc(wanted, func(w Resource) bool { return w.role == running })
	if i := slices.IndexFunc(found, func(s served) bool { return s.isDefinitions() }); i >= 0 && pods {
		if err := r.list(ctx, found[i]); err != nil {
			return r.rest, err
		}
		found = r.withCustom(slices.Delete(found, i, i+1))
		r.total = len(found) + 1
	}
	for _, step := range [][]role{{workload}, {between}, {plain, running}} {
		var group errgroup.Group
		group.SetLimit(parallel)
		for _, s := range found {
			if slices.Contains(step, s.role) {
				group.Go(func() error { return r.list(ctx, s) })
			}
		}
		if err := group.Wait(); err != nil {
			return r.rest, err
		}
	}
	if c.opts.NodeProxy && slices.ContainsFunc(wanted, func(w Resource) bool { return w.Kind == "Node" }) {
		if err := r.kubelets(ctx); err != nil {
			return r.rest, err
		}
	}
	r.rest.Bytes, r.rest.ImageUsers, r.rest.ImageDigests = c.bytes.Load(), r.users.known, r.digests
	if ctx.Err() != nil {
		return r.rest, fmt.Errorf("read the cluster: %w", context.Cause(ctx))
	}
	return r.rest, nil
}

// Read reads the resources into memory.
func (c *Client) Read(ctx context.Context, wanted []Resource) (*inventory.Inventory, error) {
	var objects []*inventory.Object
	inv, err := c.Stream(ctx, wanted, func(o *inventory.Object) error {
		objects = append(objects, o)
		return nil
	})
	inv.Add(objects...)
	return inv, err
}

func newReading(c *Client, emit func(*inventory.Object) error) *reading {
	return &reading{
		client: c, emit: emit, fold: newFold(),
		users: users{make(map[string]string), make(map[string]bool)}, digests: make(digests),
		rest: &inventory.Inventory{ClusterWide: true, ServerVersion: c.version, Skipped: make(map[string]int)},
	}
}

// reading is one run of [Client.Stream].
type reading struct {
	client *Client
	fold   *fold
	users  users
	total  int

	digests digests
	// known are the resources that the server has, by group; custom are kinds
	// that hold pod templates.
	known  map[string][]served
	custom []Resource

	mu   sync.Mutex
	emit func(*inventory.Object) error
	rest *inventory.Inventory
	// nodes are the names of the nodes.
	nodes []string
	done  int
}

func (r *reading) add(o *inventory.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.emit(o)
}

func (r *reading) skip(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest.Skip(reason)
}

// gap records what a list left out.
func (r *reading) gap(s served, l *listing, failed *failure) {
	what := "list " + s.full()
	if l != nil && l.namespace != "" {
		what += " in namespace " + l.namespace
	}
	if l != nil && l.seen > 0 {
		what += fmt.Sprintf(" beyond the first %d", l.seen)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := []string{s.Kind}
	if s.isDefinitions() || s.role == workload && !slices.Contains(Templates(), s.Kind) {
		// Controls on pods do not name such kinds.
		kinds = append(kinds, "PodTemplate")
	}
	if s.Kind == "Node" && r.client.opts.NodeProxy {
		// Nobody knows then which kubelets there are.
		kinds = append(kinds, KubeletConfiguration)
	}
	r.rest.AddGap(inventory.Gap{What: what, Why: failed.Error(), Kinds: kinds})
}

// discover asks once what the server serves.
func (r *reading) discover(ctx context.Context, wanted []Resource) ([]served, error) {
	groups, lists, err := r.client.disc.ServerGroupsAndResourcesWithContext(ctx)
	broken := make(map[string]error)
	if partial, ok := errors.AsType[*discovery.ErrGroupDiscoveryFailed](err); ok {
		for gv, why := range partial.Groups {
			broken[gv.Group] = why
		}
	} else if err != nil {
		return nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	known := make(map[string][]served)
	for _, l := range preferredFirst(groups, lists) {
		addServed(known, l)
	}
	r.known = known
	var found []served
	for _, w := range wanted {
		list := known[w.Group]
		n := len(found)
		for _, s := range list {
			if s.Name == w.Name || w.Name == "*" {
				s.native, s.role = w.native, w.role
				found = append(found, s)
			}
		}
		switch why := broken[w.Group]; {
		case len(found) > n:
		case why != nil:
			r.gap(served{Resource: w}, nil, &failure{why: missing, text: why.Error()})
		case w.native:
			r.gap(served{Resource: w}, nil, &failure{why: missing, text: "it is not among the resources it names"})
		}
	}
	return found, nil
}

// preferredFirst puts the resources of the version that the server prefers
// before those of others. They come in no order.
func preferredFirst(groups []*metav1.APIGroup, lists []*metav1.APIResourceList) []*metav1.APIResourceList {
	rank := make(map[string]int)
	for _, g := range groups {
		rank[g.PreferredVersion.GroupVersion] = -1
		for i, v := range g.Versions {
			if v.GroupVersion != g.PreferredVersion.GroupVersion {
				rank[v.GroupVersion] = i
			}
		}
	}
	slices.SortFunc(lists, func(a, b *metav1.APIResourceList) int {
		return cmp.Or(cmp.Compare(rank[a.GroupVersion], rank[b.GroupVersion]), cmp.Compare(a.GroupVersion, b.GroupVersion))
	})
	return lists
}

// addServed adds the resources of a group version that can be listed, unless
// an earlier version, which the server prefers, has them.
func addServed(known map[string][]served, l *metav1.APIResourceList) {
	group, version, ok := strings.Cut(l.GroupVersion, "/")
	if !ok {
		group, version = "", l.GroupVersion
	}
	for i := range l.APIResources {
		a := &l.APIResources[i]
		if strings.Contains(a.Name, "/") || !slices.Contains(a.Verbs, "list") {
			continue
		}
		if !slices.ContainsFunc(known[group], func(s served) bool { return s.Name == a.Name }) {
			known[group] = append(known[group], served{Resource{Group: group, Name: a.Name, Kind: a.Kind}, version, a.Namespaced})
		}
	}
}

// list reads one resource: of all namespaces at once, or where that is
// forbidden of those that were named.
func (r *reading) list(ctx context.Context, s served) error {
	l := &listing{client: r.client, served: s}
	failed, err := r.pages(ctx, l)
	if failed != nil {
		r.gap(s, l, failed)
	}
	if failed != nil && failed.why == forbidden && s.namespaced && err == nil {
		for _, l.namespace = range r.client.opts.Namespaces {
			l.seen = 0
			if failed, err = r.pages(ctx, l); err != nil {
				break
			}
			if failed != nil {
				r.gap(s, l, failed)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done++; r.client.opts.Progress != nil {
		r.client.opts.Progress("reading the cluster", r.done, r.total)
	}
	return err
}

// pages reads one list.
func (r *reading) pages(ctx context.Context, l *listing) (*failure, error) {
	s := l.served
	l.accept = whole
	l.parser.Opaque, l.parser.Shared = map[string]func([]byte) string{"managedFields": pinned}, alike
	switch {
	case s.Group == "" && s.Name == "secrets":
		l.accept, l.parser.Opaque = table, nil
		return l.each(ctx, r.secrets(l))
	case s.role == running:
		l.parser.Opaque["conditions"] = nothing
		l.parser.Shared, l.parser.Suffixed, l.parser.Unique = alikeInPods, tokenVolume, unique
	case s.isDefinitions():
		l.parser.Opaque[schemaKey] = schemaNote
		return l.each(ctx, eachBy(l, r.definition))
	case s.Group == "apps" && s.Name == "replicasets":
		return r.replicaSets(ctx, l)
	}
	return l.each(ctx, r.each(l))
}

// each handles the items of a page one by one, and forgets those that are not
// handed on.
func (r *reading) each(l *listing) func(page) error {
	take := r.plain
	switch l.served.role {
	case workload:
		take = r.workload
	case between:
		take = r.between
	case running:
		take = r.pod
	case plain:
	}
	return eachBy(l, take)
}

func eachBy(l *listing, take func(*inventory.Object) error) func(page) error {
	return func(p page) error {
		for i := range p.items {
			o := l.object(&p.items[i])
			p.items[i] = inventory.Node{}
			if err := take(o); err != nil {
				return err
			}
		}
		return nil
	}
}

func (r *reading) plain(o *inventory.Object) error {
	tidy(o.Root)
	if o.Kind == "Node" {
		remove(get(o.Root, "status"), "images", "conditions")
		r.mu.Lock()
		r.nodes = append(r.nodes, o.Name)
		r.mu.Unlock()
	}
	return r.add(o)
}

func (r *reading) workload(o *inventory.Object) error {
	tidy(o.Root)
	r.fold.register(o)
	return r.add(o)
}

// between handles Jobs: one that a CronJob made is that CronJob's matter.
func (r *reading) between(o *inventory.Object) error {
	tidy(o.Root)
	if r.fold.child(o) {
		r.skip("made by a workload that was judged")
		return nil
	}
	r.fold.register(o)
	return r.add(o)
}

// replicaSets reads only who owns which, since nearly all belong to
// Deployments. If there are others, these are read whole.
func (r *reading) replicaSets(ctx context.Context, l *listing) (*failure, error) {
	l.accept = metaOnly
	orphans := false
	failed, err := l.each(ctx, func(p page) error {
		for i := range p.items {
			if !r.fold.child(l.object(&p.items[i])) {
				orphans = true
			} else {
				r.skip("made by a workload that was judged")
			}
		}
		return nil
	})
	if failed != nil || err != nil || !orphans {
		return failed, err
	}
	l.accept, l.seen = whole, 0
	return l.each(ctx, func(p page) error {
		for i := range p.items {
			o := l.object(&p.items[i])
			p.items[i] = inventory.Node{}
			idle := controller(o.Root) != nil && text(o.Root.Find("spec", "replicas")) == "0"
			if r.fold.known(o) || idle {
				continue
			}
			if err := r.workload(o); err != nil {
				return err
			}
		}
		return nil
	})
}

// pod hands on pods that run otherwise than a workload says.
func (r *reading) pod(o *inventory.Object) error {
	// One list has all pods, so nobody else is here.
	r.users.note(o.Root)
	r.digests.note(o.Root)
	clean(o.Root)
	r.fold.mu.Lock()
	reason := r.fold.folds(o)
	r.fold.mu.Unlock()
	if reason != "" {
		r.skip(reason)
		return nil
	}
	return r.add(o)
}
