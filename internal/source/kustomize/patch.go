package kustomize

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
)

// The bounds of a file of patches: its size, how many patches it may hold and
// how many objects one of them may change.
const (
	maxPatchBytes = 4 << 20
	maxPatches    = 500
	maxPatched    = 2000
)

// Patch is a change to objects that is no whole object: a strategic merge
// patch, or a list of JSON patch operations.
type Patch struct {
	Target Target `json:"target"`
	Text   string `json:"patch"`
	// Path is a file with the text, which is not read.
	Path string `json:"path"`
}

// Target selects objects as Kustomize does: group, version, kind, name and
// namespace are regular expressions for the whole word, and empty ones match
// everything.
type Target struct {
	Group              string `json:"group,omitempty"`
	Version            string `json:"version,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Name               string `json:"name,omitempty"`
	Namespace          string `json:"namespace,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
}

// The faults of files of patches.
var (
	errNoTarget    = errors.New("a list of operations names no object: put it under patches, with a target of kind, name and namespace")
	errPath        = errors.New("a patch in a file of its own is not read: write it under patch")
	errManyPatches = fmt.Errorf("there are more than %d patches", maxPatches)
	errNoObject    = errors.New("no object of the input is its target")
	errManyObjects = fmt.Errorf("it changes more than %d objects", maxPatched)
)

// ReadPatches reads the patches of a file: what stands under patches as in a
// kustomization, and parts of objects. The whole objects beside them are
// returned as they are written. A file without patches gives none.
func ReadPatches(path string) ([]Patch, []byte, error) {
	text, err := readPatchFile(path)
	if err != nil || text == nil {
		return nil, nil, err
	}
	var patches []Patch
	var whole bytes.Buffer
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return patches, whole.Bytes(), nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		found, err := patchesOf(doc)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if patches = append(patches, found...); len(patches) > maxPatches {
			return nil, nil, fmt.Errorf("%s: %w", path, errManyPatches)
		}
		if found == nil {
			whole.WriteString("---\n" + string(doc) + "\n")
		}
	}
}

// readPatchFile returns nothing for what can't be a file of patches: others
// will say what is wrong with it.
func readPatchFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxPatchBytes {
		return nil, nil // it is read again, as objects
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read patches: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(file, maxPatchBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read patches: %w", err)
	}
	return text, nil
}

// patchesOf reads one document; nil means that it is a whole object, or nothing
// of ours.
func patchesOf(doc []byte) ([]Patch, error) {
	var content any
	if yaml.Unmarshal(doc, &content) != nil {
		content = nil // the decoder of objects tells where the fault is
	}
	switch doc := content.(type) {
	case []any:
		if operations(doc) {
			return nil, errNoTarget
		}
	case map[string]any:
		kind, _ := doc["kind"].(string)
		if _, ok := doc["patches"].([]any); ok && (kind == "" || kind == "Kustomization" || kind == "Component") {
			return listed(doc["patches"])
		}
		if kind != "" && partial(doc) {
			return merge(doc)
		}
	}
	return nil, nil
}

func operations(list []any) bool {
	for _, item := range list {
		if m, ok := item.(map[string]any); ok && m["op"] != nil && m["path"] != nil {
			return true
		}
	}
	return false
}

// listed are the patches of a kustomization. A patch without a target is one
// for the object it names.
func listed(list any) ([]Patch, error) {
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("patches: %w", err)
	}
	out := []Patch{}
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("patches: %w", err)
	}
	for i := range out {
		p := &out[i]
		if p.Path != "" || p.Text == "" {
			return nil, fmt.Errorf("patches[%d]: %w", i, errPath)
		}
		if p.Target != (Target{}) {
			continue
		}
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(p.Text), &doc); err != nil || doc["kind"] == nil {
			return nil, fmt.Errorf("patches[%d]: %w", i, errNoTarget)
		}
		p.Target = named(doc)
	}
	return out, nil
}

func merge(doc map[string]any) ([]Patch, error) {
	text, err := yaml.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	return []Patch{{Target: named(doc), Text: string(text)}}, nil
}

// named is the object a part of it names.
func named(doc map[string]any) Target {
	meta, _ := doc["metadata"].(map[string]any)
	word := func(v any) string {
		s, _ := v.(string)
		return regexp.QuoteMeta(s)
	}
	return Target{Kind: word(doc["kind"]), Name: word(meta["name"]), Namespace: word(meta["namespace"])}
}

// partial tells whether a document can't be a whole object: it has a directive
// of a patch, or a container without an image, which the API server refuses.
func partial(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			if key == "$patch" || strings.HasPrefix(key, "$deleteFromPrimitiveList/") || strings.HasPrefix(key, "$setElementOrder/") {
				return true
			}
			if (key == "containers" || key == "initContainers") && imageless(item) || partial(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, partial)
	}
	return false
}

func imageless(v any) bool {
	list, _ := v.([]any)
	for _, item := range list {
		if m, ok := item.(map[string]any); ok && m["image"] == nil && m["name"] != nil {
			return true
		}
	}
	return false
}

// Apply returns the objects with the patches put on them one after the other.
// Objects that no patch touches are the same ones.
func Apply(ctx context.Context, objects []*inventory.Object, patches []Patch) ([]*inventory.Object, error) {
	for i := range patches {
		match, err := patches[i].Target.matcher()
		if err != nil {
			return nil, fmt.Errorf("patch %d: %w", i+1, err)
		}
		var out []*inventory.Object
		changed := 0
		for _, o := range objects {
			if !match(o) {
				out = append(out, o)
				continue
			}
			if changed++; changed > maxPatched {
				return nil, fmt.Errorf("patch %d: %w", i+1, errManyObjects)
			}
			made, err := patches[i].on(ctx, o)
			if err != nil {
				return nil, fmt.Errorf("patch %d on %s: %w", i+1, o.Ref(), err)
			}
			out = append(out, made...)
		}
		if changed == 0 {
			return nil, fmt.Errorf("patch %d: %w: %s", i+1, errNoObject, patches[i].Target.words())
		}
		objects = out
	}
	return objects, nil
}

func (t Target) words() string {
	text, err := json.Marshal(t)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// matcher tells whether an object is a target.
func (t Target) matcher() (func(*inventory.Object) bool, error) {
	var words []*regexp.Regexp
	for _, s := range []string{t.Group, t.Version, t.Kind, t.Name, t.Namespace} {
		if s == "" {
			s = ".*"
		}
		word, err := regexp.Compile("^(?:" + s + ")$")
		if err != nil {
			return nil, fmt.Errorf("target: %w", err)
		}
		words = append(words, word)
	}
	has, err := labels.Parse(t.LabelSelector)
	if err != nil {
		return nil, fmt.Errorf("target: labelSelector: %w", err)
	}
	notes, err := labels.Parse(t.AnnotationSelector)
	if err != nil {
		return nil, fmt.Errorf("target: annotationSelector: %w", err)
	}
	return func(o *inventory.Object) bool {
		_, version, ok := strings.Cut(o.APIVersion, "/")
		if !ok {
			version = o.APIVersion
		}
		for i, s := range []string{o.Group(), version, o.Kind, o.Name, o.EffectiveNamespace()} {
			if !words[i].MatchString(s) {
				return false
			}
		}
		return has.Matches(labels.Set(o.Labels().StringMap())) && notes.Matches(labels.Set(o.Annotations().StringMap()))
	}, nil
}

// on builds a kustomization of one object and one patch in memory. A patch may
// delete the object.
func (p *Patch) on(ctx context.Context, o *inventory.Object) ([]*inventory.Object, error) {
	const dir = "/"
	recipe, err := yaml.Marshal(map[string]any{
		"resources": []string{"object.yaml"},
		"patches":   []any{map[string]any{"patch": p.Text, "target": map[string]string{"kind": regexp.QuoteMeta(o.Kind)}}},
	})
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	fsys := filesys.MakeFsInMemory()
	if err := errors.Join(fsys.WriteFile(dir+"kustomization.yaml", recipe), fsys.WriteFile(dir+"object.yaml", o.Root.AppendJSON(nil))); err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	built, err := build(ctx, fsys, dir)
	if err != nil {
		return nil, errors.New(strings.TrimSpace(cmp.Or(err.Error(), "it does not fit")))
	}
	var out []*inventory.Object
	var parser jsontree.Parser
	for _, r := range built.Resources() {
		text, err := r.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("patch: %w", err)
		}
		root, err := parser.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("patch: %w", err)
		}
		// Its lines are not those of the file any more.
		made := inventory.NewObject(root, &inventory.Origin{Kind: o.Origin.Kind, Root: o.Origin.Root})
		if made.Namespace == "" {
			made.Namespace = o.Namespace
		}
		out = append(out, made)
	}
	return out, nil
}
