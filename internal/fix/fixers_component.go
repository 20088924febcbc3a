package fix

import (
	"errors"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// identityLast puts the provider that does not encrypt behind the others. The
// value it had is {}, so nothing is lost by writing it anew.
func identityLast(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for i, r := range s.object.Root.Get("resources").All() {
		providers := r.Get("providers")
		if providers.Index(0).Get("identity") == nil {
			continue
		}
		if providers.Len() < 2 {
			return nil, errors.New("there is no provider that encrypts: add a kms provider with apiVersion v2 in front")
		}
		at := inventory.JoinIndex("resources", i) + ".providers"
		identity := &inventory.Node{Kind: inventory.Map, Items: []inventory.Node{{Key: "identity", Kind: inventory.Map}}}
		out = append(out, edit.Change{Op: edit.Remove, Path: at + "[0]"}, edit.Change{Op: edit.Set, Path: at + "[" + edit.Append + "]", Value: identity})
	}
	return out, nil
}

// kmsV2 raises the version of kms providers.
func kmsV2(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for i, r := range s.object.Root.Get("resources").All() {
		for j, p := range r.Get("providers").All() {
			if kms := p.Get("kms"); kms != nil && kms.Get("apiVersion").Str() != "v2" {
				at := inventory.JoinIndex(inventory.JoinIndex("resources", i)+".providers", j) + ".kms"
				out = append(out, s.set(at+".apiVersion", text("v2"))...)
				out = append(out, s.remove(at+".cachesize")...)
			}
		}
	}
	return out, nil
}

// auditStages records the outcome of requests again.
func auditStages(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for i, stage := range s.object.Root.Get("omitStages").All() {
		if stage.Str() == "ResponseComplete" {
			out = append(out, s.remove(inventory.JoinIndex("omitStages", i))...)
		}
	}
	return out, nil
}

var errNoPod = errors.New("the flag is set elsewhere than in a pod manifest: change it there")

// arguments are the lists of the container's command line.
func (s *site) arguments() ([]string, error) {
	if s.template == nil || s.finding.Container == "" {
		return nil, errNoPod
	}
	for i := range s.template.Containers {
		c := &s.template.Containers[i]
		if c.Name != s.finding.Container {
			continue
		}
		base := inventory.JoinPath(s.template.SpecPath(), c.Path())
		var out []string
		for _, list := range []string{"command", "args"} {
			if c.Node.Get(list).Len() > 0 {
				out = append(out, base+"."+list)
			}
		}
		if len(out) == 0 {
			return nil, errNoPod
		}
		return out, nil
	}
	return nil, errNoPod
}

// flag sets a flag of a component, or removes it if the value is "".
func flag(name, value string) fixer {
	return func(s *site) ([]edit.Change, error) { return s.flag(name, func(string) string { return value }) }
}

// flag gives a flag the value that change makes of the one it has. A flag that
// comes to have none is removed.
func (s *site) flag(name string, change func(old string) string) ([]edit.Change, error) {
	if s.object.Kind == "ClusterConfiguration" {
		return s.extraArgument(name, change)
	}
	lists, err := s.arguments()
	if err != nil {
		return nil, err
	}
	var out []edit.Change
	found := false
	for _, list := range lists {
		for i, item := range s.object.Root.At(list).All() {
			given, old, ok := strings.Cut(strings.TrimLeft(item.Str(), "-"), "=")
			if given != name || !strings.HasPrefix(item.Str(), "-") {
				continue
			}
			if found || !ok && change("") != "" {
				return nil, errors.New("the flag is given in a way that can't be edited safely: write it once, as --" + name + "=VALUE")
			}
			found = true
			at := inventory.JoinIndex(list, i)
			if value := change(old); value != "" {
				out = append(out, s.set(at, text("--"+name+"="+value))...)
			} else {
				out = append(out, s.remove(at)...)
			}
		}
	}
	if value := change(""); !found && value != "" {
		out = append(out, edit.Change{Op: edit.Set, Path: s.flagList(lists) + "[" + edit.Append + "]", Value: text("--" + name + "=" + value)})
	}
	return out, nil
}

// flagList is the list that flags stand in.
func (s *site) flagList(lists []string) string {
	for _, list := range lists {
		for _, item := range s.object.Root.At(list).All() {
			if strings.HasPrefix(item.Str(), "--") {
				return list
			}
		}
	}
	return lists[len(lists)-1]
}

// plugin adds an admission plugin to those that are enabled.
func plugin(name string) fixer {
	return func(s *site) ([]edit.Change, error) {
		return s.flag("enable-admission-plugins", func(old string) string {
			if old == "" {
				return name
			}
			return old + "," + name
		})
	}
}

// noPlugin takes an admission plugin off a list.
func noPlugin(list, name string) fixer {
	return func(s *site) ([]edit.Change, error) {
		return s.flag(list, func(old string) string {
			kept := slices.DeleteFunc(strings.Split(old, ","), func(p string) bool { return strings.TrimSpace(p) == name })
			return strings.Join(kept, ",")
		})
	}
}

// auditRetention sets the flag the finding speaks of to what is asked for.
func auditRetention(s *site) ([]edit.Change, error) {
	for name, value := range map[string]string{"audit-log-maxage": "30", "audit-log-maxbackup": "10", "audit-log-maxsize": "100"} {
		if strings.Contains(s.finding.Message, "--"+name+" ") {
			return s.flag(name, func(string) string { return value })
		}
	}
	return nil, nil
}
