package view

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// page is the viewer; the graph is put in place of its marker.
//
//go:embed graph.html
var page string

// marker stands in the page where the data goes.
const marker = "/*DATA*/null"

// graphData is what the page draws. Things and moves are many, so they are
// lists of values, and what repeats is a number in a table.
type graphData struct {
	Question string `json:"question"`
	// Nodes have a name, a namespace, a column, a score and ways in.
	Nodes [][]any `json:"nodes"`
	// Edges have two ends, a step or -1, whether they are only possible, why or
	// -1, evidence, the changes that take them away and where to make them or -1.
	Edges   [][]any     `json:"edges"`
	Steps   []graphStep `json:"steps"`
	Texts   []string    `json:"texts"`
	Changes []graphFix  `json:"changes"`
	Omitted int         `json:"omitted"`
}

type graphStep struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Hard    string `json:"difficulty"`
	MITRE   string `json:"mitre"`
	Control string `json:"control"`
	Fix     string `json:"fix"`
}

type graphFix struct {
	Where string `json:"where"`
	Fix   string `json:"fix"`
}

// HTML writes a page of one file that draws the graph, with the changes of the
// report to try out.
func HTML(w io.Writer, r *blast.Report, m *blast.Map) error {
	data, err := json.Marshal(dataOf(r, m)) // escapes what could end the script
	if err != nil {
		return fmt.Errorf("write the graph: %w", err)
	}
	before, after, ok := strings.Cut(page, marker)
	if !ok {
		return errors.New("the page has no place for the graph")
	}
	_, err = io.WriteString(w, before+string(data)+after)
	return err
}

// tables number what repeats.
type tables struct {
	data   *graphData
	texts  map[string]int
	steps  map[graphStep]int
	places map[blast.Evidence]int
}

func dataOf(r *blast.Report, m *blast.Map) graphData {
	d := graphData{
		Question: Question, Nodes: make([][]any, 0, len(m.Things)), Edges: make([][]any, 0, len(m.Links)),
		Steps: []graphStep{}, Texts: []string{}, Changes: []graphFix{}, Omitted: m.Omitted,
	}
	notes := make(map[string]*blast.WorkloadNote, len(r.Workloads))
	for i := range r.Workloads {
		notes[r.Workloads[i].Workload] = &r.Workloads[i]
	}
	for _, t := range m.Things {
		score, exposed := 0, []string{}
		name := t.String()
		if note := notes[name]; t.Kind == blast.WorkloadCode && note != nil {
			score, exposed = note.Score, note.Exposed
		}
		d.Nodes = append(d.Nodes, []any{name, t.Namespace, column(t.Kind), score, exposed})
	}
	in := tables{data: &d, texts: make(map[string]int), steps: make(map[graphStep]int), places: make(map[blast.Evidence]int)}
	lists := [][]blast.ChangeNote{r.Changes}
	for i := range r.Cuts {
		lists = append(lists, r.Cuts[i].Changes)
	}
	for _, list := range lists {
		for i := range list {
			if _, ok := in.places[list[i].Where]; !ok {
				in.places[list[i].Where] = len(d.Changes)
				d.Changes = append(d.Changes, graphFix{whereOf(&list[i].Where), list[i].Fix})
			}
		}
	}
	for i := range m.Links {
		d.Edges = append(d.Edges, in.edge(&m.Links[i]))
	}
	return d
}

// none says that there is no entry of a table.
const none = -1

func (t *tables) edge(l *blast.Link) []any {
	n := &l.Note
	step, why, fixAt, possible := none, none, none, 0
	if n.Step != "" {
		step = t.step(graphStep{n.Step, n.Title, n.Difficulty, strings.Join(n.MITRE, ", "), n.Control, n.Fix})
	}
	if n.Possible {
		possible = 1
	}
	if n.Why != "" {
		why = t.text(n.Why)
	}
	evidences, changes := []int{}, []int{}
	for _, proof := range n.Evidence {
		if s := evidence(&proof); s != "" {
			evidences = append(evidences, t.text(s))
		}
	}
	if n.Verified != "" {
		evidences = append(evidences, t.text(agrees(n)))
	}
	if l.Fix != nil {
		if k, ok := t.places[*l.Fix]; ok {
			changes = append(changes, k)
		}
		fixAt = t.text(whereOf(l.Fix))
	}
	return []any{l.From, l.To, step, possible, why, evidences, changes, fixAt}
}

func (t *tables) text(s string) int {
	n, ok := t.texts[s]
	if !ok {
		n = len(t.data.Texts)
		t.texts[s] = n
		t.data.Texts = append(t.data.Texts, s)
	}
	return n
}

func (t *tables) step(s graphStep) int {
	n, ok := t.steps[s]
	if !ok {
		n = len(t.data.Steps)
		t.steps[s] = n
		t.data.Steps = append(t.data.Steps, s)
	}
	return n
}

// column sorts things into the columns of the page.
func column(k blast.Kind) int {
	const workloads, pods, nodes, identities, gains, cluster = 0, 1, 2, 3, 4, 5
	switch k {
	case blast.ClusterAdmin:
		return cluster
	case blast.WorkloadCode:
		return workloads
	case blast.PodHeld, blast.WorkloadsOf, blast.PodsIn:
		return pods
	case blast.Node, blast.NodesWhere, blast.PodsOn:
		return nodes
	case blast.Account, blast.Person, blast.Team, blast.SecretContent, blast.SecretsOf, blast.AccountsOf:
		return identities
	case blast.CloudIdentity, blast.Registry, blast.Outside, blast.Outcome, blast.NoKind:
	}
	return gains
}
