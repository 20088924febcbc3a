package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// files are the files of a layout or archive.
type files interface {
	// open opens a regular file, or returns [errAbsent].
	open(name string) (io.ReadCloser, error)
	close()
}

var errAbsent = errors.New("there is no such file")

func open(name string) (files, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, plain(err)
	}
	if info.IsDir() {
		root, err := os.OpenRoot(name)
		if err != nil {
			return nil, plain(err)
		}
		return folder{root}, nil
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is neither a folder nor a file")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, plain(err)
	}
	a := &archive{file: file, entries: make(map[string]*io.SectionReader)}
	if err := a.index(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// plain takes the path out of an error: it stands before it.
func plain(err error) error {
	if broken, ok := errors.AsType[*fs.PathError](err); ok {
		return broken.Err
	}
	return err
}

// folder is an OCI layout. Links that lead out of it are not followed.
type folder struct{ root *os.Root }

func (f folder) close() { _ = f.root.Close() } // only read

func (f folder) open(name string) (io.ReadCloser, error) {
	info, err := f.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errAbsent
	case err != nil:
		return nil, plain(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file")
	}
	return f.root.Open(name)
}

// archive is a tar file that is not compressed, so that its files can be read
// where they stand.
type archive struct {
	file    *os.File
	entries map[string]*io.SectionReader
	// links are names of files under other names.
	links map[string]string
}

const maxEntries = 100_000

func (a *archive) close() { _ = a.file.Close() } // only read

func (a *archive) open(name string) (io.ReadCloser, error) {
	name = path.Clean(name)
	if to, ok := a.links[name]; ok {
		name = to
	}
	entry, ok := a.entries[name]
	if !ok {
		return nil, errAbsent
	}
	return io.NopCloser(io.NewSectionReader(entry, 0, entry.Size())), nil
}

// index notes where each file stands.
func (a *archive) index() error {
	at := &offset{file: a.file}
	r := tar.NewReader(at)
	for n := 0; ; n++ {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no archive that can be read, which must not be compressed: %w", err)
		}
		if n >= maxEntries {
			return fmt.Errorf("it has more than %d files", maxEntries)
		}
		name := path.Clean(head.Name)
		switch head.Typeflag {
		case tar.TypeReg:
			if _, twice := a.entries[name]; !twice {
				a.entries[name] = io.NewSectionReader(a.file, at.at, head.Size)
			}
		case tar.TypeSymlink:
			// Older versions of docker save link equal layers to each other.
			if a.links == nil {
				a.links = make(map[string]string)
			}
			a.links[name] = path.Join(path.Dir(name), head.Linkname) //nolint:gosec // a name within the archive; nothing is unpacked
		}
	}
}

// offset knows how far a file was read. It has Seek, so that the reader of
// archives skips what it need not read.
type offset struct {
	file *os.File
	at   int64
}

func (o *offset) Read(p []byte) (int, error) {
	n, err := o.file.Read(p)
	o.at += int64(n)
	return n, err
}

func (o *offset) Seek(to int64, whence int) (int64, error) {
	at, err := o.file.Seek(to, whence)
	if err == nil {
		o.at = at
	}
	return at, err
}

// The bounds of looking for a user in the layers.
const (
	maxLayer  = 2 << 30
	maxPasswd = 1 << 20
)

// passwd looks a name up in /etc/passwd of the uppermost layer that has the file.
func (r *reader) passwd(user string, layers []string) int64 {
	for _, layer := range slices.Backward(layers) {
		text, found := r.fromLayer(layer)
		if !found {
			continue
		}
		for line := range bytes.Lines(text) {
			fields := strings.Split(strings.TrimSpace(string(line)), ":")
			if len(fields) > 2 && fields[0] == user {
				if n, err := strconv.ParseInt(fields[2], 10, 32); err == nil && n >= 0 {
					return n
				}
				return NoUser
			}
		}
		return NoUser
	}
	return NoUser
}

// fromLayer reads /etc/passwd of a layer. A layer that can't be read might hold
// the file: it is found then, and empty.
func (r *reader) fromLayer(name string) ([]byte, bool) {
	file, err := r.files.open(name)
	if err != nil {
		return nil, true
	}
	defer file.Close() //nolint:errcheck // only read
	packed := bufio.NewReader(file)
	var in io.Reader = packed
	if start, _ := packed.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) {
		if in, err = gzip.NewReader(packed); err != nil {
			return nil, true
		}
	}
	limited := &io.LimitedReader{R: in, N: maxLayer}
	tr := tar.NewReader(limited)
	for range maxEntries * 10 {
		head, err := tr.Next()
		if errors.Is(err, io.EOF) && limited.N > 0 {
			return nil, false
		}
		if err != nil {
			return nil, true
		}
		switch path.Clean("/" + head.Name) {
		case "/etc/passwd":
			text, err := io.ReadAll(io.LimitReader(tr, maxPasswd))
			if err != nil || head.Typeflag != tar.TypeReg || len(text) == maxPasswd {
				return nil, true
			}
			return text, true
		case "/etc/.wh.passwd", "/etc/.wh..wh..opq", "/.wh.etc", "/.wh..wh..opq":
			return nil, true
		}
	}
	return nil, true
}
