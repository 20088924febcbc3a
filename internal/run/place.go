package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
	"github.com/redoubt-k8s/redoubt/internal/source/snapshot"
)

// Place is what is looked at: files, a snapshot, or a cluster.
type Place struct {
	Input

	// Cluster is read instead of files, if set.
	Cluster *Cluster
	// Version is that of the program, by which it names itself to a cluster.
	Version string

	client *cluster.Client
}

// gather reads what there is. Of a cluster it reads the kinds, nil for all.
func (p *Place) gather(ctx context.Context, kinds []string) (*inventory.Inventory, error) {
	inv, err := p.open(ctx, kinds)
	if err != nil {
		return nil, err
	}
	if p.Sized != nil {
		p.Sized(inv.Bytes)
	}
	inv.Seal()
	return inv, brokenInput(inv, p.KeepGoing)
}

func (p *Place) open(ctx context.Context, kinds []string) (*inventory.Inventory, error) {
	if p.Cluster != nil {
		if len(p.Paths) > 0 {
			return nil, errors.New("--cluster reads a cluster and PATH files: give one of them")
		}
		var err error
		if p.client, err = p.Cluster.connect(ctx, p.Version, p.Progress); err != nil {
			return nil, err
		}
		return p.client.Read(ctx, cluster.Resources(kinds))
	}
	if at := slices.IndexFunc(p.Paths, isSnapshot); at >= 0 {
		if len(p.Paths) > 1 {
			return nil, fmt.Errorf("%s is a snapshot of a whole cluster: give it by itself", p.Paths[at])
		}
		inv, _, err := readSnapshot(p.Paths[at])
		return inv, err
	}
	in := p.Input
	if len(in.Paths) == 0 {
		in.Paths = []string{"."}
	}
	return read(ctx, in)
}

func readSnapshot(path string) (*inventory.Inventory, snapshot.Header, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, snapshot.Header{}, fmt.Errorf("read snapshot: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	inv, header, err := snapshot.Read(file, &inventory.Origin{Kind: inventory.FromSnapshot})
	if err != nil {
		return nil, header, fmt.Errorf("read snapshot %s: %w", path, err)
	}
	return inv, header, nil
}

// errBackwards means that a cluster is to be compared with some files it was
// made of: what the files do not hold would count as new.
var errBackwards = errors.New("NEW is a snapshot of a whole cluster and OLD is files, which never hold all of it: compare two snapshots, or give the snapshot first to see what applying the files would change")

// both reads what a diff compares. Files after a snapshot are what is applied
// to the cluster: they are put over it.
func (p *Place) both(ctx context.Context, kinds []string, before, after string) (*inventory.Inventory, *inventory.Inventory, error) {
	if isSnapshot(after) && !isSnapshot(before) {
		return nil, nil, errBackwards
	}
	var invs [2]*inventory.Inventory
	for i, path := range []string{before, after} {
		one := *p
		one.Paths = []string{path}
		var err error
		if invs[i], err = one.gather(ctx, kinds); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if isSnapshot(before) && !isSnapshot(after) {
		invs[1] = overlay(invs[0], invs[1])
	}
	return invs[0], invs[1], nil
}

// identity names an object whatever version it is written in.
type identity struct{ group, kind, namespace, name string }

func identityOf(o *inventory.Object) identity {
	return identity{o.Group(), o.Kind, o.EffectiveNamespace(), o.Name}
}

// overlay puts objects over those of the same identity. Pods of a workload that
// is replaced go with it, since the new ones are made from the new template.
func overlay(inv, over *inventory.Inventory) *inventory.Inventory {
	replaced := make(map[identity]bool, len(over.Objects))
	owners := make(map[[3]string]bool)
	for _, o := range over.Objects {
		replaced[identityOf(o)] = true
		owners[[3]string{o.EffectiveNamespace(), o.Kind, o.Name}] = true
	}
	var kept []*inventory.Object
	for _, o := range inv.Objects {
		if !replaced[identityOf(o)] && !madeBy(o, owners) {
			kept = append(kept, o)
		}
	}
	out := with(inv, append(kept, over.Objects...))
	out.Gaps = append(out.Gaps, over.Gaps...)
	return out
}

// rolledOut leaves out what controllers made for objects that were changed.
func rolledOut(before, after []*inventory.Object) []*inventory.Object {
	same := make(map[*inventory.Object]bool, len(before))
	for _, o := range before {
		same[o] = true
	}
	owners := make(map[[3]string]bool)
	for _, o := range after {
		if !same[o] {
			owners[[3]string{o.EffectiveNamespace(), o.Kind, o.Name}] = true
		}
	}
	return slices.DeleteFunc(after, func(o *inventory.Object) bool { return same[o] && madeBy(o, owners) })
}

// with is the inventory with other objects.
func with(inv *inventory.Inventory, objects []*inventory.Object) *inventory.Inventory {
	out := inv.Like()
	out.Add(objects...)
	out.Seal()
	return out
}

// madeBy tells whether a controller made the object for one of the owners.
func madeBy(o *inventory.Object, owners map[[3]string]bool) bool {
	for _, ref := range o.Root.Find("metadata", "ownerReferences").All() {
		if !ref.Get("controller").True() {
			continue
		}
		kind, name := ref.Get("kind").Str(), ref.Get("name").Str()
		if hash := o.Labels().Get("pod-template-hash").Str(); kind == "ReplicaSet" && hash != "" {
			kind, name = "Deployment", strings.TrimSuffix(name, "-"+hash)
		}
		return owners[[3]string{o.EffectiveNamespace(), kind, name}]
	}
	return false
}
