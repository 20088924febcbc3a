package netpol_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

// town is what most cases happen in: web and db in shop, client in other, and
// a node agent in the network of its node.
const town = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: web}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: ops}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: x, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: x, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: other}
spec:
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: c, image: x}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: other}
spec:
  template:
    metadata: {labels: {app: agent}}
    spec: {hostNetwork: true, containers: [{name: c, image: x}]}
---
`

// np is a NetworkPolicy of shop with the spec.
func np(spec string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: " + spec + "\n---\n"
}

// cluster-wide policies of the three kinds.
func anp(name, spec string) string {
	return "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: " + name + "}\nspec: " + spec + "\n---\n"
}

func banp(spec string) string {
	return "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\nspec: " + spec + "\n---\n"
}

func cnp(name, spec string) string {
	return "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: " + name + "}\nspec: " + spec + "\n---\n"
}

// semantics are cases: the policies, then from, to, port and verdict.
type semantics []struct{ name, policies, from, to, port, want string }

func (all semantics) run(t *testing.T) {
	t.Helper()
	for _, tc := range all {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			m := netpol.New(inventoryOf(t, town+tc.policies))
			from, err := m.Find(tc.from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := m.Find(tc.to)
			if err != nil {
				t.Fatal(err)
			}
			port, err := netpol.ParsePort(tc.port)
			if err != nil {
				t.Fatal(err)
			}
			got := m.Allowed(from, to, port)
			if got.Verdict.String() != tc.want {
				t.Errorf("%s to %s on %s: %s, want %s\n%+v", tc.from, tc.to, port, got.Verdict, tc.want, got.Because)
			}
			if len(got.Because) == 0 {
				t.Error("no reason is given")
			}
		})
	}
}

func TestNetworkPolicySemantics(t *testing.T) {
	t.Parallel()
	semantics{
		{"without a policy everything is open", "", "client", "web", "8080", "yes"},
		{"a policy without rules closes the pods it selects", np("{podSelector: {matchLabels: {app: web}}}"), "client", "web", "8080", "no"},
		{"a policy leaves pods it does not select open", np("{podSelector: {matchLabels: {app: web}}}"), "client", "db", "5432", "yes"},
		{"a policy is about its own namespace", np("{podSelector: {}}"), "web", "client", "", "yes"},
		{"an absent podSelector selects all pods", np("{ingress: []}"), "client", "db", "", "no"},
		{"a null podSelector selects all pods", np("{podSelector: null}"), "client", "db", "", "no"},
		{"policyTypes default to Ingress", np("{podSelector: {}}"), "web", "client", "", "yes"},
		{"policyTypes default to both with egress rules", np("{podSelector: {}, egress: [{ports: [{port: 1}]}]}"), "web", "client", "80", "no"},
		{"an empty egress list does not make policyTypes Egress", np("{podSelector: {}, egress: []}"), "web", "client", "80", "yes"},
		{"an empty policyTypes list is defaulted", np("{podSelector: {}, policyTypes: []}"), "client", "web", "", "no"},
		{"Egress alone leaves ingress open", np("{podSelector: {}, policyTypes: [Egress]}"), "client", "web", "", "yes"},
		{"Egress without rules closes the way out", np("{podSelector: {}, policyTypes: [Egress]}"), "web", "client", "", "no"},
		{"rules of a direction policyTypes leaves out do nothing", np("{podSelector: {}, policyTypes: [Egress], ingress: [{}]}"), "web", "db", "", "no"},
		{"a misspelt policyTypes is dropped by the server", np("{podSelector: {}, policyType: [Egress]}"), "web", "client", "", "yes"},
		{"an empty rule allows everything", np("{podSelector: {}, ingress: [{}]}"), "client", "web", "1/sctp", "yes"},
		{"a null rule is an empty rule", np("{podSelector: {}, ingress: [null]}"), "client", "web", "", "yes"},
		{"an empty from is everybody", np("{podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]}"), "client", "web", "80", "yes"},
		{"rules of several policies add up", np("{podSelector: {}}") + np("{podSelector: {matchLabels: {app: web}}, ingress: [{}]}"), "client", "web", "", "yes"},
		{"a podSelector alone is about the own namespace", np("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"), "client", "web", "", "no"},
		{"a podSelector lets in pods of the own namespace", np("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}"), "db", "web", "", "yes"},
		{"a namespaceSelector lets in all pods of namespaces", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}}]}]}"), "client", "web", "", "yes"},
		{"a namespaceSelector does not mean the own namespace too", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}}]}]}"), "db", "web", "", "no"},
		{"selectors in one peer must both match", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}, podSelector: {matchLabels: {app: web}}}]}]}"), "client", "web", "", "no"},
		{"selectors in two peers match alone", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}}, {podSelector: {matchLabels: {app: web}}}]}]}"), "client", "web", "", "yes"},
		{"an empty namespaceSelector is every namespace", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"), "client", "web", "", "yes"},
		{"namespaces carry their name as a label", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}]}]}"), "client", "web", "", "yes"},
		{"both ends must agree", np("{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}") + np("{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}"), "web", "db", "", "no"},
		{"In matches one of the values", np("{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [db, x]}]}}]}]}"), "db", "web", "", "yes"},
		{"NotIn matches pods without the label", np("{podSelector: {matchExpressions: [{key: nope, operator: NotIn, values: [a]}]}}"), "client", "web", "", "no"},
		{"Exists needs the label", np("{podSelector: {matchExpressions: [{key: nope, operator: Exists}]}}"), "client", "web", "", "yes"},
		{"DoesNotExist needs its absence", np("{podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}"), "client", "web", "", "yes"},
	}.run(t)
}

func TestPortSemantics(t *testing.T) {
	t.Parallel()
	to := func(ports string) string { return np("{podSelector: {}, ingress: [{ports: [" + ports + "]}]}") }
	out := func(ports string) string {
		return np("{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{ports: [" + ports + "]}]}")
	}
	semantics{
		{"a port is open on its protocol", to("{port: 80}"), "client", "web", "80", "yes"},
		{"the protocol defaults to TCP", to("{port: 80}"), "client", "web", "80/udp", "no"},
		{"another port stays closed", to("{port: 80}"), "client", "web", "81", "no"},
		{"a protocol without a port is all its ports", to("{protocol: UDP}"), "client", "web", "9/udp", "yes"},
		{"a protocol without a port is no other protocol", to("{protocol: UDP}"), "client", "web", "9", "no"},
		{"a null port is all ports", to("{protocol: SCTP, port: null}"), "client", "web", "9/sctp", "yes"},
		{"endPort includes the last port", to("{port: 80, endPort: 90}"), "client", "web", "90", "yes"},
		{"endPort ends there", to("{port: 80, endPort: 90}"), "client", "web", "91", "no"},
		{"a named port is that of the container", to("{port: http}"), "client", "web", "8080", "yes"},
		{"a named port is looked up in each pod", to("{port: http}"), "client", "db", "8080", "no"},
		{"a named port needs its protocol", to("{port: dns}"), "client", "web", "53/udp", "no"},
		{"a named port with its protocol is open", to("{port: dns, protocol: UDP}"), "client", "web", "53/udp", "yes"},
		{"a named port on the way out is the destination's", out("{port: http}"), "db", "web", "8080", "yes"},
		{"a named port on the way out to a pod without it is nothing", out("{port: http}"), "db", "client", "", "no"},
		{"a named port means no port of an address", out("{port: http}"), "db", "198.51.100.1", "", "no"},
		{"a question by name asks for the number", to("{port: 8080}"), "client", "web", "http", "yes"},
		{"a name the destination has not is closed", "", "client", "web", "nope", "no"},
		{"a range with a hole in between is two", to("{port: 1, endPort: 9}, {port: 11}"), "client", "web", "10", "no"},
		{"no port at all is open if the ends have none in common", to("{port: 80}") + np("{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{ports: [{port: 81}]}]}"), "db", "web", "", "no"},
	}.run(t)
}

func TestAddressSemantics(t *testing.T) {
	t.Parallel()
	out := func(block string) string {
		return np("{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: " + block + "}]}]}")
	}
	semantics{
		{"the way to the internet is open without policies", "", "web", "outside", "", "yes"},
		{"a block of public addresses leads outside", out("{cidr: 203.0.113.0/24}"), "web", "outside", "443", "yes"},
		{"a block of private addresses does not", out("{cidr: 10.0.0.0/8}"), "web", "outside", "", "no"},
		{"a block of private addresses leads to private networks", out("{cidr: 10.0.0.0/8}"), "web", "private", "", "yes"},
		{"an address in the block is open", out("{cidr: 203.0.113.0/24}"), "web", "203.0.113.9", "", "yes"},
		{"an address in except is closed", out("{cidr: 203.0.113.0/24, except: [203.0.113.8/29]}"), "web", "203.0.113.9", "", "no"},
		{"a range that is partly open is open", out("{cidr: 203.0.113.0/24, except: [203.0.113.8/29]}"), "web", "203.0.113.0/28", "", "yes"},
		{"all of IPv4 includes the metadata service", out("{cidr: 0.0.0.0/0}"), "web", "metadata", "", "yes"},
		{"except takes the metadata service out", out("{cidr: 0.0.0.0/0, except: [169.254.169.254/32]}"), "web", "metadata", "", "no"},
		{"except on another rule does not help", out("{cidr: 0.0.0.0/0, except: [169.254.169.254/32]}") + out("{cidr: 0.0.0.0/0}"), "web", "metadata", "", "yes"},
		{"all of IPv4 is nothing of IPv6", out("{cidr: 0.0.0.0/0}"), "web", "metadata6", "", "no"},
		{"all of IPv6 includes the metadata service of IPv6", out("{cidr: \"::/0\"}"), "web", "metadata6", "", "yes"},
		{"all of IPv4 includes pods", out("{cidr: 0.0.0.0/0}"), "web", "client", "", "yes"},
		{"two halves are the whole", out("{cidr: 0.0.0.0/1}") + out("{cidr: 128.0.0.0/1}"), "web", "client", "", "yes"},
		{"a block may hold a pod whose address is not known", out("{cidr: 10.0.0.0/8}"), "web", "client", "", "unknown"},
		{"link-local addresses are no pod's", out("{cidr: 169.254.0.0/16}"), "web", "client", "", "no"},
		{"the block of a pod in the network of its node is unknown", out("{cidr: 10.0.0.0/8}"), "web", "agent", "", "unknown"},
		{"selectors never match addresses", np("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}"), "web", "outside", "", "no"},
		{"a rule without peers leads outside", np("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}"), "web", "outside", "443", "yes"},
		{"an address may come in through a block", np("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}"), "192.0.2.7", "web", "", "yes"},
		{"the API server may be on either port", np("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}"), "web", "apiserver", "", "unknown"},
		{"the API server is open if both ports are", np("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 443}, {port: 6443}]}]}"), "web", "apiserver", "", "yes"},
		{"policies do not close the way to the own node for sure", np("{podSelector: {}, policyTypes: [Egress]}"), "web", "kubelet", "", "unknown"},
		{"the kubelet is open without policies", "", "web", "kubelet", "", "yes"},
	}.run(t)
}

func TestHostNetworkSemantics(t *testing.T) {
	t.Parallel()
	const closed = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: other}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n---\n"
	semantics{
		{"policies may or may not hold for a pod in the network of its node", closed, "agent", "web", "", "unknown"},
		{"they may or may not protect it", closed, "web", "agent", "", "unknown"},
		{"its way to the metadata service is not closed for sure", closed, "agent", "metadata", "", "unknown"},
		{"without policies it is open", "", "agent", "web", "", "yes"},
		{"selectors may or may not match it", np("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"), "agent", "web", "", "unknown"},
		{"a pod takes what comes from its own node", np("{podSelector: {}}"), "agent", "web", "", "unknown"},
		{"cluster-wide policies leave it out", anp("a", "{priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}, {networks: [0.0.0.0/0, \"::/0\"]}]}]}"), "agent", "web", "", "yes"},
	}.run(t)
}

func TestWhatIsNotKnownIsUnknown(t *testing.T) {
	t.Parallel()
	const lost = "apiVersion: v1\nkind: Pod\nmetadata: {name: lost, namespace: nowhere, labels: {app: lost}}\nspec: {containers: [{name: c, image: x}]}\n---\n"
	const rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: roll, namespace: shop}\nspec: {template: {metadata: {labels: {app: roll}}, spec: {containers: [{name: c, image: x}]}}}\n---\n"
	in := func(peer string) string { return np("{podSelector: {}, ingress: [{from: [" + peer + "]}]}") }
	semantics{
		{"labels of a namespace that is not in the input", lost + in("{namespaceSelector: {matchLabels: {team: ops}}}"), "lost", "web", "", "unknown"},
		{"absence of a label of such a namespace", lost + in("{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}"), "lost", "web", "", "unknown"},
		{"the name of such a namespace is known", lost + in("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: nowhere}}}"), "lost", "web", "", "yes"},
		{"another name is known not to match", lost + in("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop, team: ops}}}"), "lost", "web", "", "no"},
		{"labels a controller sets", in("{namespaceSelector: {}, podSelector: {matchLabels: {pod-template-hash: abc}}}"), "client", "web", "", "unknown"},
		{"labels a controller of an unknown kind may set", rollout + in("{podSelector: {matchLabels: {role: canary}}}"), "roll", "web", "", "unknown"},
		{"labels the template of an unknown kind has are known", rollout + in("{podSelector: {matchLabels: {app: web}}}"), "roll", "web", "", "no"},
		{"a policy that may select and allows in any case", rollout + np("{podSelector: {matchLabels: {role: canary}}, ingress: [{}]}"), "client", "roll", "", "yes"},
		{"a policy that may select and closes", rollout + np("{podSelector: {matchLabels: {role: canary}}}"), "client", "roll", "", "unknown"},
		{"an operator that does not exist", np("{podSelector: {matchExpressions: [{key: app, operator: Near}]}}"), "client", "web", "", "unknown"},
		{"a policy the server refuses does not open for sure", np("{podSelector: {}}") + np("{podSelector: {}, ingress: [{from: [{}]}]}"), "client", "web", "", "unknown"},
		{"a block beside a selector", in("{ipBlock: {cidr: 0.0.0.0/0}, podSelector: {}}"), "client", "web", "", "unknown"},
		{"a broken block", in("{ipBlock: {cidr: 10.0.0.0}}"), "client", "web", "", "unknown"},
		{"an except outside of its block", in("{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}"), "client", "web", "", "unknown"},
		{"a range of ports that ends before it starts", np("{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 79}]}]}"), "client", "web", "80", "unknown"},
		{"an endPort on a named port", np("{podSelector: {}, ingress: [{ports: [{port: http, endPort: 79}]}]}"), "client", "web", "8080", "unknown"},
		{"a protocol that does not exist", np("{podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]}"), "client", "web", "", "unknown"},
		{"a policyType that does not exist", np("{podSelector: {}, policyTypes: [ingress]}"), "client", "web", "", "unknown"},
		{"a spec that is a list", np("[a]"), "client", "web", "", "unknown"},
		{"a policy of Cilium in the namespace", "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: shop}\nspec: {}\n---\n", "client", "web", "", "unknown"},
		{"a policy of Cilium elsewhere", "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: elsewhere}\nspec: {}\n---\n", "client", "web", "", "yes"},
		{"a cluster-wide policy of Calico", "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: c}\nspec: {}\n---\n", "client", "web", "", "unknown"},
	}.run(t)
}

func TestClusterWideSemantics(t *testing.T) {
	t.Parallel()
	const everyone = "subject: {namespaces: {}}"
	deny := "{priority: 10, " + everyone + ", ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
	semantics{
		{"Deny closes what no NetworkPolicy touches", anp("a", deny), "client", "web", "", "no"},
		{"Deny outranks a NetworkPolicy that allows", anp("a", deny) + np("{podSelector: {}, ingress: [{}]}"), "client", "web", "", "no"},
		{"Allow outranks a NetworkPolicy that closes", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Allow, from: [{namespaces: {matchLabels: {team: ops}}}]}]}") + np("{podSelector: {}}"), "client", "web", "", "yes"},
		{"Pass leaves it to the NetworkPolicies", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Pass, from: [{namespaces: {}}]}]}") + anp("b", deny) + np("{podSelector: {}, ingress: [{}]}"), "client", "web", "", "yes"},
		{"Pass leaves it to the baseline if no NetworkPolicy selects", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Pass, from: [{namespaces: {}}]}]}") + banp("{"+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}]}]}"), "client", "web", "", "no"},
		{"a NetworkPolicy outranks the baseline", banp("{"+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}]}]}") + np("{podSelector: {}, ingress: [{}]}"), "client", "web", "", "yes"},
		{"a NetworkPolicy that closes is not opened by the baseline", banp("{"+everyone+", ingress: [{action: Allow, from: [{namespaces: {}}]}]}") + np("{podSelector: {}}"), "client", "web", "", "no"},
		{"the lower number is the higher priority", anp("a", deny) + anp("b", "{priority: 9, "+everyone+", ingress: [{action: Allow, from: [{namespaces: {}}]}]}"), "client", "web", "", "yes"},
		{"equal priorities that disagree are unknown", anp("a", deny) + anp("b", "{priority: 10, "+everyone+", ingress: [{action: Allow, from: [{namespaces: {}}]}]}"), "client", "web", "", "unknown"},
		{"equal priorities that agree are known", anp("a", deny) + anp("b", deny), "client", "web", "", "no"},
		{"the first rule of a policy decides", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Allow, from: [{namespaces: {}}]}, {action: Deny, from: [{namespaces: {}}]}]}"), "client", "web", "", "yes"},
		{"a policy without rules in a direction does nothing there", anp("a", deny), "web", "outside", "", "yes"},
		{"a subject of pods selects by both", anp("a", "{priority: 1, subject: {pods: {namespaceSelector: {matchLabels: {team: web}}, podSelector: {matchLabels: {app: db}}}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"), "client", "web", "", "yes"},
		{"ports narrow a rule", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 80}}]}]}"), "client", "web", "81", "yes"},
		{"a port range narrows a rule", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portRange: {start: 80, end: 90}}]}]}"), "client", "web", "85", "no"},
		{"networks close the metadata service", anp("a", "{priority: 1, "+everyone+", egress: [{action: Deny, to: [{networks: [169.254.169.254/32]}]}]}"), "web", "metadata", "", "no"},
		{"nodes close the way to other kubelets only", anp("a", "{priority: 1, "+everyone+", egress: [{action: Deny, to: [{nodes: {}}]}]}"), "web", "kubelet", "", "unknown"},
		{"a field of a later version is unknown", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Deny, from: [{serviceAccounts: {}}]}]}"), "client", "web", "", "unknown"},
		{"an action that does not exist is unknown", anp("a", "{priority: 1, "+everyone+", ingress: [{action: Refuse, from: [{namespaces: {}}]}]}"), "client", "web", "", "unknown"},
		{"a baseline of another name is unknown", strings.Replace(banp("{"+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}]}]}"), "default", "mine", 1), "client", "web", "", "unknown"},
		{"Accept is the Allow of ClusterNetworkPolicy", cnp("a", "{tier: Admin, priority: 1, "+everyone+", ingress: [{action: Accept, from: [{namespaces: {}}]}]}") + np("{podSelector: {}}"), "client", "web", "", "yes"},
		{"the Baseline tier comes last", cnp("a", "{tier: Baseline, priority: 1, "+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}]}]}") + np("{podSelector: {}, ingress: [{}]}"), "client", "web", "", "yes"},
		{"protocols narrow a rule", cnp("a", "{tier: Admin, priority: 1, "+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 8080}}}]}]}"), "client", "web", "http", "no"},
		{"a protocol range ends", cnp("a", "{tier: Admin, priority: 1, "+everyone+", ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{udp: {destinationPort: {range: {start: 1, end: 52}}}}]}]}"), "client", "web", "53/udp", "yes"},
		{"domain names are unknown", cnp("a", "{tier: Admin, priority: 1, "+everyone+", egress: [{action: Accept, to: [{domainNames: [example.com]}]}]}") + np("{podSelector: {}, policyTypes: [Egress]}"), "web", "outside", "", "unknown"},
	}.run(t)
}

func TestUnreadPoliciesMakeEverythingUnknown(t *testing.T) {
	t.Parallel()
	inv := inventoryOf(t, town)
	inv.AddGap(inventory.Gap{What: "list networkpolicies", Why: "forbidden", Kinds: []string{"NetworkPolicy"}})
	m := netpol.New(inv)
	client, _ := m.Find("client")
	web, _ := m.Find("web")
	got := m.Allowed(client, web, netpol.Port{})
	if got.Verdict != netpol.Unknown || !slices.ContainsFunc(got.Because, func(e netpol.Evidence) bool { return strings.Contains(e.Says, "list networkpolicies") }) {
		t.Errorf("got %s because %v", got.Verdict, got.Because)
	}
	x := m.Matrix()
	for _, from := range m.Endpoints() {
		for i, v := range x.Row(from) {
			if to := m.Endpoints()[i]; v != netpol.Unknown && to != from && !from.HostNetwork && !to.HostNetwork {
				t.Errorf("%s to %s is %s", from.Name, to.Name, v)
			}
		}
	}
	for _, n := range m.Isolation() {
		if n.Ingress.DefaultDeny != netpol.Unknown || n.Egress.DefaultDeny != netpol.Unknown {
			t.Errorf("default deny of %s is %s and %s", n.Name, n.Ingress.DefaultDeny, n.Egress.DefaultDeny)
		}
	}
}

func TestAGapMakesNoUnknown(t *testing.T) {
	t.Parallel()
	inv := inventoryOf(t, town+np("{podSelector: {}}"))
	inv.AddGap(inventory.Gap{What: "chart shop", Why: "it does not render"})
	m := netpol.New(inv)
	client, _ := m.Find("client")
	web, _ := m.Find("web")
	got := m.Allowed(client, web, netpol.Port{})
	if got.Verdict != netpol.Unknown || !slices.ContainsFunc(got.Because, func(e netpol.Evidence) bool { return strings.Contains(e.Says, "chart shop") }) {
		t.Errorf("with a gap: %s because %v", got.Verdict, got.Because)
	}
	if got := m.Allowed(web, client, netpol.Port{}); got.Verdict != netpol.Yes {
		t.Errorf("what is open stays open: %s", got.Verdict)
	}
}

func TestPodRangesSettleBlocks(t *testing.T) {
	t.Parallel()
	inv := inventoryOf(t, town+np("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"))
	for cidr, want := range map[string]netpol.Verdict{"10.244.0.0/16": netpol.Yes, "172.16.0.0/16": netpol.No, "10.0.0.0/7": netpol.Unknown} {
		m := netpol.NewWith(inv, netpol.Options{PodCIDRs: []netip.Prefix{netip.MustParsePrefix(cidr)}})
		web, _ := m.Find("web")
		client, _ := m.Find("client")
		if got := m.Allowed(web, client, netpol.Port{}); got.Verdict != want {
			t.Errorf("pods in %s: %s, want %s", cidr, got.Verdict, want)
		}
	}
}

func TestEvidenceNamesThePolicyAndItsLine(t *testing.T) {
	t.Parallel()
	m := netpol.New(inventoryOf(t, town+np("{podSelector: {}}")+np("{podSelector: {matchLabels: {app: web}},\n  ingress: [\n    {from: [{podSelector: {matchLabels: {app: db}}}],\n     ports: [{port: http}]}]}")))
	db, _ := m.Find("shop/db")
	web, _ := m.Find("deployment/web")
	got := m.Allowed(db, web, netpol.Port{})
	lines := make([]string, 0, len(got.Because))
	for _, e := range got.Because {
		lines = append(lines, strings.Join([]string{e.Side, string(e.Effect), e.Path, e.Says}, "|"))
	}
	want := []string{
		"egress|open||No policy restricts egress of shop/StatefulSet/db: everything may leave.",
		"ingress|allows|spec.ingress[0]|shop/NetworkPolicy/p allows TCP 8080 from shop/StatefulSet/db.",
	}
	if diff := cmp.Diff(lines, want); diff != "" {
		t.Error(diff)
	}
	if got.Ports != "TCP 8080" {
		t.Errorf("ports %q", got.Ports)
	}
	file, line := got.Because[1].Place()
	// Behind the town come the five lines of the first policy, the separator and
	// four lines, the last of which opens the list of rules.
	if want := int32(strings.Count(town, "\n") + 5 + 6); file != "test.yaml" || line != want {
		t.Errorf("the rule stands at %s:%d, want line %d", file, line, want)
	}
}
