package fix

import (
	"errors"
	"fmt"
	pathpkg "path"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/component"
	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// sections are where a kubeadm file has the flags of a component.
var sections = map[string]string{
	component.APIServer: "apiServer", component.ControllerManager: "controllerManager", component.Scheduler: "scheduler", component.Etcd: "etcd.local",
}

// process is the name of the component a finding is about.
func (s *site) process() string {
	if s.object.Kind == "ClusterConfiguration" {
		for name, section := range sections {
			if under(s.finding.Path, section) {
				return name
			}
		}
		return ""
	}
	for _, p := range component.Of(s.state.inv) {
		if p.Object == s.object && p.Container != nil && p.Container.Name == s.finding.Container {
			return p.Name
		}
	}
	return ""
}

// extraArgument sets a flag in a file of kubeadm: a list of names and values, or
// a map in older versions.
func (s *site) extraArgument(name string, change func(old string) string) ([]edit.Change, error) {
	section, ok := sections[s.process()]
	if !ok {
		return nil, errNoPod
	}
	path := section + ".extraArgs"
	args := s.object.Root.At(path)
	if args.Len() == 0 && !strings.HasSuffix(s.object.APIVersion, "/v1beta3") || args != nil && args.Kind == inventory.List {
		for i, n := range args.All() {
			if n.Get("name").Str() != name {
				continue
			}
			at := inventory.JoinIndex(path, i)
			if value := change(n.Get("value").Str()); value != "" {
				return s.set(at+".value", text(value)), nil
			}
			return s.remove(at), nil
		}
		if value := change(component.Default(s.process(), name)); value != "" {
			return []edit.Change{{Op: edit.Set, Path: path + "[" + edit.Append + "]", Value: dict(named("name", text(name)), named("value", text(value)))}}, nil
		}
		return nil, nil
	}
	old := args.Get(name)
	value := change(component.Default(s.process(), name))
	if old != nil {
		value = change(old.Str())
	}
	if value == "" {
		return s.remove(inventory.Join(path, name)), nil
	}
	return s.set(inventory.Join(path, name), text(value)), nil
}

// files sets flags that name files, those that are missing, to where kubeadm
// puts the files, and mounts their folder if nothing does.
func files(names ...string) fixer {
	return func(s *site) ([]edit.Change, error) {
		process := s.process()
		var out []edit.Change
		var paths []string
		for _, name := range names {
			value := component.Default(process, name)
			if value == "" {
				return nil, nil
			}
			more, err := s.flag(name, func(old string) string {
				if old != "" {
					return old
				}
				return value
			})
			if err != nil {
				return nil, err
			}
			if len(more) > 0 {
				out, paths = append(out, more...), append(paths, value)
			}
		}
		if len(paths) == 0 {
			return nil, nil
		}
		s.effect = fmt.Sprintf("%s starts only if there are %s, where kubeadm puts them: look on the node first", process, strings.Join(paths, ", "))
		return append(out, s.mount("k8s-certs", "/etc/kubernetes/pki", "DirectoryOrCreate", paths[0], boolean("true"))...), nil
	}
}

// mount brings a folder or file of the node into the container of a component,
// unless what is needed of it is there already.
func (s *site) mount(name, path, kind, needed string, readOnly *inventory.Node) []edit.Change {
	if s.object.Kind == "ClusterConfiguration" {
		return s.extraVolume(name, path, kind, needed, readOnly)
	}
	container := s.componentContainer()
	if container == nil || covers(container.Node.Get("volumeMounts"), needed) {
		return nil
	}
	spec := s.template.SpecPath()
	for _, v := range s.template.Spec.Get("volumes").All() {
		if v.Get("name").Str() == name {
			name = "redoubt-" + name
			break
		}
	}
	fields := []*inventory.Node{named("name", text(name)), named("mountPath", text(path))}
	if readOnly != nil {
		fields = append(fields, named("readOnly", readOnly))
	}
	s.hint = "if that is right for this pod, as it is for those of kubeadm, waive it there and run fix again"
	at := inventory.JoinPath(spec, container.Path()) + ".volumeMounts[" + edit.Append + "]"
	return []edit.Change{
		{Op: edit.Set, Path: at, Value: dict(fields...)},
		{Op: edit.Set, Path: inventory.JoinPath(spec, "volumes") + "[" + edit.Append + "]", Value: dict(named("name", text(name)), named("hostPath", dict(named("path", text(path)), named("type", text(kind)))))},
	}
}

// extraVolume does that in a file of kubeadm, which mounts its own certificates.
func (s *site) extraVolume(name, path, kind, needed string, readOnly *inventory.Node) []edit.Change {
	section, ok := sections[s.process()]
	if !ok || strings.HasPrefix(needed, "/etc/kubernetes/pki/") || covers(s.object.Root.At(section+".extraVolumes"), needed) {
		return nil
	}
	fields := []*inventory.Node{named("name", text(name)), named("hostPath", text(path)), named("mountPath", text(path)), named("pathType", text(kind))}
	if readOnly != nil {
		fields = append(fields, named("readOnly", readOnly))
	}
	return []edit.Change{adding(section+".extraVolumes", dict(fields...))}
}

// componentContainer is the container of the component a finding is about.
func (s *site) componentContainer() *inventory.Container {
	if s.template == nil {
		return nil
	}
	for i := range s.template.Containers {
		if s.template.Containers[i].Name == s.finding.Container {
			return &s.template.Containers[i]
		}
	}
	return nil
}

// covers tells whether one of the mounts holds a file.
func covers(mounts *inventory.Node, file string) bool {
	return slices.ContainsFunc(slices.Collect(values(mounts)), func(m *inventory.Node) bool {
		at := pathpkg.Clean(m.Get("mountPath").Str())
		return at == file || strings.HasPrefix(file, strings.TrimSuffix(at, "/")+"/")
	})
}

// values are the items of a collection.
func values(n *inventory.Node) func(yield func(*inventory.Node) bool) {
	return func(yield func(*inventory.Node) bool) {
		for _, item := range n.All() {
			if !yield(item) {
				return
			}
		}
	}
}

// auditMount mounts the file that an audit flag names: the policy as it is, the
// log by its folder, since it is renamed when it is full.
func auditMount(s *site) ([]edit.Change, error) {
	head, _, _ := strings.Cut(strings.TrimPrefix(s.finding.Message, "--"), " ")
	name, file, ok := strings.Cut(head, "=")
	if !ok || !strings.HasPrefix(file, "/") || pathpkg.Clean(file) != file {
		return nil, errors.New("the path of the file can't be told: write it in full, and mount its folder")
	}
	if strings.Contains(s.finding.Message, "lies on a mount") || strings.Contains(s.finding.Message, "single file") {
		return nil, errors.New("there is a mount for it already, which serves something else, too: correct that by hand")
	}
	if name == "audit-log-path" {
		s.effect = "the log stays on the node, in " + pathpkg.Dir(file) + ": have it collected, and see that the disk has room"
		return s.mount("audit-log", pathpkg.Dir(file), "DirectoryOrCreate", file, nil), nil
	}
	s.effect = "the API server starts only if there is " + file + " on the node: put the file there first"
	volume := strings.TrimSuffix(strings.TrimSuffix(name, "-file"), "-config")
	return s.mount(volume, file, "File", file, boolean("true")), nil
}

// onlyWith leaves of a list flag what is wanted, and adds what is missing.
func onlyWith(name string, wanted ...string) fixer {
	return func(s *site) ([]edit.Change, error) {
		return s.flag(name, func(old string) string {
			var out []string
			for item := range strings.SplitSeq(old, ",") {
				if item = strings.TrimSpace(item); item != "" && item != "AlwaysAllow" && item != "AlwaysDeny" {
					out = append(out, item)
				}
			}
			for _, item := range wanted {
				if !slices.Contains(out, item) {
					out = append(out, item)
				}
			}
			return strings.Join(out, ",")
		})
	}
}

// withoutItems takes items off a list flag.
func withoutItems(name string, items ...string) fixer {
	return func(s *site) ([]edit.Change, error) {
		return s.flag(name, func(old string) string {
			kept := slices.DeleteFunc(strings.Split(old, ","), func(item string) bool { return slices.Contains(items, strings.TrimSpace(item)) })
			return strings.Join(kept, ",")
		})
	}
}

// with says what an edit changes beside.
func with(effect string, fix fixer) fixer {
	return func(s *site) ([]edit.Change, error) {
		changes, err := fix(s)
		if len(changes) > 0 && s.effect == "" {
			s.effect = effect
		}
		return changes, err
	}
}

// noFlag removes the flag the finding stands at.
func noFlag(names ...string) fixer {
	return func(s *site) ([]edit.Change, error) {
		for _, name := range names {
			if strings.Contains(s.finding.Message, "--"+name) {
				return s.flag(name, func(string) string { return "" })
			}
		}
		return nil, nil
	}
}

// https makes the URLs of etcd's flag say TLS.
func https(s *site) ([]edit.Change, error) {
	for _, name := range []string{"etcd-servers", "listen-client-urls", "listen-peer-urls", "advertise-client-urls", "initial-advertise-peer-urls"} {
		if !strings.HasPrefix(s.finding.Message, "--"+name+" ") {
			continue
		}
		s.effect = "both sides need certificates, or they no longer reach each other: set them first"
		return s.flag(name, func(old string) string {
			urls := strings.Split(old, ",")
			for i, url := range urls {
				if name != "listen-client-urls" || !strings.HasPrefix(url, "http://127.0.0.1") {
					urls[i] = strings.Replace(url, "http://", "https://", 1)
				}
			}
			return strings.Join(urls, ",")
		})
	}
	return nil, nil
}
