package fix

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// secretName is the name of the Secret that takes the credentials of a workload
// or map. One that is there already, among the input, is not touched.
func (s *site) secretName() string {
	const most = 240
	name := s.object.Name
	if len(name) > most {
		name = name[:most]
	}
	return name + "-credentials"
}

// secretKey is a name as keys of Secrets are spelled.
func secretKey(name string) string {
	key := notKey.ReplaceAllString(name, "-")
	return strings.ToLower(strings.Trim(strings.ReplaceAll(key, "_", "-"), "-."))
}

var notKey = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// makeSecret notes a key that the Secret needs, and where its value was.
func (s *site) makeSecret(key, held string, file bool) {
	line := s.object.Root.Line
	if near, _ := s.object.Root.Nearest(s.finding.Path); near != nil {
		line = near.Line
	}
	place := fmt.Sprintf("%s:%d", s.object.Origin.File, line)
	if held != "" {
		place = held + " in " + place
	}
	s.needed = append(s.needed, wantedSecret{s.secretName(), s.object.Namespace, key, file, place})
}

func secretRef(name, key string) *inventory.Node {
	return dict(named("secretKeyRef", dict(named("name", text(name)), named("key", text(key)))))
}

// fromSecret moves a literal credential of a container into a Secret: that of a
// variable by reference, that of an option by a variable that stands for it.
func fromSecret(s *site) ([]edit.Change, error) {
	at := s.object.Root.At(s.finding.Path)
	if s.container == nil || at == nil || s.object.Name == "" {
		return nil, errors.New("the workload has no name that a Secret could have: move the value into one by hand")
	}
	if head, ok := strings.CutSuffix(s.finding.Path, ".value"); ok {
		name := s.object.Root.At(head).Get("name").Str()
		key := secretKey(name)
		s.makeSecret(key, name, false)
		s.effect = fmt.Sprintf("the pods need Secret %s with the key %s, or they don't start", s.secretName(), key)
		return []edit.Change{
			{Op: edit.Remove, Path: s.finding.Path},
			{Op: edit.Set, Path: head + ".valueFrom", Value: secretRef(s.secretName(), key)},
		}, nil
	}
	option, _, ok := strings.Cut(at.Text, "=")
	if at.Kind != inventory.String || !ok || !optionName.MatchString(option) {
		return nil, errors.New("the credential stands within a command: read it there from a file or a variable, and take the variable from a Secret")
	}
	variable := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(strings.Trim(option, "-")))
	for _, e := range s.container.Node.Get("env").All() {
		if e.Get("name").Str() == variable {
			return nil, fmt.Errorf("the container has a variable %s already: use it in the option if it is the one, or give one another name", variable)
		}
	}
	key := secretKey(variable)
	s.makeSecret(key, option, false)
	s.effect = fmt.Sprintf("the kubelet puts the value of Secret %s, key %s, into the option; the pods don't start without it. Who sees the processes of the container still sees it: a file is better, if the program can read one", s.secretName(), key)
	return []edit.Change{
		{Op: edit.Set, Path: s.finding.Path, Value: text(option + "=$(" + variable + ")")},
		{Op: edit.Set, Path: s.path("env") + "[" + edit.Append + "]", Value: dict(named("name", text(variable)), named("valueFrom", secretRef(s.secretName(), key)))},
	}, nil
}

var optionName = regexp.MustCompile(`^-{0,2}[A-Za-z][A-Za-z0-9._-]{0,60}$`)

// fromMap moves a key of a ConfigMap into a Secret, and has the pods of the
// input that use it take it from there.
func fromMap(s *site) ([]edit.Change, error) {
	segments := inventory.SplitPath(s.finding.Path)
	if len(segments) != 2 || s.object.Kind != "ConfigMap" || s.object.Name == "" { //nolint:mnd // data and the key
		return nil, nil
	}
	if s.object.Root.Get("immutable").True() {
		return nil, errors.New("the ConfigMap is immutable: make a new one without the key, and a Secret")
	}
	key := segments[1]
	users := 0
	for _, o := range s.state.inv.Objects {
		if o.EffectiveNamespace() != s.object.EffectiveNamespace() {
			continue
		}
		var changes []edit.Change
		for _, t := range o.PodTemplates() {
			more, err := s.consumers(t, key)
			if err != nil {
				return nil, fmt.Errorf("%s uses the map: %w", o.Ref(), err)
			}
			changes = append(changes, more...)
		}
		if len(changes) > 0 {
			users++
			s.also = append(s.also, change{o, changes})
		}
	}
	s.makeSecret(key, "", true)
	s.effect = fmt.Sprintf("%s goes to Secret %s, and the pods that use it take it from there", key, s.secretName())
	if users == 0 {
		s.effect = fmt.Sprintf("%s goes to Secret %s; no pod of the input uses the map: who does elsewhere has to be changed", key, s.secretName())
	}
	if s.object.Root.Get("data").Len() == 1 {
		return s.remove("data"), nil
	}
	return s.remove(s.finding.Path), nil
}

func inNamespace(o *inventory.Object) string {
	if o.Namespace == "" {
		return ""
	}
	return " -n " + o.Namespace
}

// consumers are the changes by which the containers and volumes of a pod take a
// key of the map from the Secret.
func (s *site) consumers(t *inventory.PodTemplate, key string) ([]edit.Change, error) {
	var out []edit.Change
	for i := range t.Containers {
		c := &t.Containers[i]
		base := inventory.JoinPath(t.SpecPath(), c.Path())
		for j, e := range c.Node.Get("env").All() {
			ref := e.Find("valueFrom", "configMapKeyRef")
			if ref.Get("name").Str() != s.object.Name || ref.Get("key").Str() != key {
				continue
			}
			at := inventory.JoinIndex(base+".env", j) + ".valueFrom"
			out = append(out,
				edit.Change{Op: edit.Remove, Path: at + ".configMapKeyRef"},
				edit.Change{Op: edit.Set, Path: at + ".secretKeyRef", Value: dict(named("name", text(s.secretName())), named("key", text(key)))})
		}
		for _, from := range c.Node.Get("envFrom").All() {
			if from.Find("configMapRef", "name").Str() != s.object.Name {
				continue
			}
			if prefix := from.Get("prefix"); prefix != nil {
				return nil, errors.New("it takes the whole map with a prefix: name the variable, and take it from a Secret")
			}
			out = append(out, edit.Change{Op: edit.Set, Path: base + ".envFrom[" + edit.Append + "]", Value: dict(named("secretRef", dict(named("name", text(s.secretName())))))})
		}
	}
	for i, v := range t.Spec.Get("volumes").All() {
		base := inventory.JoinIndex(inventory.JoinPath(t.SpecPath(), "volumes"), i)
		more, err := s.volume(v, base)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// volume has a volume with the files of the map hold one from the Secret, too.
func (s *site) volume(v *inventory.Node, base string) ([]edit.Change, error) {
	source := dict(named("name", text(s.secretName())))
	for j, from := range v.Find("projected", "sources").All() {
		if from.Find("configMap", "name").Str() != s.object.Name {
			continue
		}
		if from.Find("configMap", "items") != nil {
			return nil, errors.New("it picks files of the map: name the file from a Secret by hand in " + inventory.JoinIndex(base+".projected.sources", j))
		}
		return []edit.Change{{Op: edit.Set, Path: base + ".projected.sources[" + edit.Append + "]", Value: dict(named("secret", source))}}, nil
	}
	from := v.Get("configMap")
	if from.Get("name").Str() != s.object.Name {
		return nil, nil
	}
	if from.Get("items") != nil {
		return nil, errors.New("it picks files of the map: make the volume a projected one by hand")
	}
	sources := &inventory.Node{Kind: inventory.List}
	if s.object.Root.Get("data").Len()+s.object.Root.Get("binaryData").Len() > 1 {
		sources.Items = append(sources.Items, *dict(named("configMap", dict(named("name", text(s.object.Name))))))
	}
	sources.Items = append(sources.Items, *dict(named("secret", source)))
	projected := dict(named("sources", sources))
	if mode := from.Get("defaultMode"); mode != nil {
		projected.Items = append(projected.Items, *named("defaultMode", mode))
	}
	return []edit.Change{{Op: edit.Remove, Path: base + ".configMap"}, {Op: edit.Set, Path: base + ".projected", Value: projected}}, nil
}

// withoutAnnotation takes an annotation with a credential away.
func withoutAnnotation(s *site) ([]edit.Change, error) {
	if s.object.Root.At(s.finding.Path) == nil {
		return nil, nil
	}
	s.effect = "who reads the annotation no longer finds it: give it to them in a Secret, and replace the credential"
	if s.object.Annotations().Len() == 1 {
		return s.remove("metadata.annotations"), nil
	}
	return s.remove(s.finding.Path), nil
}
