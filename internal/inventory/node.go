package inventory

import (
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"iter"
	"strconv"
)

// NodeKind is the JSON type of a [Node].
type NodeKind uint8

// The kinds of a node. The zero value is [Null].
const (
	Null NodeKind = iota
	Bool
	Int
	Float
	String
	Map
	List
)

// String names the kind as JSON does.
func (k NodeKind) String() string {
	return [...]string{"null", "boolean", "integer", "number", "string", "object", "array"}[k]
}

// Node is one value of an object's tree together with the place it came from.
// Trees are built by sources and never change afterwards, so they may be read
// from several goroutines.
//
// All methods accept a nil receiver, which stands for an absent field.
type Node struct {
	// Kind is the JSON type of the value.
	Kind NodeKind
	// Line and Column are 1-based; 0 means unknown. For an entry of a map they
	// are those of its key, for an item of a list those of the item.
	Line, Column int32
	// Key is the name of the entry in its parent map, empty for list items and
	// for the root.
	Key string
	// Text is the value of a scalar: the characters of a string, the JSON form
	// of a number, "true" or "false".
	Text string
	// Items are the entries of a map or the items of a list, in source order.
	// A map has each key once: sources keep the last of duplicates, as the
	// decoders of Kubernetes do, and record the others on the [Object].
	Items []Node
}

// Get returns the entry of a map, or nil when n is no map or has no such key.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Map {
		return nil
	}
	for i := range n.Items {
		if n.Items[i].Key == key {
			return &n.Items[i]
		}
	}
	return nil
}

// Find walks down a chain of map keys and returns what stands there, or nil.
func (n *Node) Find(keys ...string) *Node {
	for _, k := range keys {
		n = n.Get(k)
	}
	return n
}

// Index returns item i of a list, or nil.
func (n *Node) Index(i int) *Node {
	if n == nil || n.Kind != List || i < 0 || i >= len(n.Items) {
		return nil
	}
	return &n.Items[i]
}

// Len is the number of entries of a map or list, otherwise 0.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return len(n.Items)
}

// All yields the entries of a map or list in source order.
func (n *Node) All() iter.Seq2[int, *Node] {
	return func(yield func(int, *Node) bool) {
		if n == nil {
			return
		}
		for i := range n.Items {
			if !yield(i, &n.Items[i]) {
				return
			}
		}
	}
}

// IsNull tells whether the field is absent or an explicit null; the API server
// treats both alike.
func (n *Node) IsNull() bool { return n == nil || n.Kind == Null }

// Str returns the characters of a string, "" for anything else.
func (n *Node) Str() string {
	if n == nil || n.Kind != String {
		return ""
	}
	return n.Text
}

// StrOr returns the characters of a string, or the fallback when the field is
// absent, null or no string.
func (n *Node) StrOr(fallback string) string {
	if n == nil || n.Kind != String {
		return fallback
	}
	return n.Text
}

// True tells whether the value is the boolean true.
func (n *Node) True() bool { return n != nil && n.Kind == Bool && n.Text == "true" }

// False tells whether the value is the boolean false. An absent field is
// neither true nor false.
func (n *Node) False() bool { return n != nil && n.Kind == Bool && n.Text == "false" }

// Int returns the value of an integer and whether it is one.
func (n *Node) Int() (int64, bool) {
	if n == nil || n.Kind != Int {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Text, 10, 64)
	return v, err == nil
}

// Strings returns the strings of a list, skipping items of other kinds.
func (n *Node) Strings() []string {
	if n == nil || n.Kind != List {
		return nil
	}
	out := make([]string, 0, len(n.Items))
	for i := range n.Items {
		if n.Items[i].Kind == String {
			out = append(out, n.Items[i].Text)
		}
	}
	return out
}

// StringMap returns the string entries of a map, such as labels.
func (n *Node) StringMap() map[string]string {
	if n == nil || n.Kind != Map || len(n.Items) == 0 {
		return nil
	}
	out := make(map[string]string, len(n.Items))
	for i := range n.Items {
		if n.Items[i].Kind == String {
			out[n.Items[i].Key] = n.Items[i].Text
		}
	}
	return out
}

// Any converts the tree to the types encoding/json decodes into, with int64
// for integers, as apimachinery's unstructured objects have it.
func (n *Node) Any() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case Bool:
		return n.Text == "true"
	case Int:
		if v, err := strconv.ParseInt(n.Text, 10, 64); err == nil {
			return v
		}
		return n.float()
	case Float:
		return n.float()
	case String:
		return n.Text
	case Map:
		m := make(map[string]any, len(n.Items))
		for i := range n.Items {
			m[n.Items[i].Key] = n.Items[i].Any()
		}
		return m
	case List:
		l := make([]any, len(n.Items))
		for i := range n.Items {
			l[i] = n.Items[i].Any()
		}
		return l
	case Null:
	}
	return nil
}

func (n *Node) float() float64 {
	f, err := strconv.ParseFloat(n.Text, 64)
	if err != nil {
		return 0
	}
	return f
}

// AppendJSON appends the JSON form of the tree to b.
func (n *Node) AppendJSON(b []byte) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	switch n.Kind {
	case Null:
		return append(b, "null"...)
	case Bool, Int, Float:
		return append(b, n.Text...)
	case String:
		return AppendJSONString(b, n.Text)
	case Map:
		b = append(b, '{')
		for i := range n.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(AppendJSONString(b, n.Items[i].Key), ':')
			b = n.Items[i].AppendJSON(b)
		}
		return append(b, '}')
	case List:
		b = append(b, '[')
		for i := range n.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = n.Items[i].AppendJSON(b)
		}
		return append(b, ']')
	}
	return b
}

// JSON returns the JSON form of the tree.
func (n *Node) JSON() []byte { return n.AppendJSON(nil) }

// AppendJSONString appends s as a JSON string to b.
func AppendJSONString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s) // strings always marshal
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Digest is equal for trees with equal content, whatever their positions. It is
// stable within one process only.
func (n *Node) Digest() uint64 {
	var h maphash.Hash
	h.SetSeed(digestSeed)
	n.hashInto(&h)
	return h.Sum64()
}

// hashInto writes the content of the tree, without positions, into h. Trees
// with equal content write equal bytes; the order of map keys counts, which
// costs at most a missed match.
func (n *Node) hashInto(h *maphash.Hash) {
	if n == nil {
		_ = h.WriteByte(0xff)
		return
	}
	_ = h.WriteByte(byte(n.Kind))
	writeString(h, n.Key)
	writeString(h, n.Text)
	writeLen(h, len(n.Items))
	for i := range n.Items {
		n.Items[i].hashInto(h)
	}
}

func writeString(h *maphash.Hash, s string) {
	writeLen(h, len(s))
	_, _ = h.WriteString(s)
}

func writeLen(h *maphash.Hash, n int) {
	var b [binary.MaxVarintLen64]byte
	_, _ = h.Write(binary.AppendVarint(b[:0], int64(n)))
}

// Equal tells whether two trees have the same content, whatever their
// positions and whatever the order of their map keys.
func (n *Node) Equal(o *Node) bool {
	if n == nil || o == nil {
		return n == o
	}
	if n.Kind != o.Kind || n.Text != o.Text || len(n.Items) != len(o.Items) {
		return false
	}
	for i := range n.Items {
		other := &o.Items[i]
		if n.Kind == Map && other.Key != n.Items[i].Key {
			other = o.Get(n.Items[i].Key)
		}
		if !n.Items[i].Equal(other) {
			return false
		}
	}
	return true
}
