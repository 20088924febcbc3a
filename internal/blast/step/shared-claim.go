package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var sharedClaim = &blast.Step{
	ID:    "shared-claim",
	Title: "plants files in a volume that another workload uses",
	Needs: "Two workloads mount the same claim, and this one may write.",
	Gives: "What the other workload reads or runs from the volume is the intruder's.",
	MITRE: []string{"T1080"}, Difficulty: blast.Hard,
	Fix: "mount the claim readOnly where it is only read, or give each workload its own", Effort: 3,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, namespace := range f.Namespaces {
			uses := make(map[string][]claimUser)
			for _, w := range f.WorkloadsIn(namespace) {
				for _, p := range w.Pods {
					for _, c := range p.Claims {
						uses[c.Name] = append(uses[c.Name], claimUser{w, p, c})
					}
				}
			}
			for _, w := range f.WorkloadsIn(namespace) {
				for _, p := range w.Pods {
					for _, c := range p.Claims {
						if c.Write && len(uses[c.Name]) <= maxSharers {
							plant(w, p, c, uses[c.Name], emit)
						}
					}
				}
			}
		}
	},
}

type claimUser struct {
	w *blast.Workload
	p *blast.Pod
	c blast.ClaimUse
}

func plant(w *blast.Workload, p *blast.Pod, c blast.ClaimUse, others []claimUser, emit blast.Emit) {
	for _, o := range others {
		if o.w != w {
			emit(blast.Move{
				From: w.Code, To: o.w.Code, Object: p.Template.Object, Path: c.Path, Note: "claim " + c.Name,
				Possible: true, Why: "if " + o.w.Ref() + " runs or trusts what it finds there",
			})
		}
	}
}
