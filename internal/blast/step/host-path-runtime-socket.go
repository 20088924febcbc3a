package step

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var hostPathRuntimeSocket = &blast.Step{
	ID:    "host-path-runtime-socket",
	Title: "starts a privileged container through the runtime's socket",
	Needs: "A container sees the socket of the container runtime, or its folder; a read-only mount does not stop a connection.",
	Gives: "Any container on the node with any rights: root on the node.",
	MITRE: []string{"T1611", "T1610"}, Difficulty: blast.Trivial,
	Control: "dangerous-host-path", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Hosts(w), emit, func(h blast.HostPath) bool {
			folder := strings.TrimPrefix(h.Folder, "/var")
			return h.Folder == "/" || h.Folder == "/var" || folder == "/run" ||
				folder == "/run/containerd" || folder == "/run/crio" || folder == "/run/docker" || folder == "/run/k3s" || folder == "/run/k3s/containerd" ||
				under(folder, "/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/k3s/containerd/containerd.sock", "/run/cri-dockerd.sock", "/run/podman/podman.sock")
		})
	},
}
