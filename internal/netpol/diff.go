package netpol

import (
	"cmp"
	"slices"
	"strings"
)

// Change is a connection that is judged otherwise in another model.
type Change struct {
	// From and To are names of peers.
	From, To string
	Was, Is  Verdict
	// WasPorts and IsPorts are the ports, as [Answer] has them.
	WasPorts, IsPorts string
	// Opened is set if something may be possible that was not, on any port;
	// Closed if something is not possible any more. Both may be.
	Opened, Closed bool
}

// Diff compares who can talk to whom in two models: workloads by their names,
// with each other and with the well-known peers. A workload that one model does
// not have could do nothing there.
func Diff(before, after *Model) []Change {
	d := &differ{old: version{before, before.Matrix(), byName(before)}, new: version{after, after.Matrix(), byName(after)}, known: make(map[[4]int32][2]bool)}
	names := make([]string, 0, len(d.old.byName)+len(d.new.byName))
	for _, m := range []*Model{before, after} {
		for _, e := range m.endpoints {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var out []Change
	for _, name := range names {
		out = append(out, d.beyond(name)...)
		for _, to := range names {
			if name == to {
				continue
			}
			if c := d.pair(name, to); c.Opened || c.Closed {
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(order(a.Opened), order(b.Opened)), cmp.Compare(a.From, b.From))
	})
	return out
}

// order puts true first.
func order(b bool) int { //nolint:revive // what is ordered
	if b {
		return 0
	}
	return 1
}

// version is one of the models with its workloads by name.
type version struct {
	model  *Model
	matrix *Matrix
	byName map[string]*Endpoint
}

func byName(m *Model) map[string]*Endpoint {
	out := make(map[string]*Endpoint, len(m.endpoints))
	for _, e := range m.endpoints {
		out[e.Name] = e
	}
	return out
}

type differ struct {
	old, new version
	// known are comparisons by the functions of both pairs.
	known map[[4]int32][2]bool
}

// absent stands for the functions of a workload that is not there.
const absent = -1

func (v *version) functions(from, to string) (int32, int32) {
	a, b := v.byName[from], v.byName[to]
	if a == nil || b == nil {
		return absent, absent
	}
	return v.matrix.functionsOf(a.class.index, b.class.index)
}

func (v *version) segments(e, i int32) []segment {
	if e == absent {
		return []segment{{everyPort[0].from, no}}
	}
	return join(v.matrix.functions[e], v.matrix.functions[i])
}

func (d *differ) pair(from, to string) Change {
	oe, oi := d.old.functions(from, to)
	ne, ni := d.new.functions(from, to)
	key := [4]int32{oe, oi, ne, ni}
	opened, known := d.known[key]
	if !known {
		opened = compare(d.old.segments(oe, oi), d.new.segments(ne, ni))
		d.known[key] = opened
	}
	if !opened[0] && !opened[1] {
		return Change{}
	}
	return change(from, to, d.old.segments(oe, oi), d.new.segments(ne, ni))
}

// compare tells whether any port opened, and whether any closed.
func compare(old, now []segment) [2]bool {
	opened := slices.ContainsFunc(merge(old, now, func(a, b tri) tri { return truth(b > a) }), func(s segment) bool { return s.is == yes })
	closed := slices.ContainsFunc(merge(old, now, func(a, b tri) tri { return truth(b < a) }), func(s segment) bool { return s.is == yes })
	return [2]bool{opened, closed}
}

func truth(b bool) tri { //nolint:revive // what is converted
	if b {
		return yes
	}
	return no
}

func change(from, to string, old, now []segment) Change {
	c := Change{From: from, To: to, Was: best(old, everyPort).verdict(), Is: best(now, everyPort).verdict()}
	if c.Was != No {
		c.WasPorts = nameSpans(old, best(old, everyPort), everyPort)
	}
	if c.Is != No {
		c.IsPorts = nameSpans(now, best(now, everyPort), everyPort)
	}
	both := compare(old, now)
	c.Opened, c.Closed = both[0], both[1]
	return c
}

// beyond compares a workload with the well-known peers.
func (d *differ) beyond(name string) []Change {
	var out []Change
	was, is := d.old.byName[name], d.new.byName[name]
	olds, news := d.old.model.WellKnown(), d.new.model.WellKnown()
	for i := range news {
		c := change(name, news[i].Name, d.old.toward(was, olds[i]), d.new.toward(is, news[i]))
		if c.Opened || c.Closed {
			out = append(out, c)
		}
	}
	a, b := d.old.enter(was), d.new.enter(is)
	c := Change{From: OutsideName, To: name, Was: a.Verdict, Is: b.Verdict, WasPorts: a.Ports, IsPorts: b.Ports}
	c.Opened = rank(b.Verdict) > rank(a.Verdict) || b.Verdict != No && !within(b.Ports, a.Ports)
	c.Closed = rank(b.Verdict) < rank(a.Verdict) || a.Verdict != No && !within(a.Ports, b.Ports)
	if c.Opened || c.Closed {
		out = append(out, c)
	}
	return out
}

// within tells whether all ports of one list are in another.
func within(a, b string) bool {
	list := strings.Split(b, ", ")
	return !slices.ContainsFunc(strings.Split(a, ", "), func(p string) bool { return !slices.Contains(list, p) })
}

// toward is what a workload can do at a peer, restricted to its ports.
func (v *version) toward(e *Endpoint, to Peer) []segment {
	closed := []segment{{everyPort[0].from, no}}
	if e == nil {
		return closed
	}
	out, in := v.model.sides(Of(e), to)
	segments := connect(out, in)
	if to.ports == nil {
		return segments
	}
	// Which ports they are must not depend on the model.
	is := best(segments, to.ports)
	if to.choice && is == yes {
		is = max(worst(segments, to.ports), maybe)
	}
	return []segment{{everyPort[0].from, is}}
}

func (v *version) enter(e *Endpoint) Answer {
	if e == nil {
		return Answer{Verdict: No}
	}
	return v.model.fromOutside(Of(e), Port{})
}
