package helm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"text/template"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// A chart is a program, and may be a hostile one. The template engine itself
// knows no bounds: a stack that grows too deep ends the whole process, and so
// does memory that runs out. So the functions by which a template can grow are
// replaced by ones that count, and calls of include and tpl look at the stack.

const (
	// maxText bounds what one function returns, and maxGrown all of them
	// together.
	maxText  = 16 << 20
	maxGrown = 512 << 20
	// maxList bounds a list of numbers.
	maxList = 1_000_000
	// maxFrames bounds the stack at a call of include or tpl. A call takes
	// about fifteen.
	maxFrames = 4_000
	// maxTpl bounds a text for tpl: errors repeat it at each level.
	maxTpl = 1 << 20
	// maxHeap bounds by how much rendering a chart may grow the heap.
	maxHeap = 1 << 30
)

var errMemory = fmt.Errorf("rendering takes more than %d MiB of memory: a template grows without end", maxHeap>>20)

// enter is the function that is put around the first argument of include and
// tpl.
const enter = "redoubtEnter"

// guard bounds one rendering.
type guard struct {
	ctx   context.Context //nolint:containedctx // lives as long as one rendering
	grown atomic.Int64
	// rand is the same for every rendering, so that a report does not change
	// from run to run, nor between the two renderings of a chart.
	rand *rand.Rand
}

func newGuard(ctx context.Context) *guard {
	return &guard{ctx: ctx, rand: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // nothing here is secret
}

// text lets a text pass if it is not too much.
func (g *guard) text(size int, build func() string) (string, error) {
	if err := g.ctx.Err(); err != nil {
		return "", err
	}
	if size < 0 || size > maxText {
		return "", fmt.Errorf("a text of more than %d MiB", maxText>>20)
	}
	if g.grown.Add(int64(size)) > maxGrown {
		return "", fmt.Errorf("texts of more than %d MiB together", maxGrown>>20)
	}
	return build(), nil
}

// functions replace those of the engine.
func (g *guard) functions() template.FuncMap {
	out := template.FuncMap{
		enter: g.enter,
		"repeat": func(count int, s string) (string, error) {
			if count < 0 || count > maxText {
				return "", fmt.Errorf("repeat %d times", count)
			}
			return g.text(count*len(s), func() string { return strings.Repeat(s, count) })
		},
		"until": func(count int) ([]int, error) {
			return g.numbers(0, count, sign(count))
		},
		"untilStep": g.numbers,
		"seq":       g.seq,
		"indent": func(spaces int, s string) (string, error) {
			return g.indent(spaces, s, "")
		},
		"nindent": func(spaces int, s string) (string, error) {
			return g.indent(spaces, s, "\n")
		},
		"replace": func(old, with, s string) (string, error) {
			return g.text(len(s)+strings.Count(s, old)*len(with), func() string { return strings.ReplaceAll(s, old, with) })
		},
		"printf": func(format string, args ...any) (string, error) {
			return g.text(len(format)+size(args), func() string { return fmt.Sprintf(format, args...) })
		},
		"print": func(args ...any) (string, error) {
			return g.text(size(args), func() string { return fmt.Sprint(args...) })
		},
		"println": func(args ...any) (string, error) {
			return g.text(size(args), func() string { return fmt.Sprintln(args...) })
		},
	}
	maps.Copy(out, g.random())
	return out
}

// random are the functions that make random texts.
func (g *guard) random() template.FuncMap {
	of := func(alphabet string) func(count int) (string, error) {
		return func(count int) (string, error) {
			return g.text(count, func() string {
				b := make([]byte, count)
				for i := range b {
					b[i] = alphabet[g.rand.IntN(len(alphabet))]
				}
				return string(b)
			})
		}
	}
	const letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "0123456789"
	return template.FuncMap{
		"randAlphaNum": of(letters + digits), "randAlpha": of(letters), "randNumeric": of(digits),
		"randAscii": of(letters + digits + "!#$%&()*+,-./:;<=>?@[]^_{|}~"),
		"uuidv4": func() (string, error) {
			return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", g.rand.Uint32(), g.rand.IntN(1<<16), g.rand.IntN(1<<12), g.rand.IntN(1<<12), g.rand.Int64N(1<<48)), nil
		},
	}
}

// size is about how long the text of values is.
func size(args []any) int {
	total := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			total += len(s)
		} else {
			total += 8
		}
	}
	return total
}

func (g *guard) indent(spaces int, s, before string) (string, error) {
	if spaces < 0 || spaces > 1000 {
		return "", fmt.Errorf("indent by %d", spaces)
	}
	return g.text(len(s)+(strings.Count(s, "\n")+1)*spaces, func() string {
		pad := strings.Repeat(" ", spaces)
		return before + pad + strings.ReplaceAll(s, "\n", "\n"+pad)
	})
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

func (g *guard) numbers(start, stop, step int) ([]int, error) {
	if err := g.ctx.Err(); err != nil {
		return nil, err
	}
	if step == 0 || (stop < start) != (step < 0) {
		return []int{}, nil
	}
	if count := (float64(stop) - float64(start)) / float64(step); count > maxList {
		return nil, fmt.Errorf("a list of %.0f numbers", count)
	}
	out := []int{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		out = append(out, i)
	}
	return out, nil
}

func (g *guard) seq(params ...int) (string, error) {
	var step, end int
	start := 1
	switch len(params) {
	case 1:
		end = params[0]
	case 2:
		start, end = params[0], params[1]
	case 3:
		start, step, end = params[0], params[1], params[2]
	default:
		return "", nil
	}
	direction := sign(end - start)
	if step == 0 {
		step = direction
	} else if sign(step) != direction {
		return "", nil
	}
	list, err := g.numbers(start, end+direction, step)
	return strings.Trim(fmt.Sprint(list), "[]"), err
}

// enter looks how deep the calls are, and lets the value pass. A text for tpl
// gets its own guards.
func (g *guard) enter(name string, v any) (any, error) {
	if err := g.ctx.Err(); err != nil {
		return nil, err
	}
	var pc [1]uintptr
	if runtime.Callers(maxFrames, pc[:]) > 0 {
		return nil, errors.New("include or tpl calls itself without end")
	}
	if s, ok := v.(string); ok && name == "tpl" {
		if len(s) > maxTpl {
			return nil, fmt.Errorf("a text of more than %d KiB for tpl", maxTpl>>10)
		}
		return guarded(s), nil
	}
	return v, nil
}

// guardTemplates rewrites the templates of a chart and of those below it.
func guardTemplates(c *chart.Chart) {
	for _, t := range c.Templates {
		t.Data = []byte(guarded(string(t.Data)))
	}
	for _, d := range c.Dependencies() {
		guardTemplates(d)
	}
}

var (
	guardForm = regexp.MustCompile(`\(` + enter + ` \\?"(?:include|tpl)\\?" ([^()]*?) ?\)`)
	guardHead = regexp.MustCompile(enter + ` \\?"(?:include|tpl)\\?" `)
)

// maxMessage bounds a message: errors of the engine repeat themselves at each
// level of calls.
const maxMessage = 400

// plainMessage takes the rewriting out of a message, and the middle if it is
// long: the place is at its start, the cause at its end.
func plainMessage(err error) string {
	msg := err.Error()
	if len(msg) > 2*maxMessage {
		msg = strings.ToValidUTF8(msg[:maxMessage], "") + " ... " + strings.ToValidUTF8(msg[len(msg)-maxMessage/2:], "")
	}
	msg = strings.Join(strings.Fields(msg), " ")
	msg = strings.ReplaceAll(msg, "error calling "+enter+": ", "")
	return guardHead.ReplaceAllString(guardForm.ReplaceAllString(msg, "$1"), "")
}

// guarded rewrites include X Y to include (enter "include" X ) Y, and tpl
// likewise, within the actions of a template. Lines stay as they are.
func guarded(text string) string {
	if !strings.Contains(text, "include") && !strings.Contains(text, "tpl") {
		return text
	}
	var out strings.Builder
	for {
		i := strings.Index(text, "{{")
		if i < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:i+2])
		text = text[i+2:]
		n := actionEnd(text)
		out.WriteString(guardAction(text[:n]))
		text = text[n:]
	}
}

// actionEnd is the length of what stands before the end of an action.
func actionEnd(text string) int {
	body := strings.TrimLeft(strings.TrimPrefix(text, "-"), " \t\r\n")
	if strings.HasPrefix(body, "/*") {
		if i := strings.Index(text, "*/"); i >= 0 {
			return i + 2
		}
		return len(text)
	}
	for i := 0; i < len(text); {
		if strings.HasPrefix(text[i:], "}}") {
			return i
		}
		i += tokenLength(text[i:])
	}
	return len(text)
}

// tokenLength is the length of a quoted text, or of a word, or 1.
func tokenLength(text string) int {
	switch q := text[0]; {
	case q == '`':
		if i := strings.IndexByte(text[1:], '`'); i >= 0 {
			return i + 2
		}
		return len(text)
	case q == '"' || q == '\'':
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case q:
				return i + 1
			}
		}
		return len(text)
	case isWord(q):
		n := 1
		for n < len(text) && isWord(text[n]) {
			n++
		}
		return n
	}
	return 1
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func guardAction(text string) string {
	if strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(text, "-"), " \t\r\n"), "/*") {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		n := tokenLength(text)
		word := text[:n]
		out.WriteString(word)
		text = text[n:]
		if word != "include" && word != "tpl" {
			continue
		}
		gap := len(text) - len(strings.TrimLeft(text, " \t\r\n"))
		arg := operand(text[gap:])
		if arg == 0 {
			continue
		}
		fmt.Fprintf(&out, "%s(%s %q %s )", text[:gap], enter, word, guardAction(text[gap:gap+arg]))
		text = text[gap+arg:]
	}
	return out.String()
}

// operand is the length of the operand a text starts with, 0 if with none.
func operand(text string) int {
	depth := 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '(':
			depth++
		case c == ')' && depth == 0, depth == 0 && strings.IndexByte(" \t\r\n|,=", c) >= 0:
			return i
		case c == ')':
			depth--
		}
		i += tokenLength(text[i:])
	}
	return len(text)
}

// heap is the size of all objects.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// watchMemory calls stop when the heap has grown too much. It ends with the
// context.
func watchMemory(ctx context.Context, stop func()) {
	const every = 10 * time.Millisecond
	before := heap()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if now := heap(); now > before+maxHeap {
				stop()
				return
			}
		}
	}
}

// isTest tells whether a hook annotation is that of a test, which runs only
// when somebody asks for it.
func isTest(hook string) bool {
	if hook == "" {
		return false
	}
	return !slices.ContainsFunc(strings.Split(hook, ","), func(h string) bool {
		return !slices.Contains([]string{"test", "test-success", "test-failure"}, strings.TrimSpace(h))
	})
}
