package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kjson "sigs.k8s.io/json"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// step is one segment of the path to a value, kept on the stack: most values
// are right, and nobody asks where they stand.
type step struct {
	above *step
	key   string
	index int
	item  bool
}

func (s *step) path() string {
	if s == nil {
		return ""
	}
	if s.item {
		return inventory.JoinIndex(s.above.path(), s.index)
	}
	return inventory.Join(s.above.path(), s.key)
}

// walk finds unknown fields and values that do not decode below n, where a
// value of type t belongs. Where it finds nothing, the decoder of the API
// server finds nothing either; a fuzz target holds that.
func (w *walker) walk(n *inventory.Node, t reflect.Type, at *step) {
	t = deref(t)
	if n.IsNull() || fits(n, t) {
		return
	}
	switch {
	case decodesItself(t):
		w.leaf(n, t, at)
	case opaque[t]:
	case t.Kind() == reflect.Struct && n.Kind == inventory.Map:
		known := fieldsOf(t)
		for i := range n.Items {
			child := &n.Items[i]
			ct, ok := known[child.Key]
			if !ok {
				w.add(at.path(), child.Key, t)
				continue
			}
			w.walk(child, ct, &step{above: at, key: child.Key})
		}
	case t.Kind() == reflect.Map && n.Kind == inventory.Map:
		for i := range n.Items {
			w.walk(&n.Items[i], t.Elem(), &step{above: at, key: n.Items[i].Key})
		}
	case t.Kind() == reflect.Slice && n.Kind == inventory.List:
		for i := range n.Items {
			w.walk(&n.Items[i], t.Elem(), &step{above: at, index: i, item: true})
		}
	default:
		w.leaf(n, t, at)
	}
}

// fits tells for the plain types whether a value decodes. It may say no to one
// that does: then the decoder is asked.
func fits(n *inventory.Node, t reflect.Type) bool {
	switch t.Kind() { //nolint:exhaustive // the decoder is asked about the others
	case reflect.String:
		return n.Kind == inventory.String && !decodesItself(t)
	case reflect.Bool:
		return n.Kind == inventory.Bool && !decodesItself(t)
	case reflect.Int, reflect.Int32, reflect.Int64:
		_, err := strconv.ParseInt(n.Text, 10, t.Bits())
		return n.Kind == inventory.Int && err == nil && !decodesItself(t)
	}
	return false
}

// leaf decodes one value on its own.
func (w *walker) leaf(n *inventory.Node, t reflect.Type, at *step) {
	if err := kjson.UnmarshalCaseSensitivePreserveInts(n.JSON(), reflect.New(t).Interface()); err != nil {
		path := at.path()
		w.record(Fault{Kind: WrongType, Path: path, Field: last(path), Detail: explain(err.Error(), n, t)})
	}
}

// explain says in words what does not fit.
func explain(msg string, n *inventory.Node, t reflect.Type) string {
	switch {
	case strings.Contains(msg, "cannot unmarshal") && n.Kind == inventory.Int && typeName(t) == "integer":
		return fmt.Sprintf("is %s, which %s can't hold", n.Text, article(t.Kind().String()))
	case strings.Contains(msg, "cannot unmarshal"):
		return "is " + article(n.Kind.String()) + ", and " + article(typeName(t)) + " belongs there"
	}
	if self, ok := selfNames[t]; ok {
		return "is not a valid " + self
	}
	if strings.Contains(msg, "base64") {
		return "is not base64"
	}
	return "does not decode: " + strings.TrimPrefix(msg, "json: ")
}

func article(noun string) string {
	if strings.IndexByte("aeiou", noun[0]) >= 0 {
		return "an " + noun
	}
	return "a " + noun
}

// selfNames are the names of types that decode themselves.
var selfNames = map[reflect.Type]string{
	reflect.TypeFor[metav1.Time]():        "time",
	reflect.TypeFor[metav1.MicroTime]():   "time",
	reflect.TypeFor[metav1.Duration]():    "duration",
	reflect.TypeFor[resource.Quantity]():  "quantity",
	reflect.TypeFor[intstr.IntOrString](): "integer or string",
}

func typeName(t reflect.Type) string {
	if name, ok := selfNames[t]; ok {
		return name
	}
	switch t.Kind() { //nolint:exhaustive // the others have no short name
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map, reflect.Struct:
		return "map"
	}
	return t.String()
}

// unmarshaler is what encoding/json looks for.
var unmarshaler = reflect.TypeFor[interface{ UnmarshalJSON(data []byte) error }]()

// selfDecoders remembers the answers of decodesItself: asking the type is slow.
var selfDecoders sync.Map

// decodesItself tells whether the type has a decoder of its own, such as a
// quantity or a time.
func decodesItself(t reflect.Type) bool {
	if known, ok := selfDecoders.Load(t); ok {
		itself, ok := known.(bool)
		return ok && itself
	}
	itself := reflect.PointerTo(t).Implements(unmarshaler) && t.Kind() != reflect.Map
	selfDecoders.Store(t, itself)
	return itself
}
