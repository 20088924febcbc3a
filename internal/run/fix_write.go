package run

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrStdin is returned for an attempt to write to standard input.
var ErrStdin = errors.New("standard input can't be edited in place; leave --write away and apply the diff, or name the file")

// disk is what files are written with.
type disk struct {
	// fill writes a new file that nothing else knows yet; it is named by a
	// pattern as of [os.CreateTemp].
	fill    func(dir, pattern string, text []byte, mode fs.FileMode) (string, error)
	replace func(from, to string) error
}

func realDisk() disk { return disk{fill: fill, replace: os.Rename} }

// fill writes a temporary file.
func fill(dir, pattern string, text []byte, mode fs.FileMode) (string, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode.Perm()), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// Write puts the new texts in the place of the old ones. Either all files are
// replaced or, if one has changed meanwhile or can't be written, none.
func (f *Fixed) Write() error { return f.write(realDisk()) }

func (f *Fixed) write(to disk) error {
	ready, err := f.prepareAll(to)
	defer func() {
		for _, p := range ready {
			_ = os.Remove(p.temporary) // already renamed, if all went well
		}
	}()
	if err != nil {
		return err
	}
	for _, p := range ready {
		if err := f.unchanged(p); err != nil {
			return err
		}
	}
	for i, p := range ready {
		if err := to.replace(p.temporary, p.target); err != nil {
			err = fmt.Errorf("replace %s: %w", p.name, err)
			if left := f.undo(to, ready[:i]); len(left) > 0 {
				return fmt.Errorf("%w; these were written and could not be set back: %s", err, strings.Join(left, ", "))
			}
			return fmt.Errorf("%w; what was written was set back", err)
		}
	}
	return nil
}

// prepareAll writes all new texts beside their files. With an error it returns
// what it has written by then.
func (f *Fixed) prepareAll(to disk) ([]*pending, error) {
	var ready []*pending
	for _, name := range sortedKeys(f.Texts) {
		if name == "-" {
			return ready, ErrStdin
		}
		p, err := f.prepare(to, name)
		if err != nil {
			return ready, fmt.Errorf("write %s: %w; nothing was written", name, err)
		}
		ready = append(ready, p)
		for _, other := range ready[:len(ready)-1] {
			if p.same(other) && !bytes.Equal(f.Texts[name], f.Texts[other.name]) {
				return ready, fmt.Errorf("%s and %s are one file, and their edits differ; nothing was written, give one of them", other.name, name)
			}
		}
	}
	return ready, nil
}

// unchanged makes sure that a file is what was read.
func (f *Fixed) unchanged(p *pending) error {
	original, known := f.Originals[p.name]
	now, err := os.ReadFile(p.target)
	if !known && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s again: %w; nothing was written", p.name, err)
	}
	if !known || !bytes.Equal(now, original) {
		return fmt.Errorf("%s has changed meanwhile; nothing was written, run fix again", p.name)
	}
	return nil
}

// undo sets back what was replaced, and returns the files for which it can't.
func (f *Fixed) undo(to disk, done []*pending) []string {
	var left []string
	for _, p := range done {
		original, known := f.Originals[p.name]
		if !known {
			if err := os.Remove(p.target); err != nil {
				left = append(left, p.name)
			}
			continue
		}
		temporary, err := to.fill(filepath.Dir(p.target), temporaryName, original, p.mode)
		if err == nil {
			err = to.replace(temporary, p.target)
		}
		if err != nil {
			_ = os.Remove(temporary) // there may be none
			left = append(left, p.name)
		}
	}
	return left
}

// pending is a new text on disk, beside the file it will replace.
type pending struct {
	name, target, temporary string
	mode                    fs.FileMode
	info                    fs.FileInfo
}

// same tells whether two names are of one file.
func (p *pending) same(o *pending) bool {
	return p.target == o.target || p.info != nil && o.info != nil && os.SameFile(p.info, o.info)
}

const (
	// newMode is that of files that are added, as editors give it.
	newMode       = 0o644
	temporaryName = ".redoubt-*"
)

// prepare writes a text beside the file, with the mode of that. A link stays a
// link: the file it leads to is replaced.
func (f *Fixed) prepare(to disk, name string) (*pending, error) {
	p := &pending{name: name, target: name, mode: newMode}
	_, known := f.Originals[name]
	if _, err := os.Lstat(name); !known && err == nil {
		return nil, errors.New("there is a file of that name by now; run fix again")
	}
	if known {
		var err error
		if p.target, err = filepath.EvalSymlinks(name); err != nil {
			return nil, err
		}
		if p.info, err = os.Stat(p.target); err != nil {
			return nil, err
		}
		if p.mode = p.info.Mode(); p.mode&writable == 0 {
			return nil, errors.New("the file is read-only")
		}
	}
	var err error
	p.temporary, err = to.fill(filepath.Dir(p.target), temporaryName, f.Texts[name], p.mode)
	return p, err
}

// writeNew writes a new file to the disk.
func writeNew(name string, text []byte) error {
	mode := fs.FileMode(newMode)
	if strings.HasSuffix(name, ".sh") {
		mode = folderMode
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
