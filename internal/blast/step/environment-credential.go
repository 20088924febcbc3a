package step

import (
	"regexp"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var environmentCredential = &blast.Step{
	ID:    "environment-credential",
	Title: "reads a credential in the environment",
	Needs: "A variable of a container holds a credential in plain text.",
	Gives: "The system the credential opens.",
	MITRE: []string{"T1552.001"}, Difficulty: blast.Trivial,
	Control: "credential-in-environment", Fix: "move the value to a Secret, change it, and mount it as a file", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			for i := range p.Running {
				c := &p.Running[i]
				for j, e := range c.Node.Get("env").All() {
					name := e.Get("name").Str()
					if e.Get("value").Str() != "" && credentialName.MatchString(name) && !placeName.MatchString(name) {
						emit(blast.Move{
							From: w.Held, To: f.Vertex(blast.Outside, "", "what "+name+" of "+w.Ref()+" opens"),
							Object: p.Template.Object, Path: inventory.JoinIndex(c.Path+".env", j) + ".value", Note: name,
						})
					}
				}
			}
		}
	},
}

var (
	credentialName = regexp.MustCompile(`(?i)(^|_)(password|passwd|pwd|secret|token|api_?key|access_?key|private_?key|credentials?)(_|$)|(PASSWORD|TOKEN|APIKEY|SECRET)$`)
	// placeName are names that say where a credential lies, not what it is.
	placeName = regexp.MustCompile(`(?i)_(file|path|dir|name|url|uri|endpoint|ttl|expiry|expiration|length|header|issuer|audience)$`)
)
