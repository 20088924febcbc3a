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

// graphData is what the page draws.
type graphData struct {
	Question string      `json:"question"`
	Nodes    []graphNode `json:"nodes"`
	Edges    []graphEdge `json:"edges"`
	Changes  []graphFix  `json:"changes"`
	Omitted  int         `json:"omitted"`
}

type graphNode struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Kind      string   `json:"kind"`
	Score     int      `json:"score"`
	Exposed   []string `json:"exposed"`
}

type graphEdge struct {
	From     int      `json:"from"`
	To       int      `json:"to"`
	Title    string   `json:"title"`
	Step     string   `json:"step"`
	Hard     string   `json:"difficulty"`
	MITRE    string   `json:"mitre"`
	Control  string   `json:"control"`
	Possible bool     `json:"possible"`
	Why      string   `json:"why"`
	Evidence []string `json:"evidence"`
	// Changes are the numbers of the changes that take the step away.
	Changes []int `json:"changes"`
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

func dataOf(r *blast.Report, m *blast.Map) graphData {
	d := graphData{Question: Question, Nodes: make([]graphNode, 0, len(m.Things)), Edges: make([]graphEdge, 0, len(m.Links)), Changes: []graphFix{}, Omitted: m.Omitted}
	notes := make(map[string]*blast.WorkloadNote, len(r.Workloads))
	for i := range r.Workloads {
		notes[r.Workloads[i].Workload] = &r.Workloads[i]
	}
	for _, t := range m.Things {
		n := graphNode{Name: t.String(), Kind: column(t.Kind), Exposed: []string{}}
		if note := notes[n.Name]; t.Kind == blast.WorkloadCode && note != nil {
			n.Namespace, n.Score, n.Exposed = t.Namespace, note.Score, note.Exposed
		}
		d.Nodes = append(d.Nodes, n)
	}
	byPlace := make(map[blast.Evidence]int)
	for _, list := range [][]blast.ChangeNote{r.Changes, r.Cut} {
		for i := range list {
			if _, ok := byPlace[list[i].Where]; !ok {
				byPlace[list[i].Where] = len(d.Changes)
				d.Changes = append(d.Changes, graphFix{whereOf(&list[i].Where), list[i].Fix})
			}
		}
	}
	for i := range m.Links {
		d.Edges = append(d.Edges, edgeOf(&m.Links[i], byPlace))
	}
	return d
}

func edgeOf(l *blast.Link, byPlace map[blast.Evidence]int) graphEdge {
	n := &l.Note
	e := graphEdge{
		From: l.From, To: l.To, Title: n.Title, Step: n.Step, Hard: n.Difficulty, MITRE: strings.Join(n.MITRE, ", "),
		Control: n.Control, Possible: n.Possible, Why: n.Why, Evidence: []string{}, Changes: []int{},
	}
	for _, proof := range n.Evidence {
		e.Evidence = append(e.Evidence, evidence(&proof))
	}
	if l.Fix != nil {
		if k, ok := byPlace[*l.Fix]; ok {
			e.Changes = append(e.Changes, k)
		}
	}
	return e
}

// column sorts things into the columns of the page.
func column(k blast.Kind) string {
	switch k {
	case blast.ClusterAdmin:
		return "cluster"
	case blast.WorkloadCode:
		return "workload"
	case blast.PodHeld, blast.WorkloadsOf, blast.PodsIn:
		return "pod"
	case blast.Node, blast.NodesWhere, blast.PodsOn:
		return "node"
	case blast.Account, blast.Person, blast.Team, blast.SecretContent, blast.SecretsOf, blast.AccountsOf:
		return "identity"
	case blast.CloudIdentity, blast.Registry, blast.Outside, blast.Outcome, blast.NoKind:
	}
	return "gain"
}
