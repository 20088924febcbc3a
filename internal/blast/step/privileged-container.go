package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var privilegedContainer = &blast.Step{
	ID:    "privileged-container",
	Title: "leaves the privileged container for the node",
	Needs: "A running container is privileged and the pod has no user namespace of its own.",
	Gives: "Root on the node: the disks of the node are there to mount, its kernel takes modules and settings.",
	MITRE: []string{"T1611"}, Difficulty: blast.Trivial,
	Control: "privileged-container", Fix: "set privileged to false and add the one capability the program needs", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, emit, func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
			return ".securityContext.privileged", c.Root, c.Privileged && !p.OwnUsers && !p.Windows
		})
	},
}
