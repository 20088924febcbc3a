// Package json writes a report as JSON, by the published schema, and reads it
// back.
package json

import (
	_ "embed" // the schema is part of the program
	"encoding/json"
	"fmt"
	"io"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// Schema is the JSON Schema of the report.
//
//go:embed schema.json
var Schema []byte

// Renderer writes indented JSON.
type Renderer struct{}

// Render implements [report.Renderer].
func (Renderer) Render(w io.Writer, r *report.Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// maxBytes bounds a report that is read back.
const maxBytes = 512 << 20

// Read reads a report that was written before.
func Read(in io.Reader) (*report.Report, error) {
	r := new(report.Report)
	if err := json.NewDecoder(io.LimitReader(in, maxBytes)).Decode(r); err != nil {
		return nil, fmt.Errorf("read JSON report: %w", err)
	}
	if r.Schema != report.Schema {
		return nil, fmt.Errorf("read JSON report: schema is %q, want %q", r.Schema, report.Schema)
	}
	return r, nil
}
