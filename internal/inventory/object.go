package inventory

import (
	"strings"
	"sync/atomic"
	"time"
)

// Object is one thing that was read: a Kubernetes API object, a configuration
// file of a component, or a file of another known kind (Dockerfile).
type Object struct {
	APIVersion string
	Kind       string
	// Namespace is the namespace the object is put into; for namespaced kinds
	// without one it is "" and [Object.EffectiveNamespace] says "default".
	Namespace string
	Name      string
	// Root is the whole tree. Never nil.
	Root *Node
	// Origin says where the object was read.
	Origin *Origin
	// Duplicates are keys that occurred more than once in one map.
	Duplicates []Duplicate
	// Ignores are the inline waivers found in comments of the object's source.
	Ignores []Ignore

	templates []*PodTemplate
	indexed   bool
	facts     atomic.Pointer[fact]
}

// fact is something derived from an object.
type fact struct {
	key, value any
	next       *fact
}

// Memo returns what derive makes of an object that does not change any more, and
// remembers it with the object: unlike that of an inventory, it lasts where an
// object is a part of several. The key should be of a type of the caller's own.
// Called from several goroutines at once, derive may run more than once.
func (o *Object) Memo(key any, derive func() any) any {
	known := o.facts.Load()
	for f := known; f != nil; f = f.next {
		if f.key == key {
			return f.value
		}
	}
	value := derive()
	for added := (&fact{key, value, known}); !o.facts.CompareAndSwap(known, added); added.next = known {
		known = o.facts.Load()
	}
	return value
}

// Duplicate is a key that occurs more than once in one map. The last one wins.
type Duplicate struct {
	// Path is the field with the repeated name.
	Path string
	// Line and Column are those of an occurrence that is overruled, WinnerLine
	// that of the one in force.
	Line, Column, WinnerLine int32
}

// Ignore is a waiver in a comment:
//
//	# redoubt:ignore CONTROL[,CONTROL] reason [until YYYY-MM-DD]
//
// It covers the node that starts on the line of the comment, or on the first
// line after it, and everything below that node.
type Ignore struct {
	Controls []string
	Reason   string
	// Until is the last day on which the waiver works, zero for no end.
	Until time.Time
	// Line is that of the comment; Path is the node it covers, "" for all of it.
	Line int32
	Path string
}

// OriginKind says which source an object came through.
type OriginKind string

// The ways an object can come in.
const (
	FromManifest  OriginKind = "manifest"
	FromHelm      OriginKind = "helm"
	FromKustomize OriginKind = "kustomize"
	FromCluster   OriginKind = "cluster"
	FromSnapshot  OriginKind = "snapshot"
)

// Origin says where an object was read. Positions of the object's nodes are
// positions in File: for Helm in the template, for Kustomize in the resource
// file.
type Origin struct {
	Kind OriginKind
	// File is the path as the user would open it, with forward slashes; "-"
	// for standard input; "" when there is none.
	File string
	// Root is the folder or archive of the chart or kustomization, else "".
	Root string
	// Values tells, for a chart, which values the template reads on a line.
	Values map[int32][]Value
}

// Value is one Helm value in force on a line of a template.
type Value struct {
	// Key is the path below .Values, such as image.tag.
	Key string `json:"key"`
	// Value is what is in force, shortened; values that look secret are masked.
	Value string `json:"value"`
	// From names the file or flag that set it, or the chart's own values file.
	From string `json:"from,omitempty"`
}

// Group returns the API group: "" for core.
func (o *Object) Group() string {
	group, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// Labels are the object's own labels.
func (o *Object) Labels() *Node { return o.Root.Find("metadata", "labels") }

// Annotations are the object's own annotations.
func (o *Object) Annotations() *Node { return o.Root.Find("metadata", "annotations") }

// EffectiveNamespace is the namespace a namespaced object ends up in when the
// manifest is applied as it is.
func (o *Object) EffectiveNamespace() string {
	if o.Namespace == "" {
		return "default"
	}
	return o.Namespace
}

// Ref names the object for people: namespace/Kind/name.
func (o *Object) Ref() string {
	ref := o.Kind
	if o.Name != "" {
		ref += "/" + o.Name
	}
	if o.Namespace != "" {
		ref = o.Namespace + "/" + ref
	}
	return ref
}

// NewObject makes an object of a tree, taking its identity from the usual
// fields.
func NewObject(root *Node, origin *Origin) *Object {
	meta := root.Get("metadata")
	name := meta.Get("name").Str()
	if name == "" {
		name = meta.Get("generateName").Str()
	}
	return &Object{
		APIVersion: root.Get("apiVersion").Str(),
		Kind:       root.Get("kind").Str(),
		Namespace:  meta.Get("namespace").Str(),
		Name:       name,
		Root:       root,
		Origin:     origin,
	}
}
