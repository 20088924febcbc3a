package netpol_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

func service(spec string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: " + spec + "\n---\n"
}

const (
	clusterIP = "{selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}"
	ingress   = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\nspec: {rules: [{http: {paths: [{path: /, backend: {service: {name: web, port: {name: http}}}}]}}]}\n---\n"
	gateway   = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: other}\nspec: {listeners: [{name: a, port: 80, allowedRoutes: {namespaces: {from: %s}}}]}\n---\n"
	route     = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: shop}\nspec: {parentRefs: [{name: g, namespace: other}], rules: [{backendRefs: [{name: web, port: 80}]}]}\n---\n"
)

// classed is the Ingress with a class.
func classed(name string) string {
	return strings.Replace(ingress, "spec: {", "spec: {ingressClassName: "+name+", ", 1)
}

func ingressClass(name, controller string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: " + name + "}\nspec: {controller: " + controller + "}\n---\n"
}

// nginx is an ingress controller, with what leads to it.
func nginx(more string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: controller, namespace: ingress-nginx}\nspec: {template: {metadata: {labels: {app: nginx}}, " +
		"spec: {containers: [{name: c, image: \"registry.k8s.io/ingress-nginx/controller:v1.13.0@sha256:00\", ports: [{containerPort: 80}]}]}}}\n---\n" + more
}

const (
	lb        = "apiVersion: v1\nkind: Service\nmetadata: {name: nginx, namespace: ingress-nginx}\nspec: {type: LoadBalancer, selector: {app: nginx}, ports: [{port: 80}]}\n---\n"
	fromNginx = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]}]}\n---\n"
)

func TestWaysInFromOutside(t *testing.T) {
	t.Parallel()
	balancer := func(more string) string {
		return service("{type: LoadBalancer, allocateLoadBalancerNodePorts: false, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: http}]" + more + "}")
	}
	semantics{
		{"nothing leads in", "", "outside", "web", "", "no"},
		{"a Service inside the cluster does not", service(clusterIP), "outside", "web", "", "no"},
		{"a load balancer does", balancer(""), "outside", "web", "", "yes"},
		{"it does to the target port only", balancer(""), "outside", "web", "80", "no"},
		{"the target port is that of the container", balancer(""), "outside", "web", "8080", "yes"},
		{"it leads to what it selects", balancer(""), "outside", "db", "", "no"},
		{"a policy closes it", balancer("") + np("{podSelector: {}}"), "outside", "web", "", "no"},
		{"a policy may open it to a part of the internet", balancer("") + np("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}]}]}"), "outside", "web", "", "yes"},
		{"source ranges and blocks that miss each other close it", balancer(", loadBalancerSourceRanges: [203.0.113.0/24]") + np("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}]}]}"), "outside", "web", "", "no"},
		{"private source ranges keep the internet out", balancer(", loadBalancerSourceRanges: [10.0.0.0/8]"), "outside", "web", "", "no"},
		{"a broken source range is unknown", balancer(", loadBalancerSourceRanges: [ten]"), "outside", "web", "", "unknown"},
		{"the address of a node in place of the caller's is unknown", service("{type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}") + np("{podSelector: {}}"), "outside", "web", "", "unknown"},
		{"a node port depends on the reach of nodes", service("{type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}"), "outside", "web", "", "unknown"},
		{"an external address depends on the cloud", service("{externalIPs: [192.0.2.1], selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}"), "outside", "web", "", "unknown"},
		{"a target port nobody has leads nowhere", service("{type: LoadBalancer, selector: {app: db}, ports: [{port: 80, targetPort: http}]}"), "outside", "db", "", "no"},
		{"an Ingress leads in", service(clusterIP) + ingress, "outside", "web", "", "yes"},
		{"an Ingress to a pod that is closed does not", service(clusterIP) + ingress + np("{podSelector: {}}"), "outside", "web", "", "no"},
		{"an Ingress to a pod that is open to somebody is unknown", service(clusterIP) + ingress + np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"), "outside", "web", "", "unknown"},
		{
			"a controller of its class that the internet gets to, and that gets to the pod, settles it",
			service(clusterIP) + classed("nginx") + nginx(lb) + fromNginx, "outside", "web", "", "yes",
		},
		{"a controller the internet does not get to settles nothing", service(clusterIP) + classed("nginx") + nginx("") + fromNginx, "outside", "web", "", "unknown"},
		{"a controller of another class settles nothing", service(clusterIP) + classed("kong") + nginx(lb) + fromNginx, "outside", "web", "", "unknown"},
		{"the class says which controller it is", service(clusterIP) + classed("front") + ingressClass("front", "k8s.io/ingress-nginx") + nginx(lb) + fromNginx, "outside", "web", "", "yes"},
		{"a class with a usual name may be of another controller", service(clusterIP) + classed("nginx") + ingressClass("nginx", "example.com/other") + nginx(lb) + fromNginx, "outside", "web", "", "unknown"},
		{
			"a controller that does not get to the pod settles nothing",
			service(clusterIP) + classed("nginx") + nginx(lb) + np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}]}]}"), "outside", "web", "", "unknown",
		},
		{"an Ingress of the first version leads in", service(clusterIP) + "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\nspec: {backend: {serviceName: web, servicePort: 80}}\n---\n", "outside", "web", "", "yes"},
		{"a route whose Gateway is not in the input is unknown", service(clusterIP) + route, "outside", "web", "", "unknown"},
		{"a route the Gateway takes leads in", service(clusterIP) + route + fmt.Sprintf(gateway, "All"), "outside", "web", "", "yes"},
		{"a Gateway takes routes of its own namespace only", service(clusterIP) + route + fmt.Sprintf(gateway, "Same"), "outside", "web", "", "no"},
		{"a Gateway may select namespaces", service(clusterIP) + route + fmt.Sprintf(gateway, "Selector, selector: {matchLabels: {team: web}}"), "outside", "web", "", "yes"},
		{"a Gateway that selects others does not take it", service(clusterIP) + route + fmt.Sprintf(gateway, "Selector, selector: {matchLabels: {team: ops}}"), "outside", "web", "", "no"},
		{"a route into another namespace needs a grant", strings.Replace(service(clusterIP), "shop", "other", 1) + strings.Replace(strings.Replace(route, "port: 80", "port: 80, namespace: other", 1), "web", "web", 1) + fmt.Sprintf(gateway, "All"), "outside", "web", "", "no"},
		{"a host port depends on the reach of nodes", "apiVersion: v1\nkind: Pod\nmetadata: {name: h, namespace: shop}\nspec: {containers: [{name: c, image: x, ports: [{containerPort: 1, hostPort: 1}]}]}\n---\n", "outside", "h", "", "unknown"},
		{"the network of the node depends on the reach of nodes", "", "outside", "agent", "", "unknown"},
		{"a proxy of a kind that is not followed is unknown", "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: i, namespace: shop}\nspec: {}\n---\n", "outside", "web", "", "unknown"},
	}.run(t)
}

func TestInternalLoadBalancersAreEntriesFromPrivateNetworks(t *testing.T) {
	t.Parallel()
	s := strings.Replace(service("{type: LoadBalancer, allocateLoadBalancerNodePorts: false, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: http}]}"),
		"namespace: shop", "namespace: shop, annotations: {networking.gke.io/load-balancer-type: Internal}", 1)
	m := netpol.New(inventoryOf(t, town+s))
	var got []string
	for _, e := range m.Entries() {
		got = append(got, fmt.Sprintf("%s %s %s %s %s", e.Through, e.From, e.To.Name, e.Port, e.Verdict))
	}
	want := []string{"host network outside other/DaemonSet/agent any port unknown", "LoadBalancer private shop/Deployment/web 8080 yes"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestServicesLeadToPods(t *testing.T) {
	t.Parallel()
	m := netpol.New(inventoryOf(t, town+service("{selector: {app: web}, ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 53, protocol: UDP, targetPort: dns}]}")))
	for port, want := range map[string][]string{"": {"8080", "53/udp"}, "80": {"8080"}, "53/udp": {"53/udp"}, "53": nil, "a": {"8080"}} {
		p, err := netpol.ParsePort(port)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		targets, _ := m.Service("shop", "web", p)
		for _, target := range targets {
			got = append(got, target.Port.String())
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("port %q: %s", port, diff)
		}
	}
	if _, o := m.Service("shop", "nope", netpol.Port{}); o != nil {
		t.Error("a Service that does not exist is found")
	}
}

func TestDefaultDenyIsWhatANewPodMeets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, policies, ingress, egress string }{
		{"without a policy", "", "no 0/2", "no 0/2"},
		{"a policy on all pods", np("{podSelector: {}, policyTypes: [Ingress, Egress]}"), "yes 2/2", "yes 2/2"},
		{"a policy on all pods with exceptions for some", np("{podSelector: {}}") + np("{podSelector: {matchLabels: {app: web}}, ingress: [{}]}"), "yes 2/2", "no 0/2"},
		{"policies on every pod there is", np("{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}"), "no 2/2", "no 0/2"},
		{"a policy on all pods that lets everybody in", np("{podSelector: {}, ingress: [{}]}"), "no 2/2", "no 0/2"},
		{"a policy that lets every namespace in", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"), "no 2/2", "no 0/2"},
		{"a policy that lets DNS out", np("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {team: ops}}}], ports: [{port: 53, protocol: UDP}]}]}"), "no 0/2", "yes 2/2"},
		{"a policy that lets one block in", np("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"), "yes 2/2", "no 0/2"},
		{"a policy that lets all of IPv4 in", np("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"), "no 2/2", "no 0/2"},
		{"a baseline", banp("{subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"), "yes 0/2", "no 0/2"},
		{"a policy that is not understood", np("{podSelector: {}, policyTypes: [ingress]}"), "unknown 0/2", "unknown 0/2"},
		{"a policy with a broken rule", np("{podSelector: {}, ingress: [{ports: [{port: 0}]}]}"), "unknown 0/2", "no 0/2"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			m := netpol.New(inventoryOf(t, town+tc.policies))
			all := m.Isolation()
			i := slices.IndexFunc(all, func(n netpol.NamespaceIsolation) bool { return n.Name == "shop" })
			text := func(x *netpol.Isolation) string {
				return fmt.Sprintf("%s %d/%d", x.DefaultDeny, x.Isolated, x.Workloads)
			}
			if diff := cmp.Diff([]string{text(&all[i].Ingress), text(&all[i].Egress)}, []string{tc.ingress, tc.egress}); diff != "" {
				t.Errorf("%s\n%+v", diff, all[i])
			}
		})
	}
}

func TestIdlePoliciesAreNamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, policies, want string }{
		{"a policy that works", np("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"), ""},
		{"a policy that selects nothing", np("{podSelector: {matchLabels: {app: wbe}}}"), "shop/NetworkPolicy/p selects no workload of the input."},
		{"a rule that names nobody", np("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: wbe}}}]}]}"), "shop/NetworkPolicy/p spec.ingress[0] names no workload of the input."},
		{"a rule about a namespace that is elsewhere", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}]}"), ""},
		{"rules policyTypes leaves out", np("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}"), "shop/NetworkPolicy/p has egress rules without effect: policyTypes leaves egress out."},
		{"a policy the server refuses", np("{podSelector: {}, ingress: [{ports: [{port: 0}]}]}"), `shop/NetworkPolicy/p is not understood: spec.ingress[0]: "0" is no port number: the API server refuses the policy.`},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, e := range netpol.New(inventoryOf(t, town+tc.policies)).Idle() {
				got = append(got, e.Says)
			}
			if diff := cmp.Diff(strings.Join(got, "\n"), tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiffTellsWhatOpened(t *testing.T) {
	t.Parallel()
	closed := np("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}]}]}")
	wider := np("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}, {port: 81}]}]}")
	fewer := strings.Replace(town, "name: client", "name: customer", 1)
	for _, tc := range []struct {
		name, before, after string
		want                []string
	}{
		{"nothing changed", town + closed, town + closed, nil},
		{"a port opened", town + closed, town + wider, []string{"shop/StatefulSet/db -> shop/Deployment/web yes (TCP 80) yes (TCP 80-81) opened true closed false"}},
		{"a port closed", town + wider, town + closed, []string{"shop/StatefulSet/db -> shop/Deployment/web yes (TCP 80-81) yes (TCP 80) opened false closed true"}},
		{"a way in opened", town, town + service("{type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}"), []string{"outside -> shop/Deployment/web no () yes (TCP 8080) opened true closed false"}},
		{"a workload was renamed, seen from web", town, fewer, []string{
			"shop/Deployment/web -> other/Deployment/customer no () yes (all ports) opened true closed false",
			"shop/Deployment/web -> other/Deployment/client yes (all ports) no () opened false closed true",
		}},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range netpol.Diff(netpol.New(inventoryOf(t, tc.before)), netpol.New(inventoryOf(t, tc.after))) {
				if strings.Contains(tc.name, "seen from web") && c.From != "shop/Deployment/web" {
					continue
				}
				got = append(got, fmt.Sprintf("%s -> %s %s (%s) %s (%s) opened %t closed %t", c.From, c.To, c.Was, c.WasPorts, c.Is, c.IsPorts, c.Opened, c.Closed))
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNamesFindPeers(t *testing.T) {
	t.Parallel()
	m := netpol.New(inventoryOf(t, town+strings.ReplaceAll(town, "namespace: shop", "namespace: other")))
	for name, want := range map[string]string{
		"outside": "outside", "internet": "outside", "metadata6": "metadata6", "apiserver": "apiserver",
		"10.0.0.1": "10.0.0.1/32", "::ffff:10.0.0.1": "10.0.0.1/32", "fd00::/8": "fd00::/8",
		"client": "other/Deployment/client", "daemonset/agent": "other/DaemonSet/agent", "shop/web": "shop/Deployment/web",
		"shop/deployment/web": "shop/Deployment/web", "web": "", "nope": "", "": "", "a/b/c/d": "",
	} {
		got, err := m.Find(name)
		if got.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, want %q (%v)", name, got.Name, want, err)
		}
	}
	if _, err := m.Find("web"); err == nil || !strings.Contains(err.Error(), "other/Deployment/web, shop/Deployment/web") {
		t.Errorf("candidates are not named: %v", err)
	}
	if got := m.Allowed(netpol.Peer{}, netpol.Outside(), netpol.Port{}); got.Verdict != netpol.Unknown {
		t.Errorf("nobody: %s", got.Verdict)
	}
}
