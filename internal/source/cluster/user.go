package cluster

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// users gathers whom images run as when no manifest says so, from what kubelets
// report about containers that run. An image that runs as several users tells
// nothing: its tag has moved.
type users struct {
	known   map[string]string
	several map[string]bool
}

// note looks at one pod.
func (u *users) note(root *inventory.Node) {
	spec := root.Get("spec")
	if spec.Find("securityContext", "runAsUser") != nil {
		return
	}
	for list, statuses := range map[string]string{"initContainers": "initContainerStatuses", "containers": "containerStatuses"} {
		for _, c := range spec.Get(list).All() {
			if c.Find("securityContext", "runAsUser") != nil {
				continue
			}
			for _, s := range root.Find("status", statuses).All() {
				if s.Get("name").Str() == c.Get("name").Str() {
					u.add(c.Get("image").Str(), s.Find("user", "linux", "uid"))
				}
			}
		}
	}
}

func (u *users) add(image string, uid *inventory.Node) {
	if uid == nil || uid.Kind != inventory.Int || image == "" || u.several[image] {
		return
	}
	if was, ok := u.known[image]; ok && was != uid.Text {
		u.several[image] = true
		delete(u.known, image)
		return
	}
	u.known[image] = uid.Text
}

// digests gathers which content runs under an image reference.
type digests map[string][]string

// maxDigests bounds what is kept of one reference: one more than it should be
// says all.
const maxDigests = 8

// note looks at one pod.
func (d digests) note(root *inventory.Node) {
	for list, statuses := range map[string]string{"initContainers": "initContainerStatuses", "containers": "containerStatuses"} {
		for _, s := range root.Find("status", statuses).All() {
			id := s.Get("imageID").Str()
			at := strings.LastIndex(id, "sha256:")
			for _, c := range root.Find("spec", list).All() {
				if at >= 0 && c.Get("name").Str() == s.Get("name").Str() {
					d.add(c.Get("image").Str(), id[at:])
				}
			}
		}
	}
}

func (d digests) add(image, digest string) {
	known := d[image]
	at, found := slices.BinarySearch(known, digest)
	if image != "" && !found && len(known) < maxDigests {
		d[image] = slices.Insert(known, at, digest)
	}
}
