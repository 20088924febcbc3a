package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// fake is an API server that misbehaves: it answers what it is told to.
type fake struct {
	answers map[string]http.HandlerFunc
	calls   atomic.Int64
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.calls.Add(1)
	w.Header().Set("Content-Type", "application/json")
	if answer, ok := f.answers[r.URL.Path]; ok {
		answer(w, r)
		return
	}
	switch r.URL.Path {
	case "/version":
		say(w, `{"gitVersion":"v1.36.3"}`)
	case "/api":
		say(w, `{"kind":"APIVersions","versions":["v1"]}`)
	case "/apis":
		say(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
	case "/api/v1":
		say(w, `{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"pods","kind":"Pod","namespaced":true,"verbs":["list"]},
			{"name":"pods/log","kind":"Pod","namespaced":true,"verbs":["get"]},
			{"name":"nodes","kind":"Node","verbs":["list"]},
			{"name":"secrets","kind":"Secret","namespaced":true,"verbs":["list"]},
			{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["list"]}]}`)
	default:
		say(w, `{"kind":"List","items":[]}`)
	}
}

func status(code int, reason string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		say(w, fmt.Sprintf(`{"kind":"Status","message":%q}`, reason))
	}
}

// say answers; a client that has gone away is no matter of the test.
func say(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { say(w, s) }
}

const configMaps = "/api/v1/configmaps"

// connect serves f and returns a client of it.
func connect(t *testing.T, f *fake, opts cluster.Options) (*cluster.Client, error) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	config, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "a",
		"clusters": []any{map[string]any{"name": "a", "cluster": map[string]any{"server": server.URL}}},
		"contexts": []any{map[string]any{"name": "a", "context": map[string]any{"cluster": "a", "user": "a"}}},
		"users":    []any{map[string]any{"name": "a", "user": map[string]any{"token": "x"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	opts.Kubeconfig = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(opts.Kubeconfig, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return cluster.Connect(t.Context(), opts)
}

func read(t *testing.T, f *fake, opts cluster.Options, kinds ...string) *inventory.Inventory {
	t.Helper()
	client, err := connect(t, f, opts)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := client.Read(t.Context(), cluster.Resources(kinds))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestWhatIsNotAnsweredBecomesAGap(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		answer    http.HandlerFunc
		what, why string
	}{
		{"a refusal", status(http.StatusForbidden, "no"), "list configmaps", "forbidden"},
		{"a conversion that fails", status(http.StatusInternalServerError, "conversion webhook failed"), "list configmaps", "conversion webhook failed"},
		{"a token that expires", status(http.StatusUnauthorized, "Unauthorized"), "list configmaps", "expired"},
		{"an API that is gone", status(http.StatusNotFound, "not found"), "list configmaps", "does not serve"},
		{"a list that hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "list configmaps", "no answer within"},
		{"an answer that is no JSON", text("<html>"), "list configmaps", "can't be read"},
		{"an answer of another kind", text(`{"kind":"Status"}`), "list configmaps", `of kind "Status"`},
		{"a redirect elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/steal", http.StatusFound)
		}, "list configmaps", "302"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inv := read(t, &fake{answers: map[string]http.HandlerFunc{configMaps: tc.answer}}, cluster.Options{Timeout: 500 * time.Millisecond}, "ConfigMap")
			if len(inv.Gaps) != 1 || inv.Gaps[0].What != tc.what || !strings.Contains(inv.Gaps[0].Why, tc.why) {
				t.Errorf("got gaps %+v, want one of %q that says %q", inv.Gaps, tc.what, tc.why)
			}
			if _, hidden := inv.GapFor("ConfigMap"); !hidden {
				t.Error("the gap does not say that ConfigMaps may be missing")
			}
			if _, hidden := inv.GapFor("Pod"); hidden {
				t.Error("the gap says that Pods may be missing")
			}
		})
	}
}

func TestAListThatBreaksOffKeepsWhatWasRead(t *testing.T) {
	t.Parallel()
	inv := read(t, &fake{answers: map[string]http.HandlerFunc{configMaps: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("continue") != "" {
			status(http.StatusInternalServerError, "boom")(w, r)
			return
		}
		say(w, `{"kind":"ConfigMapList","metadata":{"continue":"next"},"items":[{"metadata":{"name":"a","namespace":"b"}}]}`)
	}}}, cluster.Options{}, "ConfigMap")
	if len(inv.Objects) != 1 || inv.Objects[0].Ref() != "b/ConfigMap/a" {
		t.Errorf("got objects %v", inv.Objects)
	}
	if len(inv.Gaps) != 1 || inv.Gaps[0].What != "list configmaps beyond the first 1" {
		t.Errorf("got gaps %+v", inv.Gaps)
	}
}

func TestAnExpiredListGoesOn(t *testing.T) {
	t.Parallel()
	inv := read(t, &fake{answers: map[string]http.HandlerFunc{configMaps: func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("continue") {
		case "":
			say(w, `{"kind":"ConfigMapList","metadata":{"continue":"old"},"items":[{"metadata":{"name":"a"}}]}`)
		case "old":
			w.WriteHeader(http.StatusGone)
			say(w, `{"kind":"Status","message":"expired","metadata":{"continue":"fresh"}}`)
		default:
			say(w, `{"kind":"ConfigMapList","items":[{"metadata":{"name":"b"}}]}`)
		}
	}}}, cluster.Options{}, "ConfigMap")
	if len(inv.Objects) != 2 || len(inv.Gaps) != 0 {
		t.Errorf("got %d objects and gaps %+v, want both pages", len(inv.Objects), inv.Gaps)
	}
}

func TestAServerThatIsBusyIsAskedAgain(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	inv := read(t, &fake{answers: map[string]http.HandlerFunc{configMaps: func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) < 3 {
			status(http.StatusTooManyRequests, "slow down")(w, r)
			return
		}
		say(w, `{"kind":"ConfigMapList","items":[{"metadata":{"name":"a"}}]}`)
	}}}, cluster.Options{}, "ConfigMap")
	if len(inv.Objects) != 1 || len(inv.Gaps) != 0 {
		t.Errorf("got %d objects and gaps %+v", len(inv.Objects), inv.Gaps)
	}
}

func TestSecretsAreTakenFromATableOnly(t *testing.T) {
	t.Parallel()
	whole := `{"kind":"SecretList","items":[{"metadata":{"name":"a"},"data":{"k":"dmFsdWU="}}]}`
	inv := read(t, &fake{answers: map[string]http.HandlerFunc{"/api/v1/secrets": text(whole)}}, cluster.Options{}, "Secret")
	if len(inv.Objects) != 0 || len(inv.Gaps) != 1 {
		t.Errorf("got %d objects of a server that shows values, and gaps %+v", len(inv.Objects), inv.Gaps)
	}
	inv = read(t, &fake{answers: map[string]http.HandlerFunc{"/api/v1/secrets": func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "as=Table") || r.URL.Query().Get("includeObject") != "Metadata" {
			t.Errorf("Secrets are asked for as %s %s", r.Header.Get("Accept"), r.URL)
		}
		say(w, `{"kind":"Table","columnDefinitions":[{"name":"Name"},{"name":"Type"}],"rows":[
			{"cells":["a","Opaque"],"object":{"metadata":{"name":"a","namespace":"b","managedFields":[{"fieldsV1":{"f:data":{".":{},"f:k":{}}}}],
			"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"k\":\"dmFsdWU=\"}}"}}}},
			{"cells":["c","Opaque"],"object":{"metadata":{"name":"c","namespace":"b"}}}]}`)
	}}}, cluster.Options{}, "Secret")
	if len(inv.Objects) != 2 {
		t.Fatalf("got %d objects, want 2", len(inv.Objects))
	}
	got := string(inv.Objects[0].Root.JSON())
	want := `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"b","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"k\":\"\"}}"}},"type":"Opaque","data":{"k":""}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(inv.Gaps) != 1 || !strings.Contains(inv.Gaps[0].What, "b/c") {
		t.Errorf("got gaps %+v, want one on the Secret whose keys are not known", inv.Gaps)
	}
}

func TestKubeletsAreReadThroughTheServer(t *testing.T) {
	t.Parallel()
	answers := map[string]http.HandlerFunc{
		"/api/v1/nodes":                        text(`{"kind":"NodeList","items":[{"metadata":{"name":"n1"}},{"metadata":{"name":"n2"}}]}`),
		"/api/v1/nodes/n1/proxy/configz":       text(`{"kubeletconfig":{"authentication":{"anonymous":{"enabled":true}}}}`),
		"/api/v1/nodes/n2/proxy/configz":       status(http.StatusForbidden, "no"),
		"/api/v1/nodes/n1/proxy/anything-else": status(http.StatusForbidden, "no"),
	}
	inv := read(t, &fake{answers: answers}, cluster.Options{NodeProxy: true}, "Node")
	var refs []string
	for _, o := range inv.Objects {
		refs = append(refs, o.Ref())
	}
	if got, want := strings.Join(refs, " "), "Node/n1 Node/n2 KubeletConfiguration/n1"; got != want {
		t.Errorf("got objects %s, want %s", got, want)
	}
	if len(inv.Gaps) != 1 || !strings.Contains(inv.Gaps[0].What, "nodes/proxy") || inv.Gaps[0].Kinds[0] != "KubeletConfiguration" {
		t.Errorf("got gaps %+v", inv.Gaps)
	}
	if inv := read(t, &fake{answers: answers}, cluster.Options{}, "Node"); len(inv.Objects) != 2 || len(inv.Gaps) != 0 {
		t.Errorf("without being asked to: got %d objects and gaps %+v", len(inv.Objects), inv.Gaps)
	}
}

func TestAServerThatRefusesTheCredentialsIsAnError(t *testing.T) {
	t.Parallel()
	_, err := connect(t, &fake{answers: map[string]http.HandlerFunc{"/version": status(http.StatusUnauthorized, "Unauthorized")}}, cluster.Options{})
	if err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v, want an error that speaks of credentials", err)
	}
	_, err = connect(t, &fake{answers: map[string]http.HandlerFunc{"/version": text("<html>")}}, cluster.Options{})
	if err == nil || !strings.Contains(err.Error(), "does not answer as a Kubernetes API server") {
		t.Errorf("got %v for a web server", err)
	}
}

func TestOnceTheCredentialsAreRefusedNothingElseIsAsked(t *testing.T) {
	t.Parallel()
	f := &fake{answers: map[string]http.HandlerFunc{
		"/api/v1/nodes":   status(http.StatusUnauthorized, "Unauthorized"),
		configMaps:        status(http.StatusUnauthorized, "Unauthorized"),
		"/api/v1/secrets": status(http.StatusUnauthorized, "Unauthorized"),
		"/api/v1/pods":    status(http.StatusUnauthorized, "Unauthorized"),
	}}
	inv := read(t, f, cluster.Options{}, "Node", "ConfigMap", "Secret", "Pod")
	lost := 0
	for _, g := range inv.Gaps {
		if strings.Contains(g.Why, "expired") {
			lost++
		}
	}
	if lost != 4 {
		t.Errorf("got %d gaps for lost credentials, want 4: %+v", lost, inv.Gaps)
	}
}

func TestARunThatIsCutOffIsAnError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{answers: map[string]http.HandlerFunc{configMaps: func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}}}
	client, err := connect(t, f, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(ctx, cluster.Resources([]string{"ConfigMap"})); err == nil {
		t.Error("a run that was cut off reads as whole")
	}
}
