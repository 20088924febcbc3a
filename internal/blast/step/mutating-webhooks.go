package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var mutatingWebhooks = &blast.Step{
	ID:    "mutating-webhooks",
	Title: "changes objects on their way into the cluster",
	Needs: "A right to create, update or patch mutating webhook configurations, and a server the API server can call.",
	Gives: "Every object that is written is the intruder's to read and change: pods of kube-system, roles, bindings; so the whole cluster.",
	MITRE: []string{"T1557", "T1546"}, Difficulty: blast.Hard,
	Control: "webhook-write", Fix: "remove the webhook configurations from the rule, or name them with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("create update patch", admission, "mutatingwebhookconfigurations")},
		Gain:  func(f *blast.Facts, h blast.Holding, emit blast.Emit) { emit(h.Move(f.Admin())) },
	},
}
