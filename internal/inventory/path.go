package inventory

import (
	"strconv"
	"strings"
)

// A path names a field as the API server's error messages do:
// spec.containers[0].securityContext, metadata.labels[app.kubernetes.io/name].
// Segments are joined by dots, list positions and keys that contain a dot or a
// slash stand in brackets. The empty path is the root.

// Join appends key to path.
func Join(path, key string) string {
	if strings.ContainsAny(key, "./[]") {
		return path + "[" + key + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// JoinIndex appends a list position to path.
func JoinIndex(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// JoinPath appends the relative path rel to path.
func JoinPath(path, rel string) string {
	switch {
	case rel == "":
		return path
	case path == "" || rel[0] == '[':
		return path + rel
	default:
		return path + "." + rel
	}
}

// SplitPath cuts a path into its segments. A position in a list comes out as
// its digits.
func SplitPath(path string) []string {
	var out []string
	for path != "" {
		if path[0] == '[' {
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return append(out, path[1:])
			}
			out = append(out, path[1:end])
			path = strings.TrimPrefix(path[end+1:], ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			return append(out, path)
		}
		out = append(out, path[:end])
		path = strings.TrimPrefix(path[end:], ".")
	}
	return out
}

// At returns what stands at path below n, or nil.
func (n *Node) At(path string) *Node {
	found, exact := n.Nearest(path)
	if !exact {
		return nil
	}
	return found
}

// Nearest returns what stands at path below n, or else its nearest existing
// parent, and whether the path exists.
func (n *Node) Nearest(path string) (*Node, bool) {
	for _, segment := range SplitPath(path) {
		next := n.Get(segment)
		if next == nil && n != nil && n.Kind == List {
			if i, err := strconv.Atoi(segment); err == nil {
				next = n.Index(i)
			}
		}
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}
