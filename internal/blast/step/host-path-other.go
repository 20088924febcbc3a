package step

import (
	"maps"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var hostPathOther = &blast.Step{
	ID:    "host-path-other",
	Title: "uses a folder of the node that others use",
	Needs: "Two workloads mount the same folder of the node, and this one may write there.",
	Gives: "What the other workload reads or runs from that folder is the intruder's.",
	MITRE: []string{"T1080"}, Difficulty: blast.Hard,
	Control: "host-path-volume", Fix: "give each workload a volume of its own", Effort: 3,
	World: func(f *blast.Facts, emit blast.Emit) {
		shared := make(map[string][]hostUse)
		for _, w := range f.Workloads {
			for _, p := range w.Pods {
				for _, h := range p.HostPaths {
					if h.Folder != "/" {
						shared[h.Folder] = append(shared[h.Folder], hostUse{w, p, h})
					}
				}
			}
		}
		for _, folder := range slices.Sorted(maps.Keys(shared)) {
			uses := shared[folder]
			if len(uses) <= maxSharers {
				shareFolder(uses, emit)
			}
		}
	},
}

// maxSharers keeps folders everybody mounts, such as time zones, from making
// a move between every two workloads.
const maxSharers = 50

type hostUse struct {
	w *blast.Workload
	p *blast.Pod
	h blast.HostPath
}

func shareFolder(uses []hostUse, emit blast.Emit) {
	for _, from := range uses {
		for _, to := range uses {
			if from.h.Write && from.w != to.w {
				m := hostMove(from.w, from.p, from.h, to.w.Code)
				m.Possible, m.Why = true, "if "+to.w.Ref()+" runs on the same node and trusts what it finds in "+to.h.Folder
				emit(m)
			}
		}
	}
}
