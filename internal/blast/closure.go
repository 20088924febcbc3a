package blast

import (
	"math/bits"
	"slices"
)

// reachSet is a set of vertices: a sorted list while it is small, bits when it
// is large. A top set holds everything.
type reachSet struct {
	top   bool
	small []Vertex
	big   []uint64
}

// smallest is the size up to which a list is kept.
const smallest = 96

// closer computes what many vertices reach at once: strongly connected
// components first, then the union of sets along the order among them. A set
// is dropped when nobody needs it any more.
type closer struct {
	g       *Graph
	all     bool
	comp    []int32
	members [][]Vertex
	sets    []reachSet
	pending []int32
	words   int
	free    [][]uint64
}

// closures calls done with what each start reaches; with all set, by moves that
// are only possible, too.
func (g *Graph) closures(starts []Vertex, certainty Certainty, done func(start Vertex, set *reachSet)) {
	c := &closer{g: g, all: certainty == Possibly, comp: make([]int32, g.size()), words: (g.size() + 63) / 64}
	for i := range c.comp {
		c.comp[i] = unreached
	}
	c.components(starts)
	wanted := make(map[Vertex]bool, len(starts))
	for _, v := range starts {
		wanted[v] = true
	}
	c.count()
	c.sets = make([]reachSet, len(c.members))
	for i := range c.members {
		c.unite(int32(i))
		for _, v := range c.members[i] {
			if wanted[v] {
				done(v, &c.sets[i])
			}
		}
		if c.pending[i] == 0 {
			c.drop(int32(i))
		}
	}
}

func (c *closer) open(e *edge) bool { return c.all || !e.possible }

// frame is one level of the search for components.
type frame struct {
	v    Vertex
	next int32
}

// search is Tarjan's search for components without recursion.
type search struct {
	c          *closer
	index, low []int32
	onStack    []bool
	stack      []Vertex
	frames     []frame
	counter    int32
}

// components finds them; the last of every way comes out first.
func (c *closer) components(starts []Vertex) {
	n := c.g.size()
	s := &search{c: c, index: make([]int32, n), low: make([]int32, n), onStack: make([]bool, n)}
	for _, v := range starts {
		if s.index[v] != 0 {
			continue
		}
		s.enter(v)
		for len(s.frames) > 0 {
			if top := &s.frames[len(s.frames)-1]; top.next < c.g.first[top.v+1] {
				e := &c.g.edges[top.next]
				top.next++
				if c.open(e) {
					s.follow(top.v, e.to)
				}
				continue
			}
			s.leave()
		}
	}
}

func (s *search) enter(v Vertex) {
	s.counter++
	s.index[v], s.low[v] = s.counter, s.counter
	s.stack = append(s.stack, v)
	s.onStack[v] = true
	s.frames = append(s.frames, frame{v, s.c.g.first[v]})
}

func (s *search) follow(from, to Vertex) {
	switch {
	case s.index[to] == 0:
		s.enter(to)
	case s.onStack[to]:
		s.low[from] = min(s.low[from], s.index[to])
	}
}

func (s *search) leave() {
	v := s.frames[len(s.frames)-1].v
	s.frames = s.frames[:len(s.frames)-1]
	if len(s.frames) > 0 {
		parent := s.frames[len(s.frames)-1].v
		s.low[parent] = min(s.low[parent], s.low[v])
	}
	if s.low[v] != s.index[v] {
		return
	}
	at := len(s.stack) - 1
	for s.stack[at] != v {
		at--
	}
	s.stack = s.c.component(s.stack, at, s.onStack)
}

// component takes a finished component off the stack.
func (c *closer) component(stack []Vertex, at int, onStack []bool) []Vertex {
	members := slices.Clone(stack[at:])
	number := int32(len(c.members)) //nolint:gosec // bounded by the number of vertices
	for _, v := range members {
		onStack[v] = false
		c.comp[v] = number
	}
	c.members = append(c.members, members)
	return stack[:at]
}

// count says how many moves lead into each component from others.
func (c *closer) count() {
	c.pending = make([]int32, len(c.members))
	c.eachOut(func(from, to int32) {
		if from != to {
			c.pending[to]++
		}
	})
}

func (c *closer) eachOut(visit func(from, to int32)) {
	for i := range c.members {
		c.outOf(int32(i), func(to int32) { visit(int32(i), to) }) //nolint:gosec // bounded by the number of vertices
	}
}

func (c *closer) outOf(i int32, visit func(to int32)) {
	for _, v := range c.members[i] {
		edges := c.g.out(v)
		for k := range edges {
			if c.open(&edges[k]) {
				visit(c.comp[edges[k].to])
			}
		}
	}
}

func (c *closer) unite(i int32) {
	set := &c.sets[i]
	if slices.Contains(c.members[i], c.g.Facts.Admin()) {
		set.top = true
	}
	last := int32(unreached)
	c.outOf(i, func(to int32) {
		if to == i {
			return
		}
		if to != last && !set.top {
			c.merge(set, &c.sets[to])
		}
		last = to
		c.pending[to]--
		if c.pending[to] == 0 {
			defer c.drop(to)
		}
	})
	if set.top {
		c.release(set)
		return
	}
	for _, v := range c.members[i] {
		c.put(set, v)
	}
}

func (c *closer) merge(into, from *reachSet) {
	switch {
	case from.top:
		into.top = true
	case from.big != nil:
		c.grow(into)
		for k, w := range from.big {
			into.big[k] |= w
		}
	default:
		for _, v := range from.small {
			c.put(into, v)
		}
	}
}

func (c *closer) put(s *reachSet, v Vertex) {
	if s.big != nil {
		s.big[v/64] |= 1 << (v % 64)
		return
	}
	at, found := slices.BinarySearch(s.small, v)
	if found {
		return
	}
	s.small = slices.Insert(s.small, at, v)
	if len(s.small) > smallest {
		c.grow(s)
	}
}

func (c *closer) grow(s *reachSet) {
	if s.big != nil {
		return
	}
	if n := len(c.free); n > 0 {
		s.big, c.free = c.free[n-1], c.free[:n-1]
		clear(s.big)
	} else {
		s.big = make([]uint64, c.words)
	}
	for _, v := range s.small {
		s.big[v/64] |= 1 << (v % 64)
	}
	s.small = nil
}

func (c *closer) release(s *reachSet) {
	if s.big != nil {
		c.free = append(c.free, s.big)
	}
	s.big, s.small = nil, nil
}

func (c *closer) drop(i int32) { c.release(&c.sets[i]) }

// countIn counts the members that are in a class.
func (s *reachSet) countIn(class []uint64) int {
	n := 0
	if s.big == nil {
		for _, v := range s.small {
			n += int(class[v/64] >> (v % 64) & 1)
		}
		return n
	}
	for k, w := range s.big {
		n += bits.OnesCount64(w & class[k])
	}
	return n
}
