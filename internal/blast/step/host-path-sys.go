package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathSys = &blast.Step{
	ID:    "host-path-sys",
	Title: "sets a helper program in /sys of the node",
	Needs: "A container may write to /sys of the node.",
	Gives: "Root on the node where the kernel still takes helper programs there (uevent_helper, the release agent of cgroup v1).",
	MITRE: []string{"T1611"}, Difficulty: blast.Hard,
	Control: "dangerous-host-path", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Hosts(w), func(m blast.Move) {
			m.Possible, m.Why = true, "it depends on how the kernel of the node was built and on its version of cgroups"
			emit(m)
		}, func(h blast.HostPath) bool { return h.Write && under(h.Folder, "/sys") })
	},
}
