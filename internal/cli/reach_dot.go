package cli

import (
	"io"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/netpol"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// drawing is a picture for Graphviz in the making.
type drawing struct {
	w      io.Writer
	placed map[string]bool
}

// writeReachDOT draws the workloads by namespace, for Graphviz.
func writeReachDOT(w io.Writer, rep *run.ReachReport) {
	d := &drawing{w: w, placed: make(map[string]bool)}
	line(w, "digraph reach {")
	line(w, "  rankdir=LR; node [shape=box, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\", fontsize=10];")
	d.workloads(rep)
	for i := range rep.Workloads {
		wl := &rep.Workloads[i]
		d.edge(netpol.OutsideName, wl.Name, wl.FromOutside, "")
		for _, name := range beyondNames {
			d.edge(wl.Name, name, wl.Beyond[name], "")
		}
		for _, e := range wl.Reaches {
			d.edge(wl.Name, e.To, e.Verdict, e.Ports)
		}
	}
	line(w, "}")
}

// workloads draws a box for each namespace with its workloads.
func (d *drawing) workloads(rep *run.ReachReport) {
	last := ""
	for i := range rep.Workloads {
		namespace, name, _ := strings.Cut(rep.Workloads[i].Name, "/")
		if namespace != last {
			if last != "" {
				line(d.w, "  }")
			}
			line(d.w, "  subgraph %s { label=%s;", strconv.Quote("cluster_"+namespace), strconv.Quote(namespace))
			last = namespace
		}
		line(d.w, "    %s [label=%s];", strconv.Quote(rep.Workloads[i].Name), strconv.Quote(name))
		d.placed[rep.Workloads[i].Name] = true
	}
	if last != "" {
		line(d.w, "  }")
	}
}

// edge draws a connection that is possible, dashed if it is unknown.
func (d *drawing) edge(from, to string, v netpol.Verdict, ports string) {
	if v == netpol.No {
		return
	}
	for _, name := range []string{from, to} {
		if !d.placed[name] {
			d.placed[name] = true
			line(d.w, "  %s [shape=ellipse, label=%s];", strconv.Quote(name), strconv.Quote(everyOther(name)))
		}
	}
	style := "solid"
	if v == netpol.Unknown {
		style = "dashed"
	}
	line(d.w, "  %s -> %s [label=%s, style=%s];", strconv.Quote(from), strconv.Quote(to), strconv.Quote(ports), style)
}
