package blast_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func read(t *testing.T, text string) *inventory.Inventory {
	t.Helper()
	res, err := decode.File([]byte(text), &inventory.Origin{File: "test.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(res.Objects...)
	inv.Seal()
	return inv
}

func graph(t *testing.T, text string) *blast.Graph {
	t.Helper()
	return blast.Build(blast.Gather(read(t, text)), step.All())
}

func podNamed(name, spec string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: shop, labels: {app: %s}}\nspec: {%s}\n---\n", name, name, spec)
}

func bound(kind, name, account, role string) string {
	in := ""
	if kind == "RoleBinding" {
		in = ", namespace: shop"
	}
	return fmt.Sprintf("apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {name: %s%s}\nroleRef: {kind: ClusterRole, name: %s}\nsubjects: [{kind: ServiceAccount, name: %s, namespace: shop}]\n---\n", kind, name, in, role, account)
}

const plain = "serviceAccountName: %s, containers: [{name: app, image: x}]"

// answers are the standings of all workloads by name.
func answers(g *blast.Graph) map[string]string {
	out := make(map[string]string)
	for _, a := range g.Answers() {
		out[a.Workload.Name] = a.Admin.String()
	}
	return out
}

func TestRightsChainIntoTheWholeCluster(t *testing.T) {
	t.Parallel()
	text := podNamed("operator", fmt.Sprintf(plain, "operator")) + bound("ClusterRoleBinding", "a", "operator", "cluster-admin") +
		podNamed("deployer", fmt.Sprintf(plain, "deployer")) + bound("RoleBinding", "b", "deployer", "edit") +
		podNamed("viewer", fmt.Sprintf(plain, "viewer")) + bound("RoleBinding", "c", "viewer", "view") +
		podNamed("quiet", "automountServiceAccountToken: false, "+fmt.Sprintf(plain, "operator"))
	want := map[string]string{"Pod/operator": "yes", "Pod/deployer": "yes", "Pod/viewer": "no", "Pod/quiet": "no"}
	if diff := cmp.Diff(want, answers(graph(t, text))); diff != "" {
		t.Errorf("whole cluster (-want +got):\n%s", diff)
	}
}

func TestPodsThatRunKeepTheirTokenButForStaticOnes(t *testing.T) {
	t.Parallel()
	pod := func(name, annotations, spec string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: shop, uid: x, annotations: {" + annotations + "}}\nspec: {" + spec + "}\n---\n"
	}
	text := pod("pinned", "", "nodeName: a, "+fmt.Sprintf(plain, "operator")) +
		pod("static", "kubernetes.io/config.mirror: x", "nodeName: a, "+fmt.Sprintf(plain, "operator")) +
		bound("ClusterRoleBinding", "a", "operator", "cluster-admin")
	inv := read(t, text)
	inv.ClusterWide = true
	got := make(map[string]bool)
	for _, w := range blast.Gather(inv).Workloads {
		got[w.Object.Name] = w.Pods[0].Token != nil
	}
	if diff := cmp.Diff(map[string]bool{"pinned": true, "static": false}, got); diff != "" {
		t.Errorf("pods with a token (-want +got):\n%s", diff)
	}
}

func TestHarmlessPodsGiveAwayNothing(t *testing.T) {
	t.Parallel()
	g := graph(t, podNamed("web", "automountServiceAccountToken: false, securityContext: {runAsNonRoot: true}, containers: [{name: app, image: x}]"))
	a := g.Answers()[0]
	if a.Admin != blast.Not || a.Sure != (blast.Counts{}) {
		t.Errorf("got %+v, want nothing for sure", a)
	}
}

func TestANodeDoesNotGiveOtherReplicas(t *testing.T) {
	t.Parallel()
	// One privileged pod on node a; the daemon runs on a and b. Root on a gives
	// the daemon's pod there, and by no means node b.
	text := `apiVersion: v1
kind: Node
metadata: {name: a}
---
apiVersion: v1
kind: Node
metadata: {name: b}
---
` + podNamed("bad", "nodeName: a, containers: [{name: c, image: x, securityContext: {privileged: true}}]") +
		daemonPod("one", "a") + daemonPod("two", "b")
	g := graph(t, text)
	w, err := g.Facts.FindWorkload("shop/Pod/bad")
	if err != nil {
		t.Fatal(err)
	}
	reached := g.Reached(w.Code)
	for name, want := range map[string]blast.Certainty{"node:a": blast.Surely, "node:b": blast.Not} {
		v, err := g.Facts.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := reached[v]; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	daemon, err := g.Facts.FindWorkload("daemon")
	if err != nil {
		t.Fatal(err)
	}
	if reached[daemon.Held] != blast.Surely || reached[daemon.Code] != blast.Not {
		t.Errorf("a pod of the daemon: %s, all of them: %s; want yes and no", reached[daemon.Held], reached[daemon.Code])
	}
}

func daemonPod(name, node string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: shop, ownerReferences: [{kind: DaemonSet, name: daemon, controller: true}]}
spec: {nodeName: %s, containers: [{name: c, image: x, securityContext: {privileged: true}}]}
---
`, name, node)
}

// randomMoves is a step that knows moves of its own.
func randomMoves(id, fix string, moves func(f *blast.Facts, emit blast.Emit)) *blast.Step {
	return &blast.Step{ID: id, Title: id, Difficulty: blast.Easy, Fix: fix, World: moves}
}

const workloads = 6

// randomGraph has moves between the workloads, some nodes and Secrets, and the
// whole cluster. The moves of the first step can be taken away one by one.
func randomGraph(t *testing.T, r *rand.Rand, edges int) (*blast.Graph, []blast.Move) {
	t.Helper()
	var text strings.Builder
	for i := range workloads {
		text.WriteString(podNamed(fmt.Sprintf("p%d", i), "automountServiceAccountToken: false, containers: [{name: app, image: x}]"))
	}
	inv := read(t, text.String())
	f := blast.Gather(inv)
	vertices := []blast.Vertex{f.Admin()}
	for _, w := range f.Workloads {
		vertices = append(vertices, w.Code, w.Held)
	}
	for i := range 4 {
		vertices = append(vertices, f.Vertex(blast.Node, "", fmt.Sprintf("n%d", i)), f.Vertex(blast.SecretContent, "shop", fmt.Sprintf("s%d", i)))
	}
	var moves []blast.Move
	for i := range edges {
		moves = append(moves, blast.Move{
			From: vertices[1+r.IntN(len(vertices)-1)], To: vertices[r.IntN(len(vertices))], Possible: r.IntN(4) == 0,
			Object: inv.Objects[0],
		})
		// One field may make several moves possible.
		field := r.IntN(edges)
		moves[i].Path, moves[i].Effort = fmt.Sprintf("spec.field%d", field), 1+field%3
	}
	fixed := r.IntN(edges + 1)
	emitAll := func(list []blast.Move) func(*blast.Facts, blast.Emit) {
		return func(_ *blast.Facts, emit blast.Emit) {
			for _, m := range list {
				emit(m)
			}
		}
	}
	g := blast.Build(f, []*blast.Step{randomMoves("fixable", "change it", emitAll(moves[:fixed])), randomMoves("given", "", emitAll(moves[fixed:]))})
	return g, moves[:fixed]
}

func TestClosuresAgreeWithAPlainSearch(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		g, _ := randomGraph(t, r, 1+r.IntN(40))
		for _, a := range g.Answers() {
			compareAnswer(t, g, &a)
		}
	}
}

// compareAnswer counts by a plain search what the answer counts by components.
func compareAnswer(t *testing.T, g *blast.Graph, a *blast.Answer) {
	t.Helper()
	reached := g.Reached(a.Workload.Code)
	if got, want := a.Admin, reached[g.Facts.Admin()]; got != want {
		t.Fatalf("%s: whole cluster %s, want %s", a.Workload.Name, got, want)
	}
	if a.Admin != blast.Not {
		return
	}
	var want, wantPossible blast.Counts
	for v, c := range reached {
		switch kind := g.Facts.Thing(blast.Vertex(v)).Kind; c {
		case blast.Surely:
			countThing(&want, kind)
		case blast.Possibly:
			countThing(&wantPossible, kind)
		case blast.Not:
		}
	}
	want.Workloads-- // its own pod
	if diff := cmp.Diff(want, a.Sure); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", a.Workload.Name, diff)
	}
	if diff := cmp.Diff(wantPossible, a.Possible); diff != "" {
		t.Fatalf("%s, perhaps (-want +got):\n%s", a.Workload.Name, diff)
	}
}

func countThing(c *blast.Counts, k blast.Kind) {
	switch k { //nolint:exhaustive // what the random graphs have
	case blast.PodHeld:
		c.Workloads++
	case blast.Node:
		c.Nodes++
	case blast.SecretContent:
		c.Secrets++
	}
}

// closes tells whether none of the workloads reaches a target when the moves
// with these paths are gone.
func closes(g *blast.Graph, gone map[string]bool, from []*blast.Workload, targets ...blast.Vertex) bool {
	seen := make(map[blast.Vertex]bool)
	var stack []blast.Vertex
	out := make(map[blast.Vertex][]blast.Vertex)
	for _, id := range []string{"fixable", "given"} {
		for _, m := range g.Moves(id) {
			if id == "given" || !gone[m.Path] {
				out[m.From] = append(out[m.From], m.To)
			}
		}
	}
	for _, w := range g.Facts.Workloads {
		out[w.Code] = append(out[w.Code], w.Held)
	}
	for _, w := range from {
		stack = append(stack, w.Code)
	}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if slices.Contains(targets, v) {
			return false
		}
		if !seen[v] {
			seen[v] = true
			stack = append(stack, out[v]...)
		}
	}
	return true
}

// leastEffort tries every set of fields.
func leastEffort(g *blast.Graph, fields map[string]int, from []*blast.Workload, targets ...blast.Vertex) int {
	names := slices.Sorted(maps.Keys(fields))
	best := -1
	for set := range 1 << len(names) {
		gone, effort := make(map[string]bool), 0
		for i, name := range names {
			if set&(1<<i) != 0 {
				gone[name] = true
				effort += fields[name]
			}
		}
		if (best < 0 || effort < best) && closes(g, gone, from, targets...) {
			best = effort
		}
	}
	return best
}

// TestCutsAreSmallest tries every set of changes on small graphs, in which one
// change may take several moves away.
func TestCutsAreSmallest(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	closable, left := 0, 0
	for round := range 1500 {
		g, fixable := randomGraph(t, r, 2+r.IntN(9+round%10))
		targets := []blast.Vertex{g.Facts.Admin()}
		switch round % 3 {
		case 1:
			targets = append(targets, g.Facts.Vertex(blast.Node, "", "n0"))
		case 2:
			targets = append(targets, g.Facts.Vertex(blast.SecretContent, "shop", "s0"))
		}
		cut := checkCut(t, g, fixable, targets)
		if len(cut.Changes) > 0 {
			closable++
		}
		if len(cut.Left) > 0 {
			left++
		}
	}
	t.Logf("%d graphs had something to cut, %d something no change closes", closable, left)
	if closable < 100 || left < 100 {
		t.Errorf("only %d of the graphs had something to cut, %d something no change closes", closable, left)
	}
}

func checkCut(t *testing.T, g *blast.Graph, fixable []blast.Move, targets []blast.Vertex) blast.Cut {
	t.Helper()
	fields, all := make(map[string]int), make(map[string]bool)
	for _, m := range fixable {
		if m.From != m.To {
			fields[m.Path], all[m.Path] = m.Effort, true
		}
	}
	from := slices.DeleteFunc(slices.Clone(g.Facts.Workloads), func(w *blast.Workload) bool { return !closes(g, all, []*blast.Workload{w}, targets...) })
	cut := g.Cut(g.Facts.Workloads, targets)
	if got, want := len(g.Facts.Workloads)-len(cut.Left), len(from); got != want {
		t.Fatalf("%d workloads can be kept from it, a plain search says %d", got, want)
	}
	gone, effort := make(map[string]bool), 0
	for _, c := range cut.Changes {
		gone[c.Path] = true
		effort += c.Effort
	}
	if !closes(g, gone, from, targets...) {
		t.Fatalf("the changes %v leave a way", gone)
	}
	if best := leastEffort(g, fields, from, targets...); effort != best || !cut.Smallest {
		t.Fatalf("effort %d (smallest %t), want %d", effort, cut.Smallest, best)
	}
	return cut
}

func TestBestChangesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		g, _ := randomGraph(t, r, 2+r.IntN(12))
		_, changes := g.Best(3)
		gone := make(map[string]bool)
		for _, c := range changes {
			gone[c.Path] = true
		}
		if len(changes) > 0 {
			last := changes[len(changes)-1].After
			if got, want := last.Admin+last.AdminPossible == 0, closes(g, gone, g.Facts.Workloads, g.Facts.Admin()); got != want {
				t.Fatalf("after %d changes the cluster is safe: %t, a plain search says %t", len(changes), got, want)
			}
		}
	}
}

func report(t *testing.T, inv *inventory.Inventory) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", " ")
	r := blast.Build(blast.Gather(inv), step.All()).Report(blast.Limits{Detailed: 100, Gains: 100, Changes: 3})
	if err := enc.Encode(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheOrderOfObjectsDoesNotMatter(t *testing.T) {
	t.Parallel()
	var want string
	for i := range 5 {
		inv := generate(size{60, 8, 20, 60})
		objects := slices.Clone(inv.Objects)
		r := rand.New(rand.NewPCG(uint64(i), 9))
		// Sealing sorts by place, and places are equal here, so kinds and names
		// decide.
		r.Shuffle(len(objects), func(a, b int) { objects[a], objects[b] = objects[b], objects[a] })
		shuffled := &inventory.Inventory{ClusterWide: true}
		shuffled.Add(objects...)
		shuffled.Seal()
		got := report(t, shuffled)
		if i == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("another order, another report:\n%s", diff[:min(len(diff), 2000)])
		}
	}
}

func TestMoreRightsNeverGiveAwayLess(t *testing.T) {
	t.Parallel()
	base := podNamed("web", fmt.Sprintf(plain, "web")) + podNamed("db", fmt.Sprintf(plain, "db")) + bound("RoleBinding", "view", "web", "view")
	for _, more := range []string{
		bound("RoleBinding", "edit", "web", "edit"), bound("ClusterRoleBinding", "all", "db", "cluster-admin"),
		podNamed("agent", "hostPID: true, containers: [{name: c, image: x, securityContext: {privileged: true}}]"),
	} {
		d := blast.Compare(graph(t, base), graph(t, base+more))
		if len(d.More) == 0 {
			t.Errorf("nothing more is given away by\n%s", more)
		}
		if len(d.Less) > 0 {
			t.Errorf("less is given away by\n%s\n%+v", more, d.Less)
		}
		back := blast.Compare(graph(t, base+more), graph(t, base))
		if len(back.More) > 0 {
			t.Errorf("more is given away without\n%s\n%+v", more, back.More)
		}
	}
}

func TestTheSameInputIsNoDifference(t *testing.T) {
	t.Parallel()
	text := podNamed("web", fmt.Sprintf(plain, "web")) + bound("RoleBinding", "edit", "web", "edit")
	if d := blast.Compare(graph(t, text), graph(t, text)); len(d.More)+len(d.Less) > 0 {
		t.Errorf("got %+v, want no difference", d)
	}
}

func TestBrokenInputIsNoCrash(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: 7}",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, ownerReferences: [{kind: Pod, name: a}]}\nspec: {containers: [{name: c}], volumes: [7, {hostPath: 3}]}",
		"apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: a, namespace: x, ownerReferences: [{kind: ReplicaSet, name: a}]}\nspec: {template: {spec: {containers: [{}]}}}",
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: 7\nsubjects: [{}, 7, {kind: ServiceAccount}]",
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: missing}\nsubjects: [{kind: Group, name: g}]",
		"apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {taints: [7]}",
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, selector: 7}",
	} {
		report(t, read(t, text))
	}
}

func TestUnknownRolesAreGaps(t *testing.T) {
	t.Parallel()
	r := graph(t, podNamed("web", fmt.Sprintf(plain, "web"))+bound("RoleBinding", "b", "web", "missing")).Report(blast.Limits{Detailed: 1, Gains: 5, Changes: 1})
	if len(r.Gaps) != 1 || !strings.Contains(r.Gaps[0], "missing") {
		t.Errorf("gaps are %q, want the missing role", r.Gaps)
	}
	if got, want := r.Workloads[0].Admin, "possible"; got != want {
		t.Errorf("with a role of which nothing is known the whole cluster falls: %s, want %s", got, want)
	}
}

func TestExposedWorkloadsComeFirst(t *testing.T) {
	t.Parallel()
	text := podNamed("strong", fmt.Sprintf(plain, "strong")) + bound("ClusterRoleBinding", "a", "strong", "cluster-admin") + podNamed("open", fmt.Sprintf(plain, "open")) +
		"apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {type: LoadBalancer, selector: {app: open}}\n"
	a := graph(t, text).Answers()
	if got, want := a[0].Workload.Name, "Pod/open"; got != want {
		t.Errorf("first is %s, want %s", got, want)
	}
}

func TestWhoCanNamesHoldersAndTheirWorkloads(t *testing.T) {
	t.Parallel()
	f := graph(t, podNamed("web", fmt.Sprintf(plain, "web"))+bound("RoleBinding", "b", "web", "edit")).Facts
	q := blast.Question{Namespace: "shop"}
	q.Verb, q.Resource = "get", "secrets"
	got := f.WhoCan(q)
	if len(got) != 1 || got[0].Subject != "service account shop/web" || !slices.Equal(got[0].Workloads, []string{"shop/Pod/web"}) {
		t.Errorf("got %+v, want the account of web", got)
	}
	q.Namespace = "bank"
	if got := f.WhoCan(q); len(got) > 0 {
		t.Errorf("in another namespace: got %+v, want nobody", got)
	}
}

func TestTwoWaysAreClosedTogether(t *testing.T) {
	t.Parallel()
	// Each binding alone gives the whole cluster.
	text := podNamed("web", fmt.Sprintf(plain, "web")) + bound("ClusterRoleBinding", "a", "web", "cluster-admin") + bound("ClusterRoleBinding", "b", "web", "cluster-admin")
	text = strings.Replace(text, "serviceAccountName: web", "serviceAccountName: web, automountServiceAccountToken: true", 1)
	g := graph(t, text)
	before, changes := g.Best(3)
	if before.Admin != 1 || len(changes) == 0 || changes[len(changes)-1].After.Admin+changes[len(changes)-1].After.AdminPossible != 0 {
		t.Errorf("before %+v, changes %+v", before, changes)
	}
}
