package waiver

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// limits bound what a configuration file may cost.
var limits = decode.Limits{Bytes: 4 << 20, Depth: 20, Nodes: 500_000}

// maxFaults is how many faults of a file are named at once.
const maxFaults = 20

// ParseConfig reads a configuration file. What it does not understand is an
// error, which names the file and the line: a waiver that was not meant that
// way must not work.
func ParseConfig(name string, text []byte) (Config, error) {
	p := &parser{file: name}
	var c Config
	if root := p.read(text); root != nil {
		p.config(root, &c)
	}
	if len(p.faults) > maxFaults {
		p.faults = append(p.faults[:maxFaults], fmt.Errorf("%s: and %d more faults", name, len(p.faults)-maxFaults))
	}
	if len(p.faults) > 0 {
		return Config{}, errors.Join(p.faults...)
	}
	return c, nil
}

// parser collects the faults of one file.
type parser struct {
	file   string
	faults []error
}

func (p *parser) fail(line int32, format string, args ...any) {
	where := p.file
	if line > 0 {
		where = fmt.Sprintf("%s:%d", p.file, line)
	}
	p.faults = append(p.faults, errors.New(where+": "+fmt.Sprintf(format, args...)))
}

// The decoder reads objects of Kubernetes, so the configuration goes into one,
// below a field and indented by one column.
const (
	shell      = "apiVersion: redoubt/v1\nkind: Config\n" + shellField + ":\n"
	shellField = "config"
	shellLines = 3
	shellKeys  = 3
)

// read returns the tree of the configuration, or nil after a fault. Its lines
// are those of the file.
func (p *parser) read(text []byte) *inventory.Node {
	if int64(len(text)) > limits.Bytes {
		p.fail(0, "the file is larger than %d MiB", limits.Bytes>>20)
		return nil
	}
	wrapped, line := wrap(text)
	if line > 0 {
		p.fail(line, "the file holds more than one YAML document: put everything into one")
		return nil
	}
	res, err := decode.File(wrapped, &inventory.Origin{File: "config.yaml"}, limits)
	for _, fault := range decode.Faults(err) {
		p.fail(max(fault.Line-shellLines, 0), "%s", fault.Reason())
	}
	if err != nil {
		return nil
	}
	if len(res.Objects) != 1 || res.Foreign > 0 || res.Objects[0].Root.Len() != shellKeys {
		p.fail(0, "the file is no YAML map: start it with version: 1")
		return nil
	}
	for _, d := range res.Objects[0].Duplicates {
		field := strings.TrimPrefix(strings.TrimPrefix(d.Path, shellField), ".")
		p.fail(d.WinnerLine-shellLines, "%q is given already on line %d: keep one", field, d.Line-shellLines)
	}
	root := res.Objects[0].Root.Get(shellField)
	if root.IsNull() {
		p.fail(0, "the file is empty: it needs version: 1")
		return nil
	}
	return root
}

// wrap puts a text into the shell. If it holds a second document, wrap returns
// the line that starts it.
func wrap(text []byte) ([]byte, int32) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	out := make([]byte, 0, len(shell)+len(text)+bytes.Count(text, []byte("\n"))+1)
	out = append(out, shell...)
	line, begun := int32(0), false
	for row := range bytes.Lines(text) {
		line++
		bare := bytes.TrimSpace(row)
		separator := bytes.HasPrefix(row, []byte("---")) && (len(bare) == len("---") || bytes.ContainsAny(bare[3:4], " \t"))
		switch {
		case separator && begun, string(bare) == "..." && row[0] == '.':
			return nil, line
		case separator:
			row = row[len("---"):]
			begun = begun || len(bare) > len("---")
		case !begun && row[0] == '%':
			row = []byte("\n")
		case len(bare) > 0 && bare[0] != '#':
			begun = true
		}
		if len(bytes.TrimSpace(row)) > 0 {
			out = append(out, ' ')
		}
		out = append(out, row...)
	}
	return out, 0
}

// fields hands each field of a map to the function that knows it.
func (p *parser) fields(n *inventory.Node, what string, known map[string]func(*inventory.Node)) {
	if n.Kind != inventory.Map {
		p.fail(p.line(n), "%s is %s: want a map", what, p.describe(n))
		return
	}
	for _, field := range n.All() {
		if read := known[field.Key]; read != nil {
			read(field)
			continue
		}
		p.fail(p.line(field), "%s has no field %q: it knows %s", what, field.Key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
}

func (p *parser) config(n *inventory.Node, c *Config) {
	p.fields(n, "the configuration", map[string]func(*inventory.Node){
		"version": func(n *inventory.Node) {
			if v, ok := n.Int(); !ok || v != 1 {
				p.fail(p.line(n), "version is %s: want version: 1", p.describe(n))
				return
			}
			c.Version = 1
		},
		"waivers": func(n *inventory.Node) {
			p.items(n, "waivers", func(n *inventory.Node) { c.Waivers = append(c.Waivers, p.waiver(n)) })
		},
		"exclude": func(n *inventory.Node) {
			p.items(n, "exclude", func(n *inventory.Node) { c.Exclude = append(c.Exclude, p.pattern(n, "a glob of exclude")) })
		},
		"images": func(n *inventory.Node) {
			p.items(n, "images", func(n *inventory.Node) { c.Images = append(c.Images, p.image(n)) })
		},
		"facts": func(n *inventory.Node) { c.Facts = p.facts(n) },
	})
	if n.Kind == inventory.Map && n.Get("version") == nil {
		p.fail(p.line(n), "the version is missing: add version: 1")
	}
}

// items hands on each item of a list, which may be left empty.
func (p *parser) items(n *inventory.Node, what string, read func(*inventory.Node)) {
	if n.IsNull() {
		return
	}
	if n.Kind != inventory.List {
		p.fail(p.line(n), "%s is %s: want a list", what, p.describe(n))
		return
	}
	for _, item := range n.All() {
		read(item)
	}
}

func (p *parser) waiver(n *inventory.Node) Entry {
	e := Entry{file: p.file, line: p.line(n)}
	p.fields(n, "a waiver", map[string]func(*inventory.Node){
		"control": func(n *inventory.Node) { e.Control = p.pattern(n, "control") },
		"object":  func(n *inventory.Node) { e.Object = p.selector(n) },
		"reason":  func(n *inventory.Node) { e.Reason = p.prose(n) },
		"owner":   func(n *inventory.Node) { e.Owner = p.prose(n) },
		"expires": func(n *inventory.Node) {
			e.Expires = p.prose(n)
			if _, err := endOf(e.Expires); err != nil {
				p.fail(p.line(n), "expires is %q: want a date such as 2027-01-31", e.Expires)
			}
		},
	})
	if n.Kind == inventory.Map && n.Get("control") == nil {
		p.fail(p.line(n), "the waiver names no control: add control with an id or a glob")
	}
	return e
}

func (p *parser) selector(n *inventory.Node) Selector {
	var s Selector
	if n.Len() == 0 {
		p.fail(p.line(n), "object is empty: leave it out, or say which objects are meant")
		return s
	}
	into := func(to *string, name string) func(*inventory.Node) {
		return func(n *inventory.Node) { *to = p.pattern(n, name) }
	}
	p.fields(n, "object", map[string]func(*inventory.Node){
		"kind":      into(&s.Kind, "kind"),
		"namespace": into(&s.Namespace, "namespace"),
		"name":      into(&s.Name, "name"),
		"container": into(&s.Container, "container"),
		"file":      into(&s.File, "file"),
		"labels": func(n *inventory.Node) {
			if n.Kind != inventory.Map || n.Len() == 0 {
				p.fail(p.line(n), "labels is %s: want a map of labels, or leave it out", p.describe(n))
				return
			}
			s.Labels = make(map[string]string, n.Len())
			for _, label := range n.All() {
				if label.Kind != inventory.String {
					p.fail(p.line(label), "label %q is %s: want text; put it in quotes", label.Key, p.describe(label))
				}
				s.Labels[label.Key] = label.Str()
			}
		},
	})
	return s
}

// digestForm is how the digest of an image is written.
var digestForm = regexp.MustCompile(`^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$`)

func (p *parser) image(n *inventory.Node) Image {
	i := Image{User: NoUser}
	p.fields(n, "an image", map[string]func(*inventory.Node){
		"image": func(n *inventory.Node) { i.Image = p.pattern(n, "image") },
		"user": func(n *inventory.Node) {
			user, ok := n.Int()
			if !ok || user < 0 {
				p.fail(p.line(n), "user is %s: want the number of a user", p.describe(n))
			}
			i.User = user
		},
		"writable": func(n *inventory.Node) { i.Writable = p.folders(n) },
		"digest": func(n *inventory.Node) {
			if i.Digest = n.Str(); !digestForm.MatchString(i.Digest) {
				p.fail(p.line(n), "digest is %s: want sha256: and 64 hexadecimal digits in small letters", p.describe(n))
			}
		},
	})
	switch {
	case n.Kind != inventory.Map:
	case n.Get("image") == nil:
		p.fail(p.line(n), "the image has no image: say which one is meant")
	case n.Get("user") == nil && n.Get("digest") == nil && n.Get("writable") == nil:
		p.fail(p.line(n), "the image has no user, digest or writable folders: at least one is needed")
	case n.Get("digest") != nil && strings.ContainsAny(i.Image, "*?[\\"):
		p.fail(p.line(n), "the image %q is a glob: a digest belongs to one image, so name it as manifests do", i.Image)
	case n.Get("digest") != nil && strings.Contains(i.Image, "@"):
		p.fail(p.line(n), "the image %q has a digest already", i.Image)
	}
	return i
}

// pattern reads a glob. An empty one would match anything and is refused.
func (p *parser) pattern(n *inventory.Node, what string) string {
	text := strings.TrimSpace(n.Str())
	if text == "" {
		p.fail(p.line(n), "%s is %s: want a name or a glob", what, p.describe(n))
		return ""
	}
	if _, err := path.Match(text, ""); err != nil {
		p.fail(p.line(n), "%s is %q, which is no glob: close brackets, and put a backslash before a bracket that is meant as one", what, text)
	}
	return text
}

// prose reads a text that may be left empty.
func (p *parser) prose(n *inventory.Node) string {
	if n.Kind != inventory.String && n.Kind != inventory.Null {
		p.fail(p.line(n), "%s is %s: want text; put it in quotes", n.Key, p.describe(n))
	}
	return strings.TrimSpace(n.Str())
}

// line is that of a node in the file.
func (*parser) line(n *inventory.Node) int32 { return max(n.Line-shellLines, 1) }

// describe says what stands in the place of what was wanted.
func (*parser) describe(n *inventory.Node) string {
	switch n.Kind {
	case inventory.Null:
		return "empty"
	case inventory.Map:
		return "a map"
	case inventory.List:
		return "a list"
	case inventory.String, inventory.Bool, inventory.Int, inventory.Float:
	}
	const most = 60
	if len(n.Text) > most {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(n.Text[:most], ""))
	}
	if n.Kind == inventory.String {
		return fmt.Sprintf("%q", n.Text)
	}
	return n.Text
}
