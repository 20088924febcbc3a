package netpol

import (
	"fmt"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// gatewayGroup is the API group of Gateway API.
const gatewayGroup = "gateway.networking.k8s.io"

var routeKinds = []string{"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"}

// routeEntries follow routes from their Gateways to pods.
func (m *Model) routeEntries() {
	for _, kind := range routeKinds {
		for _, o := range m.inv.Kind(kind, gatewayGroup) {
			attached, unclear := m.attached(o)
			if attached == no {
				continue
			}
			for i, r := range o.Root.Find("spec", "rules").All() {
				m.routeRule(o, r, inventory.JoinIndex("spec.rules", i), unclear)
			}
		}
	}
}

// routeRule follows a rule to where it sends requests, and copies of them.
func (m *Model) routeRule(o *inventory.Object, r *inventory.Node, path string, unclear doubt) {
	for j, b := range r.Get("backendRefs").All() {
		m.routeBackend(o, b, inventory.JoinIndex(path+".backendRefs", j), unclear)
	}
	for j, f := range r.Get("filters").All() {
		if mirror := f.Find("requestMirror", "backendRef"); mirror != nil {
			m.routeBackend(o, mirror, inventory.JoinIndex(path+".filters", j)+".requestMirror.backendRef", unclear)
		}
	}
}

func (m *Model) routeBackend(o *inventory.Object, b *inventory.Node, path string, unclear doubt) {
	if b.Get("kind").StrOr("Service") != "Service" || b.Get("group").Str() != "" {
		return
	}
	number, _ := b.Get("port").Int()
	namespace := b.Get("namespace").StrOr(o.EffectiveNamespace())
	ref := reference{b.Get("name").Str(), Port{Number: int(number)}}
	grant := doubt("")
	if namespace != o.EffectiveNamespace() && !m.granted(o, namespace, ref.name) {
		grant = doubt(fmt.Sprintf("The input has no ReferenceGrant that lets %s refer to Service %s/%s.", o.Ref(), namespace, ref.name))
	}
	m.behind(Entry{Through: o.Kind, Object: o, Path: path, From: OutsideName}, namespace, ref, unclear, grant)
}

// granted tells whether a ReferenceGrant lets a route refer to a Service of
// another namespace.
func (m *Model) granted(route *inventory.Object, namespace, service string) bool {
	return slices.ContainsFunc(m.inv.Kind("ReferenceGrant", gatewayGroup), func(g *inventory.Object) bool {
		if g.EffectiveNamespace() != namespace {
			return false
		}
		from, to := false, false
		for _, f := range g.Root.Find("spec", "from").All() {
			from = from || f.Get("group").Str() == gatewayGroup && f.Get("kind").Str() == route.Kind && f.Get("namespace").Str() == route.EffectiveNamespace()
		}
		for _, t := range g.Root.Find("spec", "to").All() {
			to = to || t.Get("group").Str() == "" && t.Get("kind").Str() == "Service" && t.Get("name").StrOr(service) == service
		}
		return from && to
	})
}

// attached tells whether a Gateway takes the route.
func (m *Model) attached(route *inventory.Object) (tri, doubt) {
	out, why := no, doubt("")
	for _, ref := range route.Root.Find("spec", "parentRefs").All() {
		if ref.Get("kind").StrOr("Gateway") != "Gateway" || ref.Get("group").StrOr(gatewayGroup) != gatewayGroup {
			continue
		}
		namespace := ref.Get("namespace").StrOr(route.EffectiveNamespace())
		name := ref.Get("name").Str()
		gateways := m.inv.Kind("Gateway", gatewayGroup)
		i := slices.IndexFunc(gateways, func(g *inventory.Object) bool { return g.EffectiveNamespace() == namespace && g.Name == name })
		if i < 0 {
			if out == no {
				out, why = maybe, doubt(fmt.Sprintf("Gateway %s/%s is not in the input, so it is not known whether it takes %s.", namespace, name, route.Ref()))
			}
			continue
		}
		if t := m.takes(gateways[i], route, ref); t > out {
			out, why = t, ""
			if t == maybe {
				why = doubt(fmt.Sprintf("Whether %s takes routes of the namespace %s depends on labels that are not in the input.", gateways[i].Ref(), route.EffectiveNamespace()))
			}
		}
	}
	return out, why
}

// takes asks the listeners of a Gateway.
func (m *Model) takes(gateway, route *inventory.Object, ref *inventory.Node) tri {
	out := no
	for _, l := range gateway.Root.Find("spec", "listeners").All() {
		if section := ref.Get("sectionName"); !section.IsNull() && section.Str() != l.Get("name").Str() {
			continue
		}
		if port := ref.Get("port"); !port.IsNull() && port.Text != l.Get("port").Text {
			continue
		}
		spaces := l.Find("allowedRoutes", "namespaces")
		switch spaces.Get("from").StrOr("Same") {
		case "All":
			out = yes
		case "Same":
			if gateway.EffectiveNamespace() == route.EffectiveNamespace() {
				out = yes
			}
		case "Selector":
			out = max(out, readSelector(spaces.Get("selector")).match(&m.namespaceOf(route.EffectiveNamespace()).labels))
		}
	}
	return out
}
