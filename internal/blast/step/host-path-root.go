package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathRoot = &blast.Step{
	ID:    "host-path-root",
	Title: "writes to the system folders of the node",
	Needs: "A container may write to a folder of the node from which the node starts programs or takes users: its root, /etc, home folders, /usr, /opt/cni, cron, service units.",
	Gives: "Root on the node at the next start, timer, login or pod.",
	MITRE: []string{"T1611", "T1543.002", "T1053.003"}, Difficulty: blast.Easy,
	Control: "dangerous-host-path", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Hosts(w), emit, func(h blast.HostPath) bool {
			return h.Write && (h.Folder == "/" || h.Folder == "/var" || h.Folder == "/var/lib" || h.Folder == "/home" || h.Folder == "/opt" ||
				under(h.Folder, "/etc", "/root", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/opt/cni", "/var/spool/cron", "/run/systemd"))
		})
	},
}
