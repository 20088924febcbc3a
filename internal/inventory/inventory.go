// Package inventory holds what was read: objects with their trees, the place
// of every field, pod templates found by structure, effective settings, and
// the gaps, which are the things that could not be read.
//
// It knows nothing of controls, verdicts or output, and does no I/O.
package inventory

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Inventory is everything one run knows. Sources fill it with [Inventory.Add],
// [Inventory.AddGap] and [Inventory.Skip], then [Inventory.Seal] it; after
// that it does not change and may be read from several goroutines.
type Inventory struct {
	// Objects are sorted by file, line and identity once sealed, so that
	// results do not depend on the order in which sources delivered them.
	Objects []*Object
	// Gaps are what could not be read, sorted likewise.
	Gaps []Gap
	// Skipped counts what was seen and is not for Redoubt, by reason, such as
	// "not Kubernetes".
	Skipped map[string]int
	// Files is the number of files read.
	Files int
	// Bytes is their size.
	Bytes int64
	// ImageUsers says which user an image runs as when the manifest does not,
	// by image reference; only what somebody looked up is in it.
	ImageUsers map[string]string
	// ImageDigests are the digests that run under an image reference, sorted,
	// as kubelets report them; only of clusters.
	ImageDigests map[string][]string
	// ClusterWide is set when the inventory shows a whole cluster rather than
	// some files: then what is missing in it is missing indeed.
	ClusterWide bool
	// ServerVersion is that of the API server the inventory was read from, such
	// as v1.36.3; "" for files.
	ServerVersion string
	// Time is when a cluster was read: what depends on a date is judged by it.
	// It is zero for files.
	Time time.Time

	byKind map[string][]*Object
	memo   sync.Map
}

// Gap is something that could not be looked at. Controls that needed it can't
// pass.
type Gap struct {
	// What is missing, such as "chart ./shop" or "image config of nginx:1.27".
	What string
	// Why it is missing, in a sentence, with what would help.
	Why string
	// File and Line are where the trouble was seen, if in a file.
	File string
	Line int32
	// Broken is set when the input itself is at fault, rather than something
	// that is not there or not allowed.
	Broken bool
	// Kinds are the kinds of objects that may be missing because of the gap;
	// empty means any.
	Kinds []string
}

// Add appends objects.
func (inv *Inventory) Add(objects ...*Object) { inv.Objects = append(inv.Objects, objects...) }

// AddGap records something that could not be read.
func (inv *Inventory) AddGap(g Gap) { inv.Gaps = append(inv.Gaps, g) }

// Skip counts something that was seen and left alone on purpose.
func (inv *Inventory) Skip(reason string) {
	if inv.Skipped == nil {
		inv.Skipped = make(map[string]int)
	}
	inv.Skipped[reason]++
}

// Merge moves everything from other into inv.
func (inv *Inventory) Merge(other *Inventory) {
	inv.Objects = append(inv.Objects, other.Objects...)
	inv.Gaps = append(inv.Gaps, other.Gaps...)
	for reason, n := range other.Skipped {
		if inv.Skipped == nil {
			inv.Skipped = make(map[string]int)
		}
		inv.Skipped[reason] += n
	}
	for image, user := range other.ImageUsers {
		if inv.ImageUsers == nil {
			inv.ImageUsers = make(map[string]string)
		}
		inv.ImageUsers[image] = user
	}
	for image, digests := range other.ImageDigests {
		if inv.ImageDigests == nil {
			inv.ImageDigests = make(map[string][]string)
		}
		inv.ImageDigests[image] = digests
	}
	inv.Files += other.Files
	inv.Bytes += other.Bytes
	inv.ClusterWide = inv.ClusterWide || other.ClusterWide
	inv.ServerVersion = cmp.Or(inv.ServerVersion, other.ServerVersion)
	if inv.Time.IsZero() {
		inv.Time = other.Time
	}
}

// Like is an inventory with all that this one says but its objects: the same
// input, of which some objects are to be others.
func (inv *Inventory) Like() *Inventory {
	return &Inventory{
		Gaps: slices.Clone(inv.Gaps), Skipped: maps.Clone(inv.Skipped), Files: inv.Files, Bytes: inv.Bytes,
		ImageUsers: inv.ImageUsers, ImageDigests: inv.ImageDigests,
		ClusterWide: inv.ClusterWide, ServerVersion: inv.ServerVersion, Time: inv.Time,
	}
}

// Seal sorts the contents, finds the pod templates and builds the indexes.
func (inv *Inventory) Seal() {
	slices.SortStableFunc(inv.Objects, compareObjects)
	slices.SortStableFunc(inv.Gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	inv.byKind = make(map[string][]*Object)
	inv.index()
	for _, o := range inv.Objects {
		inv.byKind[o.Kind] = append(inv.byKind[o.Kind], o)
	}
}

// index finds the pod templates of all objects.
func (inv *Inventory) index() {
	const batch = 64
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 1+len(inv.Objects)/batch) {
		wg.Go(func() {
			for {
				first := int(next.Add(batch)) - batch
				if first >= len(inv.Objects) {
					return
				}
				for _, o := range inv.Objects[first:min(first+batch, len(inv.Objects))] {
					o.PodTemplates()
				}
			}
		})
	}
	wg.Wait()
}

// Forget drops the trees of all objects, most of what an inventory weighs, once
// nothing looks at them any more. Identities, origins and gaps stay.
func (inv *Inventory) Forget() {
	for _, o := range inv.Objects {
		o.Root, o.templates, o.indexed = new(Node), nil, true
		o.facts.Store(nil)
	}
	inv.memo.Clear()
}

func compareObjects(a, b *Object) int {
	return cmp.Or(
		cmp.Compare(a.Origin.File, b.Origin.File),
		cmp.Compare(a.Root.Line, b.Root.Line),
		cmp.Compare(a.Root.Column, b.Root.Column),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Name, b.Name),
	)
}

// Kind returns the objects of a kind in the given API groups, in order; with
// no group named, in any group.
func (inv *Inventory) Kind(kind string, groups ...string) []*Object {
	all := inv.byKind[kind]
	if len(groups) == 0 {
		return all
	}
	keep := func(o *Object) bool { return slices.Contains(groups, o.Group()) }
	if !slices.ContainsFunc(all, func(o *Object) bool { return !keep(o) }) {
		return all
	}
	var out []*Object
	for _, o := range all {
		if keep(o) {
			out = append(out, o)
		}
	}
	return out
}

// GapFor returns the first gap that may hide objects of the kind.
func (inv *Inventory) GapFor(kind string) (Gap, bool) {
	for _, g := range inv.Gaps {
		// "*" stands for all kinds of a group that could not be asked for.
		if len(g.Kinds) == 0 || slices.Contains(g.Kinds, kind) || slices.Contains(g.Kinds, "*") {
			return g, true
		}
	}
	return Gap{}, false
}

// Memo returns what derive makes of a sealed inventory, and makes it once for
// each key: several analyses share one model of it. The key should be of a
// type of the caller's own.
func (inv *Inventory) Memo(key any, derive func() any) any {
	once, _ := inv.memo.LoadOrStore(key, sync.OnceValue(derive))
	value, ok := once.(func() any)
	if !ok {
		return nil
	}
	return value()
}
