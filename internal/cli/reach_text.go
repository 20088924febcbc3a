package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/redoubt-k8s/redoubt/internal/netpol"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// line writes a line; the buffer keeps the first error for its flush.
func line(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...) //nolint:errcheck // the buffered writer keeps the error
}

// say is line for people: names of the input can't move the cursor, colour
// what follows or begin a line of their own.
func say(w io.Writer, format string, args ...any) {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = strings.Map(func(r rune) rune {
				if r != '\t' && !unicode.IsPrint(r) {
					return unicode.ReplacementChar
				}
				return r
			}, text)
		}
	}
	line(w, format, args...)
}

// table lines up columns that are separated by tabs.
func table(w io.Writer, fill func(io.Writer)) {
	const padding = 2
	t := tabwriter.NewWriter(w, 0, 0, padding, ' ', 0)
	fill(t)
	_ = t.Flush() // the buffered writer keeps the error
}

// beyondNames are the columns of what lies beyond the workloads.
var beyondNames = []string{netpol.OutsideName, netpol.PrivateName, netpol.MetadataName, netpol.Metadata6Name, netpol.APIServerName, netpol.KubeletName}

func writeReach(w io.Writer, rep *run.ReachReport) {
	s := rep.Summary
	say(w, "%d workloads. Of %d connections between two of them %d are possible, %d are not, %d are unknown.", s.Workloads, s.Yes+s.No+s.Unknown, s.Yes, s.No, s.Unknown)
	say(w, "")
	table(w, func(t io.Writer) {
		say(t, "DEFAULT DENY\tingress\tisolated\tegress\tisolated")
		for _, n := range rep.Namespaces {
			say(t, "%s\t%s\t%d/%d\t%s\t%d/%d", n.Name, n.Ingress.DefaultDeny, n.Ingress.Isolated, n.Ingress.Workloads, n.Egress.DefaultDeny, n.Egress.Isolated, n.Egress.Workloads)
		}
	})
	say(w, "")
	writeEntries(w, rep)
	table(w, func(t io.Writer) {
		say(t, "CAN REACH\t%s", strings.Join(beyondNames, "\t"))
		for i := range rep.Workloads {
			cells := []string{rep.Workloads[i].Name}
			for _, name := range beyondNames {
				cells = append(cells, rep.Workloads[i].Beyond[name].String())
			}
			say(t, "%s", strings.Join(cells, "\t"))
		}
	})
	say(w, "")
	writeEdges(w, rep)
	if len(rep.Notes) > 0 {
		say(w, "\nPOLICIES TO LOOK AT")
		for _, n := range rep.Notes {
			say(w, "  %s  %s", n.Location, n.Says)
		}
	}
	for _, g := range rep.Gaps {
		say(w, "\nNot read: %s: %s", g.What, g.Why)
	}
}

func writeEntries(w io.Writer, rep *run.ReachReport) {
	found := false
	table(w, func(t io.Writer) {
		for i := range rep.Workloads {
			for _, e := range rep.Workloads[i].Entries {
				if !found {
					say(t, "FROM OUTSIDE\tverdict\tport\tthrough\tat")
					found = true
				}
				through := e.Through
				if e.From != netpol.OutsideName {
					through += " (" + e.From + ")"
				}
				say(t, "%s\t%s\t%s\t%s %s\t%s", rep.Workloads[i].Name, e.Verdict, e.Port, through, e.Object, e.Location)
			}
		}
	})
	if !found {
		say(w, "FROM OUTSIDE\nNo Service, Ingress, route or host port of the input lets anybody in.")
	}
	say(w, "")
}

// writeEdges lists who can talk to whom; workloads that reach the same are
// written together.
func writeEdges(w io.Writer, rep *run.ReachReport) {
	say(w, "WHO CAN TALK TO WHOM")
	type group struct {
		names []string
		edges []run.ReachEdge
	}
	var groups []group
	for i := range rep.Workloads {
		wl := &rep.Workloads[i]
		at := slices.IndexFunc(groups, func(g group) bool { return slices.Equal(g.edges, wl.Reaches) })
		if at < 0 {
			at = len(groups)
			groups = append(groups, group{edges: wl.Reaches})
		}
		groups[at].names = append(groups[at].names, wl.Name)
	}
	for _, g := range groups {
		say(w, "  %s", strings.Join(g.names, ", "))
		if len(g.edges) == 0 {
			say(w, "    nobody")
		}
		for _, e := range g.edges {
			mark := "->"
			if e.Verdict == netpol.Unknown {
				mark = "?>"
			}
			say(w, "    %s %s  %s", mark, everyOther(e.To), e.Ports)
		}
	}
	say(w, "  (-> possible, ?> unknown; --from and --to explain)")
}

// everyOther reads the stars of an edge.
func everyOther(to string) string {
	if to == "*" {
		return "every other workload"
	}
	if namespace, ok := strings.CutSuffix(to, "/*"); ok {
		return "every other workload of " + namespace
	}
	return to
}

func writeReachAnswers(w io.Writer, x *run.ReachExplanation) {
	for i, a := range x.Answers {
		if i > 0 {
			say(w, "")
		}
		verdict := a.Verdict.String()
		if a.Ports != "" {
			verdict += " (" + a.Ports + ")"
		}
		say(w, "%s -> %s, %s: %s", a.From, a.To, a.Port, verdict)
		side := ""
		for _, e := range a.Because {
			if e.Side != side {
				side = e.Side
				say(w, "  %s", side)
			}
			say(w, "    %-8s %s", e.Effect, e.Says)
			if e.Location != "" {
				place := e.Location
				if e.Path != "" {
					place += "  " + e.Path
				}
				say(w, "             %s", place)
			}
		}
	}
}

func writeReachDiff(w io.Writer, d *run.ReachDiff) {
	if len(d.Changes) == 0 {
		say(w, "Nothing opened, nothing closed.")
		return
	}
	section := func(title string, member func(c *run.ReachChange) bool) {
		table(w, func(t io.Writer) {
			first := true
			for i := range d.Changes {
				c := &d.Changes[i]
				if !member(c) {
					continue
				}
				if first {
					say(t, "%s", title)
					first = false
				}
				say(t, "  %s -> %s\t%s\twas %s", c.From, everyOther(c.To), state(c.Is, c.IsPorts), state(c.Was, c.WasPorts))
			}
		})
	}
	section("OPENED", func(c *run.ReachChange) bool { return c.Opened })
	section("CLOSED", func(c *run.ReachChange) bool { return !c.Opened })
	say(w, "%d opened, %d closed.", d.Opened, d.Closed)
}

func state(v netpol.Verdict, ports string) string {
	if ports == "" {
		return v.String()
	}
	return v.String() + " (" + ports + ")"
}
