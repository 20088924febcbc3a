// Package json writes a report as JSON, by the published schema, and reads it
// back.
package json

import (
	"bufio"
	"bytes"
	_ "embed" // the schema is part of the program
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// Schema is the JSON Schema of the report.
//
//go:embed schema.json
var Schema []byte

// Renderer writes indented JSON.
type Renderer struct{}

// Render implements [report.Renderer]. Findings are written one by one: all
// together they can be many times as large as what was scanned.
func (Renderer) Render(w io.Writer, r *report.Report) error {
	const start = "\n  \"findings\": ["
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	frame := complete(r)
	frame.Findings = []report.Finding{}
	if err := enc.Encode(frame); err != nil {
		return err
	}
	if len(r.Findings) == 0 {
		_, err := w.Write(buf.Bytes())
		return err
	}
	// A line break never stands in a JSON string, so this is the field.
	head, tail, found := strings.Cut(buf.String(), start)
	if !found {
		return errors.New("the report has no findings")
	}
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(head + start) // Flush reports all errors
	enc.SetIndent("    ", "  ")
	for i := range r.Findings {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		buf.Reset()
		if err := enc.Encode(&r.Findings[i]); err != nil {
			return err
		}
		_, _ = out.WriteString("\n    ")
		_, _ = out.Write(bytes.TrimRight(buf.Bytes(), "\n"))
	}
	_, _ = out.WriteString("\n  " + tail)
	return out.Flush()
}

// complete gives lists that are nil and that the schema asks for as empty ones.
func complete(r *report.Report) *report.Report {
	out := *r
	out.Scan.Sources = orEmpty(r.Scan.Sources)
	out.Controls = orEmpty(r.Controls)
	out.Gaps = make([]report.Gap, len(r.Gaps))
	for i, g := range r.Gaps {
		g.Controls = orEmpty(g.Controls)
		out.Gaps[i] = g
	}
	return &out
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// maxBytes bounds a report that is read back.
const maxBytes = 512 << 20

// Read reads a report that was written before.
func Read(in io.Reader) (*report.Report, error) {
	r := new(report.Report)
	dec := json.NewDecoder(io.LimitReader(in, maxBytes))
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("read JSON report: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read JSON report: the file holds more than one report, or text behind it")
	}
	if r.Schema != report.Schema {
		return nil, fmt.Errorf("read JSON report: schema is %q, want %q", r.Schema, report.Schema)
	}
	return r, nil
}
