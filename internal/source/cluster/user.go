package cluster

import (
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
