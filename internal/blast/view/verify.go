package view

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// verified says where the API server and the graph part.
func (p *printer) verified(v *blast.VerifyNote) {
	if v == nil {
		return
	}
	p.line("%s", p.in(bold, "Checked with the API server"))
	p.line("  %s asked: on %s it agrees, on %s it disagrees, and %s could not be verified.", count(v.Asked, "question"),
		count(v.Agreed, "step"), count(v.Disagreed, "step"), count(v.Unverifiable, "step"))
	shown := 0
	for i := range v.Steps {
		s := &v.Steps[i]
		if s.Result == blast.Agreed {
			continue
		}
		if shown == most {
			p.line("  and more (-o json lists all)")
			break
		}
		shown++
		colour := yellow
		if s.Result == blast.Disagreed {
			colour = red
		}
		can := "can not"
		if s.Held {
			can = "can"
		}
		p.line("  %s: by the objects %s %s do this in %s: %s (%s)", p.in(colour, s.Result), s.Subject, can, s.Scope, s.Title, s.Step)
		p.line("     %s", p.in(dim, s.Why))
	}
	p.line("")
}

// agrees is what the API server says of a step of a path.
func agrees(n *blast.Note) string {
	if n.Verified == "" {
		return ""
	}
	return "the API server: " + n.Verified
}
