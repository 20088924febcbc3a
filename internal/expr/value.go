package expr

import (
	"errors"
	"reflect"
	"strconv"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// value presents a node to CEL without copying the tree. Entries that are null
// are absent, as they are after the API server has decoded the object.
func value(n *inventory.Node) ref.Val {
	if n == nil {
		return types.NullValue
	}
	switch n.Kind {
	case inventory.Bool:
		return types.Bool(n.Text == "true")
	case inventory.Int:
		if v, err := strconv.ParseInt(n.Text, 10, 64); err == nil {
			return types.Int(v)
		}
		return float(n)
	case inventory.Float:
		return float(n)
	case inventory.String:
		return types.String(n.Text)
	case inventory.Map:
		return (*mapValue)(n)
	case inventory.List:
		return (*listValue)(n)
	case inventory.Null:
	}
	return types.NullValue
}

func float(n *inventory.Node) ref.Val {
	f, err := strconv.ParseFloat(n.Text, 64)
	if err != nil {
		return types.NewErr("%q is no number", n.Text)
	}
	return types.Double(f)
}

// mapValue is a map node as a CEL map.
type mapValue inventory.Node

var _ traits.Mapper = (*mapValue)(nil)

func (m *mapValue) node() *inventory.Node { return (*inventory.Node)(m) }

// ConvertToNative serves libraries that ask for Go values.
func (m *mapValue) ConvertToNative(t reflect.Type) (any, error) { return convert(m.node(), t) }

// ConvertToType answers type(x) and the identity conversion.
func (m *mapValue) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return m
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from map to '%s'", t)
}

// Equal compares by content.
func (m *mapValue) Equal(other ref.Val) ref.Val {
	if o, ok := other.(*mapValue); ok {
		return types.Bool(m.node().Equal(o.node()))
	}
	o, ok := other.(traits.Mapper)
	if !ok || o.Size() != m.Size() {
		return types.False
	}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		theirs, found := o.Find(key)
		if !found || types.Equal(m.Get(key), theirs) != types.True {
			return types.False
		}
	}
	return types.True
}

// Type is map.
func (*mapValue) Type() ref.Type { return types.MapType }

// Value is the Go form of the tree.
func (m *mapValue) Value() any { return m.node().Any() }

// Contains implements the in operator and has().
func (m *mapValue) Contains(key ref.Val) ref.Val {
	_, found := m.Find(key)
	return types.Bool(found)
}

// Find looks an entry up.
func (m *mapValue) Find(key ref.Val) (ref.Val, bool) {
	k, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	n := m.node().Get(string(k))
	if n.IsNull() {
		return nil, false
	}
	return value(n), true
}

// Get looks an entry up and makes its absence an error.
func (m *mapValue) Get(key ref.Val) ref.Val {
	v, found := m.Find(key)
	if !found {
		return types.NewErr("no such key: %v", key)
	}
	return v
}

// Size counts the entries.
func (m *mapValue) Size() ref.Val {
	size := 0
	for i := range m.Items {
		if m.Items[i].Kind != inventory.Null {
			size++
		}
	}
	return types.Int(size)
}

// Iterator yields the keys.
func (m *mapValue) Iterator() traits.Iterator { return &iterator{items: m.Items, keys: true} }

// listValue is a list node as a CEL list.
type listValue inventory.Node

var _ traits.Lister = (*listValue)(nil)

func (l *listValue) node() *inventory.Node { return (*inventory.Node)(l) }

// ConvertToNative serves libraries that ask for Go values.
func (l *listValue) ConvertToNative(t reflect.Type) (any, error) { return convert(l.node(), t) }

// ConvertToType answers type(x) and the identity conversion.
func (l *listValue) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.ListType:
		return l
	case types.TypeType:
		return types.ListType
	}
	return types.NewErr("type conversion error from list to '%s'", t)
}

// Equal compares by content.
func (l *listValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok || o.Size() != l.Size() {
		return types.False
	}
	for i := range l.Items {
		if types.Equal(value(&l.Items[i]), o.Get(types.Int(i))) != types.True {
			return types.False
		}
	}
	return types.True
}

// Type is list.
func (*listValue) Type() ref.Type { return types.ListType }

// Value is the Go form of the tree.
func (l *listValue) Value() any { return l.node().Any() }

// Add concatenates.
func (l *listValue) Add(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	all := make([]ref.Val, 0, len(l.Items))
	for i := range l.Items {
		all = append(all, value(&l.Items[i]))
	}
	for it := o.Iterator(); it.HasNext() == types.True; {
		all = append(all, it.Next())
	}
	return types.DefaultTypeAdapter.NativeToValue(all)
}

// Contains implements the in operator.
func (l *listValue) Contains(elem ref.Val) ref.Val {
	for i := range l.Items {
		if types.Equal(value(&l.Items[i]), elem) == types.True {
			return types.True
		}
	}
	return types.False
}

// Get returns an item by position.
func (l *listValue) Get(index ref.Val) ref.Val {
	i, err := types.IndexOrError(index)
	if err != nil {
		return types.WrapErr(err)
	}
	if i < 0 || i >= len(l.Items) {
		return types.NewErr("index '%d' out of range in list size '%d'", i, len(l.Items))
	}
	return value(&l.Items[i])
}

// Size counts the items.
func (l *listValue) Size() ref.Val { return types.Int(len(l.Items)) }

// Iterator yields the items.
func (l *listValue) Iterator() traits.Iterator { return &iterator{items: l.Items} }

// iterator walks over the keys of a map or the items of a list.
type iterator struct {
	items []inventory.Node
	keys  bool
	next  int
}

func (it *iterator) skipNulls() {
	for it.keys && it.next < len(it.items) && it.items[it.next].Kind == inventory.Null {
		it.next++
	}
}

// HasNext tells whether Next has something.
func (it *iterator) HasNext() ref.Val {
	it.skipNulls()
	return types.Bool(it.next < len(it.items))
}

// Next returns the next key or item.
func (it *iterator) Next() ref.Val {
	it.skipNulls()
	if it.next >= len(it.items) {
		return nil
	}
	n := &it.items[it.next]
	it.next++
	if it.keys {
		return types.String(n.Key)
	}
	return value(n)
}

// ConvertToNative is not supported.
func (*iterator) ConvertToNative(reflect.Type) (any, error) {
	return nil, errors.New("type conversion on iterators not supported")
}

// ConvertToType is not supported.
func (*iterator) ConvertToType(ref.Type) ref.Val { return types.NewErr("no such overload") }

// Equal is not supported.
func (*iterator) Equal(ref.Val) ref.Val { return types.NewErr("no such overload") }

// Type is the type of iterators.
func (*iterator) Type() ref.Type { return types.IteratorType }

// Value has no Go form.
func (*iterator) Value() any { return nil }

// convert hands the Go form of a tree to cel-go's own conversion.
func convert(n *inventory.Node, t reflect.Type) (any, error) {
	native := n.Any()
	if reflect.TypeOf(native).AssignableTo(t) {
		return native, nil
	}
	return types.DefaultTypeAdapter.NativeToValue(native).ConvertToNative(t)
}
