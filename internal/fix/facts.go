package fix

import (
	"path"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Facts are what only a person knows, beside what flags say.
type Facts struct {
	// Images is what somebody looked up of images.
	Images []ImageFact
	// HostPaths say which folder of the node a workload needs.
	HostPaths []HostPath
	// Rights say what accounts do with the API server.
	Rights []Right
}

// ImageFact is what somebody looked up of an image.
type ImageFact struct {
	// Image is a glob of its name in manifests.
	Image string
	// User is the number it can run as, -1 if it is not known.
	User int64
	// Writable are the folders it writes to.
	Writable []string
}

// HostPath says what a workload needs of the node.
type HostPath struct {
	Kind, Namespace, Name string
	// Volume is the name of the volume, Path the folder that is needed.
	Volume, Path string
	// Write is set where it is written to.
	Write bool
	// MoveTo is a namespace for workloads that need the node, "" if it stays.
	MoveTo string
}

// Right is what an account may do in one namespace, or everywhere if that is "".
type Right struct {
	// AccountNamespace and Account name the service account.
	AccountNamespace, Account string
	Namespace                 string
	Rules                     []RightRule
}

// RightRule is a rule as roles have them.
type RightRule struct {
	APIGroups, Resources, Verbs, NonResourceURLs, ResourceNames []string
}

// image is the image of the container a finding is about, "" if there is none.
func (s *site) image() string {
	if s.container == nil {
		return ""
	}
	return s.container.Node.Get("image").Str()
}

// facts are those about an image; a tag may be known without the digest.
func (s *session) facts(image string) []ImageFact {
	var out []ImageFact
	for _, known := range s.Facts.Images {
		if ok, err := path.Match(known.Image, image); image != "" && ok && err == nil {
			out = append(out, known)
		}
	}
	return out
}

// user is the number a finding's containers shall run as, 0 if nobody said.
// Where several containers share the setting of the pod, they must agree.
func (s *site) user() int64 {
	var users []int64
	images := []string{s.image()}
	if s.container == nil && s.template != nil {
		images = nil
		for i := range s.template.Containers {
			images = append(images, s.template.Containers[i].Node.Get("image").Str())
		}
	}
	for _, image := range images {
		for _, known := range s.facts(image) {
			if known.User > 0 && !slices.Contains(users, known.User) {
				users = append(users, known.User)
			}
		}
	}
	if len(users) == 1 {
		return users[0]
	}
	return s.User
}

// writable are the folders a container of an image gets an empty volume at.
func (s *session) writable(image string) []string {
	out := slices.Clone(s.Writable)
	for _, known := range s.facts(image) {
		out = append(out, known.Writable...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hostPath is what somebody said of a volume, nil for nothing.
func (s *site) hostPath(volume string) *HostPath {
	for i := range s.Facts.HostPaths {
		h := &s.Facts.HostPaths[i]
		if h.Kind == s.object.Kind && h.Name == s.object.Name && h.Namespace == s.object.EffectiveNamespace() && h.Volume == volume {
			return h
		}
	}
	return nil
}

// strs makes a list of texts.
func strs(all []string) *inventory.Node {
	n := &inventory.Node{Kind: inventory.List}
	for _, s := range all {
		n.Items = append(n.Items, *text(s))
	}
	return n
}
