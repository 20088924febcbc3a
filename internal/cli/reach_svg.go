package cli

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redoubt-k8s/redoubt/internal/netpol"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// formatSVG is a picture that browsers show.
const formatSVG = "svg"

// The measures of the picture, in pixels.
const (
	svgMargin    = 24
	svgTop       = 100 // above the boxes: the title and the legend
	svgGap       = 150 // between columns: room for arrows and what is written on them
	svgSpacing   = 22  // between boxes of a column
	svgPadding   = 14
	svgHeader    = 46 // of a namespace
	svgLine      = 17
	svgLetter    = 7 // about the width of one
	svgWidest    = 42
	svgMostLines = 14
	svgBend      = 56
)

const svgStyle = `text{font:12px system-ui,sans-serif;fill:#1b2733}
.head{font-size:17px;font-weight:600}.small{font-size:11px;fill:#51606e}
.namespace{fill:#f3f6f9;stroke:#aebccb}.workload{fill:#fff;stroke:#33587d}.side{fill:#fdf3e4;stroke:#b5803a}
.name{font-weight:600}.yes,.unknown{fill:none;stroke-width:1.4}.yes{stroke:#1f5f99}.unknown{stroke:#8a8f96;stroke-dasharray:5 4}
.label{font-size:11px;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:3px}`

// writeReachSVG draws the report as a picture that needs nothing else.
func writeReachSVG(w io.Writer, rep *run.ReachReport) {
	p := &canvas{w: w, sketch: sketchReach(rep)}
	width, height := p.place()
	sum := rep.Summary
	line(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`, width, height)
	line(w, "<title>Who can talk to whom</title>")
	line(w, "<style>%s</style>", svgStyle)
	for _, v := range []netpol.Verdict{netpol.Yes, netpol.Unknown} {
		fill := map[netpol.Verdict]string{netpol.Yes: "#1f5f99", netpol.Unknown: "#8a8f96"}[v]
		line(w, `<marker id="%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="%s"/></marker>`, v, fill)
	}
	line(w, `<rect width="%d" height="%d" fill="#fff"/>`, width, height)
	p.text(svgMargin, svgMargin+svgLine/2, "head", "Who can talk to whom")
	p.text(svgMargin, svgMargin+2*svgLine, "", fmt.Sprintf("%d workloads. Of %d connections between two of them %d are possible, %d are not, %d are unknown.",
		sum.Workloads, sum.Yes+sum.No+sum.Unknown, sum.Yes, sum.No, sum.Unknown))
	p.text(svgMargin, svgMargin+3*svgLine, "small", "Solid: possible. Dashed: unknown. No words on an arrow: all ports. An arrow at a frame means all that is in it.")
	// Arrows pass below the boxes, and their words lie above everything.
	for _, f := range p.spaces {
		p.figure(f)
	}
	p.lines()
	for _, f := range slices.Concat(p.groups, p.left, p.right) {
		p.figure(f)
	}
	for _, l := range p.labels {
		p.text(l.x, l.y, "label", l.text)
	}
	line(w, "</svg>")
}

// canvas is the picture in the making.
type canvas struct {
	*sketch

	w      io.Writer
	labels []label
}

// label is what is written on an arrow.
type label struct {
	x, y int
	text string
}

// place gives every figure its place and returns the size of the picture.
func (p *canvas) place() (int, int) {
	for _, f := range slices.Concat(p.groups, p.left, p.right) {
		f.measure()
	}
	widths := make([]int, p.columns())
	for _, g := range p.groups {
		widths[g.column] = max(widths[g.column], g.w)
	}
	x := svgMargin
	for _, f := range p.left {
		x = max(x, svgMargin+f.w)
	}
	starts := make([]int, len(widths))
	for i, w := range widths {
		x += svgGap
		starts[i] = x
		x += w
	}
	y := svgTop
	for _, space := range p.spaces {
		y = p.placeSpace(space, starts, y) + 2*svgSpacing
	}
	x += svgGap
	p.placeSide(p.left, svgMargin, y)
	p.placeSide(p.right, x, y)
	width := 760
	height := y
	for _, f := range slices.Concat(p.left, p.right, p.spaces) {
		width = max(width, f.x+f.w+svgMargin)
		height = max(height, f.y+f.h+svgMargin)
	}
	return width, height
}

// measure sets the size that a figure's words need, and shortens them.
func (f *figure) measure() {
	if more := len(f.lines) - svgMostLines; more > 1 {
		f.lines = append(f.lines[:svgMostLines:svgMostLines], fmt.Sprintf("and %d more", more))
	}
	if len(f.members) > 1 {
		says := "these can not talk to each other"
		if f.among.verdict != netpol.No {
			says = "these to each other: " + f.among.words("all ports")
		}
		f.lines = append(f.lines, says)
	}
	letters := 0
	for i := range f.lines {
		f.lines[i] = shorten(f.lines[i])
		letters = max(letters, utf8.RuneCountInString(f.lines[i]))
	}
	f.w = letters*svgLetter + 2*svgPadding
	f.h = len(f.lines)*svgLine + svgPadding
}

// words say what a link is, in short.
func (l link) words(all string) string {
	out := l.ports
	if out == "all ports" {
		out = all
	}
	if l.verdict == netpol.Unknown {
		out = strings.TrimSuffix("unknown, "+out, ", ")
	}
	return out
}

// shorten keeps text readable: not too long, and nothing that can't be seen.
func shorten(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > svgWidest {
		return string(runes[:svgWidest-1]) + "…"
	}
	return text
}

// placeSpace stacks the groups of a namespace in their columns, and returns
// where the namespace ends.
func (p *canvas) placeSpace(space *figure, starts []int, y int) int {
	heights := make([]int, len(starts))
	highest := 0
	for _, g := range p.groups {
		if g.within != space {
			continue
		}
		heights[g.column] += g.h + svgSpacing
		highest = max(highest, heights[g.column])
	}
	next := make([]int, len(starts))
	left, right := -1, 0
	for _, g := range p.groups {
		if g.within != space {
			continue
		}
		if next[g.column] == 0 {
			next[g.column] = y + svgHeader + (highest-heights[g.column])/2
		}
		g.x, g.y = starts[g.column], next[g.column]
		next[g.column] += g.h + svgSpacing
		if left < 0 || g.x < left {
			left = g.x
		}
		right = max(right, g.x+g.w)
	}
	title := max(utf8.RuneCountInString(shorten(space.title))*svgLetter, utf8.RuneCountInString(p.isolation(space))*(svgLetter-1))
	space.x, space.y = left-svgPadding, y
	space.w, space.h = max(right-left, title)+2*svgPadding, svgHeader+highest
	return y + space.h
}

// placeSide stacks figures in the middle of the height.
func (*canvas) placeSide(side []*figure, x, bottom int) {
	height := 0
	for _, f := range side {
		height += f.h + svgSpacing
	}
	y := max(svgTop, (svgTop+bottom-height)/2)
	for _, f := range side {
		f.x, f.y = x, y
		y += f.h + svgSpacing
	}
}

// isolation says whether default deny is in force in a namespace.
func (p *canvas) isolation(space *figure) string {
	for _, n := range p.rep.Namespaces {
		if n.Name == space.title {
			return fmt.Sprintf("default deny: ingress %s, egress %s", n.Ingress.DefaultDeny, n.Egress.DefaultDeny)
		}
	}
	return ""
}

func (p *canvas) figure(f *figure) {
	line(p.w, `<g><rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="5"/>`, f.kind, f.x, f.y, f.w, f.h)
	if f.kind == namespaceFigure {
		p.text(f.x+svgPadding, f.y+svgLine, "name", shorten(f.title))
		p.text(f.x+svgPadding, f.y+2*svgLine, "small", p.isolation(f))
	}
	if len(f.members) > 0 {
		names := make([]string, 0, len(f.members))
		for _, i := range f.members {
			names = append(names, p.rep.Workloads[i].Name)
		}
		line(p.w, "<title>%s</title>", escape(strings.Join(names, "\n")))
	}
	for i, l := range f.lines {
		class := ""
		if len(f.members) > 1 && i == len(f.lines)-1 {
			class = "small"
		}
		p.text(f.x+svgPadding, f.y+(i+1)*svgLine+2, class, l)
	}
	line(p.w, "</g>")
}

func (p *canvas) text(x, y int, class, text string) {
	if text != "" {
		line(p.w, `<text x="%d" y="%d" class="%s">%s</text>`, x, y, class, escape(text))
	}
}

// escape makes any text safe between tags.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes everything
	return b.String()
}

// border is one side of a figure, where arrows begin and end.
type border struct {
	of   *figure
	left bool
}

// ends are where an arrow touches its figures.
type ends struct{ from, to border }

// lines draws the arrows. Those at one border are spread over it, in the order
// of where they lead to.
func (p *canvas) lines() {
	touch := make([]ends, len(p.arrows))
	at := make(map[border][]int) // arrows by number; those that end here count on from the last
	for i, a := range p.arrows {
		touch[i] = ends{border{of: a.from}, border{of: a.to}}
		switch {
		case a.to.x >= a.from.x+a.from.w:
			touch[i].to.left = true
		case a.from.x >= a.to.x+a.to.w:
			touch[i].from.left = true
		}
		at[touch[i].from] = append(at[touch[i].from], i)
		at[touch[i].to] = append(at[touch[i].to], i+len(p.arrows))
	}
	height := make([]int, 2*len(p.arrows))
	for b, list := range at {
		middle := func(i int) int {
			f := p.arrows[i%len(p.arrows)].from
			if i < len(p.arrows) {
				f = p.arrows[i].to
			}
			return 2*f.y + f.h
		}
		slices.SortFunc(list, func(i, j int) int {
			if d := middle(i) - middle(j); d != 0 {
				return d
			}
			return i%len(p.arrows) - j%len(p.arrows)
		})
		for n, i := range list {
			height[i] = b.of.y + b.of.h*(n+1)/(len(list)+1)
		}
	}
	for i := range p.arrows {
		p.arrow(&p.arrows[i], touch[i], height[i], height[i+len(p.arrows)])
	}
}

func (p *canvas) arrow(a *arrow, touch ends, y1, y2 int) {
	x1, out := touch.from.edge()
	x2, in := touch.to.edge()
	bend := max(svgBend, abs(x2-x1)/2)
	start := ""
	if a.both {
		start = fmt.Sprintf(` marker-start="url(#%s)"`, a.verdict)
	}
	line(p.w, `<path class="%s" d="M%d %dC%d %d %d %d %d %d" marker-end="url(#%[1]s)"%[10]s><title>%[11]s</title></path>`,
		a.verdict, x1, y1, x1+out*bend, y1, x2+in*bend, y2, x2, y2, start, escape(p.says(a)))
	words := shorten(strings.TrimPrefix(strings.TrimPrefix(a.words(""), "unknown"), ", "))
	x, y := halfway(x1, x1+out*bend, x2+in*bend, x2), (y1+y2)/2
	if distance := abs(x2 - x1); distance > svgGap+svgGap/2 {
		// A long arrow passes boxes: the words stand in the gap where it begins.
		x, y = beginning(x1, y1, x2, y2)
	}
	if words != "" {
		p.write(label{x, y - 3, words})
	}
}

// write puts a label where no other is, near where it belongs.
func (p *canvas) write(l label) {
	const high, tries = 12, 6
	for try := range tries {
		at := l
		at.y += (try + 1) / 2 * high * (1 - 2*(try%2))
		taken := slices.ContainsFunc(p.labels, func(o label) bool {
			wide := (utf8.RuneCountInString(o.text) + utf8.RuneCountInString(l.text)) * (svgLetter - 1) / 2
			return abs(o.x-at.x) < wide && abs(o.y-at.y) < high
		})
		if !taken {
			l = at
			break
		}
	}
	p.labels = append(p.labels, l)
}

// halfway is the middle of a curve with two control points.
func halfway(a, b, c, d int) int { return (a + 3*b + 3*c + d) / 8 }

// beginning is where a long curve from one side to the other leaves the first
// gap.
func beginning(x1, y1, x2, y2 int) (int, int) {
	const steps = 100
	for i := range steps {
		t := float64(i) / steps
		rest := 1 - t
		// The control points have the height of the ends, and the middle between.
		middle := float64(x1+x2) / 2
		x := rest*rest*rest*float64(x1) + 3*rest*t*middle + t*t*t*float64(x2)
		y := rest*rest*(1+2*t)*float64(y1) + t*t*(3-2*t)*float64(y2)
		if abs(int(x)-x1) >= svgGap/2 {
			return int(x), int(y)
		}
	}
	return (x1 + x2) / 2, (y1 + y2) / 2
}

// edge is where a border is, and in which direction arrows leave it.
func (b border) edge() (int, int) {
	if b.left {
		return b.of.x, -1
	}
	return b.of.x + b.of.w, 1
}

// says tells the arrow in words, for who points at it.
func (p *canvas) says(a *arrow) string {
	mark := " -> "
	if a.both {
		mark = " <-> "
	}
	return strings.TrimSuffix(p.call(a.from)+mark+p.call(a.to)+": "+a.words("all ports"), ": ")
}

func (p *canvas) call(f *figure) string {
	if f.kind == namespaceFigure {
		return "all of " + f.title
	}
	if len(f.members) == 0 {
		return strings.Join(f.lines, ", ")
	}
	name := p.rep.Workloads[f.members[0]].Name
	if more := len(f.members) - 1; more > 0 {
		name += fmt.Sprintf(" and %d more", more)
	}
	return name
}

func abs(n int) int { return max(n, -n) }
