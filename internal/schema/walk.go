package schema

import (
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kjson "sigs.k8s.io/json"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// walk finds unknown fields and values that do not decode below n, where a
// value of type t belongs. It is used when the decoder gave up.
func (w *walker) walk(n *inventory.Node, t reflect.Type, path string) {
	t = deref(t)
	if n.IsNull() {
		return
	}
	switch {
	case decodesItself(t):
		w.leaf(n, t, path)
		return
	case opaque[t]:
		return
	case t.Kind() == reflect.Struct && n.Kind == inventory.Map:
		known := fieldsOf(t)
		for _, child := range n.All() {
			ct, ok := known[child.Key]
			if !ok {
				w.add(path, child.Key, t)
				continue
			}
			w.walk(child, ct, inventory.Join(path, child.Key))
		}
	case t.Kind() == reflect.Map && n.Kind == inventory.Map:
		for _, child := range n.All() {
			w.walk(child, t.Elem(), inventory.Join(path, child.Key))
		}
	case t.Kind() == reflect.Slice && n.Kind == inventory.List:
		for i, child := range n.All() {
			w.walk(child, t.Elem(), inventory.JoinIndex(path, i))
		}
	default:
		w.leaf(n, t, path)
		return
	}
}

// leaf decodes one value on its own.
func (w *walker) leaf(n *inventory.Node, t reflect.Type, path string) {
	if err := kjson.UnmarshalCaseSensitivePreserveInts(n.JSON(), reflect.New(t).Interface()); err != nil {
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

// decodesItself tells whether the type has a decoder of its own, such as a
// quantity or a time.
func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(unmarshaler) && t.Kind() != reflect.Map
}
