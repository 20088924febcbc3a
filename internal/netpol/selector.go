package netpol

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// labelSet are labels as far as they are known.
type labelSet struct {
	known map[string]string
	// open is set when there may be others.
	open bool
	// added are keys that are set at run time to values nobody knows yet.
	added []string
}

// may tells whether a key that is not known may yet be there.
func (l *labelSet) may(key string) bool { return l.open || slices.Contains(l.added, key) }

// operator compares a label with values.
type operator uint8

const (
	in operator = iota
	notIn
	exists
	doesNotExist
)

var operators = map[string]operator{"In": in, "NotIn": notIn, "Exists": exists, "DoesNotExist": doesNotExist}

type requirement struct {
	key    string
	is     operator
	values []string
}

// selector is a label selector. One without requirements selects everything.
type selector struct {
	requirements []requirement
	// fault says why the selector is not understood; it may then select
	// anything.
	fault string
	// text identifies selectors that mean the same, and shows them.
	text string
}

// readSelector reads a selector; null is the empty one.
func readSelector(n *inventory.Node) *selector {
	s := new(selector)
	if !n.IsNull() && n.Kind != inventory.Map {
		s.fault = "the selector is no object"
	}
	s.readLabels(n.Get("matchLabels"))
	s.readExpressions(n.Get("matchExpressions"))
	slices.SortStableFunc(s.requirements, func(a, b requirement) int { return cmp.Compare(a.key, b.key) })
	words := make([]string, 0, len(s.requirements))
	for i := range s.requirements {
		words = append(words, s.requirements[i].String())
	}
	s.text = strings.Join(words, ", ")
	if s.fault != "" {
		s.text = "?" + s.text + "?" + s.fault
	}
	return s
}

func (s *selector) readLabels(n *inventory.Node) {
	if !n.IsNull() && n.Kind != inventory.Map {
		s.fault = "matchLabels is no object"
		return
	}
	for _, l := range n.All() {
		if l.Kind != inventory.String && !l.IsNull() {
			s.fault = fmt.Sprintf("the value of matchLabels %q is no string", l.Key)
			continue
		}
		s.require(requirement{key: l.Key, is: in, values: []string{l.Str()}})
	}
}

func (s *selector) readExpressions(n *inventory.Node) {
	if !n.IsNull() && n.Kind != inventory.List {
		s.fault = "matchExpressions is no list"
		return
	}
	for _, e := range n.All() {
		is, ok := operators[e.Get("operator").Str()]
		values := e.Get("values").Strings()
		if !ok {
			s.fault = fmt.Sprintf("the operator %q does not exist", e.Get("operator").Str())
			continue
		}
		if wants := is == in || is == notIn; wants != (len(values) > 0) || len(values) != e.Get("values").Len() {
			s.fault = fmt.Sprintf("the values of the expression on %q do not fit its operator", e.Get("key").Str())
			continue
		}
		s.require(requirement{key: e.Get("key").Str(), is: is, values: values})
	}
}

func (s *selector) require(r requirement) {
	if faults := validation.IsQualifiedName(r.key); len(faults) > 0 {
		s.fault = fmt.Sprintf("%q is no label key", r.key)
		return
	}
	for _, v := range r.values {
		if faults := validation.IsValidLabelValue(v); len(faults) > 0 {
			s.fault = fmt.Sprintf("%q is no label value", v)
			return
		}
	}
	s.requirements = append(s.requirements, r)
}

// match tells whether labels are selected.
func (s *selector) match(l *labelSet) tri {
	out := yes
	if s.fault != "" {
		out = maybe
	}
	for i := range s.requirements {
		if out = min(out, s.requirements[i].match(l)); out == no {
			return no
		}
	}
	return out
}

func (r *requirement) match(l *labelSet) tri {
	value, there := l.known[r.key]
	if !there && l.may(r.key) {
		return maybe
	}
	var ok bool
	switch r.is {
	case in:
		ok = there && slices.Contains(r.values, value)
	case notIn:
		ok = !there || !slices.Contains(r.values, value)
	case exists:
		ok = there
	case doesNotExist:
		ok = !there
	}
	if ok {
		return yes
	}
	return no
}

// open names the keys of the selector that are not known of the labels.
func (s *selector) openKeys(l *labelSet) []string {
	var out []string
	for i := range s.requirements {
		key := s.requirements[i].key
		if _, there := l.known[key]; !there && l.may(key) {
			out = append(out, key)
		}
	}
	return slices.Compact(out)
}

// String writes the requirement as kubectl does.
func (r *requirement) String() string {
	switch r.is {
	case in:
		if len(r.values) == 1 {
			return r.key + "=" + r.values[0]
		}
		return r.key + " in (" + strings.Join(r.values, ", ") + ")"
	case notIn:
		return r.key + " not in (" + strings.Join(r.values, ", ") + ")"
	case exists:
		return r.key
	case doesNotExist:
		return "!" + r.key
	}
	return ""
}

// String describes what is selected.
func (s *selector) String() string {
	if len(s.requirements) == 0 && s.fault == "" {
		return "all"
	}
	return strings.Trim(s.text, "?")
}
