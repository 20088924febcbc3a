package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var cloudAzureIdentity = &blast.Step{
	ID:    "cloud-azure-identity",
	Title: "becomes the Azure identity",
	Needs: "The service account is tied to an Azure application or managed identity by its annotation.",
	Gives: "The identity: what it may do in the Azure tenant.",
	MITRE: []string{"T1078.004", "T1528"}, Difficulty: blast.Easy,
	Fix: "tie it to a service account of its own, and narrow its roles", Effort: 4,
	World: func(f *blast.Facts, emit blast.Emit) {
		annotated(f, emit, "azure.workload.identity/client-id", "Azure identity ")
	},
}
