package view

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// The measures of the picture, in pixels, and how much of a large report it
// shows.
const (
	svgMargin  = 24
	svgTop     = 96
	svgGapX    = 210
	svgGapY    = 26
	svgLine    = 16
	svgPadding = 12
	svgLetter  = 7
	svgWidest  = 56
	svgNames   = 6
	svgPaths   = 40
	svgGains   = 3
)

const svgStyle = `text{font:12px system-ui,sans-serif;fill:#1d2530}.head{font-size:17px;font-weight:600}.small{font-size:11px;fill:#51606e}
.box{fill:#fff;stroke:#8c97a3}.open{fill:#eaf2fb;stroke:#28527a}.end{fill:#fdecea;stroke:#b3261e;stroke-width:2}
.way{fill:none;stroke:#8c97a3;stroke-width:1.3}.bright{stroke:#b3261e;stroke-width:2.4}.perhaps{stroke-dasharray:5 4}
.label{font-size:11px;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:3px}`

// figure is a box: a thing, or workloads whose way goes on alike.
type figure struct {
	name  string
	class string
	lines []string
	// all are the names of a folded box.
	all   []string
	layer int
	order float64

	x, y, w, h int
}

// stroke is a step between two boxes.
type stroke struct {
	from, to *figure
	note     *blast.Note
	bright   bool
}

// picture is the easiest ways to the whole cluster; where a workload has none,
// the ways to the worst of what it gives.
type picture struct {
	figures []*figure
	byName  map[string]*figure
	strokes []*stroke
	byEnds  map[[2]*figure]*stroke
	// from is the workload whose way is bright, left how many workloads are not
	// drawn.
	from string
	left int
}

// SVG draws the ways of a report, one file that browsers show.
func SVG(w io.Writer, r *blast.Report) error {
	p := sketch(r)
	width, height := p.place()
	b := new(strings.Builder)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n<title>%s</title>\n<style>%s</style>\n", width, height, escape(Question), svgStyle)
	for _, m := range [][2]string{{"plain", "#8c97a3"}, {"red", "#b3261e"}} {
		fmt.Fprintf(b, `<marker id="%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 10 5 0 10z" fill="%s"/></marker>`+"\n", m[0], m[1])
	}
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	put(b, svgMargin, svgMargin+svgLine/2, "head", Question)
	put(b, svgMargin, svgMargin+2*svgLine, "", p.legend(r))
	put(b, svgMargin, svgMargin+3*svgLine, "small", "Dashed: perhaps. Blue: open to the outside. Point at a box or an arrow for what is behind it.")
	for _, s := range p.strokes {
		s.draw(b)
	}
	for _, f := range p.figures {
		f.draw(b)
	}
	for _, s := range p.strokes {
		s.label(b)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *picture) legend(r *blast.Report) string {
	s := fmt.Sprintf("The easiest ways from %s.", count(len(r.Workloads)-p.left, "workload"))
	if p.left > 0 {
		s = fmt.Sprintf("The easiest ways from %s; %d more give away less, or nothing.", count(len(r.Workloads)-p.left, "workload"), p.left)
	}
	if p.from != "" {
		s += " Red: that from " + p.from + "."
	}
	return s
}

// sketch gathers boxes and arrows.
func sketch(r *blast.Report) *picture {
	p := &picture{byName: make(map[string]*figure), byEnds: make(map[[2]*figure]*stroke)}
	drawn := 0
	for i := range r.Workloads {
		n := &r.Workloads[i]
		paths := pathsOf(n)
		if len(paths) == 0 || drawn == svgPaths && p.group(n, paths) == nil {
			p.left++
			continue
		}
		start := p.group(n, paths)
		if start == nil {
			drawn++
			start = p.figure(groupKey(n, paths))
			start.class = "box"
			if len(n.Exposed) > 0 {
				start.class = "open"
			}
		}
		start.all = append(start.all, n.Workload)
		bright := p.from == "" && n.Admin != "no"
		if bright {
			p.from = n.Workload
		}
		for _, path := range paths {
			p.add(start, path, bright)
		}
	}
	return p
}

// groupKey is equal for workloads whose ways are alike.
func groupKey(n *blast.WorkloadNote, paths [][]blast.Note) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\x00%t", len(n.Exposed) > 0)
	for _, path := range paths {
		for i := range path {
			gives := path[i].Gives
			if i == 0 {
				gives = strings.ReplaceAll(gives, n.Workload, "\x00")
			}
			fmt.Fprintf(&b, "\x00%s\x00%s\x00%t", path[i].Step, gives, path[i].Possible)
		}
	}
	return b.String()
}

func (p *picture) group(n *blast.WorkloadNote, paths [][]blast.Note) *figure {
	return p.byName[groupKey(n, paths)]
}

// pathsOf are the ways of a workload worth drawing.
func pathsOf(n *blast.WorkloadNote) [][]blast.Note {
	if len(n.Easiest) > 0 {
		return [][]blast.Note{n.Easiest}
	}
	var out [][]blast.Note
	for i := range n.Gains {
		if g := &n.Gains[i]; len(out) < svgGains && slices.Contains([]string{"node", "cloud-identity", "secret", "registry"}, g.Kind) {
			out = append(out, g.Path)
		}
	}
	return out
}

func (p *picture) figure(name string) *figure {
	f := p.byName[name]
	if f == nil {
		f = &figure{name: name, class: "box"}
		p.byName[name] = f
		p.figures = append(p.figures, f)
	}
	return f
}

func (p *picture) add(at *figure, path []blast.Note, bright bool) {
	for i := range path {
		to := p.figure(path[i].Gives)
		to.layer = max(to.layer, i+1)
		if to.name == "the whole cluster" {
			to.class = "end"
		}
		s := p.byEnds[[2]*figure{at, to}]
		if s == nil {
			s = &stroke{from: at, to: to, note: &path[i]}
			p.byEnds[[2]*figure{at, to}] = s
			p.strokes = append(p.strokes, s)
		}
		s.bright = s.bright || bright
		at = to
	}
}

// place orders the boxes of each layer by where their arrows come from, and
// returns the size of the picture.
func (p *picture) place() (int, int) {
	var layers [][]*figure
	for _, f := range p.figures {
		f.measure()
		for len(layers) <= f.layer {
			layers = append(layers, nil)
		}
		layers[f.layer] = append(layers[f.layer], f)
	}
	const sweeps = 4
	for range sweeps {
		for _, layer := range layers {
			p.sort(layer)
		}
	}
	x, height := svgMargin, svgTop
	tall := make([]int, len(layers))
	for i, layer := range layers {
		for _, f := range layer {
			tall[i] += f.h + svgGapY
		}
		height = max(height, svgTop+tall[i])
	}
	for i, layer := range layers {
		wide := 0
		y := svgTop + (height-svgTop-tall[i])/2
		for _, f := range layer {
			f.x, f.y = x, y
			y += f.h + svgGapY
			wide = max(wide, f.w)
		}
		x += wide + svgGapX
	}
	const least = 760
	return max(least, x-svgGapX+svgMargin), height + svgMargin
}

// sort puts boxes near the boxes their arrows touch.
func (p *picture) sort(layer []*figure) {
	for i, f := range layer {
		f.order = float64(i)
	}
	mean := make(map[*figure]float64, len(layer))
	for _, f := range layer {
		sum, n := 0.0, 0
		for _, s := range p.strokes {
			switch f {
			case s.to:
				sum, n = sum+s.from.order, n+1
			case s.from:
				sum, n = sum+s.to.order, n+1
			}
		}
		mean[f] = f.order
		if n > 0 {
			mean[f] = sum / float64(n)
		}
	}
	slices.SortStableFunc(layer, func(a, b *figure) int { return cmp.Compare(mean[a], mean[b]) })
	for i, f := range layer {
		f.order = float64(i)
	}
}

func (f *figure) measure() {
	f.lines = []string{shorten(f.name)}
	if len(f.all) > 0 {
		f.lines = nil
		for i, name := range f.all {
			if i == svgNames && len(f.all) > svgNames+1 {
				f.lines = append(f.lines, fmt.Sprintf("and %d more", len(f.all)-i))
				break
			}
			f.lines = append(f.lines, shorten(name))
		}
	}
	letters := 0
	for _, l := range f.lines {
		letters = max(letters, utf8.RuneCountInString(l))
	}
	f.w, f.h = letters*svgLetter+2*svgPadding, len(f.lines)*svgLine+svgPadding
}

func (f *figure) draw(b *strings.Builder) {
	all := f.name
	if len(f.all) > 0 {
		all = strings.Join(f.all, "\n")
	}
	fmt.Fprintf(b, `<g><title>%s</title><rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="5"/>`+"\n", escape(all), f.class, f.x, f.y, f.w, f.h)
	for i, l := range f.lines {
		put(b, f.x+svgPadding, f.y+(i+1)*svgLine+1, "", l)
	}
	b.WriteString("</g>\n")
}

// place is a point of the picture.
type place struct{ x, y int }

// ends are where the arrow leaves and arrives.
func (s *stroke) ends() (place, place) {
	out := place{s.to.x, s.to.y + s.to.h/2}
	if s.to.layer <= s.from.layer {
		out.x += s.to.w
	}
	return place{s.from.x + s.from.w, s.from.y + s.from.h/2}, out
}

func (s *stroke) draw(b *strings.Builder) {
	a, z := s.ends()
	class, marker := "way", "plain"
	if s.bright {
		class, marker = "way bright", "red"
	}
	if s.note.Possible {
		class += " perhaps"
	}
	bend := max(svgPadding*4, (z.x-a.x)/2)
	in := -bend
	if s.to.layer <= s.from.layer {
		in = bend
	}
	says := []string{s.note.Title + ": " + s.note.Gives}
	for _, e := range s.note.Evidence {
		says = append(says, evidence(&e))
	}
	if s.note.Possible && s.note.Why != "" {
		says = append(says, "perhaps: "+s.note.Why)
	}
	fmt.Fprintf(b, `<path class="%s" d="M%d %dC%d %d %d %d %d %d" marker-end="url(#%s)"><title>%s</title></path>`+"\n",
		class, a.x, a.y, a.x+bend, a.y, z.x+in, z.y, z.x, z.y, marker, escape(strings.Join(says, "\n")))
}

func (s *stroke) label(b *strings.Builder) {
	a, z := s.ends()
	const widest = 34
	words := []rune(s.note.Title)
	if len(words) > widest {
		words = append(words[:widest-1], '…')
	}
	x, y := (a.x+z.x)/2, (a.y+z.y)/2
	if s.to.layer > s.from.layer+1 {
		x, y = a.x+svgGapX/2, a.y // it passes boxes: the words stand where it begins
	}
	put(b, x, y-4, "label", string(words))
}

func put(b *strings.Builder, x, y int, class, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" class="%s">%s</text>`+"\n", x, y, class, escape(text))
}

// escape makes any text safe between tags.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes everything
	return b.String()
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
