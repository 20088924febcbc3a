package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var cloudGoogleAccount = &blast.Step{
	ID:    "cloud-google-account",
	Title: "becomes the Google service account",
	Needs: "The service account is tied to a Google service account by its annotation.",
	Gives: "The Google service account: what it may do in the project.",
	MITRE: []string{"T1078.004", "T1528"}, Difficulty: blast.Easy,
	Fix: "tie it to a service account of its own, and narrow its roles", Effort: 4,
	World: func(f *blast.Facts, emit blast.Emit) {
		annotated(f, emit, "iam.gke.io/gcp-service-account", "Google service account ")
	},
}
