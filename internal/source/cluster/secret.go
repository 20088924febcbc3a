package cluster

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
)

// secrets reads Secrets without their values: the server is asked for a table,
// which has the type, and for metadata, whose managed fields name the keys.
// The values never leave the server.
func (r *reading) secrets(l *listing) func(page) error {
	return func(p page) error {
		column := -1
		for i, c := range p.root.Get("columnDefinitions").All() {
			if c.Get("name").Str() == "Type" {
				column = i
			}
		}
		for i := range p.items {
			row := &p.items[i]
			o := l.object(row.Get("object"))
			root := o.Root
			keys := keysOf(root)
			if len(keys) == 0 && root.Find("metadata", "managedFields").Len() == 0 {
				r.mu.Lock()
				r.rest.AddGap(inventory.Gap{
					What: "names of the keys of Secret " + o.Namespace + "/" + o.Name, Kinds: []string{"Secret"},
					Why: "its managed fields were removed, and values are not read",
				})
				r.mu.Unlock()
			}
			tidy(root)
			mask(root)
			root.Items = append(
				root.Items,
				inventory.Node{Key: "type", Kind: inventory.String, Text: row.Get("cells").Index(column).Str()},
				inventory.Node{Key: "data", Kind: inventory.Map, Items: keys},
			)
			p.items[i] = inventory.Node{}
			if err := r.add(o); err != nil {
				return err
			}
		}
		return nil
	}
}

// keysOf are the keys that managed fields name, with empty values.
func keysOf(root *inventory.Node) []inventory.Node {
	var keys []inventory.Node
	for _, m := range root.Find("metadata", "managedFields").All() {
		for _, field := range []string{"f:data", "f:stringData"} {
			for _, f := range m.Find("fieldsV1", field).All() {
				if key, ok := strings.CutPrefix(f.Key, "f:"); ok {
					keys = append(keys, inventory.Node{Key: key, Kind: inventory.String})
				}
			}
		}
	}
	slices.SortFunc(keys, func(a, b inventory.Node) int { return strings.Compare(a.Key, b.Key) })
	return slices.CompactFunc(keys, func(a, b inventory.Node) bool { return a.Key == b.Key })
}

// lastApplied is where kubectl apply keeps a copy of what it was given.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// maxAnnotation is the longest annotation of a Secret that is kept as it is;
// longer ones may be copies of it in a form that is not known here.
const maxAnnotation = 256

// mask takes the values out of the copies that kubectl apply and programs like
// it left in annotations of a Secret. That there are some stays visible.
func mask(root *inventory.Node) {
	for _, n := range root.Find("metadata", "annotations").All() {
		if n.Key == lastApplied || strings.HasPrefix(strings.TrimSpace(n.Text), "{") {
			maskCopy(n)
		} else if len(n.Text) > maxAnnotation {
			n.Text = ""
		}
	}
}

func maskCopy(n *inventory.Node) {
	copied, err := new(jsontree.Parser).Parse([]byte(n.Text))
	if err != nil || copied.Kind != inventory.Map {
		n.Text = ""
		return
	}
	for _, field := range []string{"data", "stringData"} {
		data := copied.Get(field)
		for _, v := range data.All() {
			*v = inventory.Node{Key: v.Key, Kind: inventory.String}
		}
		if data != nil && data.Kind != inventory.Map {
			*data = inventory.Node{Key: field, Kind: inventory.Map}
		}
	}
	n.Text = string(copied.JSON())
}
