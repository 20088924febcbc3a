package blast

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// expose finds the ways from outside to workloads.
func (f *Facts) expose() {
	services := f.services()
	for _, o := range f.Inventory.Kind("Service", "") {
		s := services[serviceKey{o.EffectiveNamespace(), o.Name}]
		kind := s.object.Root.Find("spec", "type").Str()
		switch {
		case kind == "LoadBalancer":
			s.expose(Exposure{How: "Service " + s.object.Name + " of type LoadBalancer", Internet: !internalBalancer(s.object), Object: s.object, Path: "spec.type"})
		case kind == "NodePort":
			s.expose(Exposure{How: "Service " + s.object.Name + " of type NodePort", Internet: false, Object: s.object, Path: "spec.type"})
		case s.object.Root.Find("spec", "externalIPs").Len() > 0:
			s.expose(Exposure{How: "external addresses of Service " + s.object.Name, Internet: true, Object: s.object, Path: "spec.externalIPs"})
		}
	}
	f.exposeIngresses(services)
	f.exposeRoutes(services)
	unread, missing := f.unreadWays()
	for _, w := range f.Workloads {
		w.exposePorts()
		if missing && len(w.Exposed) == 0 {
			w.Exposed = []Exposure{unread}
		}
	}
}

// unreadWays stands for what may lead to any workload and could not be read.
func (f *Facts) unreadWays() (Exposure, bool) {
	for _, kind := range []string{"Service", "Ingress", "Gateway", "HTTPRoute", "Route"} {
		if g, ok := f.Inventory.GapFor(kind); ok {
			return Exposure{How: "perhaps, by what could not be read: " + g.What, Unknown: true}, true
		}
	}
	return Exposure{}, false
}

// internalBalancer tells whether the annotations of the large providers keep a
// load balancer off the internet.
func internalBalancer(o *inventory.Object) bool {
	for _, a := range o.Annotations().All() {
		value := strings.ToLower(a.Text)
		if strings.HasPrefix(a.Key, "service.beta.kubernetes.io/") && strings.HasSuffix(a.Key, "-internal") && value != "false" ||
			strings.HasSuffix(a.Key, "load-balancer-scheme") && value == "internal" ||
			strings.HasSuffix(a.Key, "load-balancer-type") && value == "internal" {
			return true
		}
	}
	return false
}

func (w *Workload) exposePorts() {
	for _, p := range w.Pods {
		for i := range p.Running {
			for j, port := range p.Running[i].Node.Get("ports").All() {
				at := inventory.JoinIndex(p.Running[i].Path+".ports", j)
				if host, ok := port.Get("hostPort").Int(); ok && host > 0 {
					w.Exposed = append(w.Exposed, Exposure{How: "a port of the node", Internet: false, Object: p.Template.Object, Path: at + ".hostPort"})
					return
				}
				if p.HostNetwork {
					w.Exposed = append(w.Exposed, Exposure{How: "the network of the node", Internet: false, Object: p.Template.Object, Path: p.At("hostNetwork")})
					return
				}
			}
		}
	}
}

// service is a Service with the workloads it sends traffic to.
type service struct {
	object *inventory.Object
	behind []*Workload
}

func (s *service) expose(e Exposure) {
	for _, w := range s.behind {
		w.Exposed = append(w.Exposed, e)
	}
}

type serviceKey struct{ namespace, name string }

// services finds the workloads behind each Service, by an index of labels so
// that large namespaces do not cost the product of both.
func (f *Facts) services() map[serviceKey]*service {
	type label struct{ namespace, key, value string }
	index := make(map[label][]*Workload)
	for _, w := range f.Workloads {
		for k, v := range w.labels {
			index[label{w.Namespace, k, v}] = append(index[label{w.Namespace, k, v}], w)
		}
	}
	out := make(map[serviceKey]*service)
	for _, o := range f.Inventory.Kind("Service", "") {
		s := &service{object: o}
		out[serviceKey{o.EffectiveNamespace(), o.Name}] = s
		want := o.Root.Find("spec", "selector").StringMap()
		if len(want) == 0 {
			continue
		}
		var fewest []*Workload
		first := true
		for k, v := range want {
			if found := index[label{o.EffectiveNamespace(), k, v}]; first || len(found) < len(fewest) {
				fewest, first = found, false
			}
		}
		for _, w := range fewest {
			if hasAll(w.labels, want) {
				s.behind = append(s.behind, w)
			}
		}
	}
	return out
}

func hasAll(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func (f *Facts) exposeIngresses(services map[serviceKey]*service) {
	for _, o := range f.Inventory.Kind("Ingress", "networking.k8s.io", "extensions") {
		expose := func(backend *inventory.Node, at string) {
			name := backend.Find("service", "name").StrOr(backend.Get("serviceName").Str())
			if s := services[serviceKey{o.EffectiveNamespace(), name}]; s != nil {
				s.expose(Exposure{How: "Ingress " + o.Name, Internet: true, Object: o, Path: at})
			}
		}
		spec := o.Root.Get("spec")
		expose(spec.Get("defaultBackend"), "spec.defaultBackend")
		expose(spec.Get("backend"), "spec.backend")
		for i, rule := range spec.Get("rules").All() {
			for j, p := range rule.Find("http", "paths").All() {
				expose(p.Get("backend"), inventory.JoinIndex(inventory.JoinIndex("spec.rules", i)+".http.paths", j)+".backend")
			}
		}
	}
}

// exposeRoutes follows the Gateway API and the routes of OpenShift.
func (f *Facts) exposeRoutes(services map[serviceKey]*service) {
	for _, kind := range []string{"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"} {
		for _, o := range f.Inventory.Kind(kind, "gateway.networking.k8s.io") {
			for i, rule := range o.Root.Find("spec", "rules").All() {
				for j, ref := range rule.Get("backendRefs").All() {
					at := inventory.JoinIndex(inventory.JoinIndex("spec.rules", i)+".backendRefs", j)
					namespace := ref.Get("namespace").StrOr(o.EffectiveNamespace())
					if s := services[serviceKey{namespace, ref.Get("name").Str()}]; s != nil {
						s.expose(Exposure{How: kind + " " + o.Name, Internet: true, Object: o, Path: at})
					}
				}
			}
		}
	}
	for _, o := range f.Inventory.Kind("Route", "route.openshift.io") {
		if s := services[serviceKey{o.EffectiveNamespace(), o.Root.Find("spec", "to", "name").Str()}]; s != nil {
			s.expose(Exposure{How: "Route " + o.Name, Internet: true, Object: o, Path: "spec.to"})
		}
	}
}
