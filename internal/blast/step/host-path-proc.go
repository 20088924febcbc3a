package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathProc = &blast.Step{
	ID:    "host-path-proc",
	Title: "names a program for the kernel to run",
	Needs: "A container may write to /proc of the node.",
	Gives: "Root on the node: the kernel starts the program named in sys/kernel/core_pattern outside of all containers.",
	MITRE: []string{"T1611"}, Difficulty: blast.Easy,
	Control: "dangerous-host-path", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Hosts(w), emit, func(h blast.HostPath) bool {
			return h.Write && (h.Folder == "/" || h.Folder == "/proc" || covers(h.Folder, "/proc/sys/kernel/core_pattern"))
		})
	},
}
