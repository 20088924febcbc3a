package fix

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// A generator writes the objects whose absence is the finding, to be put behind
// the object they belong to.
type generator func(s *site) ([]document, error)

// document is an object that is to be added: behind those of the file, or in a
// new one.
type document struct {
	name, text, file string
	// more are the objects behind the first.
	more int
}

// generators are the findings that new objects answer, by control.
var generators = map[string]generator{
	"default-deny-ingress":    denyIngress,
	"default-deny-egress":     denyEgress,
	"limit-range-missing":     limitRange,
	"resource-quota-missing":  quota,
	"default-service-account": ownAccount,
	"policy-without-binding":  bindPolicy,
}

var errNamespace = errors.New("the Namespace is not among the files, so there is no place for a policy of it: name the folder with its manifest, too")

// denyIngress closes a namespace and opens what its Services stand for: to the
// pods of the namespace, and to the ingress controller for what it leads to.
func denyIngress(s *site) ([]document, error) {
	if s.object.Kind != "Namespace" {
		return nil, errNamespace
	}
	out := []document{s.policy("default-deny-ingress", "  podSelector: {}\n  policyTypes: [Ingress]\n")}
	exposed := s.exposed()
	for _, o := range s.state.inv.Kind("Service", "") {
		selector := o.Root.Find("spec", "selector").StringMap()
		ports := servicePorts(o)
		if o.EffectiveNamespace() != s.object.Name || len(selector) == 0 || ports == "" || !s.selected(selector) {
			continue
		}
		kind := o.Root.Find("spec", "type").Str()
		from := "    - from:\n        - podSelector: {}\n"
		switch {
		case kind == "LoadBalancer" || kind == "NodePort":
			return nil, fmt.Errorf("the Service %s is reached from outside of the cluster, and from where is not in the files: write the policies by hand", o.Name)
		case exposed[o.Name] && s.IngressNamespace == "":
			return nil, fmt.Errorf("an Ingress or a route leads to Service %s: name the namespace of the controller with --ingress-namespace", o.Name)
		case exposed[o.Name]:
			from += "        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: " + scalar(s.IngressNamespace) + "}\n"
		}
		out = append(out, s.policy("allow-to-"+o.Name, "  podSelector:\n    matchLabels:\n"+labels(selector)+"  policyTypes: [Ingress]\n  ingress:\n"+from+"      ports:\n"+ports))
	}
	return s.fresh(out)
}

// denyEgress closes a namespace towards the outside: what is left is the
// resolution of names, and the pods of the namespace.
func denyEgress(s *site) ([]document, error) {
	if s.object.Kind != "Namespace" {
		return nil, errNamespace
	}
	return s.fresh([]document{
		s.policy("default-deny-egress", "  podSelector: {}\n  policyTypes: [Egress]\n"),
		s.policy("allow-dns", dnsPolicy),
		s.policy("allow-within-namespace", withinPolicy),
	})
}

// What pods that must not reach anything still need: names, and each other.
const (
	dnsPolicy    = "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: kube-system}\n          podSelector:\n            matchLabels: {k8s-app: kube-dns}\n      ports:\n        - {protocol: UDP, port: 53}\n        - {protocol: TCP, port: 53}\n"
	withinPolicy = "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - podSelector: {}\n"
)

// limitRange gives containers that say nothing the values that the fixes of
// missing requests and limits start from.
func limitRange(s *site) ([]document, error) {
	if s.object.Kind != "Namespace" {
		return nil, errNamespace
	}
	text := "apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: defaults\n  namespace: " + scalar(s.object.Name) + "\nspec:\n" + limits()
	return []document{{name: "LimitRange/defaults", text: text}}, nil
}

func limits() string {
	return fmt.Sprintf("  limits:\n    - type: Container\n      defaultRequest: {cpu: %s, memory: %s}\n      default: {cpu: %s, memory: %s}\n", cpuRequest, memoryRequest, cpuLimit, memoryLimit)
}

func (s *site) policy(name, spec string) document {
	return document{name: "NetworkPolicy/" + name, text: fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n%s", scalar(name), scalar(s.object.Name), spec)}
}

// fresh refuses names that are taken.
func (s *site) fresh(documents []document) ([]document, error) {
	for _, d := range documents {
		for _, o := range s.state.inv.Kind("NetworkPolicy", "networking.k8s.io") {
			if o.EffectiveNamespace() == s.object.Name && "NetworkPolicy/"+o.Name == d.name {
				return nil, fmt.Errorf("there is a %s in the namespace already, and it does something else: rename it, or correct it by hand", d.name)
			}
		}
	}
	return documents, nil
}

// selected tells whether a selector matches pods of a workload of the namespace.
func (s *site) selected(selector map[string]string) bool {
	for _, o := range s.state.inv.Objects {
		if o.EffectiveNamespace() != s.object.Name {
			continue
		}
		for _, t := range o.PodTemplates() {
			if labelled(t, selector) {
				return true
			}
		}
	}
	return false
}

// labelled tells whether the pods of a template have labels.
func labelled(t *inventory.PodTemplate, want map[string]string) bool {
	has := t.Meta.Get("labels").StringMap()
	for key, value := range want {
		if has[key] != value {
			return false
		}
	}
	return true
}

// exposed are the Services of the namespace that an Ingress or a route leads to.
func (s *site) exposed() map[string]bool {
	out := make(map[string]bool)
	for _, o := range s.state.inv.Objects {
		if o.EffectiveNamespace() == s.object.Name && (o.Kind == "Ingress" || o.Group() == "gateway.networking.k8s.io") {
			backends(o.Root.Get("spec"), out)
		}
	}
	return out
}

// backends collects the names of Services below a node.
func backends(n *inventory.Node, out map[string]bool) {
	for _, item := range n.All() {
		switch item.Key {
		case "service":
			out[item.Get("name").Str()] = true
		case "backendRefs":
			for _, ref := range item.All() {
				out[ref.Get("name").Str()] = true
			}
		}
		backends(item, out)
	}
}

// servicePorts are the ports of the pods behind a Service, as items of a list;
// "" if they can't be told.
func servicePorts(o *inventory.Object) string {
	var b strings.Builder
	for _, p := range o.Root.Find("spec", "ports").All() {
		port := p.Get("targetPort")
		if port.IsNull() {
			port = p.Get("port")
		}
		value := scalar(port.Str())
		if number, ok := port.Int(); ok {
			value = strconv.FormatInt(number, 10)
		}
		if value == `""` {
			return ""
		}
		fmt.Fprintf(&b, "        - {protocol: %s, port: %s}\n", scalar(p.Get("protocol").StrOr("TCP")), value)
	}
	return b.String()
}

func labels(of map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(of)) {
		fmt.Fprintf(&b, "      %s: %s\n", scalar(key), scalar(of[key]))
	}
	return b.String()
}

// scalar writes a text in quotes unless it is a plain word.
func scalar(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-./_") == "" &&
		strings.Trim(s[:1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" &&
		!slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(s))
	if plain {
		return s
	}
	return string(inventory.AppendJSONString(nil, s))
}
