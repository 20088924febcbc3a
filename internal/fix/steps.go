package fix

import (
	"fmt"
	"slices"
	"strings"
)

// wantedSecret is a key of a Secret that an edit needs.
type wantedSecret struct {
	name, namespace, key string
	// file is set if the value is that of a file.
	file bool
	// held says where the credential was.
	held string
}

// note takes over what is to be done beside a proposal.
func (s *session) note(p *proposal) {
	for _, step := range p.steps {
		if !slices.Contains(s.result.Steps, step) {
			s.result.Steps = append(s.result.Steps, step)
		}
	}
	for _, w := range p.secrets {
		if !slices.Contains(s.wantedSecrets, w) {
			s.wantedSecrets = append(s.wantedSecrets, w)
		}
	}
}

// secretSteps are the commands that make the Secrets, one for each. The values
// are for the person to put in: they come from nowhere else.
func (s *session) secretSteps() []string {
	type secret struct{ namespace, name string }
	var order []secret
	arguments, held := make(map[secret]string), make(map[secret]string)
	for _, w := range s.wantedSecrets {
		k := secret{w.namespace, w.name}
		if arguments[k] == "" {
			order = append(order, k)
		}
		if w.file {
			arguments[k] += fmt.Sprintf(" --from-file=%s=FILE", w.key)
		} else {
			arguments[k] += fmt.Sprintf(" --from-literal=%s=VALUE", w.key)
		}
		held[k] += fmt.Sprintf("\n  # %s: a new one, since that of %s is known", w.key, w.held)
	}
	slices.SortFunc(order, func(a, b secret) int { return strings.Compare(a.namespace+"/"+a.name, b.namespace+"/"+b.name) })
	var out []string
	for _, k := range order {
		namespace := ""
		if k.namespace != "" {
			namespace = " -n " + k.namespace
		}
		out = append(out, "kubectl create secret generic "+k.name+namespace+arguments[k]+held[k])
	}
	return out
}
