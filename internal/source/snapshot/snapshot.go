// Package snapshot keeps an inventory in a file: compressed lines of JSON, the
// first of which says what the file is, the last of which that it is whole. An
// inventory is written and read as a stream. It judges nothing.
package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
)

// Schema is the version of the format, and what a reader knows a snapshot by.
const Schema = "redoubt.snapshot/v1"

// Header is the first line.
type Header struct {
	Schema string `json:"schema"`
	// Server is where it was taken, Taken when, in RFC 3339.
	Server string `json:"server,omitempty"`
	Taken  string `json:"taken,omitempty"`
	// ServerVersion is that of the API server.
	ServerVersion string `json:"serverVersion,omitempty"`
	// ClusterWide says that what is missing was missing.
	ClusterWide bool `json:"clusterWide,omitempty"`
	// By is the program that wrote it.
	By string `json:"by,omitempty"`
}

// The other lines: each has one of the fields.
type line struct {
	// Object is a tree. Name is given where the tree does not hold it.
	Object json.RawMessage `json:"object,omitempty"`
	Name   string          `json:"name,omitempty"`
	Gap    *gap            `json:"gap,omitempty"`
	End    *end            `json:"end,omitempty"`
}

type gap struct {
	What   string   `json:"what"`
	Why    string   `json:"why"`
	Kinds  []string `json:"kinds,omitempty"`
	Broken bool     `json:"broken,omitempty"`
}

// end is the last line; a file without it was cut off.
type end struct {
	Objects    int               `json:"objects"`
	Skipped    map[string]int    `json:"skipped,omitempty"`
	ImageUsers map[string]string `json:"imageUsers,omitempty"`

	ImageDigests map[string][]string `json:"imageDigests,omitempty"`
}

// Writer writes a snapshot.
type Writer struct {
	zip     *gzip.Writer
	buf     *bufio.Writer
	objects int
	scratch []byte
}

// NewWriter starts a snapshot.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{zip: gzip.NewWriter(out)}
	// It lets a reader know a snapshot without unpacking it.
	w.zip.Comment = Schema
	w.buf = bufio.NewWriterSize(w.zip, 1<<16)
	h.Schema = Schema
	return w, w.json(h)
}

func (w *Writer) json(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return w.write(append(text, '\n'))
}

func (w *Writer) write(text []byte) error {
	if _, err := w.buf.Write(text); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// Object adds an object.
func (w *Writer) Object(o *inventory.Object) error {
	w.objects++
	b := append(w.scratch[:0], `{"object":`...)
	b = o.Root.AppendJSON(b)
	if o.Root.Find("metadata", "name").Str() != o.Name {
		b = inventory.AppendJSONString(append(b, `,"name":`...), o.Name)
	}
	w.scratch = append(b, "}\n"...)
	return w.write(w.scratch)
}

// Close ends the snapshot with what is known besides the objects.
func (w *Writer) Close(rest *inventory.Inventory) error {
	for _, g := range rest.Gaps {
		if err := w.json(line{Gap: &gap{g.What, g.Why, g.Kinds, g.Broken}}); err != nil {
			return err
		}
	}
	if err := w.json(line{End: &end{w.objects, rest.Skipped, rest.ImageUsers, rest.ImageDigests}}); err != nil {
		return err
	}
	if err := errors.Join(w.buf.Flush(), w.zip.Close()); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// Is tells whether the first bytes of a file are those of a snapshot. Some 64
// suffice.
func Is(start []byte) bool {
	const magic = "\x1f\x8b\x08\x10" // gzip, deflate, with a comment
	const comment = 10
	return bytes.HasPrefix(start, []byte(magic)) && len(start) > comment && bytes.HasPrefix(start[comment:], []byte(Schema+"\x00"))
}

// The bounds of what is read: a compressed file may hold far more than it
// seems.
const (
	maxLine  = 64 << 20
	maxTotal = 4 << 30
)

// ErrCut means that a snapshot has no end.
var ErrCut = errors.New("the snapshot is cut off; take it again")

var errMore = errors.New("there is something behind the end")

// Read reads a snapshot. All objects have the given origin.
func Read(in io.Reader, origin *inventory.Origin) (*inventory.Inventory, Header, error) {
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, Header{}, fmt.Errorf("it is no snapshot: %w", err)
	}
	r := &reader{
		in: bufio.NewReaderSize(&bounded{zip, maxTotal}, 1<<16), origin: origin,
		inv: new(inventory.Inventory),
	}
	first, err := r.line()
	if err != nil {
		return nil, Header{}, r.explain(err)
	}
	var h Header
	if err := json.Unmarshal(first, &h); err != nil || h.Schema != Schema {
		return nil, h, fmt.Errorf("it is no snapshot of a version this program reads: it says %q, want %q", h.Schema, Schema)
	}
	r.inv.ClusterWide, r.inv.ServerVersion = h.ClusterWide, h.ServerVersion
	if taken, err := time.Parse(time.RFC3339, h.Taken); err == nil {
		r.inv.Time = taken
	}
	for {
		text, err := r.line()
		if err != nil {
			return nil, h, r.explain(err)
		}
		ended, err := r.take(text)
		if err != nil {
			return nil, h, fmt.Errorf("line %d: %w", r.at, err)
		}
		if ended {
			// The checksum stands behind the last line.
			if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
				return nil, h, cmp.Or(err, errMore)
			}
			return r.inv, h, nil
		}
	}
}

type reader struct {
	in     *bufio.Reader
	origin *inventory.Origin
	inv    *inventory.Inventory
	parser jsontree.Parser
	at     int
	buf    []byte
}

func (r *reader) explain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCut
	}
	return fmt.Errorf("line %d: %w", r.at, err)
}

// line reads a line without its end; it is valid until the next call.
func (r *reader) line() ([]byte, error) {
	r.at++
	r.buf = r.buf[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		switch {
		case err == nil:
			r.inv.Bytes += int64(len(r.buf))
			return r.buf, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(r.buf) > maxLine:
			return nil, fmt.Errorf("the line is longer than %d MiB", maxLine>>20)
		}
	}
}

// take handles a line and tells whether it was the last.
func (r *reader) take(text []byte) (bool, error) {
	root, err := r.parser.Parse(text)
	if err != nil {
		return false, err
	}
	if tree := root.Get("object"); tree != nil {
		if tree.Kind != inventory.Map {
			return false, errors.New("the object is no map")
		}
		own := *tree
		own.Key = ""
		o := inventory.NewObject(&own, r.origin)
		if name := root.Get("name"); name != nil {
			o.Name = name.Str()
		}
		r.inv.Add(o)
		return false, nil
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return false, err
	}
	switch {
	case l.Gap != nil:
		r.inv.AddGap(inventory.Gap{What: l.Gap.What, Why: l.Gap.Why, Kinds: l.Gap.Kinds, Broken: l.Gap.Broken})
		return false, nil
	case l.End != nil:
		if l.End.Objects != len(r.inv.Objects) {
			return false, fmt.Errorf("it has %d objects and should have %d", len(r.inv.Objects), l.End.Objects)
		}
		r.inv.Skipped, r.inv.ImageUsers, r.inv.ImageDigests = l.End.Skipped, l.End.ImageUsers, l.End.ImageDigests
		return true, nil
	}
	return false, errors.New("neither object, gap nor end")
}

// bounded fails once more was read than allowed.
type bounded struct {
	in   io.Reader
	left int64
}

// Read reads from the reader within the bound.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, fmt.Errorf("it unpacks to more than %d GiB", maxTotal>>30)
	}
	return n, err
}
