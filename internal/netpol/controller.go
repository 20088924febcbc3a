package netpol

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// proxyKind is a kind of ingress controller: how its classes and its images are
// known.
type proxyKind struct {
	// controllers are what spec.controller of an IngressClass begins with,
	// classes the usual names of classes.
	controllers, classes []string
	// images are parts of the names of its images.
	images []string
}

// proxyKinds are the controllers that are followed.
var proxyKinds = []proxyKind{
	{[]string{"k8s.io/ingress-nginx"}, []string{"nginx"}, []string{"ingress-nginx/controller", "nginx-ingress-controller"}},
	{[]string{"nginx.org/ingress-controller"}, nil, []string{"nginx/nginx-ingress"}},
	{[]string{"traefik.io/ingress-controller"}, []string{"traefik"}, []string{"traefik"}},
	{[]string{"haproxy-ingress.github.io/"}, []string{"haproxy"}, []string{"haproxy-ingress"}},
	{[]string{"haproxy.org/"}, nil, []string{"haproxytech/kubernetes-ingress"}},
	{[]string{"ingress-controllers.konghq.com/"}, []string{"kong"}, []string{"kong"}},
}

// controller is an ingress controller among the workloads.
type controller struct {
	endpoint *Endpoint
	kind     int
	// outside tells whether the internet gets to it.
	outside Verdict
}

// findControllers finds workloads that run an ingress controller, once the ways
// in through Services and ports of nodes are known.
func (m *Model) findControllers() {
	for _, e := range m.endpoints {
		kind := slices.IndexFunc(proxyKinds, func(k proxyKind) bool { return runsImage(e.Template, k.images) })
		if kind >= 0 {
			m.controllers = append(m.controllers, controller{e, kind, m.fromOutside(Of(e), Port{}).Verdict})
		}
	}
}

// runsImage tells whether a container of the template has one of the images.
func runsImage(t *inventory.PodTemplate, images []string) bool {
	return slices.ContainsFunc(t.Containers, func(c inventory.Container) bool {
		if c.Field != inventory.RegularContainers {
			return false
		}
		name, _, _ := strings.Cut(c.Node.Get("image").Str(), "@")
		if slash := strings.LastIndexByte(name, '/'); strings.LastIndexByte(name, ':') > slash {
			name = name[:strings.LastIndexByte(name, ':')]
		}
		return slices.ContainsFunc(images, func(i string) bool { return name == i || strings.HasSuffix(name, "/"+i) })
	})
}

// controllersOf are the controllers that serve an Ingress, by its class.
func (m *Model) controllersOf(o *inventory.Object) []controller {
	if o.Kind != "Ingress" {
		return nil
	}
	class := o.Root.Find("spec", "ingressClassName").StrOr(o.Annotations().Get("kubernetes.io/ingress.class").Str())
	var out []controller
	for _, c := range m.controllers {
		if m.serves(class, proxyKinds[c.kind]) {
			out = append(out, c)
		}
	}
	return out
}

// serves tells whether a controller of a kind is that of a class. Without an
// IngressClass that says so the usual name does.
func (m *Model) serves(class string, k proxyKind) bool {
	for _, o := range m.inv.Kind("IngressClass", networkingGroup) {
		isDefault := o.Annotations().Get("ingressclass.kubernetes.io/is-default-class").Str() == "true"
		if o.Name == class || class == "" && isDefault {
			name := o.Root.Find("spec", "controller").Str()
			return slices.ContainsFunc(k.controllers, func(c string) bool { return strings.HasPrefix(name, c) })
		}
	}
	return slices.Contains(k.classes, class)
}

// relay settles an entry that depends on who the proxy is: the internet gets to
// a controller of the class, and the controller to the pod. That it can not get
// there is told and settles nothing, since there may be another one.
func (m *Model) relay(e *Entry, through []controller) {
	if e.Verdict != Unknown {
		return
	}
	for _, c := range through {
		a := m.allowed(Of(c.endpoint), Of(e.To), e.Port)
		switch {
		case a.Verdict == No:
			e.Because = append(e.Because, Evidence{Side: "entry", Effect: Denies, Object: c.endpoint.Template.Object, Says: c.endpoint.Name + " is a controller of its class and can't get there."})
		case a.Verdict == Yes && c.outside == Yes && !m.doubted(e):
			e.Verdict = Yes
			e.Because = append([]Evidence{{
				Side: "entry", Effect: Open, Object: c.endpoint.Template.Object, Says: fmt.Sprintf("The internet gets to %s, a controller of its class, and from there to %s.", c.endpoint.Name, e.To.Name),
			}}, a.Because...)
			return
		}
	}
}

// doubted tells whether an entry has doubts of its own beside who the proxy is.
func (*Model) doubted(e *Entry) bool {
	return slices.ContainsFunc(e.Because, func(w Evidence) bool { return w.Side == "entry" && w.Effect == Unclear })
}
