// Package pathglob matches file paths against globs in which two stars stand
// for any number of folders, as in .gitignore files.
package pathglob

import (
	"fmt"
	"path"
	"strings"
)

// Check returns an error that says which part of a pattern is no glob.
func Check(pattern string) error {
	for part := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf("%q is no valid pattern", part)
		}
	}
	return nil
}

// Match matches a path with forward slashes, folder by folder. The time it
// takes grows with the product of the lengths of both.
func Match(pattern, file string) bool {
	return match(split(pattern), split(file))
}

// Within tells whether a pattern matches a path or a folder above it. A pattern
// without a slash matches a name at any depth.
func Within(pattern, file string) bool {
	patterns, names := split(pattern), split(file)
	if !strings.Contains(pattern, "/") {
		patterns = append([]string{"**"}, patterns...)
	}
	for end := 1; end <= len(names); end++ {
		if match(patterns, names[:end]) {
			return true
		}
	}
	return false
}

// split keeps an empty first part for the root.
func split(p string) []string { return strings.Split(strings.TrimSuffix(path.Clean(p), "/"), "/") }

// match tries a ** that does not reach far enough one folder further; only the
// last one needs to be.
func match(patterns, names []string) bool {
	at, from, stars := 0, 0, -1
	for next := 0; next < len(names); {
		switch {
		case at < len(patterns) && patterns[at] == "**":
			stars, from = at, next
			at++
		case at < len(patterns) && one(patterns[at], names[next]):
			at++
			next++
		case stars >= 0:
			from++
			at, next = stars+1, from
		default:
			return false
		}
	}
	for at < len(patterns) && patterns[at] == "**" {
		at++
	}
	return at == len(patterns)
}

func one(pattern, name string) bool {
	if pattern == name {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
