package cluster

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Kinds that people define may hold pod templates, too. What they look like is
// in the schema of their definition, which is read first.

// definitions is the resource with the definitions of other kinds.
const definitions = "customresourcedefinitions"

// isDefinitions tells whether a resource is that of the definitions.
func (r Resource) isDefinitions() bool {
	return r.Name == definitions && r.Group == "apiextensions.k8s.io"
}

// maxCustom bounds the kinds with pod templates that are read besides those of
// the table.
const maxCustom = 50

// schemaKey is where a definition keeps its schema, which is long.
const schemaKey = "openAPIV3Schema"

// The notes that stand for a schema once it was looked at.
const (
	holdsPods = "pods"
	otherwise = "other"
)

// schemaNote tells whether objects of a schema may hold pod templates: it
// speaks of containers, or leaves a template open.
func schemaNote(raw []byte) string {
	if bytes.Contains(raw, []byte(`"containers":{`)) ||
		bytes.Contains(raw, []byte(`emplate":{`)) && bytes.Contains(raw, []byte(`"x-kubernetes-preserve-unknown-fields":true`)) {
		return holdsPods
	}
	return otherwise
}

// definition handles one definition of a kind: the schema goes, and what it
// told about pod templates is kept.
func (r *reading) definition(o *inventory.Object) error {
	tidy(o.Root)
	remove(o.Annotations(), lastApplied)
	holds := false
	for _, v := range o.Root.Find("spec", "versions").All() {
		holds = holds || v.Find("schema", schemaKey).Str() == holdsPods && v.Get("served").True()
		remove(v, "schema")
	}
	if holds {
		group, name := o.Root.Find("spec", "group").Str(), o.Root.Find("spec", "names", "plural").Str()
		r.mu.Lock()
		r.custom = append(r.custom, Resource{group, name, o.Root.Find("spec", "names", "kind").Str(), false, workload})
		r.mu.Unlock()
	}
	return r.add(o)
}

// withCustom adds the kinds with pod templates that definitions told of, unless
// they are read anyway.
func (r *reading) withCustom(found []served) []served {
	have := make(map[string]bool, len(found))
	for _, s := range found {
		have[s.full()] = true
	}
	added := 0
	for _, c := range r.custom {
		if !slices.ContainsFunc(r.known[c.Group], func(s served) bool { return s.Name == c.Name }) {
			r.gap(served{Resource: c}, nil, &failure{why: missing, text: "it is defined, and not among the resources the server names"})
		}
		for _, s := range r.known[c.Group] {
			if s.Name != c.Name || have[s.full()] {
				continue
			}
			if added++; added > maxCustom {
				r.rest.AddGap(inventory.Gap{
					What: fmt.Sprintf("list %s and further custom kinds with pod templates", s.full()),
					Why:  fmt.Sprintf("more than %d of them are defined", maxCustom), Kinds: []string{s.Kind, "PodTemplate"},
				})
				return found
			}
			s.role = workload
			found = append(found, s)
		}
	}
	return found
}

// Custom are the kinds with pod templates that the cluster defines, besides
// those that every scan reads.
func (c *Client) Custom(ctx context.Context) ([]Resource, error) {
	r := newReading(c, func(*inventory.Object) error { return nil })
	wanted := Resources([]string{"CustomResourceDefinition"})
	found, err := r.discover(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for _, s := range found {
		if err := r.list(ctx, s); err != nil {
			return nil, err
		}
	}
	if len(r.rest.Gaps) > 0 {
		return nil, fmt.Errorf("%s: %s", r.rest.Gaps[0].What, r.rest.Gaps[0].Why) //nolint:err113 // it is for people
	}
	fixed := make([]served, 0, len(resources))
	for _, w := range resources {
		for _, s := range r.known[w.Group] {
			if s.Name == w.Name || w.Name == "*" {
				fixed = append(fixed, s)
			}
		}
	}
	var out []Resource
	for _, s := range r.withCustom(fixed)[len(fixed):] {
		out = append(out, s.Resource)
	}
	return out, nil
}
