// Package decode turns the bytes of a YAML or JSON file into objects with
// positions, with the meaning kubectl and the API server give them: YAML 1.1
// scalars, the last of duplicate keys, lists taken apart.
//
// It does no I/O and judges nothing. All input is bounded.
package decode

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Limits bound what one file may cost.
type Limits struct {
	// Bytes is the greatest size of a file.
	Bytes int64
	// Depth is the greatest nesting of values.
	Depth int
	// Nodes is the greatest number of values in a file, aliases expanded.
	Nodes int
}

// DefaultLimits are generous for what people write and for exports of whole
// clusters. The API server itself refuses objects above 3 MiB.
func DefaultLimits() Limits {
	return Limits{Bytes: 64 << 20, Depth: 200, Nodes: 8_000_000}
}

// Result is what a file holds.
type Result struct {
	Objects []*inventory.Object
	// Foreign counts the documents that are well formed and not Kubernetes.
	Foreign int
}

// Error is a fault in a file with its position.
type Error struct {
	File string
	// Line is 1-based; 0 when unknown.
	Line int32
	Msg  string
	// Hint says what to do, may be empty.
	Hint string
	// Foreign is set when nothing in the document looks like Kubernetes.
	Foreign bool
}

// Error is file:line: message.
func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return where + ": " + e.Reason()
}

// Reason is the fault and the hint without the place.
func (e *Error) Reason() string {
	if e.Hint != "" {
		return e.Msg + " (" + e.Hint + ")"
	}
	return e.Msg
}

// Faults takes an error of this package apart.
func Faults(err error) []*Error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var out []*Error
		for _, e := range joined.Unwrap() {
			out = append(out, Faults(e)...)
		}
		return out
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return []*Error{e}
	}
	return []*Error{{Msg: err.Error()}}
}

// File decodes all documents of a file. The error joins one [Error] for each
// document that is broken; the result holds the others.
func File(data []byte, origin *inventory.Origin, limits Limits) (Result, error) {
	return (&decoder{file: origin.File, origin: origin, limits: limits, keys: make(map[string]string)}).read(data)
}

// Document is a part of a file and what the YAML library makes of it.
type Document struct {
	Text []byte
	// Line is the number of lines before the text.
	Line  int
	Nodes []*yaml.Node
}

// Documents is [File] for who needs the nodes of YAML documents, too. Documents
// that are broken or in JSON are not among them. The nodes take several times
// as much memory as the text.
func Documents(data []byte, origin *inventory.Origin, limits Limits) (Result, []Document, error) {
	d := &decoder{file: origin.File, origin: origin, limits: limits, keys: make(map[string]string), keep: true}
	res, err := d.read(data)
	return res, d.kept, err
}

func (d *decoder) read(data []byte) (Result, error) {
	limits := d.limits
	if int64(len(data)) > limits.Bytes {
		return Result{}, d.fail(0, "the file is larger than "+size(limits.Bytes), "raise --max-file-size, or split it")
	}
	data = toUTF8(data)
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return Result{}, &Error{File: d.file, Msg: "the file is binary, not text", Foreign: !looksLikeKubernetes(data)}
	}
	roots, errs := d.roots(data)
	var res Result
	for _, r := range roots {
		found, refused := d.objects(r)
		errs = append(errs, refused...)
		if len(found)+len(refused) == 0 {
			res.Foreign++
		}
		res.Objects = append(res.Objects, found...)
	}
	d.attachIgnores(data, res.Objects)
	return res, errors.Join(errs...)
}

func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// roots decides between JSON and YAML as kubectl does, by content: text that
// starts with a brace is read as JSON, and as YAML if that fails before a
// second value. The name of the file only decides which error is shown.
func (d *decoder) roots(data []byte) ([]root, []error) {
	isJSON, isYAML := strings.HasSuffix(d.file, ".json"), strings.HasSuffix(d.file, ".yaml") || strings.HasSuffix(d.file, ".yml")
	start := bytes.TrimLeft(data, " \t\r\n")
	if !isJSON && !bytes.HasPrefix(start, []byte("{")) {
		return d.yaml(data)
	}
	roots, shown, err := d.json(data)
	if err == nil {
		return roots, nil
	}
	if _, limit := errors.AsType[*Error](err); limit || len(roots) > 1 {
		return roots, []error{shown}
	}
	d.nodes = 0
	read, errs := d.yaml(data)
	if len(errs) > 0 && len(read) <= len(roots) && (isJSON || !isYAML && bytes.IndexByte(start, '"') >= 0) {
		return roots, []error{shown}
	}
	return read, errs
}

// root is one document: its tree and the duplicate keys met in it.
type root struct {
	node       *inventory.Node
	duplicates []inventory.Duplicate
}

type decoder struct {
	file   string
	origin *inventory.Origin
	limits Limits
	nodes  int
	// place is the way to the value being built; placeBytes is the length of
	// its keys.
	place      []segment
	placeBytes int
	// keys interns map keys, which repeat all over a file.
	keys map[string]string
	// ignores are the comments that may hold an inline waiver.
	ignores map[string]bool
	// kept are the YAML documents, if they are to be kept.
	keep bool
	kept []Document
}

func (d *decoder) fail(line int32, msg, hint string) *Error {
	return &Error{File: d.file, Line: line, Msg: msg, Hint: hint}
}

func (d *decoder) intern(s string) string {
	if k, ok := d.keys[s]; ok {
		return k
	}
	d.keys[s] = s
	return s
}

// count charges one node at a depth.
func (d *decoder) count(depth int, line int32) error {
	d.nodes++
	if d.nodes > d.limits.Nodes {
		return d.fail(line, fmt.Sprintf("the file has more than %d values, aliases expanded", d.limits.Nodes), "split it, or remove nested aliases")
	}
	if depth > d.limits.Depth {
		return d.fail(line, fmt.Sprintf("values are nested deeper than %d", d.limits.Depth), "")
	}
	return nil
}
