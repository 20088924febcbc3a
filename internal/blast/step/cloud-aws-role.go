package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var cloudAwsRole = &blast.Step{
	ID:    "cloud-aws-role",
	Title: "becomes the AWS role of the service account",
	Needs: "The service account is tied to an AWS role by its annotation.",
	Gives: "The role: what it may do in the AWS account.",
	MITRE: []string{"T1078.004", "T1528"}, Difficulty: blast.Easy,
	Fix: "tie the role to a service account of its own, and narrow the role", Effort: 4,
	World: func(f *blast.Facts, emit blast.Emit) { annotated(f, emit, "eks.amazonaws.com/role-arn", "AWS role ") },
}

// annotated emits moves for service accounts that an annotation ties to an
// identity of a cloud: from the account, whose token can be exchanged, and from
// the pods that run as it, which get what is needed whether or not they mount a
// token for the API server.
func annotated(f *blast.Facts, emit blast.Emit, annotation, prefix string) {
	for _, o := range f.Inventory.Kind("ServiceAccount", "") {
		identity := o.Annotations().Get(annotation).Str()
		if identity == "" {
			continue
		}
		m := blast.Move{
			From: f.Vertex(blast.Account, o.EffectiveNamespace(), o.Name), To: f.Vertex(blast.CloudIdentity, "", prefix+identity),
			Object: o, Path: inventory.Join("metadata.annotations", annotation),
		}
		emit(m)
		for _, w := range f.WorkloadsIn(o.EffectiveNamespace()) {
			for _, p := range w.Pods {
				if p.Account == o.Name {
					m.From = w.Held
					emit(m)
				}
			}
		}
	}
}
