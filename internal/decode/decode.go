// Package decode turns the bytes of a YAML or JSON file into objects with
// positions, with the meaning kubectl and the API server give them: YAML 1.1
// scalars, the last of duplicate keys, lists taken apart.
//
// It does no I/O and judges nothing. All input is bounded.
package decode

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Limits bound what one file may cost.
type Limits struct {
	// Bytes is the greatest size of a file.
	Bytes int64
	// Depth is the greatest nesting of values.
	Depth int
	// Nodes is the greatest number of values in a file, aliases expanded.
	Nodes int
}

// DefaultLimits are generous for what people write and for exports of whole
// clusters. The API server itself refuses objects above 3 MiB.
func DefaultLimits() Limits {
	return Limits{Bytes: 64 << 20, Depth: 200, Nodes: 8_000_000}
}

// Result is what a file holds.
type Result struct {
	Objects []*inventory.Object
	// Foreign counts the documents that are well formed and not Kubernetes.
	Foreign int
}

// Error is a fault in a file with its position.
type Error struct {
	File string
	// Line is 1-based; 0 when unknown.
	Line int32
	Msg  string
	// Hint says what to do, may be empty.
	Hint string
	// Foreign is set when nothing in the document looks like Kubernetes.
	Foreign bool
}

// Error is file:line: message.
func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return where + ": " + e.Reason()
}

// Reason is the fault and the hint without the place.
func (e *Error) Reason() string {
	if e.Hint != "" {
		return e.Msg + " (" + e.Hint + ")"
	}
	return e.Msg
}

// Faults takes an error of this package apart.
func Faults(err error) []*Error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var out []*Error
		for _, e := range joined.Unwrap() {
			out = append(out, Faults(e)...)
		}
		return out
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return []*Error{e}
	}
	return []*Error{{Msg: err.Error()}}
}

// File decodes all documents of a file. The error joins one [Error] for each
// document that is broken; the result holds the others.
func File(data []byte, origin *inventory.Origin, limits Limits) (Result, error) {
	d := &decoder{file: origin.File, origin: origin, limits: limits, keys: make(map[string]string)}
	if int64(len(data)) > limits.Bytes {
		return Result{}, d.fail(0, fmt.Sprintf("the file is larger than %d MiB", limits.Bytes>>20), "raise --max-file-size, or split it")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return Result{}, &Error{File: d.file, Msg: "the file is binary, not text", Foreign: true}
	}
	var roots []root
	var errs []error
	if isJSON(origin.File, data) {
		roots, errs = d.json(data)
	} else {
		roots, errs = d.yaml(data)
	}
	var res Result
	for _, r := range roots {
		found, err := d.objects(r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(found) == 0 {
			res.Foreign++
		}
		res.Objects = append(res.Objects, found...)
	}
	if len(roots) > 0 {
		d.attachIgnores(data, res.Objects)
	}
	return res, errors.Join(errs...)
}

// isJSON decides by name, or by content where the name does not tell.
func isJSON(name string, data []byte) bool {
	switch {
	case strings.HasSuffix(name, ".json"):
		return true
	case strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
		return false
	}
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && bytes.IndexByte(trimmed, '"') > 0
}

// root is one document: its tree and the duplicate keys met in it.
type root struct {
	node       *inventory.Node
	duplicates []inventory.Duplicate
}

type decoder struct {
	file   string
	origin *inventory.Origin
	limits Limits
	nodes  int
	// keys interns map keys, which repeat all over a file.
	keys map[string]string
	// ignores are the comments that may hold an inline waiver.
	ignores map[string]bool
}

func (d *decoder) fail(line int32, msg, hint string) *Error {
	return &Error{File: d.file, Line: line, Msg: msg, Hint: hint}
}

func (d *decoder) intern(s string) string {
	if k, ok := d.keys[s]; ok {
		return k
	}
	d.keys[s] = s
	return s
}

// count charges one node at a depth.
func (d *decoder) count(depth int, line int32) error {
	d.nodes++
	if d.nodes > d.limits.Nodes {
		return d.fail(line, fmt.Sprintf("the file has more than %d values, aliases expanded", d.limits.Nodes), "split it, or remove nested aliases")
	}
	if depth > d.limits.Depth {
		return d.fail(line, fmt.Sprintf("values are nested deeper than %d", d.limits.Depth), "")
	}
	return nil
}

// maxListDepth bounds Lists within Lists.
const maxListDepth = 4

// objects turns a document into objects, taking lists apart. No objects and no
// error means that the document is not Kubernetes.
func (d *decoder) objects(r root) ([]*inventory.Object, error) {
	if r.node.Kind != inventory.Map {
		return nil, nil
	}
	apiVersion, kind := typeOf(r.node)
	if apiVersion == "" && kind == "" {
		return nil, nil
	}
	if apiVersion == "" || kind == "" {
		return nil, d.halfTyped(r.node, apiVersion, kind)
	}
	var out []*inventory.Object
	d.expand(r.node, "", apiVersion, kind, func(n *inventory.Node, path, apiVersion, kind string) {
		o := inventory.NewObject(n, d.origin)
		o.APIVersion, o.Kind = apiVersion, kind
		for _, dup := range r.duplicates {
			if rest, ok := below(dup.Path, path); ok {
				dup.Path = rest
				o.Duplicates = append(o.Duplicates, dup)
			}
		}
		out = append(out, o)
	})
	return out, nil
}

// expand calls add for the object, or for each item of a list.
func (d *decoder) expand(n *inventory.Node, path, apiVersion, kind string, add func(n *inventory.Node, path, apiVersion, kind string)) {
	items := n.Get("items")
	if !strings.HasSuffix(kind, "List") || items == nil || items.Kind != inventory.List || strings.Count(path, "items") >= maxListDepth {
		add(n, path, apiVersion, kind)
		return
	}
	for i, item := range items.All() {
		if item.Kind != inventory.Map {
			continue
		}
		itemVersion, itemKind := typeOf(item)
		if itemKind == "" && kind != "List" {
			itemVersion, itemKind = cmp.Or(itemVersion, apiVersion), strings.TrimSuffix(kind, "List")
		}
		if itemKind == "" {
			continue
		}
		d.expand(item, inventory.JoinIndex(inventory.Join(path, "items"), i), itemVersion, itemKind, add)
	}
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

// halfTyped decides about a document with only one of apiVersion and kind: it
// is a broken object if it has other fields of one, and foreign otherwise.
func (d *decoder) halfTyped(n *inventory.Node, apiVersion, kind string) error {
	if n.Get("metadata") == nil && n.Get("spec") == nil {
		return nil
	}
	if apiVersion == "" {
		return d.fail(n.Line, fmt.Sprintf("the object says kind %s but no apiVersion; the API server refuses it", kind), "add apiVersion")
	}
	return d.fail(n.Line, fmt.Sprintf("the object says apiVersion %s but no kind; the API server refuses it", apiVersion), "add kind")
}

// below strips the path of an object from the path of a field in its document.
func below(path, object string) (string, bool) {
	if object == "" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, object)
	return strings.TrimPrefix(rest, "."), ok
}

// dedupe keeps the last of equal keys, in the place of the first, and records
// the others.
func dedupe(items []inventory.Node, path string, r *root) []inventory.Node {
	if len(items) < 2 {
		return items
	}
	// Few keys, the usual case: comparing beats a map.
	const few = 16
	if len(items) <= few {
		unique := true
		for i := 1; i < len(items) && unique; i++ {
			unique = !slices.ContainsFunc(items[:i], func(n inventory.Node) bool { return n.Key == items[i].Key })
		}
		if unique {
			return items
		}
	}
	at := make(map[string]int, len(items))
	out := items[:0]
	for _, item := range items {
		i, seen := at[item.Key]
		if !seen {
			at[item.Key] = len(out)
			out = append(out, item)
			continue
		}
		r.duplicates = append(r.duplicates, inventory.Duplicate{
			Path: inventory.Join(path, item.Key), Line: out[i].Line, Column: out[i].Column, WinnerLine: item.Line,
		})
		out[i] = item
	}
	return out
}
