package fix

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

// fault is what the strict decoder says of the field.
func (s *site) fault(kinds ...schema.Kind) (schema.Fault, bool) {
	faults, _ := schema.Check(s.object)
	for _, f := range faults {
		if f.Path == s.finding.Path && slices.Contains(kinds, f.Kind) && f.Suggestion != "" {
			return f, true
		}
	}
	return schema.Fault{}, false
}

func misspelt(s *site) ([]edit.Change, error) {
	f, ok := s.fault(schema.Misspelt, schema.WrongCase)
	if !ok {
		return nil, nil
	}
	segments := inventory.SplitPath(f.Suggestion)
	if s.object.Kind == "NetworkPolicy" && f.Suggestion == "spec.policyTypes" {
		if err := s.keepClosed(f.Path); err != nil {
			return nil, err
		}
	}
	return []edit.Change{{Op: edit.Rename, Path: f.Path, To: segments[len(segments)-1]}}, nil
}

var errWhich = errors.New("the field belongs into an item of a list, and there are several: move it to the one that is meant")

// misplaced moves a field to where it belongs. Where it belongs into each item
// of a list, as a setting of all containers does, every item without one gets
// it.
func misplaced(s *site) ([]edit.Change, error) {
	f, ok := s.fault(schema.MisplacedField)
	if !ok {
		return nil, nil
	}
	before, after, open := strings.Cut(f.Suggestion, "[]")
	if !open {
		return []edit.Change{{Op: edit.Move, Path: f.Path, To: f.Suggestion}}, nil
	}
	list := s.object.Root.At(before)
	value := s.object.Root.At(f.Path)
	switch {
	case list.Len() == 1 && !strings.Contains(after, "[]"):
		return []edit.Change{{Op: edit.Move, Path: f.Path, To: inventory.JoinIndex(before, 0) + after}}, nil
	case list.Len() == 0 || strings.Contains(after, "[]") || value.Len() > 0 || !strings.HasPrefix(after, ".securityContext."):
		return nil, errWhich
	}
	out := []edit.Change{{Op: edit.Remove, Path: f.Path}}
	for i := range list.Len() {
		if to := inventory.JoinIndex(before, i) + after; s.object.Root.At(to) == nil {
			out = append(out, edit.Change{Op: edit.Set, Path: to, Value: value})
		}
	}
	return out, nil
}

// curly are the quotes a word processor makes.
const curly = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"

func straightQuotes(s *site) ([]edit.Change, error) {
	n := s.object.Root.At(s.finding.Path)
	if n == nil {
		return nil, nil
	}
	if key := strings.Trim(n.Key, curly); key != n.Key {
		return []edit.Change{{Op: edit.Rename, Path: s.finding.Path, To: key}}, nil
	}
	if n.Kind != inventory.String || strings.ContainsAny(strings.Trim(n.Text, curly), curly) {
		return nil, nil
	}
	return s.set(s.finding.Path, text(strings.Trim(n.Text, curly))), nil
}

// policyTypes writes out the directions that are in force by default. Where the
// name of the policy says that another is meant, a person has to decide.
func policyTypes(s *site) ([]edit.Change, error) {
	spec := s.object.Root.Get("spec")
	egress := spec.Get("egress").Len() > 0
	switch {
	case spec.Get("policyTypes").Len() > 0:
		return nil, errors.New("the policy names a type that does not exist: write Ingress or Egress, whichever is meant")
	case strings.Contains(strings.ToLower(s.object.Name), "egress") && !egress:
		return nil, errors.New("the name of the policy speaks of egress, and Egress would close it: write the directions that are meant")
	}
	types := &inventory.Node{Kind: inventory.List, Items: []inventory.Node{*text("Ingress")}}
	if egress {
		types.Items = append(types.Items, *text("Egress"))
	}
	return s.set("spec.policyTypes", types), nil
}

const securityPrefix = "pod-security.kubernetes.io/"

// securityLabel gives a label the name that is in force.
func securityLabel(s *site) ([]edit.Change, error) {
	label := s.object.Root.At(s.finding.Path)
	if label == nil || s.object.Kind != "Namespace" {
		return nil, nil
	}
	_, name, _ := strings.Cut(label.Key, "/")
	for _, known := range []string{"enforce-version", "audit-version", "warn-version", "enforce", "audit", "warn"} {
		if name == known || strings.HasPrefix(name, known) && !strings.Contains(name, "-") {
			to := securityPrefix + known
			if label.Key == to {
				return nil, fmt.Errorf("%q is no value of this label: write privileged, baseline or restricted, or a version", label.Str())
			}
			return []edit.Change{{Op: edit.Rename, Path: s.finding.Path, To: to}}, nil
		}
	}
	return nil, nil
}

// capabilityNames writes capabilities as the API does.
func capabilityNames(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for _, field := range []string{"drop", "add"} {
		at := s.path("securityContext.capabilities." + field)
		for i, item := range s.object.Root.At(at).All() {
			name := strings.TrimPrefix(strings.ReplaceAll(strings.ToUpper(item.Str()), "-", "_"), "CAP_")
			if item.Kind == inventory.String && name != item.Text {
				out = append(out, s.set(inventory.JoinIndex(at, i), text(name))...)
			}
		}
	}
	return out, nil
}
