package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"github.com/redoubt-k8s/redoubt/internal/pathglob"
)

// ignorer holds the patterns in force in a folder.
type ignorer struct {
	off      bool
	exclude  []string
	patterns []gitignore.Pattern
}

// The bounds of a .gitignore file.
const (
	maxIgnoreLines = 10_000
	maxIgnoreBytes = 1 << 20
)

// above reads the .gitignore files from the root of the work tree down to the
// parent of path.
func (g *ignorer) above(path string) error {
	if g.off {
		return nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var parents []string
	for dir := abs; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil // not in a work tree
		}
		parents = append(parents, parent)
	}
	for _, dir := range slices.Backward(parents) {
		if err := g.read(dir); err != nil {
			return err
		}
	}
	return nil
}

// enter returns the patterns in force within a folder.
func (g *ignorer) enter(path string, entries []fs.DirEntry) (*ignorer, error) {
	if g.off || !has(path, entries, ".gitignore") {
		return g, nil
	}
	inner := &ignorer{exclude: g.exclude, patterns: append([]gitignore.Pattern(nil), g.patterns...)}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return inner, inner.read(abs)
}

func (g *ignorer) read(dir string) error {
	name := filepath.Join(dir, ".gitignore")
	if !isRegular(name) {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w; make it readable, or pass --no-gitignore", name, errors.Unwrap(err))
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreBytes+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, errors.Unwrap(err))
	}
	if len(data) > maxIgnoreBytes || bytes.Count(data, []byte("\n")) > maxIgnoreLines {
		return fmt.Errorf("%s: more than %d lines or %d KiB; shorten it, or pass --no-gitignore", name, maxIgnoreLines, maxIgnoreBytes>>10)
	}
	domain := segments(dir)
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line = strings.TrimRight(line, "\r\n")
		if !strings.HasSuffix(line, "\\ ") {
			line = strings.TrimRight(line, " ")
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			g.patterns = append(g.patterns, gitignore.ParsePattern(line, domain))
		}
	}
	return nil
}

func segments(abs string) []string {
	return strings.Split(strings.Trim(filepath.ToSlash(abs), "/"), "/")
}

func (g *ignorer) match(path string, isDir bool) bool {
	slash := filepath.ToSlash(path)
	if slices.ContainsFunc(g.exclude, func(glob string) bool { return pathglob.Within(glob, slash) }) {
		return true
	}
	return g.gitignored(path, isDir)
}

func (g *ignorer) gitignored(path string, isDir bool) bool {
	if len(g.patterns) == 0 {
		return false
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	return gitignore.NewMatcher(g.patterns).Match(segments(abs), isDir)
}
