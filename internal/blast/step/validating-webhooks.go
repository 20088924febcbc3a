package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var validatingWebhooks = &blast.Step{
	ID:    "validating-webhooks",
	Title: "reads objects on their way into the cluster, or switches checks off",
	Needs: "A right to write or delete validating webhook configurations.",
	Gives: "The content of every Secret that is written from then on; and what a webhook refused is admitted.",
	MITRE: []string{"T1557", "T1562.001"}, Difficulty: blast.Hard,
	Control: "webhook-write", Fix: "remove the webhook configurations from the rule, or name them with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("create update patch delete", admission, "validatingwebhookconfigurations")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Gain("what is written to the API from now on, and the end of checks by webhooks")))
		},
	},
}
