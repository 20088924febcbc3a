package fix

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

// created is an object that a cluster is to get.
type created struct {
	document

	control string
}

func isLive(o *inventory.Object) bool {
	return o.Origin.Kind == inventory.FromCluster || o.Origin.Kind == inventory.FromSnapshot
}

// goLive makes of the live objects some that can be patched, if there are any.
func (s *session) goLive() {
	roots := make(map[string]*Root)
	for _, o := range s.state.inv.Objects {
		if dir := o.Origin.Root; isLive(o) && roots[dir] == nil {
			roots[dir] = &Root{Kind: o.Origin.Kind, Files: []string{dir}}
			roots[dir].Build = func(map[string][]byte) ([]*inventory.Object, error) { return s.patchedObjects(dir), nil }
			s.checked[dir] = nil
		}
	}
	if len(roots) == 0 {
		return
	}
	s.live, s.virtual, s.Roots = true, true, roots
	s.state.texts = make(map[string][]byte)
}

// maker is what makes an object and sets it back, for people; "" for none.
func maker(o *inventory.Object) string {
	for _, ref := range o.Root.Find("metadata", "ownerReferences").All() {
		if ref.Get("controller").True() {
			return ref.Get("kind").Str() + "/" + ref.Get("name").Str()
		}
	}
	return ""
}

// mutable are the parts of a specification that the API server lets change, by
// kind. Kinds that are not here can be changed all over.
var mutable = map[string][]string{
	"/Pod":                                  {"metadata"},
	"batch/Job":                             {"metadata", "spec.suspend", "spec.parallelism", "spec.ttlSecondsAfterFinished", "spec.activeDeadlineSeconds", "spec.backoffLimit"},
	"apps/StatefulSet":                      {"metadata", "spec.template", "spec.replicas", "spec.updateStrategy", "spec.minReadySeconds", "spec.revisionHistoryLimit", "spec.persistentVolumeClaimRetentionPolicy", "spec.ordinals"},
	"rbac.authorization.k8s.io/RoleBinding": {"metadata", "subjects"},
	"rbac.authorization.k8s.io/ClusterRoleBinding":  {"metadata", "subjects"},
	"/PersistentVolume":                             {"metadata", "spec.persistentVolumeReclaimPolicy", "spec.mountOptions"},
	"/PersistentVolumeClaim":                        {"metadata", "spec.resources"},
	"storage.k8s.io/StorageClass":                   {"metadata", "allowVolumeExpansion"},
	"certificates.k8s.io/CertificateSigningRequest": {"metadata"},
}

var (
	errOtherAPI  = errors.New("it is the configuration of a component and no object of the API: edit the file it is read from")
	errStaticPod = errors.New("it is a static pod of a kubelet: edit its manifest on the node")
	errImmutable = errors.New("the object is marked as immutable: replace it")
	errBootstrap = errors.New("the API server sets the object back to its default at each start: switch off rbac.authorization.kubernetes.io/autoupdate on it first, if it has to differ")
	errSecret    = errors.New("values of Secrets are not read, so they can't be edited")
)

// patchable tells why a live object can't be patched.
func patchable(o *inventory.Object, changes []edit.Change) error {
	if who, _ := schema.Component(o); who != "" {
		return errOtherAPI
	}
	annotations := o.Annotations()
	switch by := maker(o); {
	case annotations.Get("kubernetes.io/config.mirror") != nil:
		return errStaticPod
	case by != "":
		return fmt.Errorf("it is made by %s, which would set it back: patch that, or what it is made from", by)
	case o.Root.Get("immutable").True():
		return errImmutable
	case o.Group() == "rbac.authorization.k8s.io" && o.Labels().Get("kubernetes.io/bootstrapping") != nil && annotations.Get("rbac.authorization.kubernetes.io/autoupdate").Str() != "false":
		return errBootstrap
	}
	free, limited := mutable[o.Group()+"/"+o.Kind]
	for _, c := range changes {
		if o.Kind == "Secret" && (under(c.Path, "data") || under(c.Path, "stringData")) {
			return errSecret
		}
		if limited && !slices.ContainsFunc(free, func(f string) bool { return under(c.Path, f) }) {
			return fmt.Errorf("%s of a %s can't be changed once it is there: change the manifest it is applied from, delete the object and apply it anew", c.Path, o.Kind)
		}
	}
	return nil
}

// possible tells why an edit of a live object can't be made. What a new object
// has to allow is known only if all that it concerns could be read.
func (s *session) possible(p *proposal, o *inventory.Object) error {
	if len(p.documents) > 0 && len(s.state.inv.Gaps) > 0 {
		g := s.state.inv.Gaps[0]
		return fmt.Errorf("not all of the cluster could be read (%s: %s), so that what a new object would do to it is not known", g.What, g.Why)
	}
	return patchable(o, p.changes)
}

// createdFile stands for objects that are to be created.
const createdFile = "(new)"

// addCreated adds the new objects of edits of live ones.
func (s *session) addCreated(next *state, trial []*proposal) error {
	if !s.live {
		return nil
	}
	for _, p := range trial {
		for _, d := range p.documents {
			res, err := decode.File([]byte(d.text), &inventory.Origin{Kind: inventory.FromManifest, File: createdFile}, s.Limits)
			if err != nil {
				return fmt.Errorf("read the new %s: %w", d.name, err)
			}
			next.inv.Add(res.Objects...)
		}
	}
	return nil
}

func (s *session) create(p *proposal) {
	for _, d := range p.documents {
		s.created = append(s.created, created{d, p.control.ID})
	}
}

// The order in which patches are applied: what others need comes first, what
// refuses pods that are not hardened yet comes last.
const (
	orderFirst = iota
	orderMiddle
	orderLast
)

// ordered is a patch with its place among the others.
type ordered struct {
	Patch

	order int
	key   objectKey
}

// livePatches makes patches of all that was changed, in the order in which they
// are to be applied.
func (s *session) livePatches() error {
	changed, err := s.changedObjects()
	if err != nil {
		return err
	}
	added, err := s.createdObjects()
	if err != nil {
		return err
	}
	all := slices.Concat(changed, added)
	slices.SortStableFunc(all, func(a, b ordered) int { return a.order - b.order })
	files := make(map[objectKey]string)
	for i := range all {
		p := &all[i].Patch
		p.File = fmt.Sprintf("%03d-%s.yaml", i+1, p.File)
		if p.Type == Create {
			p.Command += " " + p.File
		} else {
			p.Command += " --patch-file=" + p.File
			files[all[i].key] = p.File
		}
		s.result.Patches = append(s.result.Patches, *p)
	}
	for i := range s.result.Edits {
		s.result.Edits[i].File = files[s.edited[i]]
	}
	return nil
}

// changedObjects are the patches of objects that are there.
func (s *session) changedObjects() ([]ordered, error) {
	var out []ordered
	was := make(map[objectKey]*inventory.Object)
	for o, k := range objectKeys(s.inv) {
		was[k] = o
	}
	now := s.objectKeys()
	for _, o := range s.state.inv.Objects {
		k := now[o]
		if len(s.patched[k]) == 0 || was[k].Root.Equal(o.Root) {
			continue
		}
		kind, text, err := patchBetween(was[k], o)
		if err != nil {
			return nil, err
		}
		p := ordered{Patch{Object: o.Ref(), Type: kind, Text: string(text), File: "patch-" + fileName(o), Command: patchCommand(o, kind)}, orderMiddle, k}
		if o.Kind == "Namespace" {
			p.order = orderLast
		}
		for i, e := range s.result.Edits {
			if s.edited[i] == k && e.Path != "" && !slices.Contains(p.Controls, e.Control) {
				p.Controls = append(p.Controls, e.Control)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// createdObjects are those that are missing.
func (s *session) createdObjects() ([]ordered, error) {
	var out []ordered
	for _, c := range s.created {
		res, err := decode.File([]byte(c.text), &inventory.Origin{Kind: inventory.FromManifest, File: createdFile}, s.Limits)
		if err != nil || len(res.Objects) != 1 {
			return nil, fmt.Errorf("read the new %s: %w", c.name, err)
		}
		o := res.Objects[0]
		p := ordered{Patch{Object: o.Ref(), Type: Create, Text: c.text, Controls: []string{c.control}, File: "create-" + fileName(o), Command: "kubectl create -f"}, orderFirst, objectKey{}}
		if o.Kind == "LimitRange" || o.Kind == "ResourceQuota" || strings.HasPrefix(o.Name, "default-deny-") {
			p.order = orderLast
		}
		out = append(out, p)
	}
	return out, nil
}

// patchCommand is the command but for the file.
func patchCommand(o *inventory.Object, kind PatchType) string {
	name := strings.ToLower(o.Kind)
	if group := o.Group(); group != "" {
		name += "." + group
	}
	out := "kubectl patch " + quote(name) + " " + quote(o.Name)
	if o.Namespace != "" {
		out += " -n " + quote(o.Namespace)
	}
	return out + " --type=" + string(kind)
}

// quote protects a word from the shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == "" && s[0] != '-' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// patchBetween is the patch that makes one object the other: one that merges by
// name for the kinds of Kubernetes, whose types say how, and others for the
// rest.
func patchBetween(old, now *inventory.Object) (PatchType, []byte, error) {
	a, b := old.Root.JSON(), now.Root.JSON()
	if sample := schema.New(old); sample != nil {
		patch, err := strategic(a, b, sample)
		if err == nil {
			text, err := edit.YAML(patch)
			return Strategic, text, err
		}
	}
	if patch, ok := mergePatch(old.Root, now.Root); ok {
		text, err := edit.YAML(patch)
		return Merge, text, err
	}
	text, err := edit.YAML(jsonPatch(old.Root, now.Root, ""))
	return JSON, text, err
}

var errUnsaid = errors.New("a strategic-merge patch can't say it")

// strategic is a strategic-merge patch, tried by the library that made it.
func strategic(a, b []byte, sample any) (map[string]any, error) {
	made, err := strategicpatch.CreateTwoWayMergePatch(a, b, sample)
	if err != nil {
		return nil, err
	}
	full, err := decodeMap(made)
	if err != nil {
		return nil, err
	}
	// Where nothing changes places, the order of items need not be said.
	short, ok := withoutOrder(full).(map[string]any)
	for _, patch := range []map[string]any{short, full} {
		text, err := json.Marshal(patch)
		if err != nil || !ok {
			return nil, errors.Join(err, errUnsaid)
		}
		got, err := strategicpatch.StrategicMergePatch(a, text, sample)
		if err == nil && sameJSON(got, b) {
			return patch, nil
		}
	}
	return nil, errUnsaid
}

func withoutOrder(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			if !strings.HasPrefix(key, "$setElementOrder/") {
				out[key] = withoutOrder(item)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutOrder(v[i])
		}
		return out
	}
	return v
}

func sameJSON(a, b []byte) bool {
	x, err := decodeMap(a)
	y, err2 := decodeMap(b)
	return err == nil && err2 == nil && reflect.DeepEqual(x, y)
}

// decodeMap reads JSON with whole numbers as such.
func decodeMap(text []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("read the patch: %w", err)
	}
	numbers(out)
	return out, nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	return v
}

// mergePatch is a merge patch, unless a list changes, which it would replace as
// a whole.
func mergePatch(old, now *inventory.Node) (map[string]any, bool) {
	out := make(map[string]any)
	for _, item := range now.All() {
		was := old.Get(item.Key)
		switch {
		case was.Equal(item):
		case was != nil && was.Kind == inventory.Map && item.Kind == inventory.Map:
			below, ok := mergePatch(was, item)
			if !ok {
				return nil, false
			}
			out[item.Key] = below
		case was != nil && was.Kind == inventory.List || item.Kind == inventory.Null:
			return nil, false
		default:
			out[item.Key] = item.Any()
		}
	}
	for _, item := range old.All() {
		if now.Get(item.Key) == nil {
			out[item.Key] = nil
		}
	}
	return out, true
}

// jsonPatch lists the operations that make one tree the other.
func jsonPatch(old, now *inventory.Node, path string) []any {
	switch {
	case old.Equal(now):
		return nil
	case old.Kind == inventory.Map && now.Kind == inventory.Map:
		return jsonMap(old, now, path)
	case old.Kind == inventory.List && now.Kind == inventory.List && now.Len() >= old.Len():
		return jsonList(old, now, path)
	}
	return []any{operation("replace", path, now)}
}

// operation is one of a JSON patch.
func operation(name, path string, value *inventory.Node) map[string]any {
	out := map[string]any{"op": name, "path": path}
	if value != nil {
		out["value"] = value.Any()
	}
	return out
}

func jsonMap(old, now *inventory.Node, path string) []any {
	var out []any
	for _, item := range old.All() {
		at := path + "/" + pointer(item.Key)
		if twin := now.Get(item.Key); twin != nil {
			out = append(out, jsonPatch(item, twin, at)...)
		} else {
			out = append(out, operation("remove", at, nil))
		}
	}
	for _, item := range now.All() {
		if old.Get(item.Key) == nil {
			out = append(out, operation("add", path+"/"+pointer(item.Key), item))
		}
	}
	return out
}

// jsonList makes sure of an item by its name before it is changed.
func jsonList(old, now *inventory.Node, path string) []any {
	var out []any
	for i, item := range old.All() {
		at := path + "/" + strconv.Itoa(i)
		below := jsonPatch(item, now.Index(i), at)
		if name := item.Get("name"); len(below) > 0 && name != nil {
			out = append(out, operation("test", at+"/name", name))
		}
		out = append(out, below...)
	}
	for i := old.Len(); i < now.Len(); i++ {
		out = append(out, operation("add", path+"/-", now.Index(i)))
	}
	return out
}

// pointer is a key in a JSON pointer.
func pointer(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// patchAlone is the patch of one edit by itself.
func (s *session) patchAlone(p *proposal) string {
	var b strings.Builder
	for _, d := range p.documents {
		b.WriteString(d.text)
	}
	for o, k := range s.objectKeys() {
		if k != p.object || len(p.changes) == 0 {
			continue
		}
		twin := inventory.NewObject(withChanges(o.Root, p.changes), o.Origin)
		if kind, text, err := patchBetween(o, twin); err == nil {
			fmt.Fprintf(&b, "%s (%s patch)\n%s", o.Ref(), kind, text)
		}
	}
	return b.String()
}
