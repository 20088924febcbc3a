package fix

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// onPod sets a field of securityContext on the pod, where one line serves all
// containers, unless the container says something itself.
func onPod(field, below string, value *inventory.Node) fixer {
	return func(s *site) ([]edit.Change, error) {
		if s.template == nil {
			return nil, nil
		}
		path := inventory.JoinPath("securityContext."+field, below)
		base := s.template.SpecPath()
		if s.container != nil && !s.container.Node.Find("securityContext", field).IsNull() {
			base = s.base
		}
		return s.set(inventory.JoinPath(base, path), value), nil
	}
}

var errUser = errors.New("the number of the user is not known: look it up in the image, and name it with --run-as-user or as user in .redoubt.yaml")

// asUser sets the number of a user that the person has named: for the image, or
// for all.
func asUser(s *site) ([]edit.Change, error) {
	user := s.user()
	if user <= 0 {
		return nil, errUser
	}
	if s.control.ID == "user-without-group" {
		if declared, ok := s.declaredUser().Int(); ok && declared > 0 {
			user = declared
		}
	}
	s.effect = "the program runs as user or group " + strconv.FormatInt(user, 10) + ": the files it writes have to belong to it"
	return s.set(s.finding.Path, integer(strconv.FormatInt(user, 10))), nil
}

// readOnlyRoot makes the root read-only. The volumes that this takes come with
// every change that does so: see [site.withVolumes].
func readOnlyRoot(s *site) ([]edit.Change, error) {
	if s.container == nil {
		return nil, nil
	}
	return s.set(s.path(readOnly), boolean("true")), nil
}

const readOnly = "securityContext.readOnlyRootFilesystem"

// withVolumes adds to changes that make the root of a container read-only an
// empty volume at each folder that the person has named and nothing is mounted at.
func (s *site) withVolumes(changes []edit.Change) []edit.Change {
	if s.template == nil {
		return changes
	}
	out := changes
	for i := range s.template.Containers {
		c := &s.template.Containers[i]
		at := inventory.JoinPath(s.template.SpecPath(), c.Path())
		if slices.ContainsFunc(changes, func(change edit.Change) bool { return s.makesReadOnly(change, at) }) {
			out = slices.Concat(out, s.emptyVolumes(c, at))
		}
	}
	return out
}

// makesReadOnly tells whether a change puts a read-only root into force for the
// container at a path.
func (s *site) makesReadOnly(c edit.Change, container string) bool {
	path, value := c.Path, c.Value
	switch c.Op {
	case edit.Move:
		path, value = c.To, s.object.Root.At(c.Path)
	case edit.Rename:
		segments := inventory.SplitPath(c.Path)
		parent := strings.TrimSuffix(strings.TrimSuffix(c.Path, segments[len(segments)-1]), ".")
		path, value = inventory.JoinPath(parent, c.To), s.object.Root.At(c.Path)
	case edit.Set, edit.Remove:
	}
	rest, below := strings.CutPrefix(inventory.JoinPath(container, readOnly), path)
	if !below || value == nil {
		return false
	}
	return value.At(strings.TrimPrefix(rest, ".")).True()
}

func (s *site) emptyVolumes(c *inventory.Container, at string) []edit.Change {
	var out []edit.Change
	for i, folder := range s.writable(c.Node.Get("image").Str()) {
		if mounted(c.Node.Get("volumeMounts"), folder) {
			continue
		}
		name := fmt.Sprintf("writable-%s-%d", c.Name, i+1)
		out = append(
			out,
			edit.Change{Op: edit.Set, Path: inventory.JoinPath(at, "volumeMounts") + "[" + edit.Append + "]", Value: dict(named("name", text(name)), named("mountPath", text(folder)))},
			edit.Change{Op: edit.Set, Path: inventory.JoinPath(s.template.SpecPath(), "volumes") + "[" + edit.Append + "]", Value: dict(named("name", text(name)), named("emptyDir", dict(named("sizeLimit", text("256Mi")))))},
		)
	}
	return out
}

func mounted(mounts *inventory.Node, folder string) bool {
	for _, m := range mounts.All() {
		if m.Get("mountPath").Str() == folder {
			return true
		}
	}
	return false
}

// dict makes a map of fields.
func dict(fields ...*inventory.Node) *inventory.Node {
	n := &inventory.Node{Kind: inventory.Map}
	for _, f := range fields {
		n.Items = append(n.Items, *f)
	}
	return n
}

// named is a value with the name it has in its map.
func named(key string, value *inventory.Node) *inventory.Node {
	n := *value
	n.Key = key
	return &n
}

func hostPorts(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for i := range s.object.Root.At(s.path("ports")).All() {
		out = append(out, s.remove(inventory.JoinIndex(s.path("ports"), i)+".hostPort")...)
	}
	return out, nil
}

// defaultCapabilities are those the baseline level of Pod Security lets a
// container add.
var defaultCapabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// dropAdded removes the added capabilities that are not among the allowed.
func dropAdded(allowed []string) fixer {
	return func(s *site) ([]edit.Change, error) {
		at := s.path("securityContext.capabilities.add")
		var out []edit.Change
		for i, item := range s.object.Root.At(at).All() {
			if !slices.Contains(allowed, item.Str()) {
				out = append(out, s.remove(inventory.JoinIndex(at, i))...)
			}
		}
		return out, nil
	}
}

// token switches the mounting of the token off, unless rights were given to the
// account: then the program probably uses them.
func token(s *site) ([]edit.Change, error) {
	if s.template == nil {
		return nil, nil
	}
	name := s.template.Spec.Get("serviceAccountName").StrOr(s.template.Spec.Get("serviceAccount").Str())
	if name == "" {
		name = "default"
	}
	account := rbac.Subject{Kind: "ServiceAccount", Name: name, Namespace: s.object.EffectiveNamespace()}
	for _, b := range rbac.Of(s.state.inv).Bindings {
		if slices.Contains(b.Subjects, account) {
			return nil, fmt.Errorf("%s gives rights to %s, so the program probably calls the API server: decide by hand", b.Object.Ref(), account)
		}
	}
	return s.set(s.finding.Path, boolean("false")), nil
}

// resource sets a request or limit: twice the request for a limit where there
// is one, else a value to start from.
func resource(start string) fixer {
	return func(s *site) ([]edit.Change, error) {
		if s.container == nil {
			return nil, nil
		}
		value := start
		if head, name, ok := strings.Cut(s.finding.Path, ".resources.limits."); ok && head == s.base {
			request := s.container.Node.Find("resources", "requests", name)
			if request != nil && request.Text != "" {
				q, err := apiresource.ParseQuantity(request.Text)
				if err != nil {
					return nil, nil //nolint:nilerr // the value is reported as wrong by another control
				}
				q.Add(q.DeepCopy())
				value = q.String()
			}
		}
		return s.set(s.finding.Path, text(value)), nil
	}
}

const enforce = "pod-security.kubernetes.io/enforce"

// namespaceLevel enforces the strictest level that all workloads of the
// namespace pass.
func namespaceLevel(s *site) ([]edit.Change, error) {
	evaluator, err := podsecurity.New("latest")
	if err != nil {
		return nil, err
	}
	best, weakest := levels[podsecurity.Restricted], ""
	found := false
	for _, o := range s.state.inv.Objects {
		if o.EffectiveNamespace() != s.object.Name {
			continue
		}
		for _, t := range o.PodTemplates() {
			found = true
			if level := levels[evaluator.Evaluate(t).Level]; level < best {
				best, weakest = level, o.Ref()
			}
		}
	}
	switch {
	case !found:
		return nil, errors.New("no workload of the namespace is among the input, so the level they pass can't be told: name the folder with the workloads, too")
	case best <= levels[podsecurity.Privileged]:
		return nil, fmt.Errorf("%s passes no stricter level than privileged: fix or move it first", weakest)
	}
	level := podsecurity.Restricted
	if best == levels[podsecurity.Baseline] {
		level = podsecurity.Baseline
	}
	return s.set(inventory.Join("metadata.labels", enforce), text(level)), nil
}

// pinned are the controls of images that are named by a tag.
var pinned = map[string]bool{"image-without-digest": true, "image-latest": true, "image-volume-without-digest": true, "dockerfile-base-unpinned": true}

// digest adds the digest of the image where it is known. The tag stays, for
// people to read.
func digest(s *site) ([]edit.Change, error) {
	if s.container == nil {
		return nil, nil
	}
	image := s.container.Node.Get("image").Str()
	known := s.Digests[image]
	if known == "" || strings.Contains(image, "@") {
		return nil, nil
	}
	return s.set(s.path("image"), text(image+"@"+known)), nil
}

// volumeDigest does that for an image that is mounted as a volume.
func volumeDigest(s *site) ([]edit.Change, error) {
	at := s.path("image.reference")
	image := s.object.Root.At(at).Str()
	known := s.Digests[image]
	if known == "" || strings.Contains(image, "@") {
		return nil, nil
	}
	return s.set(at, text(image+"@"+known)), nil
}
