package live

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

// lastApplied is where kubectl apply keeps a copy of what it was given.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// maxMissing bounds the findings for one object.
const maxMissing = 20

// appliedFieldMissing compares what was applied with what is stored. A field
// that is not known to the API server is dropped from the object and stays in
// the copy: there it looks as if it were in force.
func appliedFieldMissing(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		copied := o.Annotations().Get(lastApplied).Str()
		// Without a uid it is a file, and Secrets are read without their values.
		if copied == "" || o.Kind == "Secret" || o.Root.Find("metadata", "uid").Str() == "" {
			continue
		}
		const at = "metadata.annotations[" + lastApplied + "]"
		root, err := new(jsontree.Parser).Parse([]byte(copied))
		if err != nil {
			report(finding.Finding{Object: o, Path: at, Message: "the copy of what was applied can't be read: " + err.Error() + "; apply the manifest again"})
			continue
		}
		if applied := inventory.NewObject(root, o.Origin); applied.APIVersion != o.APIVersion || applied.Kind != o.Kind {
			report(finding.Finding{Verdict: finding.NotApplicable, Object: o})
			continue
		}
		c := comparison{unknown: unknownFields(root, o.Origin)}
		c.missing("", root, o.Root)
		for _, path := range c.found {
			f := finding.Finding{Verdict: finding.Fail, Object: o, Path: path}
			f.Message = path + " was applied and is not in the stored object: somebody has removed it since, or the server does not know it"
			if c.unknown[path] {
				f.Message = path + " was applied, and the API server dropped it because it knows no such field: what it should do is not in force"
			}
			report(f)
		}
		if len(c.found) == 0 {
			report(finding.Finding{Verdict: finding.Pass, Object: o, Path: at})
		}
	}
}

// unknownFields are the paths of fields the API server does not know.
func unknownFields(root *inventory.Node, origin *inventory.Origin) map[string]bool {
	out := make(map[string]bool)
	faults, known := schema.Check(inventory.NewObject(root, origin))
	if !known {
		return out
	}
	for _, f := range faults {
		if f.Kind != schema.WrongType && f.Kind != schema.DuplicateField {
			out[f.Path] = true
		}
	}
	return out
}

type comparison struct {
	unknown map[string]bool
	found   []string
}

// missing collects the fields of applied that stored lacks, the outermost only.
// What an empty value says, the server need not store.
func (c *comparison) missing(path string, applied, stored *inventory.Node) {
	if len(c.found) >= maxMissing {
		return
	}
	switch applied.Kind {
	case inventory.Map:
		for _, n := range applied.All() {
			next := inventory.Join(path, n.Key)
			own := stored.Get(n.Key)
			switch {
			case path == "metadata" && n.Key == "annotations", path == "" && n.Key == "status", empty(n):
			case own == nil:
				c.found = append(c.found, next)
			default:
				c.missing(next, n, own)
			}
		}
	case inventory.List:
		for i, n := range applied.All() {
			if own := counterpart(n, i, stored, len(applied.Items)); own != nil {
				c.missing(inventory.JoinIndex(path, i), n, own)
			}
		}
	case inventory.Null, inventory.Bool, inventory.Int, inventory.Float, inventory.String:
	}
}

// counterpart finds an item of a list by its name, else by its place in a list
// of the same length. Items that were removed are not the matter here.
func counterpart(n *inventory.Node, i int, stored *inventory.Node, length int) *inventory.Node {
	if name := n.Get("name").Str(); name != "" {
		for _, s := range stored.All() {
			if s.Get("name").Str() == name {
				return s
			}
		}
		return nil
	}
	if stored.Len() == length {
		return stored.Index(i)
	}
	return nil
}

// empty tells whether a value is one that encoders leave out.
func empty(n *inventory.Node) bool {
	switch n.Kind {
	case inventory.Null:
		return true
	case inventory.Bool:
		return n.False()
	case inventory.Int, inventory.Float:
		return strings.Trim(n.Text, "0.-") == ""
	case inventory.String:
		return n.Text == ""
	case inventory.Map, inventory.List:
		for _, child := range n.All() {
			if !empty(child) {
				return false
			}
		}
	}
	return true
}
