package blast

import (
	"cmp"
	"math"
	"slices"
)

// The bounds of the search for the smallest set of changes: how many ways are
// collected, and how many choices are tried.
const (
	mostWays    = 400
	mostChoices = 200_000
)

// smallest finds the set of changes of the least effort, fewest among those. It
// collects ways from sources to targets, each as the set of changes that close
// it; the cheapest set that hits all of them either closes everything, and then
// nothing cheaper does, or leaves another way to collect. When a bound is met
// the known set stands, and the result is false.
func (p *problem) smallest(known []int32) ([]int32, bool) {
	h := &hitting{cost: make(map[int32]int)}
	for _, k := range known {
		h.weigh(p, k)
	}
	best := h.total(known)
	for len(h.ways) < mostWays {
		p.reset()
		chosen, ok := h.solve(best)
		if !ok {
			return known, false
		}
		if chosen == nil {
			return known, true // nothing is cheaper than what is known
		}
		for _, k := range chosen {
			p.removed[k] = true
		}
		found := p.openWays()
		if len(found) == 0 {
			return chosen, true
		}
		for _, way := range found {
			for _, k := range way {
				h.weigh(p, k)
			}
			h.ways = append(h.ways, way)
		}
	}
	return known, false
}

// openWays are ways from sources to targets that the removed changes leave, as
// sets of changes, those with the fewest first.
func (p *problem) openWays() [][]int32 {
	const atOnce = 8
	t := p.g.toward(p.targets, p.measure(func(i int32, _ *edge) int {
		if p.of[i] >= 0 {
			return 1
		}
		return 0
	}))
	from := slices.DeleteFunc(slices.Clone(p.sources), func(v Vertex) bool { return t.dist[v] < 0 })
	slices.SortStableFunc(from, func(a, b Vertex) int { return cmp.Compare(t.dist[a], t.dist[b]) })
	var out [][]int32
	for _, v := range from {
		var way []int32
		for _, i := range p.g.walk(&t, v) {
			if k := p.of[i]; k >= 0 && !slices.Contains(way, k) {
				way = append(way, k)
			}
		}
		slices.Sort(way)
		if !slices.ContainsFunc(out, func(w []int32) bool { return slices.Equal(w, way) }) {
			out = append(out, way)
		}
		if len(out) == atOnce {
			break
		}
	}
	return out
}

// hitting is the problem to hit every way with changes of the least cost.
type hitting struct {
	ways [][]int32
	cost map[int32]int

	best    int
	chosen  []int32
	found   bool
	choices int
}

// weigh notes what a change costs: effort first, and one for being a change.
func (h *hitting) weigh(p *problem, k int32) {
	const effort = 1000
	h.cost[k] = effort*max(1, p.changes[k].Effort) + 1
}

func (h *hitting) total(set []int32) int {
	n := 0
	for _, k := range set {
		n += h.cost[k]
	}
	return n
}

// solve returns the cheapest set below a cost, nil when there is none. The
// second result is false when the search was given up.
func (h *hitting) solve(below int) ([]int32, bool) {
	h.best, h.chosen, h.found, h.choices = below, nil, false, 0
	h.search(nil, nil, 0)
	if h.choices > mostChoices {
		return nil, false
	}
	if !h.found {
		return nil, true
	}
	return h.chosen, true
}

// search adds a change that hits a way nobody hits yet, each in turn. Changes
// tried before for the same way are banned below.
func (h *hitting) search(set, banned []int32, cost int) {
	if h.choices++; h.choices > mostChoices {
		return
	}
	way, least := h.open(set, banned)
	if way == nil {
		if cost < h.best {
			h.best, h.found = cost, true
			h.chosen = append([]int32{}, set...)
			slices.Sort(h.chosen)
		}
		return
	}
	if cost+least >= h.best {
		return
	}
	slices.SortStableFunc(way, func(a, b int32) int { return cmp.Compare(h.cost[a], h.cost[b]) })
	for _, k := range way {
		if cost+h.cost[k] < h.best {
			h.search(append(slices.Clip(set), k), banned, cost+h.cost[k])
		}
		banned = append(slices.Clip(banned), k)
	}
}

// open returns the way with the fewest choices left of those that are not hit,
// nil when all are, and what the rest costs at least: ways that share no change
// each need one of their own.
func (h *hitting) open(set, banned []int32) ([]int32, int) {
	var first []int32
	least := 0
	counted := make(map[int32]bool)
	for _, w := range h.ways {
		if slices.ContainsFunc(w, func(k int32) bool { return slices.Contains(set, k) }) {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(w), func(k int32) bool { return slices.Contains(banned, k) })
		if len(left) == 0 {
			return []int32{}, math.MaxInt / 2 //nolint:mnd // a dead end costs more than anything
		}
		if first == nil || len(left) < len(first) {
			first = left
		}
		if !slices.ContainsFunc(left, func(k int32) bool { return counted[k] }) {
			cheapest := h.cost[left[0]]
			for _, k := range left {
				counted[k] = true
				cheapest = min(cheapest, h.cost[k])
			}
			least += cheapest
		}
	}
	return first, least
}
