package step

import (
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var kernelWithKnownHole = &blast.Step{
	ID:    "kernel-with-known-hole",
	Title: "uses a known hole in the kernel of the node",
	Needs: "A node of the workload reports a kernel of a version with CVE-2022-0847, with which any process can write to files it may only read.",
	Gives: "Root on the node from any container.",
	MITRE: []string{"T1611", "T1068"}, Difficulty: blast.Hard,
	Fix: "update the kernel of the node", Effort: 3,
	Workload: func(_ *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, n := range w.NodesOf() {
			if n.Object == nil {
				continue
			}
			version := n.Object.Root.Find("status", "nodeInfo", "kernelVersion").Str()
			if dirtyPipe(version) {
				emit(blast.Move{
					From: w.Code, To: n.Vertex, Object: n.Object, Path: "status.nodeInfo.kernelVersion", Note: version,
					Possible: true, Why: "distributions repair kernels without changing the first numbers of the version",
				})
			}
		}
	},
}

// dirtyPipe tells whether an upstream kernel of this version has the hole: it
// came with 5.8 and went with 5.10.102, 5.15.25, 5.16.11 and 5.17.
func dirtyPipe(version string) bool {
	var n [3]int
	base, _, _ := strings.Cut(version, "-")
	for i, part := range strings.SplitN(base, ".", len(n)) {
		v, err := strconv.Atoi(strings.TrimRight(part, "+abcdefghijklmnopqrstuvwxyz"))
		if err != nil {
			return false
		}
		n[i] = v
	}
	if n[0] != 5 {
		return false
	}
	switch minor, patch := n[1], n[2]; minor {
	case 10:
		return patch < 102
	case 15:
		return patch < 25
	case 16:
		return patch < 11
	default:
		return minor >= 8 && minor < 16
	}
}
