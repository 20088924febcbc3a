package view

import (
	"io"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// Between writes the way from one thing to another.
func (t Text) Between(w io.Writer, b *blast.Between) error {
	p := &printer{colour: t.Colour}
	switch b.Reached {
	case "no":
		p.line("No way is known from %s to %s.", b.From, b.To)
	case "yes":
		p.line("%s: from %s to %s in %s.", p.in(red, "yes"), b.From, b.To, count(len(b.Path), "step"))
	default:
		p.line("%s: from %s to %s in %s.", p.in(yellow, "perhaps"), b.From, b.To, count(len(b.Path), "step"))
	}
	p.path(b.Path, "  ")
	_, err := io.WriteString(w, p.text())
	return err
}

// WhoCan writes who may do something.
func (t Text) WhoCan(w io.Writer, holders []blast.Holder) error {
	p := &printer{colour: t.Colour}
	if len(holders) == 0 {
		p.line("Nobody, by the roles and bindings of the input.")
	}
	for i := range holders {
		h := &holders[i]
		named := ""
		if len(h.Names) > 0 {
			named = ", objects named " + strings.Join(h.Names, ", ") + " only"
		}
		p.line("%s in %s%s", p.in(bold, h.Subject), h.Scope, named)
		for _, e := range h.Proof {
			p.line("  %s", p.in(dim, evidence(&e)))
		}
		if len(h.Workloads) > 0 {
			p.line("  %s %s", p.in(red, "in the hands of"), strings.Join(h.Workloads, ", "))
		}
	}
	p.line("Members of system:masters may do everything and need no binding.")
	_, err := io.WriteString(w, p.text())
	return err
}

// Diff writes what a change gives away.
func (t Text) Diff(w io.Writer, d *blast.Diff) error {
	p := &printer{colour: t.Colour}
	if len(d.More) == 0 {
		p.line("%s", p.in(green, "Nothing more is given away."))
	} else {
		p.line("%s", p.in(red, count(len(d.More), "thing")+" given away that "+wasOrWere(len(d.More))+" not before:"))
	}
	p.more(d.More)
	if len(d.Less) > 0 {
		p.line("%s", p.in(green, count(len(d.Less), "thing")+" no longer given away:"))
	}
	for i := range d.Less {
		if i == most {
			p.line("  and %d more", len(d.Less)-most)
			break
		}
		p.line("  %s: %s (was %s, is %s)", d.Less[i].Workload, d.Less[i].What, d.Less[i].Was, d.Less[i].Is)
	}
	_, err := io.WriteString(w, p.text())
	return err
}

// more prints what is given away, the same thing from several workloads once.
func (p *printer) more(results []blast.DiffResult) {
	from := make(map[string][]string)
	var order []*blast.DiffResult
	for i := range results {
		r := &results[i]
		key := r.What + r.Was + r.Is
		if from[key] == nil {
			order = append(order, r)
		}
		from[key] = append(from[key], r.Workload)
	}
	for i, r := range order {
		if i == most {
			p.line("  and %d more (-o json shows all)", len(order)-most)
			return
		}
		p.line("  %s (was %s, is %s), from %s", p.in(bold, r.What), r.Was, r.Is, someOf(from[r.What+r.Was+r.Is]))
		p.path(r.Path, "    ")
	}
}

func wasOrWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
