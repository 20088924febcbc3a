package decode

import (
	"fmt"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// objects turns a document into objects, taking lists apart. No objects and no
// error means that the document is not Kubernetes.
func (d *decoder) objects(r root) ([]*inventory.Object, []error) {
	if r.node.Kind != inventory.Map {
		return nil, nil
	}
	x := expander{decoder: d, root: r}
	apiVersion, kind := typeOf(r.node)
	switch {
	case apiVersion == "" && kind == "":
	case apiVersion == "" || kind == "":
		if r.node.Get("metadata") != nil || r.node.Get("spec") != nil {
			x.refuse(r.node, apiVersion, kind)
		}
	default:
		x.expand(r.node, "", apiVersion, kind)
	}
	return x.found, x.errs
}

// expander takes one document apart.
type expander struct {
	*decoder

	root  root
	found []*inventory.Object
	errs  []error
}

// expand adds the object, or each item of a list. For kubectl every object with
// a list of items is a list, whatever its kind, and the rest of it is lost.
// Here the rest is judged as well, unless the kind says it is a list.
func (x *expander) expand(n *inventory.Node, path, apiVersion, kind string) {
	items := n.Get("items")
	element, isList := strings.CutSuffix(kind, "List")
	isList = isList && items != nil && items.Kind == inventory.List
	if !isList {
		x.add(n, path, apiVersion, kind)
		if items == nil || items.Kind != inventory.List {
			return
		}
	}
	for i, item := range items.All() {
		itemVersion, itemKind := typeOf(item)
		untyped := itemVersion == "" && itemKind == ""
		if item.Kind != inventory.Map || untyped && !isList {
			continue
		}
		if untyped && element != "" {
			itemVersion, itemKind = apiVersion, element
		}
		if itemVersion == "" || itemKind == "" {
			x.refuse(item, itemVersion, itemKind)
			continue
		}
		x.expand(item, inventory.JoinIndex(inventory.Join(path, "items"), i), itemVersion, itemKind)
	}
}

func (x *expander) add(n *inventory.Node, path, apiVersion, kind string) {
	o := inventory.NewObject(n, x.origin)
	o.APIVersion, o.Kind = apiVersion, kind
	for _, dup := range x.root.duplicates {
		if rest, ok := below(dup.Path, path); ok {
			dup.Path = rest
			o.Duplicates = append(o.Duplicates, dup)
		}
	}
	x.found = append(x.found, o)
}

// typeOf reads apiVersion and kind, in any letter case: a manifest that says
// Kind is meant for Kubernetes, and is broken.
func typeOf(n *inventory.Node) (string, string) {
	apiVersion, kind := n.Get("apiVersion").Str(), n.Get("kind").Str()
	if apiVersion != "" && kind != "" {
		return apiVersion, kind
	}
	for _, entry := range n.All() {
		switch {
		case apiVersion == "" && strings.EqualFold(entry.Key, "apiVersion"):
			apiVersion = entry.Str()
		case kind == "" && strings.EqualFold(entry.Key, "kind"):
			kind = entry.Str()
		}
	}
	return apiVersion, kind
}

// refuse records an object that says too little of what it is.
func (x *expander) refuse(n *inventory.Node, apiVersion, kind string) {
	msg, hint := "an item of the list says neither apiVersion nor kind; the API server refuses it", "add both"
	switch {
	case kind != "":
		msg, hint = fmt.Sprintf("the object says kind %s but no apiVersion; the API server refuses it", kind), "add apiVersion"
	case apiVersion != "":
		msg, hint = fmt.Sprintf("the object says apiVersion %s but no kind; the API server refuses it", apiVersion), "add kind"
	}
	if len(x.errs) < maxBroken {
		x.errs = append(x.errs, x.fail(n.Line, msg, hint))
	}
}

// below strips the path of an object from the path of a field in its document.
func below(path, object string) (string, bool) {
	if object == "" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, object)
	return strings.TrimPrefix(rest, "."), ok
}
