// Package schema decodes objects strictly, with the libraries the API server
// and the components use, and says of every field that is unknown, misplaced,
// misspelt, repeated or of the wrong type what becomes of it.
//
// It reads trees only; what a fault means for security is said by controls.
package schema

import (
	"fmt"
	"reflect"

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

// Check decodes an object and returns its faults in the order of the fields.
// It returns nothing, and false, for kinds it does not know. The object must not
// change afterwards: the outcome is remembered with it.
func Check(o *inventory.Object) ([]Fault, bool) {
	root := typeOf(o)
	if root == nil {
		return nil, false
	}
	found, _ := o.Memo(memoKey{}, func() any {
		faults := duplicates(o)
		w := &walker{root: root, object: o}
		w.walk(o.Root, w.root, nil)
		return append(faults, w.faults...)
	}).([]Fault)
	return found, true
}

// memoKey is that of the faults of an object.
type memoKey struct{}

func duplicates(o *inventory.Object) []Fault {
	var out []Fault
	for _, d := range o.Duplicates {
		out = append(out, Fault{
			Kind: DuplicateField, Path: d.Path, Field: last(d.Path),
			Detail: fmt.Sprintf("line %d is in force", d.WinnerLine), Line: d.Line, Column: d.Column,
		})
	}
	return out
}

// last is the name at the end of a path, "" for the root.
func last(path string) string {
	segments := inventory.SplitPath(path)
	if len(segments) == 0 {
		return ""
	}
	return segments[len(segments)-1]
}

// walker finds the faults of one object, its type beside its tree.
type walker struct {
	root   reflect.Type
	object *inventory.Object
	faults []Fault
	// found counts the faults of each kind, unknown all fields that were not
	// known.
	found   map[Kind]int
	unknown int
}

const (
	// maxFaults bounds the recorded faults of one object and kind, so that many
	// of one kind hide none of another.
	maxFaults = 200
	// maxSuggestions bounds how many unknown fields of one object something
	// better is looked for.
	maxSuggestions = 2000
)

func (w *walker) record(f Fault) {
	if w.found[f.Kind] >= maxFaults {
		return
	}
	if w.found == nil {
		w.found = make(map[Kind]int)
	}
	w.found[f.Kind]++
	w.faults = append(w.faults, f)
}

// add records an unknown field of a value of type t that stands at parent.
func (w *walker) add(parent, field string, t reflect.Type) {
	f := Fault{Kind: UnknownField, Path: inventory.Join(parent, field), Field: field}
	if w.unknown++; w.unknown <= maxSuggestions {
		f.Kind, f.Suggestion = w.suggest(parent, field, t)
	}
	w.record(f)
}
