package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var podsTakeNode = &blast.Step{
	ID:    "pods-take-node",
	Title: "starts a privileged pod on a node of its choice",
	Needs: "The intruder can have pods made in a namespace where Pod Security does not refuse privileged ones.",
	Gives: "Root on every node.",
	MITRE: []string{"T1610", "T1611"}, Difficulty: blast.Trivial,
	Control: "pod-security-level-missing", Fix: "label the namespace pod-security.kubernetes.io/enforce: restricted, or baseline", Effort: 1,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, namespace := range f.Namespaces {
			m := blast.Move{From: f.All(blast.PodsIn, namespace), To: f.EveryNode(), Path: "metadata.labels", Note: "namespace " + namespace}
			admits, o := f.Admission(namespace)
			m.Object = o
			switch admits {
			case blast.AdmitsNoEscape:
				continue
			case blast.AdmitsUnknown:
				m.Possible, m.Why = true, whyAdmission(namespace)
			case blast.AdmitsAnything:
			}
			emit(m)
		}
	},
}
