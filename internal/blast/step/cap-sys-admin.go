package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capSysAdmin = &blast.Step{
	ID:    "cap-sys-admin",
	Title: "mounts its way out with CAP_SYS_ADMIN",
	Needs: "A running container has CAP_SYS_ADMIN in the users of the node.",
	Gives: "Root on the node: file systems can be mounted, and the release agent of a cgroup runs as root outside.",
	MITRE: []string{"T1611"}, Difficulty: blast.Easy,
	Control: "capabilities-added", Fix: "take SYS_ADMIN out of capabilities.add", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, emit, capable("SYS_ADMIN"))
	},
}
