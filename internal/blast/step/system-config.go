package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var systemConfig = &blast.Step{
	ID:    "system-config",
	Title: "rewrites the configuration of the cluster's own services",
	Needs: "A right to update or patch ConfigMaps in kube-system.",
	Gives: "Where names lead (coredns), what kube-proxy does, and on EKS who is an administrator (aws-auth).",
	MITRE: []string{"T1557", "T1098"}, Difficulty: blast.Easy,
	Control: "system-configmap-write", Fix: "limit the rule to namespaces of its own, or name the ConfigMaps with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("update patch", core, "configmaps")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Namespace != "" && h.Namespace != kubeSystem {
				return
			}
			if named(&h, "coredns", "coredns-custom", "kube-dns") {
				emit(h.Move(f.Gain("where names lead")))
			}
			if !named(&h, "aws-auth") {
				return
			}
			for _, o := range f.Inventory.Kind("ConfigMap", "") {
				if o.Name == "aws-auth" && o.EffectiveNamespace() == kubeSystem {
					emit(h.Move(f.Admin()))
				}
			}
		},
	},
}
