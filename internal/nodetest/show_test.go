package nodetest_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/nodetest"
)

// A showing is a step done on the real node. In a world where the step follows
// an intruder in a pod does what the step says; in a world where it does not,
// the same attempts fail.
//
// In manifests and attempts {ns} is the namespace of the world; {dir} is a folder
// of the test on the node, {canary} a random word that stands where only the step
// leads, {cluster} the folder of the cluster; see [stage.fill] for the others.
type showing struct {
	step string
	// gets says what the intruder gets, for people.
	gets string
	// yes and no are the manifests. Without them they are those of the fixtures of
	// the step: rights of a service account in whose pod the intruder is.
	yes, no string
	// both is in both worlds.
	both string
	// tries are run one after the other; all have to succeed, and the last to say
	// want.
	tries [][]string
	want  string
	// pod is where the intruder is, if not in "app"; container, if there are more.
	pod, container string
	// fixture is the positive one, if not yes.yaml.
	fixture string
	// leaves are addresses of what the intruder may have made, to be removed after
	// each world.
	leaves []string
	// unrelated says that the step follows in the second world, too, but from
	// something else than what is tried.
	unrelated bool
	// lacks says why this computer can't show the step, or nothing; without is the
	// same for the docs.
	lacks   func(s *stage) string
	without string
	// prepare readies the cluster for both worlds.
	prepare func(t *testing.T, s *stage)
	// check looks, from outside, at what the intruder has done in the first world.
	check func(t *testing.T, s *stage, said string)
}

// A stage is a node with what all showings share.
type stage struct {
	*nodetest.Node

	t           *testing.T
	dir, canary string
	words       map[string]string
}

// newCanary is a word that is nowhere by chance.
func newCanary(t *testing.T) string {
	t.Helper()
	b := make([]byte, 12)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return "canary" + hex.EncodeToString(b)
}

// fill replaces the words in braces.
func (s *stage) fill(text, namespace string) string {
	for word, value := range s.words {
		text = strings.ReplaceAll(text, "{"+word+"}", value)
	}
	text = strings.ReplaceAll(text, "{ns}", namespace)
	if !strings.Contains(text, "{vpid}") && !strings.Contains(text, "{vuid}") && !strings.Contains(text, "{vip}") {
		return text
	}
	for word, value := range s.victim(namespace) {
		text = strings.ReplaceAll(text, "{"+word+"}", value)
	}
	return text
}

// victim tells of the pod "victim" of a namespace: the process id of its program
// on the node, its unique id and its address. A world may have none.
func (s *stage) victim(namespace string) map[string]string {
	var pods corev1.PodList
	out := map[string]string{"vpid": "0", "vuid": "none", "vip": "198.18.64.253"}
	if err := s.Do(s.t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods?fieldSelector=metadata.name%3Dvictim", nil, &pods); err != nil || len(pods.Items) == 0 {
		return out
	}
	pod := s.AwaitPod(s.t, namespace, "victim")
	out["vuid"], out["vip"] = string(pod.UID), pod.Status.PodIP
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range groups {
		group, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(group), "pod"+string(pod.UID)) {
			continue // it has ended, or is another
		}
		dir := filepath.Dir(path)
		if name, err := os.ReadFile(filepath.Join(dir, "comm")); err == nil && strings.TrimSpace(string(name)) != "pause" {
			out["vpid"] = filepath.Base(dir)
		}
	}
	return out
}

// worlds are the manifests in which the step follows and does not.
func (show *showing) worlds(t *testing.T) (string, string) {
	t.Helper()
	if show.yes != "" {
		return show.yes, show.no
	}
	archive, err := txtar.ParseFile(filepath.Join("../blast/step/testdata", show.step+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var yes, no string
	for _, f := range slices.Backward(archive.Files) {
		switch {
		case strings.HasPrefix(f.Name, "no-"):
			no = string(f.Data)
		case f.Name == show.fixture || show.fixture == "" && f.Name == "yes.yaml":
			yes = string(f.Data)
		}
	}
	return yes, no
}

// follows tells whether the step follows from manifests.
func follows(t *testing.T, id, manifests string) bool {
	t.Helper()
	res, err := decode.File([]byte(manifests), &inventory.Origin{File: "world.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range step.All() {
		if s.ID == id {
			inv := new(inventory.Inventory)
			inv.Add(res.Objects...)
			inv.Seal()
			return len(blast.Build(blast.Gather(inv), []*blast.Step{s}).Moves(id)) > 0
		}
	}
	t.Fatalf("there is no step %s", id)
	return false
}

// apply makes what of a world the node does not have itself.
func (s *stage) apply(t *testing.T, manifests, namespace string) []string {
	t.Helper()
	var made []string
	docs := strings.Split(s.fill(manifests, namespace), "\n---\n")
	slices.SortStableFunc(docs, func(a, b string) int {
		return strings.Count(b, "kind: Namespace\n") - strings.Count(a, "kind: Namespace\n")
	})
	for _, doc := range docs {
		if strings.Contains(doc, "kind: Node\n") || strings.Contains(doc, "kind: KubeletConfiguration\n") {
			continue
		}
		made = append(made, s.Make(t, doc)...)
	}
	return made
}

// attempt is what happens to an intruder who tries.
func (s *stage) attempt(t *testing.T, show *showing, namespace, pod string) (string, error) {
	t.Helper()
	said := ""
	for _, try := range show.tries {
		args := make([]string, len(try))
		for i, a := range try {
			args[i] = s.fill(a, namespace)
		}
		var err error
		if said, err = s.Exec(t, namespace, pod, show.container, args...); err != nil {
			return said, fmt.Errorf("%s: %w: %s", try[0], err, brief(said))
		}
	}
	if want := s.fill(show.want, namespace); !strings.Contains(said, want) {
		return said, fmt.Errorf("it gets %q, which does not hold %q", brief(said), want)
	}
	return said, nil
}

// brief is one line of what was said.
func brief(text string) string {
	const most = 220
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), most)]
}

// safe is a service that opens to the canary as a password.
func safe(t *testing.T, host, canary string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if password != canary {
			http.Error(w, "shut", http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "open")
	})}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Log(err)
		}
	}()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String() + "/"
}

// disk is the device the root of this computer lies on, or why it is of no use.
func disk(dir string) (string, error) {
	link, err := os.Readlink("/sys/dev/block/" + deviceOf(dir))
	if err != nil {
		return "", fmt.Errorf("the folder of the test lies on no disk: %w", err)
	}
	if deviceOf("/") != deviceOf(dir) {
		return "", errors.New("the folder of the test lies on another disk than the root")
	}
	return "/dev/" + filepath.Base(link), nil
}

func deviceOf(path string) string {
	var found string
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	longest := 0
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 4 && (path == f[4] || f[4] == "/" || strings.HasPrefix(path, f[4]+"/")) && len(f[4]) >= longest {
			found, longest = f[2], len(f[4])
		}
	}
	return found
}

// until waits until the API says a text about an object.
func (s *stage) until(t *testing.T, path, want string) {
	t.Helper()
	said := ""
	for range 100 {
		if err := s.Do(t, http.MethodGet, path, nil, &said); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said, want) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("%s does not come to say %s: %s", path, want, said)
}
