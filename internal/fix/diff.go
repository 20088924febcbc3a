package fix

import (
	"fmt"
	"slices"
	"strings"
)

// context is the number of unchanged lines around a change.
const context = 3

// maxDistance bounds the search for the shortest difference; texts further
// apart are shown as replaced as a whole.
const maxDistance = 4000

// pair is a stretch of equal lines.
type pair struct{ a, b, n int }

// matches finds the stretches of equal lines of two texts, by the algorithm of
// Myers.
func matches(a, b []string) []pair {
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := []pair{{0, 0, head}}
	for _, p := range shortest(a[head:len(a)-tail], b[head:len(b)-tail]) {
		out = append(out, pair{p.a + head, p.b + head, p.n})
	}
	out = append(out, pair{len(a) - tail, len(b) - tail, tail})
	return slices.DeleteFunc(out, func(p pair) bool { return p.n == 0 })
}

// shortest walks the edit graph: best[k] is how far diagonal k has come.
func shortest(a, b []string) []pair {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	limit := min(len(a)+len(b), maxDistance)
	best := make([]int, 2*limit+3)
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, slices.Clone(best[limit+1-d:limit+2+d]))
		for k := -d; k <= d; k += 2 {
			x := 0
			switch {
			case d == 0:
			case k == -d || k != d && best[limit+1+k-1] < best[limit+1+k+1]:
				x = best[limit+1+k+1]
			default:
				x = best[limit+1+k-1] + 1
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x++
				y++
			}
			best[limit+1+k] = x
			if x >= len(a) && y >= len(b) {
				return backtrack(trace, len(a), len(b))
			}
		}
	}
	return nil
}

// backtrack reads the way back off the trace. trace[d] has the diagonals -d to
// d as they were before step d.
func backtrack(trace [][]int, x, y int) []pair {
	var out []pair
	for d := len(trace) - 1; d > 0; d-- {
		was := func(k int) int {
			if k < -d || k > d {
				return -1
			}
			return trace[d][k+d]
		}
		k := x - y
		from := k - 1
		if k == -d || k != d && was(k-1) < was(k+1) {
			from = k + 1
		}
		px := was(from)
		py := px - from
		sx := px
		if from == k-1 {
			sx++
		}
		if n := x - sx; n > 0 {
			out = append(out, pair{sx, sx - k, n})
		}
		x, y = px, py
	}
	if x > 0 {
		out = append(out, pair{0, 0, x})
	}
	slices.Reverse(out)
	return out
}

func lines(text []byte) []string { return slices.Collect(strings.Lines(string(text))) }

// backwards gives for a line of a text the line of an older one, or the line
// after which it came in.
func backwards(old, now []byte) func(int32) int32 {
	if string(old) == string(now) {
		return func(line int32) int32 { return line }
	}
	all := matches(lines(old), lines(now))
	return func(line int32) int32 {
		near := 0
		for _, p := range all {
			if at := int(line) - 1; at >= p.b {
				near = p.a + min(at-p.b, p.n-1)
			}
		}
		return int32(near) + 1
	}
}

// Unified writes the difference of two texts the way diff -u does, "" if there
// is none.
func Unified(name string, old, now []byte) string {
	a, b := lines(old), lines(now)
	all := append(matches(a, b), pair{len(a), len(b), 0})
	from, to := "a/"+name, "b/"+name
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") {
		from, to = name, name
	}
	if old == nil {
		from = "/dev/null"
	}
	var out strings.Builder
	var h hunk
	x, y := 0, 0
	for _, p := range all {
		if p.a > x || p.b > y {
			if len(h.lines) == 0 {
				h.open(a, x, y)
			}
			h.add('-', a[x:p.a])
			h.add('+', b[y:p.b])
		}
		x, y = p.a+p.n, p.b+p.n
		switch {
		case len(h.lines) == 0:
		case p.n > 2*context || p.n > 0 && p.a+p.n == len(a) && p.b+p.n == len(b):
			h.add(' ', a[p.a:p.a+min(p.n, context)])
			h.flush(&out)
		default:
			h.add(' ', a[p.a:p.a+p.n])
		}
	}
	h.flush(&out)
	if out.Len() == 0 {
		return ""
	}
	return "--- " + from + "\n+++ " + to + "\n" + out.String()
}

// hunk is a stretch of changes with what is around them.
type hunk struct {
	a, b, oldLines, newLines int
	lines                    []string
}

func (h *hunk) open(a []string, x, y int) {
	before := min(x, context)
	*h = hunk{a: x - before, b: y - before}
	h.add(' ', a[x-before:x])
}

func (h *hunk) add(sign byte, lines []string) {
	for _, l := range lines {
		if !strings.HasSuffix(l, "\n") {
			l += "\n\\ No newline at end of file\n"
		}
		h.lines = append(h.lines, string(sign)+l)
	}
	if sign != '+' {
		h.oldLines += len(lines)
	}
	if sign != '-' {
		h.newLines += len(lines)
	}
}

func (h *hunk) flush(out *strings.Builder) {
	if len(h.lines) == 0 {
		return
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", extent(h.a, h.oldLines), extent(h.b, h.newLines))
	for _, l := range h.lines {
		out.WriteString(l)
	}
	*h = hunk{}
}

// extent is the place of a hunk: one without lines names the line before.
func extent(start, n int) string {
	if n > 0 {
		start++
	}
	return fmt.Sprintf("%d,%d", start, n)
}
