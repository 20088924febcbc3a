package fix

import (
	"strconv"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// intent is what changes shall make of one value: it is compared with what was
// made, in place of reading the text a second time.
type intent struct {
	// set is the value it shall have, gone that it shall not be there.
	set  *inventory.Node
	gone bool
	// children are the values below that change, added the new items of a list.
	children map[string]*intent
	added    []*inventory.Node
	// first are new items before the others.
	first []*inventory.Node
}

// intend enters the changes of an object into one tree. It returns nil for
// changes that can't be told apart by what they are to make.
func intend(root *inventory.Node, changes []edit.Change) *intent {
	top := new(intent)
	for i := range changes {
		c := &changes[i]
		segments := inventory.SplitPath(c.Path)
		value := root.At(c.Path)
		ok := true
		switch c.Op {
		case edit.Set:
			ok = top.put(segments, c.Value)
		case edit.Remove:
			ok = value != nil && top.put(segments, nil)
		case edit.Rename:
			to := append(segments[:len(segments)-1:len(segments)-1], c.To)
			ok = value != nil && top.put(segments, nil) && top.put(to, value)
		case edit.Move:
			ok = value != nil && top.put(segments, nil) && top.put(inventory.SplitPath(c.To), value)
		}
		if !ok {
			return nil
		}
	}
	return top
}

// put enters the value that a path shall have, nil for none.
func (w *intent) put(segments []string, value *inventory.Node) bool {
	for i, s := range segments {
		if w.set != nil || w.gone {
			return w.set != nil && i < len(segments) && value != nil && w.set.At(pathOf(segments[i:])).Equal(value)
		}
		if s == edit.Append || s == edit.Prepend {
			return i == len(segments)-1 && w.add(s, value)
		}
		if w.children == nil {
			w.children = make(map[string]*intent)
		}
		next := w.children[s]
		if next == nil {
			next = new(intent)
			w.children[s] = next
		}
		w = next
	}
	if len(w.children)+len(w.added)+len(w.first) > 0 {
		return false
	}
	if value == nil {
		w.gone = true
		return w.set == nil
	}
	if w.set != nil && !w.set.Equal(value) {
		return false
	}
	w.set = value
	return !w.gone
}

// add enters a new item of a list.
func (w *intent) add(segment string, value *inventory.Node) bool {
	if segment == edit.Prepend {
		w.first = append(w.first, value)
	} else {
		w.added = append(w.added, value)
	}
	return value != nil
}

func pathOf(segments []string) string {
	path := ""
	for _, s := range segments {
		path = inventory.Join(path, s)
	}
	return path
}

// made tells whether a value has become what it shall be, and is otherwise what
// it was.
func (w *intent) made(old, now *inventory.Node) bool {
	switch {
	case w == nil:
		return old.Equal(now)
	case w.gone:
		return now == nil
	case w.set != nil:
		return now != nil && w.set.Equal(now)
	case now == nil:
		return false
	}
	if old.IsNull() {
		// Changes below what is not there make it.
		old = &inventory.Node{Kind: inventory.Map}
		if len(w.added)+len(w.first) > 0 {
			old.Kind = inventory.List
		}
	}
	if old.Kind == inventory.Map && len(w.added)+len(w.first) > 0 && old.Len() == 0 {
		old = &inventory.Node{Kind: inventory.List}
	}
	switch {
	case old.Kind != now.Kind:
		return false
	case old.Kind == inventory.Map:
		return w.madeMap(old, now)
	case old.Kind == inventory.List:
		return w.madeList(old, now)
	}
	return len(w.children)+len(w.added)+len(w.first) == 0 && old.Equal(now)
}

func (w *intent) madeMap(old, now *inventory.Node) bool {
	count := old.Len()
	for _, item := range old.All() {
		child := w.children[item.Key]
		if child != nil && child.gone {
			count--
		}
		if !child.made(item, now.Get(item.Key)) {
			return false
		}
	}
	for key, child := range w.children {
		if old.Get(key) != nil {
			continue
		}
		if count++; child.gone || !child.made(nil, now.Get(key)) {
			return false
		}
	}
	return len(w.added)+len(w.first) == 0 && now.Len() == count
}

func (w *intent) madeList(old, now *inventory.Node) bool {
	at := 0
	for _, value := range w.first {
		if !value.Equal(now.Index(at)) {
			return false
		}
		at++
	}
	for i, item := range old.All() {
		child := w.children[strconv.Itoa(i)]
		if child != nil && child.gone {
			continue
		}
		if !child.made(item, now.Index(at)) {
			return false
		}
		at++
	}
	for key := range w.children {
		if i, err := strconv.Atoi(key); err != nil || i < 0 || i >= old.Len() {
			return false
		}
	}
	for _, value := range w.added {
		if !value.Equal(now.Index(at)) {
			return false
		}
		at++
	}
	return now.Len() == at
}
