package netpol

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Matrix answers for all pairs of workloads whether one can talk to another on
// any port. Workloads no policy can tell apart are one, and pairs that meet the
// same rules are judged once. It is not safe for concurrent use.
type Matrix struct {
	model *Model
	in    map[string][]*class
	hits  map[*rule][]hit
	// functions are what sides let through, each kind once.
	functions [][families][]segment
	numbers   map[string]int32
	// rows are by class, the way out and the way in.
	rows   [2][]*row
	known  map[string]*row
	pairs  map[uint64]Verdict
	names  map[uint64]string
	groups map[bool]*groups
}

// hit is a class the peers of a rule select.
type hit struct {
	class int32
	is    tri
}

// row says for a side of a class which function holds with every other class.
type row struct {
	block    []int32
	function []int32
}

// groups are classes that are alike for rules without selectors.
type groups struct {
	of    []int32
	count int32
}

// Matrix prepares the answers.
func (m *Model) Matrix() *Matrix {
	x := &Matrix{
		model: m, in: make(map[string][]*class), hits: make(map[*rule][]hit),
		numbers: make(map[string]int32), known: make(map[string]*row), pairs: make(map[uint64]Verdict), names: make(map[uint64]string), groups: make(map[bool]*groups),
	}
	for _, c := range m.classes {
		x.in[c.namespace] = append(x.in[c.namespace], c)
	}
	for _, d := range directions {
		x.rows[d] = make([]*row, len(m.classes))
		for i, c := range m.classes {
			x.rows[d][i] = x.row(c, d)
		}
	}
	return x
}

// Verdict says whether one workload can talk to another on any port.
func (x *Matrix) Verdict(from, to *Endpoint) Verdict {
	e, i := x.functionsOf(from.class.index, to.class.index)
	return x.pair(e, i)
}

// Ports are those on which one workload can, or else may, talk to another.
func (x *Matrix) Ports(from, to *Endpoint) string {
	e, i := x.functionsOf(from.class.index, to.class.index)
	key := pairKey(e, i)
	name, ok := x.names[key]
	if !ok {
		segments := join(x.functions[e], x.functions[i])
		name = nameSpans(segments, best(segments, everyPort), everyPort)
		x.names[key] = name
	}
	return name
}

// pairKey is the key of two functions.
func pairKey(e, i int32) uint64 {
	return uint64(uint32(e))<<32 | uint64(uint32(i)) //nolint:gosec // both count from 0
}

// Row are the verdicts from one workload to all, in the order of
// [Model.Endpoints].
func (x *Matrix) Row(from *Endpoint) []Verdict {
	byClass := make([]Verdict, len(x.model.classes))
	for i := range byClass {
		byClass[i] = x.pair(x.functionsOf(from.class.index, i))
	}
	out := make([]Verdict, len(x.model.endpoints))
	for i, e := range x.model.endpoints {
		out[i] = byClass[e.class.index]
	}
	return out
}

func (x *Matrix) functionsOf(from, to int) (int32, int32) {
	e, i := x.rows[egress][from], x.rows[ingress][to]
	return e.function[e.block[to]], i.function[i.block[from]]
}

func (x *Matrix) pair(e, i int32) Verdict {
	key := pairKey(e, i)
	v, ok := x.pairs[key]
	if !ok {
		v = best(join(x.functions[e], x.functions[i]), everyPort).verdict()
		x.pairs[key] = v
	}
	return v
}

// row parts all classes into blocks that the rules on a side of c can't tell
// apart, and evaluates one of each.
func (x *Matrix) row(c *class, d direction) *row {
	byPort := d == egress && usesNames(c.applied[d], d)
	key := rowKey(c, d)
	if r := x.known[key]; r != nil {
		return r
	}
	g := x.group(byPort)
	r := &row{block: make([]int32, len(g.of))}
	copy(r.block, g.of)
	count := g.count
	next := make(map[int64]int32)
	for i := range c.applied[d] {
		rules := c.applied[d][i].policy.rules[d]
		for j := range rules {
			clear(next)
			for _, h := range x.hitsOf(&rules[j]) {
				old := int64(r.block[h.class])<<2 | int64(h.is)
				n, ok := next[old]
				if !ok {
					n = count
					count++
					next[old] = n
				}
				r.block[h.class] = n
			}
		}
	}
	r.function = make([]int32, count)
	for i := range r.function {
		r.function[i] = -1
	}
	for other, b := range r.block {
		if r.function[b] < 0 {
			s := x.model.side(&c.party, c.applied[d], d, &x.model.classes[other].party)
			r.function[b] = x.number(s.evaluate())
		}
	}
	x.known[key] = r
	return r
}

// rowKey is the same for classes whose side is judged the same.
func rowKey(c *class, d direction) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %t %s", d, c.host, c.addressID)
	if d == ingress && usesNames(c.applied[d], d) {
		b.WriteString(c.portKey())
	}
	for _, a := range c.applied[d] {
		fmt.Fprintf(&b, " %p:%d", a.policy, a.sel)
	}
	return b.String()
}

func usesNames(policies []applied, d direction) bool {
	for _, a := range policies {
		for _, r := range a.policy.rules[d] {
			for _, p := range r.ports {
				if p.name != "" {
					return true
				}
			}
		}
	}
	return false
}

// group parts the classes by what rules without selectors see of them, named
// ports included or not.
func (x *Matrix) group(byPort bool) *groups { //nolint:revive // part of what is asked
	if g := x.groups[byPort]; g != nil {
		return g
	}
	g := &groups{of: make([]int32, len(x.model.classes))}
	seen := make(map[string]int32)
	for i, c := range x.model.classes {
		key := fmt.Sprintf("%t %s", c.host, c.addressID)
		if byPort {
			key += c.portKey()
		}
		n, ok := seen[key]
		if !ok {
			n = g.count
			g.count++
			seen[key] = n
		}
		g.of[i] = n
	}
	x.groups[byPort] = g
	return g
}

// hitsOf are the classes the peers of a rule may select.
func (x *Matrix) hitsOf(r *rule) []hit {
	if h, ok := x.hits[r]; ok {
		return h
	}
	best := make(map[int32]tri)
	for i := range r.peers {
		p := &r.peers[i]
		if p.pods == nil || p.fault != "" || p.nodes != nil || len(p.names) > 0 {
			// The same for all classes of a group.
			continue
		}
		for _, c := range x.reach(p) {
			if t := p.selects(&c.party); t != no {
				n := int32(c.index) //nolint:gosec // far fewer
				best[n] = max(best[n], t)
			}
		}
	}
	out := make([]hit, 0, len(best))
	for c, t := range best {
		out = append(out, hit{c, t})
	}
	x.hits[r] = out
	return out
}

// reach are the classes a peer may select, by namespace.
func (x *Matrix) reach(p *peer) []*class {
	if p.spaces == nil {
		return x.in[p.own]
	}
	var out []*class
	for _, classes := range x.in {
		if p.spaces.match(classes[0].spaceLabels) != no {
			out = append(out, classes...)
		}
	}
	return out
}

// number gives every function a number.
func (x *Matrix) number(f [families][]segment) int32 {
	var key []byte
	for _, segments := range f {
		for _, s := range segments {
			key = append(binary.BigEndian.AppendUint32(key, s.from), byte(s.is))
		}
		key = append(key, '|')
	}
	n, ok := x.numbers[string(key)]
	if !ok {
		n = int32(len(x.functions)) //nolint:gosec // far fewer
		x.functions = append(x.functions, f)
		x.numbers[string(key)] = n
	}
	return n
}
