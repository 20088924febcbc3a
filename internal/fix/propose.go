package fix

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	pathpkg "path"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/component"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// proposal is an edit that may be offered.
type proposal struct {
	finding finding.Finding
	control *control.Control
	changes []edit.Change
	// documents are objects to be added to the file.
	documents []document
	// lines are edits of a file that is no YAML.
	lines []lineEdit
	// parts are edits of other objects without which this one is not made; of
	// each of them, lead is this one.
	parts []*proposal
	lead  *proposal
	// effect says what else the edit changes, steps what is to be done beside.
	effect, hint string
	steps        []string
	secrets      []wantedSecret
	// clears is the number of findings of the control it answers.
	clears int
	phase  int
	// object is the key of the object it edits.
	object objectKey
	safety control.Safety
	// target is the file whose text changes: that of the object, unless it is
	// made from something else. Then root is the folder to be built again, and
	// values are the changes to a values file.
	target, root string
	values       []edit.Change
	keys         []string
}

// objectKey names an object over all rounds: edits make and remove none.
type objectKey struct {
	file  string
	index int
	// root tells objects apart that several kustomizations make of one file.
	root string
}

// site is where a finding stands.
type site struct {
	*session

	finding *finding.Finding
	control *control.Control
	object  *inventory.Object
	// template and container are nil if the finding is about no such thing.
	template  *inventory.PodTemplate
	container *inventory.Container
	// base is the path of what the control judged.
	base string
	extra
}

// A fixer works out the edit for a finding where the control's own file can't
// say it. No change and no error mean that a person has to decide.
type fixer func(s *site) ([]edit.Change, error)

// The phases: first what is written wrongly, so that it takes effect, then the
// settings, then what depends on all workloads.
const (
	phaseForm = iota
	phaseSettings
	phaseNamespace
)

func findingKey(f *finding.Finding, k objectKey) string {
	return fmt.Sprintf("%s %s %d %s %s", f.Control, k.root+" "+k.file, k.index, f.Path, f.Message)
}

// propose works out the edits of the first phase that has any.
func (s *session) propose() []*proposal {
	keys := s.objectKeys()
	var all []*proposal
	merged := make(map[string]*proposal)
	for i := range s.state.findings {
		f := &s.state.findings[i]
		if !s.wanted(f) {
			continue
		}
		k := keys[f.Object]
		key := findingKey(f, k)
		if s.rejected[key] != "" || s.declined[key] {
			continue
		}
		p, err := s.proposal(f, k)
		if err != nil {
			s.rejected[key] = err.Error()
			continue
		}
		if p == nil {
			continue
		}
		id := fmt.Sprint(f.Control, k, describeChanges(p.changes), p.documents, p.lines)
		if known, ok := merged[id]; ok {
			known.clears++
			known.keys = append(known.keys, key)
			continue
		}
		p.keys = []string{key}
		merged[id] = p
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil
	}
	first := slices.MinFunc(all, func(a, b *proposal) int { return a.phase - b.phase }).phase
	all = slices.DeleteFunc(all, func(p *proposal) bool { return p.phase != first })
	slices.SortStableFunc(all, func(a, b *proposal) int {
		return cmp.Compare(b.finding.Severity, a.finding.Severity)
	})
	return all
}

func describeChanges(changes []edit.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%d %s %s %s;", c.Op, c.Path, c.To, c.Value.JSON())
	}
	return b.String()
}

func (s *session) objectKeys() map[*inventory.Object]objectKey { return s.state.objectKeys() }

func (st *state) objectKeys() map[*inventory.Object]objectKey {
	if st.keys == nil {
		st.keys = objectKeys(st.inv)
	}
	return st.keys
}

func objectKeys(inv *inventory.Inventory) map[*inventory.Object]objectKey {
	out := make(map[*inventory.Object]objectKey, len(inv.Objects))
	count := make(map[objectKey]int)
	for _, o := range inv.Objects {
		k := objectKey{file: o.Origin.File, root: o.Origin.Root}
		out[o] = objectKey{k.file, count[k], k.root}
		count[k]++
	}
	return out
}

// wanted tells whether a finding is one to be fixed.
func (s *session) wanted(f *finding.Finding) bool {
	c := s.Controls[f.Control]
	return c != nil && s.Selected[f.Control] && f.Verdict == finding.Fail && f.Object != nil && s.bold(c)
}

func (s *session) bold(c *control.Control) bool {
	safety := s.safety(c)
	return safety == control.Safe || safety == control.Review && s.Safety == control.Review
}

// safety is that of the edits of a control. To name an image by a digest is left
// to a person until the digest is known.
func (s *session) safety(c *control.Control) control.Safety {
	if pinned[c.ID] && len(s.Digests) > 0 {
		return control.Review
	}
	return c.Fix.Safety
}

// Has tells whether a control has edits at all.
func Has(c *control.Control) bool {
	return fixers[c.ID] != nil || generators[c.ID] != nil || len(c.Fix.Set)+len(c.Fix.Remove) > 0
}

// proposal is the edit for a finding, nil if there is none.
func (s *session) proposal(f *finding.Finding, k objectKey) (*proposal, error) {
	c := s.Controls[f.Control]
	if !Has(c) {
		return nil, nil
	}
	at := s.site(f, c)
	if at.component() {
		return nil, errComponent
	}
	var changes []edit.Change
	var documents []document
	var err error
	if generate := generators[c.ID]; generate != nil {
		documents, err = generate(at)
	}
	if fixers[c.ID] != nil && err == nil || generators[c.ID] == nil {
		changes, err = at.changes()
	}
	documents = append(documents, at.documents...)
	if err != nil || len(changes)+len(documents) == 0 {
		return nil, err
	}
	p := &proposal{
		finding: f.Placed(), control: c, changes: changes, documents: documents, clears: 1, phase: phaseSettings, object: k, safety: s.safety(c), target: f.Object.Origin.File,
		lines: at.lines, effect: at.effect, steps: at.steps, hint: at.hint, secrets: at.needed,
	}
	switch {
	case c.Chapter == "phantom":
		p.phase = phaseForm
	case strings.HasPrefix(c.ID, "pod-security-level-"), len(documents) > 0:
		p.phase = phaseNamespace
	}
	if kind := f.Object.Origin.Kind; kind == inventory.FromHelm || kind == inventory.FromKustomize || s.live && isLive(f.Object) {
		p.target = ""
		if len(at.also)+len(p.lines) > 0 || slices.ContainsFunc(p.documents, func(d document) bool { return d.file != "" || d.more > 0 }) {
			return nil, errFamily
		}
		return s.through(p, f.Object)
	}
	if err := s.editable(f.Object); err != nil {
		return nil, err
	}
	p.place(f.Object)
	return p, s.family(p, at.also)
}

// editable tells why an object can't be edited where it stands.
func (s *session) editable(o *inventory.Object) error {
	switch o.Origin.Kind {
	case inventory.FromHelm:
		hint := ""
		if o.Origin.Root != "" {
			hint = " " + o.Origin.Root
		}
		return fmt.Errorf("the object is rendered from a chart%s: set a value if the template reads one for this field, or patch what is rendered with Kustomize or a post-renderer", hint)
	case inventory.FromKustomize:
		return errors.New("the object is built by Kustomize: add a patch with this field to the overlay, or run fix on the folder of the base alone")
	case inventory.FromCluster, inventory.FromSnapshot:
		return errors.New("the object was not read from a file: edit the manifest it is applied from")
	case inventory.FromManifest:
	}
	if why := s.Locked[o.Origin.File]; why != "" {
		return errors.New(why)
	}
	if _, ok := s.state.texts[o.Origin.File]; !ok {
		return errors.New("the file is not one that can be edited")
	}
	return nil
}

// site finds the template and container a finding is about.
func (s *session) site(f *finding.Finding, c *control.Control) *site {
	at := &site{session: s, finding: f, control: c, object: f.Object}
	for _, t := range f.Object.PodTemplates() {
		if !under(f.Path, t.Path) {
			continue
		}
		at.template, at.base = t, t.SpecPath()
		for i := range t.Containers {
			if path := inventory.JoinPath(t.SpecPath(), t.Containers[i].Path()); under(f.Path, path) {
				at.container, at.base = &t.Containers[i], path
			}
		}
		if c.Target != control.TargetVolume {
			continue
		}
		for i := range t.Spec.Get("volumes").All() {
			if path := inventory.JoinIndex(inventory.JoinPath(t.SpecPath(), "volumes"), i); under(f.Path, path) {
				at.base = path
			}
		}
	}
	switch c.Target {
	case control.TargetObject:
		at.base = ""
	case control.TargetPodTemplate:
		if at.template != nil {
			at.base = at.template.SpecPath()
		}
	case control.TargetContainer, control.TargetPodOrContainer, control.TargetVolume, control.TargetInventory:
	}
	return at
}

var errComponent = errors.New("the container is a part of the control plane, and what it can do without depends on how the cluster was installed: decide by hand")

// component tells whether a finding about pods in general is about the pod of
// a control plane, which few of them fit.
func (s *site) component() bool {
	if s.template == nil || s.control.Chapter != "pod" || s.control.Fix.Safety == control.Safe {
		return false
	}
	return slices.ContainsFunc(s.template.Containers, func(c inventory.Container) bool {
		name := pathpkg.Base(c.Node.Get("command").Index(0).Str())
		return slices.Contains([]string{component.APIServer, component.ControllerManager, component.Scheduler, component.Etcd}, name)
	})
}

// under tells whether a path is another, or one below it.
func under(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (parent == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// changes are those of the control's own file, unless Go knows better.
func (s *site) changes() ([]edit.Change, error) {
	work := (*site).declared
	if fixer := fixers[s.control.ID]; fixer != nil {
		work = fixer
	}
	changes, err := work(s)
	return s.withVolumes(changes), err
}

// declared are the changes that the file of the control names.
func (s *site) declared() ([]edit.Change, error) {
	var out []edit.Change
	for _, rel := range s.control.Fix.Remove {
		if path := s.path(rel); s.object.Root.At(path) != nil {
			out = append(out, edit.Change{Op: edit.Remove, Path: path})
		}
	}
	for _, rel := range slices.Sorted(maps.Keys(s.control.Fix.Set)) {
		value, err := node(s.control.Fix.Set[rel])
		if err != nil {
			return nil, err
		}
		out = append(out, s.set(s.path(rel), value)...)
	}
	return out, nil
}

// path makes the path of a fix one of the object.
func (s *site) path(rel string) string {
	if s.template != nil && s.control.Target != control.TargetObject && under(rel, "metadata") {
		return inventory.JoinPath(s.template.Path, rel)
	}
	return inventory.JoinPath(s.base, rel)
}

// set gives a field a value, unless it has it.
func (s *site) set(path string, value *inventory.Node) []edit.Change {
	if old := s.object.Root.At(path); old != nil && old.Equal(value) {
		return nil
	}
	return []edit.Change{{Op: edit.Set, Path: path, Value: value}}
}

// node makes a tree of a value.
func node(v any) (*inventory.Node, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("the fix of the control is no JSON value: %w", err)
	}
	n := new(inventory.Node)
	build(n, v, string(text))
	return n, nil
}

func build(n *inventory.Node, v any, text string) {
	switch v := v.(type) {
	case map[string]any:
		n.Kind = inventory.Map
		for _, key := range slices.Sorted(maps.Keys(v)) {
			item := inventory.Node{Key: key}
			build(&item, v[key], fmt.Sprint(v[key]))
			n.Items = append(n.Items, item)
		}
	case []any:
		n.Kind = inventory.List
		for _, e := range v {
			var item inventory.Node
			build(&item, e, fmt.Sprint(e))
			n.Items = append(n.Items, item)
		}
	case string:
		n.Kind, n.Text = inventory.String, v
	case bool:
		n.Kind, n.Text = inventory.Bool, text
	case float64, int, int64:
		n.Kind, n.Text = inventory.Int, text
		if strings.ContainsAny(text, ".eE") {
			n.Kind = inventory.Float
		}
	}
}
