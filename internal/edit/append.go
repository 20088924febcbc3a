package edit

import (
	"bytes"
	"strings"
)

// AppendDocument puts a YAML document behind the last of a file, in the file's
// own line breaks. It refuses files in JSON and templates.
func AppendDocument(data []byte, document string) ([]byte, error) {
	parts := split(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	last := parts[len(parts)-1]
	doc, err := parse(last.text, last.first)
	switch {
	case err != nil:
		return nil, err
	case doc.json || endsOpen(last.text):
		return nil, ErrLayout
	}
	text := "---\n" + strings.TrimRight(document, "\n") + "\n"
	if len(data) > 0 && data[len(data)-1] != '\n' {
		text = "\n" + text
	}
	if doc.eol != "\n" {
		text = strings.ReplaceAll(text, "\n", doc.eol)
	}
	out := append(bytes.Clone(data), text...)
	again := split(bytes.TrimPrefix(out, []byte("\xef\xbb\xbf")))
	kept, err := parse(again[max(0, len(again)-2)].text, last.first)
	if err != nil || len(again) != len(parts)+1 || !doc.trees().equal(kept.trees()) {
		return nil, ErrLayout
	}
	return out, nil
}

// endsOpen tells whether a text ends a document explicitly, which is rare and
// not worth the care it would take.
func endsOpen(text []byte) bool { return bytes.Contains(text, []byte("\n...")) }
