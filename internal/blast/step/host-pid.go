package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPid = &blast.Step{
	ID:    "host-pid",
	Title: "reads the processes of the other pods",
	Needs: "The pod sees the processes of the node (hostPID) and a container runs as root.",
	Gives: "Environment, open files and file systems of the containers on the node that have no more capabilities than this one, with their tokens.",
	MITRE: []string{"T1611", "T1057"}, Difficulty: blast.Easy,
	Control: "host-pid", Fix: "take hostPID off the pod", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, func(m blast.Move) {
			m.To = f.Neighbours(w)
			for _, p := range w.Pods {
				if p.Template.Object == m.Object {
					m.Path = p.At("hostPID")
				}
			}
			emit(m)
		}, func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
			return "", c.Root, p.HostPID && !c.Privileged && (c.Root || c.MayGain)
		})
	},
}
