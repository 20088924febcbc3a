package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var aggregationController = &blast.Step{
	ID:    "aggregation-controller",
	Title: "grants itself everything as the controller of aggregated roles",
	Needs: "The intruder acts as the service account of that controller, which every cluster has in kube-system where the controller manager uses an account for each controller.",
	Gives: "The whole cluster: the account may put any rule into any ClusterRole, its own included.",
	MITRE: []string{"T1098.006"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		const name = "clusterrole-aggregation-controller"
		o := f.AccountObject(kubeSystem, name)
		if o == nil && f.Inventory.ClusterWide {
			return
		}
		emit(blast.Move{
			From: f.SystemAccount(name), To: f.Admin(), Object: o, Path: "metadata.name",
			Note: "built in: ClusterRole system:controller:clusterrole-aggregation-controller, escalate clusterroles",
		})
	},
}

const kubeSystem = "kube-system"
