package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// arrow is one step of any path, told once.
type arrow struct {
	from, to string
	note     *blast.Note
}

// arrows are the steps of all paths of a report. A path starts at its workload,
// and each step where the one before has ended.
func arrows(r *blast.Report) []arrow {
	type key struct{ from, to, step string }
	seen := make(map[key]bool)
	var out []arrow
	add := func(workload string, path []blast.Note) {
		from := workload
		for i := range path {
			n := &path[i]
			if k := (key{from, n.Gives, n.Step}); !seen[k] {
				seen[k] = true
				out = append(out, arrow{from, n.Gives, n})
			}
			from = n.Gives
		}
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		add(w.Workload, w.Shortest)
		add(w.Workload, w.Easiest)
		for k := range w.Gains {
			add(w.Workload, w.Gains[k].Path)
		}
	}
	slices.SortStableFunc(out, func(a, b arrow) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.note.Step, b.note.Step))
	})
	return out
}

// Dot writes the paths of a report as a graph for Graphviz: every step once,
// what is only possible dashed.
func Dot(w io.Writer, r *blast.Report) error {
	var b strings.Builder
	b.WriteString("digraph blast {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=9];\n")
	for i := range r.Workloads {
		if n := &r.Workloads[i]; len(n.Exposed) > 0 {
			fmt.Fprintf(&b, "  %s [style=filled, fillcolor=lightsalmon];\n", quote(n.Workload))
		}
	}
	named := make(map[string]bool)
	for _, a := range arrows(r) {
		for _, name := range []string{a.from, a.to} {
			if s := shape(name); !named[name] && s != "box" {
				named[name] = true
				fmt.Fprintf(&b, "  %s [shape=%s];\n", quote(name), s)
			}
		}
		style := ""
		if a.note.Possible {
			style = ", style=dashed"
		}
		fmt.Fprintf(&b, "  %s -> %s [label=%s, tooltip=%s%s];\n", quote(a.from), quote(a.to), quote(a.note.Step), quote(a.note.Title), style)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func quote(s string) string { return strconv.Quote(s) }

func shape(name string) string {
	switch {
	case name == "the whole cluster":
		return "doubleoctagon"
	case strings.HasPrefix(name, "node ") || strings.HasPrefix(name, "a worker") || strings.HasPrefix(name, "a control-plane"):
		return "box3d"
	case strings.HasPrefix(name, "service account"):
		return "ellipse"
	case strings.HasPrefix(name, "Secret "):
		return "note"
	}
	return "box"
}
