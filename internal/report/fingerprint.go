package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fingerprint names a finding in a way that survives a move to another line:
// control, object, container and field. For findings without an object the
// file stands in for it. A container goes by its name, not by its position, so
// that one added before it changes nothing.
func Fingerprint(f *Finding) string {
	path := f.Path
	if f.Container != "" {
		path = withoutPosition(path)
	}
	parts := [...]string{f.Control, f.Container, path, f.Location.File, "", "", ""}
	if o := f.Object; o != nil {
		parts = [...]string{f.Control, f.Container, path, o.APIVersion, o.Kind, o.Namespace, o.Name}
	}
	var buf [256]byte
	text := buf[:0]
	for _, part := range parts {
		// The lengths keep parts apart, whatever is in them.
		text = append(strconv.AppendInt(text, int64(len(part)), 10), ':')
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	const length = 16
	return hex.EncodeToString(sum[:length])
}

// withoutPosition takes the position of a container among its like out of a
// path.
func withoutPosition(path string) string {
	const name = "ontainers["
	at := strings.Index(path, name)
	if at < 0 {
		return path
	}
	open := at + len(name)
	end := strings.IndexByte(path[open:], ']')
	field := path[strings.LastIndexByte(path[:at], '.')+1 : open-1]
	if end < 1 || strings.Trim(path[open:open+end], "0123456789") != "" ||
		field != "containers" && field != "initContainers" && field != "ephemeralContainers" {
		return path
	}
	return path[:open] + path[open+end:]
}

// Clean makes one harmless line of any text: control characters, which could
// drive a terminal or break a format, invisible ones and those that turn the
// direction of text become a visible mark, line ends become blanks.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case r >= ' ' && r < 0x7f:
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf) || r == '\ufffe' || r == '\uffff':
			return utf8.RuneError
		}
		return r
	}, s)
}

// Clip is [Clean] for text of any length: what goes beyond a number of
// characters is cut off.
func Clip(s string, most int) string {
	// No more is looked at than may be kept.
	if limit := (most + 1) * utf8.UTFMax; len(s) > limit {
		s = s[:limit]
	}
	s = Clean(s)
	seen := 0
	for i := range s {
		if seen == most {
			return s[:i] + "…"
		}
		seen++
	}
	return s
}

// Place is file:line, as editors and terminals understand it, made harmless.
func Place(l Location) string {
	if l.Line == 0 || l.File == "" {
		return Clean(l.File)
	}
	return fmt.Sprintf("%s:%d", Clean(l.File), l.Line)
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
