package fix

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// keepClosed adds the policies without which a policy that gets the types it
// names would open what it closes by mistake, or close what nobody can do
// without.
func (s *site) keepClosed(types string) error {
	named := s.object.Root.At(types).Strings()
	spec := s.object.Root.Get("spec")
	if spec.Get("podSelector").Len() > 0 {
		return nil
	}
	of := &site{session: s.session, finding: s.finding, control: s.control, object: s.namespace()}
	if of.object == nil {
		return errNamespace
	}
	if !slices.Contains(named, "Ingress") && spec.Get("ingress").Len() == 0 && !s.closed("Ingress") {
		documents, err := denyIngress(of)
		if err != nil {
			return err
		}
		s.documents = append(s.documents, documents...)
		s.effect = "the policy closes what it names. As it was written it closed ingress, too: policies for that are added, with what the Services stand for"
	}
	if slices.Contains(named, "Egress") && spec.Get("egress").Len() == 0 {
		for _, d := range []document{of.policy("allow-dns", dnsPolicy), of.policy("allow-within-namespace", withinPolicy)} {
			if _, err := of.fresh([]document{d}); err == nil {
				s.documents = append(s.documents, d)
			}
		}
		s.effect = strings.TrimPrefix(s.effect+". Egress is closed but for names and the pods of the namespace: add the rules for connections to the outside before it is applied", ". ")
	}
	return nil
}

// namespace is the Namespace that the object is in, nil if it is not among the
// files.
func (s *site) namespace() *inventory.Object {
	for _, o := range s.state.inv.Kind("Namespace", "") {
		if o.Name == s.object.EffectiveNamespace() {
			return o
		}
	}
	return nil
}

// closed tells whether another policy of the namespace closes a direction for
// all pods.
func (s *site) closed(direction string) bool {
	return slices.ContainsFunc(s.state.inv.Kind("NetworkPolicy", "networking.k8s.io"), func(o *inventory.Object) bool {
		spec := o.Root.Get("spec")
		types := spec.Get("policyTypes").Strings()
		return o != s.object && o.EffectiveNamespace() == s.object.EffectiveNamespace() && spec.Get("podSelector").Len() == 0 && spec.Get(strings.ToLower(direction)).Len() == 0 &&
			(slices.Contains(types, direction) || len(types) == 0 && direction == "Ingress")
	})
}

// clusterIP takes the port of the nodes from a Service.
func clusterIP(s *site) ([]edit.Change, error) {
	out := s.set("spec.type", text("ClusterIP"))
	for i := range s.object.Root.Find("spec", "ports").All() {
		out = append(out, s.remove(inventory.JoinIndex("spec.ports", i)+".nodePort")...)
	}
	for _, field := range []string{"externalTrafficPolicy", "healthCheckNodePort"} {
		out = append(out, s.remove("spec."+field)...)
	}
	s.effect = "the Service is no longer reached at the addresses of the nodes: lead to it with an Ingress or a Gateway if it is for the outside"
	return out, nil
}
