package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathDev = &blast.Step{
	ID:    "host-path-dev",
	Title: "opens the disks of the node",
	Needs: "A container sees a device file of the node's disks and its device rules let it in, as those of privileged containers do.",
	Gives: "Every file of the node past its file system: root on the node.",
	MITRE: []string{"T1611", "T1006"}, Difficulty: blast.Easy,
	Control: "dangerous-host-path", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		privileged := false
		for _, p := range w.Pods {
			for i := range p.Running {
				privileged = privileged || p.Running[i].Privileged
			}
		}
		hostPaths(w, f.Hosts(w), func(m blast.Move) {
			if !privileged {
				m.Possible, m.Why, m.Difficulty = true, "the device rules of a container that is not privileged refuse most devices", blast.Hard
			}
			emit(m)
		}, func(h blast.HostPath) bool { return under(h.Folder, "/dev") })
	},
}
