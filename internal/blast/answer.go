package blast

import (
	"cmp"
	"math"
	"slices"
)

// Counts says how much an intruder has.
type Counts struct {
	Workloads int `json:"workloads"`
	Nodes     int `json:"nodes"`
	Secrets   int `json:"secrets"`
	Accounts  int `json:"serviceAccounts"`
	Clouds    int `json:"cloudIdentities"`
	Registry  int `json:"registryCredentials"`
	Outside   int `json:"outsideSystems"`
	Outcomes  int `json:"otherGains"`
}

// Answer is what taking over one workload gives away.
type Answer struct {
	Workload *Workload
	// Admin tells whether the whole cluster falls.
	Admin Certainty
	// Hops and Ease are the lengths of the shortest and the easiest way there.
	Hops, Ease int
	// Sure is what falls, Possible what may fall beyond that.
	Sure, Possible Counts
	// Score orders workloads by what they give away.
	Score int
}

// Answers are those for all workloads: what is open to the internet first,
// then by score.
func (g *Graph) Answers() []Answer {
	f := g.Facts
	out := make([]Answer, len(f.Workloads))
	at := make(map[Vertex]int, len(f.Workloads))
	starts := make([]Vertex, len(f.Workloads))
	for i, w := range f.Workloads {
		out[i].Workload = w
		at[w.Code], starts[i] = i, w.Code
	}
	classes := g.classes()
	g.closures(starts, Surely, func(v Vertex, set *reachSet) { out[at[v]].Sure = classes.count(set) })
	g.closures(starts, Possibly, func(v Vertex, set *reachSet) { out[at[v]].Possible = classes.count(set) })
	admin := []Vertex{f.Admin()}
	for _, level := range []Certainty{Possibly, Surely} {
		short, easy := measure(hops), measure(ease)
		if level == Surely {
			short, easy = sure(hops), sure(ease)
		}
		shortest, easiest := g.toward(admin, short), g.toward(admin, easy)
		for i, w := range f.Workloads {
			if shortest.dist[w.Code] >= 0 {
				out[i].Admin, out[i].Hops, out[i].Ease = level, int(shortest.dist[w.Code]), int(easiest.dist[w.Code])
			}
		}
	}
	for i := range out {
		out[i].Possible = out[i].Possible.beyond(out[i].Sure)
		out[i].Sure.Workloads = max(0, out[i].Sure.Workloads-1)
		out[i].Score = out[i].score()
	}
	slices.SortStableFunc(out, func(a, b Answer) int {
		return cmp.Or(cmp.Compare(b.Workload.openness(), a.Workload.openness()), cmp.Compare(b.Score, a.Score), cmp.Compare(a.Workload.Ref(), b.Workload.Ref()))
	})
	return out
}

// openness orders workloads by who gets at them.
func (w *Workload) openness() int {
	best := 0
	for _, e := range w.Exposed {
		if e.Internet {
			return 2
		}
		best = 1
	}
	return best
}

// score weighs what falls. The whole cluster outweighs everything, an easy way
// there outweighs a hard one, and numbers count by their magnitude.
func (a *Answer) score() int {
	const whole, perhaps, longest = 1000, 400, 200
	size := func(n, weight int) float64 { return float64(weight) * math.Log2(float64(1+n)) }
	c := func(c Counts) float64 {
		return size(c.Nodes, 40) + size(c.Workloads, 15) + size(c.Secrets, 15) + size(c.Accounts, 5) + size(c.Clouds, 40) + size(c.Registry, 20) + size(c.Outside, 10) + size(c.Outcomes, 3)
	}
	s := c(a.Sure) + c(a.Possible)/4
	switch a.Admin {
	case Surely:
		return whole + longest - min(longest, a.Ease)
	case Possibly:
		return perhaps + longest - min(longest, a.Ease) + min(longest, int(s))
	case Not:
	}
	return min(perhaps, int(s))
}

// classes are the vertices that count, by kind.
type classes [8][]uint64

func (g *Graph) classes() *classes {
	var c classes
	words := (g.size() + 63) / 64
	for i := range c {
		c[i] = make([]uint64, words)
	}
	for v, t := range g.Facts.vertices.things {
		if i := slices.Index([]Kind{PodHeld, Node, SecretContent, Account, CloudIdentity, Registry, Outside, Outcome}, t.Kind); i >= 0 && (t.Kind != Account || len(g.out(Vertex(v))) > 0) {
			c[i][v/64] |= 1 << (v % 64)
		}
	}
	return &c
}

func (c *classes) count(s *reachSet) Counts {
	if s.top {
		return Counts{}
	}
	return Counts{s.countIn(c[0]), s.countIn(c[1]), s.countIn(c[2]), s.countIn(c[3]), s.countIn(c[4]), s.countIn(c[5]), s.countIn(c[6]), s.countIn(c[7])}
}

func (c Counts) beyond(sure Counts) Counts {
	return Counts{
		max(0, c.Workloads-sure.Workloads), max(0, c.Nodes-sure.Nodes), max(0, c.Secrets-sure.Secrets), max(0, c.Accounts-sure.Accounts),
		max(0, c.Clouds-sure.Clouds), max(0, c.Registry-sure.Registry), max(0, c.Outside-sure.Outside), max(0, c.Outcomes-sure.Outcomes),
	}
}
