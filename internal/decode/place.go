package decode

import (
	"fmt"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// segment is one step of the way to a value: a map key, or the position in a
// list when key is empty and index not negative.
type segment struct {
	key   string
	index int
}

// maxPlace bounds the keys on the way to a value: paths are written out all
// over the program, so a long one below which much stands would cost its
// length many times.
const maxPlace = 16 << 10

// enter goes down into an entry of a map; leave goes back.
func (d *decoder) enter(key string, line int32) error {
	d.place = append(d.place, segment{key, -1})
	if d.placeBytes += len(key); d.placeBytes > maxPlace {
		return d.fail(line, fmt.Sprintf("the keys that lead to this value are longer than %s together", size(maxPlace)), "")
	}
	return nil
}

// enterItem goes down into an item of a list.
func (d *decoder) enterItem(i int) { d.place = append(d.place, segment{"", i}) }

func (d *decoder) leave() {
	last := len(d.place) - 1
	d.placeBytes -= len(d.place[last].key)
	d.place = d.place[:last]
}

// restart goes back to the root, for the next document.
func (d *decoder) restart() { d.place, d.placeBytes = d.place[:0], 0 }

// path writes out the place of a key of the map being built.
func (d *decoder) path(key string) string { return inventory.Join(pathOf(d.place), key) }

func pathOf(place []segment) string {
	path := ""
	for _, s := range place {
		if s.index >= 0 {
			path = inventory.JoinIndex(path, s.index)
		} else {
			path = inventory.Join(path, s.key)
		}
	}
	return path
}

// entries are the keys of one map while it is built.
type entries struct {
	items []inventory.Node
	// merged tells which items came in through "<<". It is nil if none did.
	merged []bool
}

func (e *entries) isMerged(i int) bool { return i < len(e.merged) && e.merged[i] }

// maxDuplicates bounds the duplicate keys recorded for one document.
const maxDuplicates = 1000

// dedupe keeps the last of equal keys, in the place of the first, and records
// the others. A key may overrule a merged one, that is what merging is for; a
// merge that overrules a key is recorded if it changes the value.
func (d *decoder) dedupe(e entries, r *root) []inventory.Node {
	if !repeats(e.items) {
		return e.items
	}
	at := make(map[string]int, len(e.items))
	out := e.items[:0]
	var merged []bool
	for n, item := range e.items {
		i, seen := at[item.Key]
		if !seen {
			at[item.Key] = len(out)
			out, merged = append(out, item), append(merged, e.isMerged(n))
			continue
		}
		surprise := !merged[i] && (!e.isMerged(n) || !out[i].Equal(&item))
		if surprise && len(r.duplicates) < maxDuplicates {
			r.duplicates = append(r.duplicates, inventory.Duplicate{
				Path: d.path(item.Key), Line: out[i].Line, Column: out[i].Column, WinnerLine: item.Line,
			})
		}
		out[i], merged[i] = item, e.isMerged(n)
	}
	return out
}

// repeats tells whether a key may occur twice. For few keys, the usual case,
// comparing beats a map.
func repeats(items []inventory.Node) bool {
	const few = 16
	if len(items) > few {
		return true
	}
	for i := 1; i < len(items); i++ {
		if slices.ContainsFunc(items[:i], func(n inventory.Node) bool { return n.Key == items[i].Key }) {
			return true
		}
	}
	return false
}
