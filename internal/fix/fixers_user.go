package fix

import (
	"fmt"
	"strconv"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// nonRoot keeps the containers of a pod from running as root. A user whose number
// somebody looked up is set, too: many images name root or a name, and the kubelet
// starts neither.
func nonRoot(s *site) ([]edit.Change, error) {
	out, err := onPod("runAsNonRoot", "", boolean("true"))(s)
	if err != nil || s.template == nil {
		return out, err
	}
	pod := s.template.Spec.Get("securityContext")
	spec := s.template.SpecPath()
	s.effect = "a container whose image names no numeric user other than root does not start: name one with --run-as-user, or as user in .redoubt.yaml"
	if !pod.Get("runAsUser").IsNull() {
		return out, nil
	}
	users := s.users()
	if err := s.startsAsRoot(users); err != nil {
		return nil, err
	}
	if shared, ok := common(users); ok && shared > 0 {
		number := integer(strconv.FormatInt(shared, 10))
		s.effect = fmt.Sprintf("the programs run as user %d: the files they write have to belong to it", shared)
		out = append(out, s.set(inventory.JoinPath(spec, "securityContext.runAsUser"), number)...)
		if pod.Get("runAsGroup").IsNull() {
			out = append(out, s.set(inventory.JoinPath(spec, "securityContext.runAsGroup"), number)...)
		}
		if s.persistent() && pod.Get("fsGroup").IsNull() {
			s.effect += ", and its volumes are made to"
			out = append(out, s.set(inventory.JoinPath(spec, "securityContext.fsGroup"), number)...)
		}
		return out, nil
	}
	for i := range s.template.Containers {
		c := &s.template.Containers[i]
		own := c.Node.Get("securityContext")
		if user := users[i]; user > 0 && own.Get("runAsUser").IsNull() {
			number := integer(strconv.FormatInt(user, 10))
			base := inventory.JoinPath(spec, c.Path()) + ".securityContext"
			s.effect = "the programs run as the users that are known of their images: the files they write have to belong to them"
			out = append(out, s.set(base+".runAsUser", number)...)
			if own.Get("runAsGroup").IsNull() && pod.Get("runAsGroup").IsNull() {
				out = append(out, s.set(base+".runAsGroup", number)...)
			}
		}
	}
	return out, nil
}

// users are the numbers that the containers shall run as: what they say, what is
// known of their image, or what the person has named; 0 for none.
func (s *site) users() []int64 {
	out := make([]int64, len(s.template.Containers))
	for i := range s.template.Containers {
		c := &s.template.Containers[i]
		out[i] = s.User
		for _, known := range s.facts(c.Node.Get("image").Str()) {
			if known.User > 0 {
				out[i] = known.User
			}
		}
		if own, ok := c.Node.Find("securityContext", "runAsUser").Int(); ok {
			out[i] = own
		}
	}
	return out
}

// startsAsRoot is an error if the image of a container is known to run as root,
// and no other user for it is.
func (s *site) startsAsRoot(users []int64) error {
	for i := range s.template.Containers {
		c := &s.template.Containers[i]
		if users[i] <= 0 && s.inv.ImageUsers[c.Node.Get("image").Str()] == "0" {
			return fmt.Errorf("the image of container %s runs as root, and would not start: name the user it can run as with --run-as-user, or as user in .redoubt.yaml", c.Name)
		}
	}
	return nil
}

// common is the one user that all have.
func common(users []int64) (int64, bool) {
	for _, u := range users {
		if u != users[0] {
			return 0, false
		}
	}
	if len(users) == 0 {
		return 0, false
	}
	return users[0], true
}

// persistent tells whether the pod has volumes that others made.
func (s *site) persistent() bool {
	if s.object.Root.Find("spec", "volumeClaimTemplates").Len() > 0 {
		return true
	}
	for _, v := range s.template.Spec.Get("volumes").All() {
		if v.Get("persistentVolumeClaim") != nil || v.Get("ephemeral") != nil {
			return true
		}
	}
	return false
}

// declaredUser is the number of the user that the container, or its pod, names.
func (s *site) declaredUser() *inventory.Node {
	if s.template == nil {
		return nil
	}
	pod := s.template.Spec.Find("securityContext", "runAsUser")
	if s.container == nil {
		return pod
	}
	if own := s.container.Node.Find("securityContext", "runAsUser"); !own.IsNull() {
		return own
	}
	return pod
}
