package report

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Fingerprint names a finding in a way that survives a move to another line:
// control, object, container and field. For findings without an object the
// file stands in for it.
func Fingerprint(f *Finding) string {
	parts := []string{f.Control, f.Container, f.Path}
	if f.Object != nil {
		parts = append(parts, f.Object.APIVersion, f.Object.Kind, f.Object.Namespace, f.Object.Name)
	} else {
		parts = append(parts, f.Location.File)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	const length = 16
	return hex.EncodeToString(sum[:length])
}

// Clean replaces control characters, which could drive a terminal or break a
// format, by a visible mark, and joins lines.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < 0x20 || r == 0x7f || r >= 0x80 && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return '\ufffd'
		}
		return r
	}, s)
}

// rank orders severities from the worst down.
var rank = map[string]int{"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4}

// Rank is the position of a severity, 0 for the worst.
func Rank(severity string) int {
	if r, ok := rank[severity]; ok {
		return r
	}
	return len(rank)
}

// Titles are the titles of the controls by id.
func (r *Report) Titles() map[string]string {
	out := make(map[string]string, len(r.Controls))
	for _, c := range r.Controls {
		out[c.ID] = c.Title
	}
	return out
}
