package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capNetAdmin = &blast.Step{
	ID:    "cap-net-admin",
	Title: "rewrites the routes and filters of the node",
	Needs: "The pod is in the network of the node and a container has CAP_NET_ADMIN.",
	Gives: "The traffic of every pod of the node: it can be read, redirected and let past network policies.",
	MITRE: []string{"T1557", "T1562.004"}, Difficulty: blast.Easy,
	Control: "host-network", Fix: "take hostNetwork off the pod, or NET_ADMIN out of capabilities.add", Effort: 3,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		admin := capable("NET_ADMIN")
		escape(f, w, func(m blast.Move) {
			m.To = f.Gain("the traffic of all pods on the nodes of " + w.Ref())
			emit(m)
		}, func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
			field, certain, ok := admin(p, c)
			return field, certain, ok && p.HostNetwork
		})
	},
}
