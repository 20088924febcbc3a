package step

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var mutableTag = &blast.Step{
	ID:    "mutable-tag",
	Title: "pushes an image under a tag that is in use",
	Needs: "A workload takes its image by a tag, and the credential it is pulled with may also push.",
	Gives: "Code in the workload when one of its pods starts next.",
	MITRE: []string{"T1525", "T1195.002"}, Difficulty: blast.Hard,
	Control: "image-without-digest", Fix: "name images by digest", Effort: 3,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			for i := range p.Running {
				c := &p.Running[i]
				image := c.Node.Get("image").Str()
				if image == "" || strings.Contains(image, "@") {
					continue
				}
				for _, s := range p.PullSecrets {
					emit(blast.Move{
						From: f.Vertex(blast.Registry, "", "the registry credential "+w.Namespace+"/"+s.Name), To: w.Code,
						Object: p.Template.Object, Path: c.Path + ".image", Note: image,
						Possible: true, Why: "it is not known whether the credential may push",
					})
				}
			}
		}
	},
}
