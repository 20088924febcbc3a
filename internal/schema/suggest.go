package schema

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func gvk(o *inventory.Object) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
}

// suggest finds the field an author probably meant: a sibling in another letter
// case, a sibling with a similar name, or the same name elsewhere in the object.
func (w *walker) suggest(parent, field string, t reflect.Type) (Kind, string) {
	if t == nil {
		return UnknownField, ""
	}
	siblings := names(deref(t))
	for _, name := range siblings {
		if strings.EqualFold(name, field) {
			return WrongCase, inventory.Join(parent, name)
		}
	}
	for _, name := range siblings {
		if strings.TrimLeft(field, "- ") == name || field+"s" == name || field == name+"s" {
			return Misspelt, inventory.Join(parent, name)
		}
	}
	if path, ok := w.elsewhere(parent, field); ok {
		return MisplacedField, path
	}
	best, distance := "", 3
	for _, name := range siblings {
		// Short names are close to each other by accident.
		if d := editDistance(strings.ToLower(name), strings.ToLower(field)); d < distance && d*3 < len(field) {
			best, distance = name, d
		}
	}
	if best != "" {
		return Misspelt, inventory.Join(parent, best)
	}
	return UnknownField, ""
}

func names(t reflect.Type) []string {
	all := fieldsOf(t)
	out := make([]string, 0, len(all))
	for name := range all {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// common are names that exist in so many places that finding one elsewhere
// says nothing.
var common = map[string]bool{
	"name": true, "namespace": true, "kind": true, "apiVersion": true, "type": true, "value": true, "key": true,
	"path": true, "port": true, "labels": true, "annotations": true, "metadata": true, "spec": true, "status": true,
	"uid": true, "reason": true, "message": true, "data": true, "items": true, "host": true, "scheme": true,
	"command": true, "optional": true, "mode": true, "version": true, "group": true, "operator": true, "values": true,
}

// elsewhere looks for a field of the same name: first below the parent, then
// below each of its ancestors.
func (w *walker) elsewhere(parent, field string) (string, bool) {
	if common[field] {
		return "", false
	}
	segments := inventory.SplitPath(parent)
	for up := len(segments); up >= 0; up-- {
		base, t, path := w.object.Root, w.root, ""
		for _, s := range segments[:up] {
			child := base.Get(s)
			if child == nil {
				child = base.At("[" + s + "]")
				path += "[" + s + "]"
			} else {
				path = inventory.Join(path, s)
			}
			if child == nil {
				return "", false
			}
			t = childType(t, child)
			base = child
		}
		if t == nil {
			continue
		}
		if rel, ok := search(t, field); ok {
			if found := inventory.JoinPath(path, rel); found != inventory.Join(parent, field) {
				return found, true
			}
		}
	}
	return "", false
}

// candidate is a struct type on the way down.
type candidate struct {
	t    reflect.Type
	path string
}

// searchDepth is how far down a field is looked for.
const searchDepth = 4

// nearest holds, for each type that was searched, where the nearest field of
// each name stands below it.
var nearest sync.Map

// search finds the nearest field of a name below a type, preferring regular
// containers over init and ephemeral ones.
func search(t reflect.Type, field string) (string, bool) {
	known, ok := nearest.Load(t)
	if !ok {
		known, _ = nearest.LoadOrStore(t, index(t))
	}
	paths, ok := known.(map[string]string)
	if !ok {
		return "", false
	}
	path, found := paths[field]
	return path, found
}

// index lists the fields below a type, level by level.
func index(t reflect.Type) map[string]string {
	out := make(map[string]string)
	level := []candidate{{t, ""}}
	seen := make(map[reflect.Type]bool)
	for depth := 0; depth < searchDepth && len(level) > 0; depth++ {
		slices.SortStableFunc(level, func(a, b candidate) int { return rank(a.path) - rank(b.path) })
		found := make(map[string]string)
		var next []candidate
		for _, c := range level {
			if !seen[c.t] {
				seen[c.t] = true
				next = append(next, c.fields(found)...)
			}
		}
		for name, path := range found {
			if _, nearer := out[name]; !nearer {
				out[name] = path
			}
		}
		level = next
	}
	return out
}

// fields enters the paths of the fields of c, unless better ones are there, and
// returns the structs among them.
func (c candidate) fields(found map[string]string) []candidate {
	var next []candidate
	for _, name := range names(c.t) {
		path := inventory.Join(c.path, name)
		if other, ok := found[name]; !ok || rank(path) < rank(other) {
			found[name] = path
		}
		if child, suffix := element(fieldsOf(c.t)[name]); child != nil && name != "status" && name != "managedFields" {
			next = append(next, candidate{child, path + suffix})
		}
	}
	return next
}

// rank puts regular containers before the other kinds.
func rank(path string) int {
	if strings.HasPrefix(path, "initContainers") || strings.HasPrefix(path, "ephemeralContainers") || strings.Contains(path, ".initContainers") || strings.Contains(path, ".ephemeralContainers") {
		return 1
	}
	return 0
}

// element is the struct type within a field, and how its path goes on.
func element(t reflect.Type) (reflect.Type, string) {
	t = deref(t)
	suffix := ""
	if t.Kind() == reflect.Slice {
		t, suffix = deref(t.Elem()), "[]"
	}
	if t.Kind() != reflect.Struct || opaque[t] {
		return nil, ""
	}
	return t, suffix
}

// editDistance counts insertions, deletions, replacements and swaps.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
