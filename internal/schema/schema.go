// Package schema decodes objects strictly, with the libraries the API server
// and the components use, and says of every field that is unknown, misplaced,
// misspelt, repeated or of the wrong type what becomes of it.
//
// It reads trees only; what a fault means for security is said by controls.
package schema

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Kind says what is wrong with a field.
type Kind int

// The kinds of faults.
const (
	// UnknownField has no field of a similar name nearby.
	UnknownField Kind = iota
	// MisplacedField is known elsewhere in the object.
	MisplacedField
	// WrongCase differs from a known sibling in letter case only.
	WrongCase
	// Misspelt is close to a known sibling.
	Misspelt
	// DuplicateField occurs more than once in one map.
	DuplicateField
	// WrongType has a value that does not decode.
	WrongType
)

// Fault is one field that is not what it looks like.
type Fault struct {
	Kind Kind
	// Path is the field as it stands in the object.
	Path string
	// Field is its name.
	Field string
	// Suggestion is the path the author probably meant, "" if none is near.
	Suggestion string
	// Detail says what the decoder said, for [WrongType].
	Detail string
	// Line and Column are set for [DuplicateField]: those of the occurrence
	// that is overruled.
	Line, Column int32
}

// Fate says what becomes of a field the decoder does not know.
type Fate int

// The fates.
const (
	// Dropped: by default the API server leaves the field out and says so in a
	// warning; with strict validation and server-side apply it refuses it.
	Dropped Fate = iota
	// Lenient: the component logs a warning and goes on without the field.
	Lenient
	// Ignored: the program reads past it without a word.
	Ignored
	// Refused: the component does not start.
	Refused
)

// Component says who reads objects of an API group that is not served, and
// what it does with an unknown field.
func Component(o *inventory.Object) (string, Fate) {
	switch {
	case o.Group() == "kubelet.config.k8s.io":
		return "the kubelet", Lenient
	case o.Group() == "kubeproxy.config.k8s.io":
		return "kube-proxy", Lenient
	case o.Group() == "audit.k8s.io":
		return "the API server", Lenient
	case o.Group() == "apiserver.config.k8s.io", o.Group() == "pod-security.admission.config.k8s.io":
		return "the API server", Refused
	case o.Group() == "" && o.Kind == "Config":
		return "the client", Ignored
	}
	return "", Dropped
}

var strictPath = regexp.MustCompile(`^(unknown|duplicate) field "(.*)"$`)

// Check decodes an object and returns its faults in the order of the fields.
// It returns nothing, and false, for kinds it does not know.
func Check(o *inventory.Object) ([]Fault, bool) {
	into := newObject(o)
	if into == nil {
		return nil, false
	}
	faults := duplicates(o)
	strict, err := kjson.UnmarshalStrict(o.Root.JSON(), into)
	if err == nil && len(strict) == 0 {
		return faults, true
	}
	w := &walker{root: reflect.TypeOf(into).Elem(), object: o}
	if err != nil {
		// The decoder stops at the first value it can't take; the walk goes on.
		w.walk(o.Root, w.root, "")
		return append(faults, w.faults...), true
	}
	for _, e := range strict {
		if m := strictPath.FindStringSubmatch(e.Error()); m != nil && m[1] == "unknown" {
			w.unknown(o.Root, m[2])
		}
	}
	return append(faults, w.faults...), true
}

func duplicates(o *inventory.Object) []Fault {
	var out []Fault
	for _, d := range o.Duplicates {
		segments := inventory.SplitPath(d.Path)
		out = append(out, Fault{
			Kind: DuplicateField, Path: d.Path, Field: segments[len(segments)-1],
			Detail: fmt.Sprintf("line %d is in force", d.WinnerLine), Line: d.Line, Column: d.Column,
		})
	}
	return out
}

// walker finds the faults of one object, its type beside its tree.
type walker struct {
	root   reflect.Type
	object *inventory.Object
	faults []Fault
}

// maxFaults bounds the faults of one object.
const maxFaults = 200

// unknown turns a path as the decoder writes it into a fault. The decoder does
// not mark keys that hold dots, so the path is followed in the tree.
func (w *walker) unknown(root *inventory.Node, path string) {
	n, t, at := root, w.root, ""
	for path != "" && n != nil {
		child, rest, next := descend(n, path, at)
		if child == nil {
			return
		}
		if rest == "" {
			w.add(at, child.Key, t)
			return
		}
		t = childType(t, child)
		n, path, at = child, rest, next
	}
}

// descend takes the longest key, or the index, that path starts with. It
// returns the child, the rest of the path, and the child's own path.
func descend(n *inventory.Node, path, at string) (*inventory.Node, string, string) {
	path = strings.TrimPrefix(path, ".")
	if rest, ok := strings.CutPrefix(path, "["); ok {
		index, after, _ := strings.Cut(rest, "]")
		var i int
		if _, err := fmt.Sscanf(index, "%d", &i); err != nil {
			return nil, "", ""
		}
		return n.Index(i), after, inventory.JoinIndex(at, i)
	}
	var best *inventory.Node
	for _, c := range n.All() {
		after, ok := strings.CutPrefix(path, c.Key)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') && (best == nil || len(c.Key) > len(best.Key)) {
			best = c
		}
	}
	if best == nil {
		return nil, "", ""
	}
	return best, strings.TrimPrefix(path[len(best.Key):], "."), inventory.Join(at, best.Key)
}

// add records an unknown field of a value of type t that stands at parent.
func (w *walker) add(parent, field string, t reflect.Type) {
	if len(w.faults) >= maxFaults {
		return
	}
	f := Fault{Kind: UnknownField, Path: inventory.Join(parent, field), Field: field}
	f.Kind, f.Suggestion = w.suggest(parent, field, t)
	w.faults = append(w.faults, f)
}
