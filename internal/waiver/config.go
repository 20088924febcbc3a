// Package waiver knows the decisions of people that a finding is acceptable:
// those of the configuration file, of annotations and of comments. It applies
// them and notices those that have expired, lack a reason, or cover nothing.
//
// It reads no files.
package waiver

import (
	"path"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/pathglob"
)

// Config is the content of .redoubt.yaml.
type Config struct {
	// Version is 1.
	Version int
	Waivers []Entry
	// Exclude are globs of files that are not read.
	Exclude []string
	// Images says which user an image runs as and what its digest is, where
	// somebody looked it up.
	Images []Image
	// Facts are what only people know of the workloads, for edits.
	Facts Facts
}

// Entry is one waiver.
type Entry struct {
	// Control is an id or glob.
	Control string
	// Object narrows the waiver; all fields that are set must match.
	Object Selector
	Reason string
	Owner  string
	// Expires is the last day the waiver works, YYYY-MM-DD. Days are those of
	// UTC, so that a waiver ends at the same moment for everybody.
	Expires string

	file string
	line int32
}

// Selector names objects by globs, as they are written: an object without a
// namespace matches no namespace but "*".
type Selector struct {
	Kind      string
	Namespace string
	Name      string
	Container string
	// File is the path of the file; ** stands for any number of folders.
	File string
	// Labels must all be on the object.
	Labels map[string]string
}

// Image is what somebody looked up of an image.
type Image struct {
	// Image is a glob of the name in manifests; with a digest it is the name
	// itself.
	Image string
	// User is numeric, [NoUser] if it was not looked up.
	User int64
	// Digest is sha256: or sha512: and the digits, "" if it was not looked up.
	Digest string
	// Writable are the folders its program writes to.
	Writable []string
}

// NoUser stands for a user that was not looked up.
const NoUser = -1

// matches tells whether a finding is about something the selector names.
func (s *Selector) matches(f *finding.Finding) bool {
	if !glob(s.Container, f.Container) || s.File != "" && !pathglob.Match(s.File, f.Location().File) {
		return false
	}
	o := f.Object
	if o == nil {
		return s.Kind == "" && s.Namespace == "" && s.Name == "" && len(s.Labels) == 0
	}
	for k, v := range s.Labels {
		if label := o.Labels().Get(k); label == nil || label.StrOr("") != v {
			return false
		}
	}
	return glob(s.Kind, o.Kind) && glob(s.Namespace, o.Namespace) && glob(s.Name, o.Name)
}

// glob matches a value; no pattern matches any.
func glob(pattern, value string) bool {
	if pattern == "" || pattern == value {
		return true
	}
	ok, err := path.Match(pattern, value)
	return ok && err == nil
}

// endOf is the first moment at which a waiver that works through a day no
// longer does; without a day there is none.
func endOf(day string) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}, err
	}
	return t.AddDate(0, 0, 1), nil
}
