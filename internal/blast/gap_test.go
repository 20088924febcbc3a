package blast_test

import (
	"slices"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// TestWhatIsNotReadIsNeverUnreachable takes each kind of objects away from a
// cluster, as if it could not be listed: what could be reached before can still
// be reached, if only perhaps.
func TestWhatIsNotReadIsNeverUnreachable(t *testing.T) {
	t.Parallel()
	whole := generate(size{200, 8, 40, 120})
	full := blast.Build(blast.Gather(whole), step.All())
	kinds := make(map[string]bool)
	for _, o := range whole.Objects {
		kinds[o.Kind] = true
	}
	compared := 0
	for kind := range kinds {
		inv := &inventory.Inventory{ClusterWide: true}
		for _, o := range whole.Objects {
			if o.Kind != kind {
				inv.Add(o)
			}
		}
		inv.AddGap(inventory.Gap{What: "list " + kind, Why: "forbidden", Kinds: []string{kind}})
		inv.Seal()
		compared += lost(t, full, blast.Build(blast.Gather(inv), step.All()), kind)
	}
	if compared < 1000 {
		t.Errorf("only %d things were compared", compared)
	}
	t.Logf("%d things compared", compared)
}

// lost reports what workloads reach in the whole and not in a part of it, and
// counts what it compared.
func lost(t *testing.T, full, part *blast.Graph, without string) int {
	t.Helper()
	compared := 0
	for _, w := range part.Facts.Workloads {
		before, err := full.Facts.FindWorkload(w.Ref())
		if err != nil {
			t.Fatal(err)
		}
		was, is := full.Reached(before.Code), part.Reached(w.Code)
		if is[part.Facts.Admin()] != blast.Not {
			continue // everything is possible
		}
		for v, c := range was {
			thing := full.Facts.Thing(blast.Vertex(v))
			if c == blast.Not || thing.Kind.Set() || thing.Kind == blast.Outcome {
				continue
			}
			compared++
			if !reaches(part, is, thing) {
				t.Errorf("without %s: %s was reached from %s (%s) and is not any more", without, thing, w.Ref(), c)
			}
		}
	}
	return compared
}

// reaches tells whether a thing is reached, or what stands for it where nobody
// knows its name.
func reaches(g *blast.Graph, reached []blast.Certainty, thing blast.Thing) bool {
	stands := []blast.Thing{thing}
	switch thing.Kind { //nolint:exhaustive // the others have to be there themselves
	case blast.SecretContent:
		stands = append(stands, blast.Thing{Kind: blast.SecretsOf, Namespace: thing.Namespace})
	case blast.CloudIdentity:
		stands = append(stands, blast.Thing{Kind: blast.CloudIdentity, Name: "whatever a cloud allows the nodes"})
	case blast.Node:
		return slices.ContainsFunc(g.Facts.Nodes, func(n *blast.ClusterNode) bool { return reached[n.Vertex] != blast.Not })
	}
	return slices.ContainsFunc(stands, func(s blast.Thing) bool {
		v := g.Facts.Vertex(s.Kind, s.Namespace, s.Name)
		return int(v) < len(reached) && reached[v] != blast.Not
	})
}
