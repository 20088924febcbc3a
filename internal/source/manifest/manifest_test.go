package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/dockerfile"
	"github.com/redoubt-k8s/redoubt/internal/source/manifest"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, s *manifest.Source) *inventory.Inventory {
	t.Helper()
	if s.Limits == (decode.Limits{}) {
		s.Limits = decode.DefaultLimits()
	}
	inv, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inv.Seal()
	return inv
}

// seen is what a file gave: objects and gaps with their lines.
type seen struct {
	Objects, Gaps []string
	Foreign       int
}

func summary(inv *inventory.Inventory) seen {
	s := seen{Foreign: inv.Skipped["not Kubernetes"]}
	for _, o := range inv.Objects {
		s.Objects = append(s.Objects, fmt.Sprintf("%d %s %s", o.Root.Line, o.APIVersion, strings.TrimPrefix(o.Namespace+"/"+o.Kind+"/"+o.Name, "/")))
	}
	for _, g := range inv.Gaps {
		if !g.Broken {
			s.Gaps = append(s.Gaps, "not marked as broken")
		}
		s.Gaps = append(s.Gaps, fmt.Sprintf("%s:%d: %s", filepath.Base(g.File), g.Line, g.Why))
	}
	return s
}

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, file, text string
		want             seen
	}{
		{"one object", "a.yaml", pod, seen{Objects: []string{"1 v1 Pod/a"}}},
		{
			"a broken document does not hide the others", "a.yaml", pod + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: [\n---\n" + pod,
			seen{Objects: []string{"1 v1 Pod/a", "9 v1 Pod/a"}, Gaps: []string{"a.yaml:7: invalid YAML: did not find expected node content"}},
		},
		{
			"an object without apiVersion is broken", "a.yaml", "\nkind: Pod\nmetadata: {name: a}\n",
			seen{Gaps: []string{"a.yaml:2: the object says kind Pod but no apiVersion; the API server refuses it (add apiVersion)"}},
		},
		{
			"an object without kind is broken", "a.yaml", "apiVersion: v1\nspec: {}\n",
			seen{Gaps: []string{"a.yaml:1: the object says apiVersion v1 but no kind; the API server refuses it (add kind)"}},
		},
		{"a file of something else is counted", "compose.yaml", "services: {web: {image: nginx}}\n", seen{Foreign: 1}},
		{"a document of something else is counted beside an object", "a.yaml", "a: 1\n---\n" + pod + "---\n- b\n", seen{Objects: []string{"3 v1 Pod/a"}, Foreign: 2}},
		{"a broken file of something else is counted, and is no fault", "a.yaml", "a: [\n", seen{Foreign: 1}},
		{"a broken JSON file of something else is counted", "a.json", `{"a": `, seen{Foreign: 1}},
		{"binary content is counted", "a.yaml", "\x00\x01kind: Pod\napiVersion: v1\n", seen{Foreign: 1}},
		{"an empty file is nothing", "a.yaml", "", seen{}},
		{"comments and separators alone are nothing", "a.yaml", "# a\n---\n---\n# b\n", seen{}},
		{"an object in JSON", "a.json", "\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\", \"namespace\": \"n\"}}", seen{Objects: []string{"2 v1 n/Pod/a"}}},
		{"JSON in a file of another name", "a.conf", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}", seen{Objects: []string{"1 v1 Pod/a"}}},
		{
			"the objects of a List", "a.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n",
			seen{Objects: []string{"4 v1 Pod/a", "5 v1 Secret/b"}},
		},
		{
			"a template that is no YAML says what to do", "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  {{- include \"x\" . | nindent 2 }}\n",
			seen{Gaps: []string{"a.yaml:3: invalid YAML: did not find expected node content (this looks like a template; scan the chart folder that has the Chart.yaml instead)"}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := summary(read(t, &manifest.Source{Paths: []string{write(t, tc.file, tc.text)}}))
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error("-got +want\n", diff)
			}
		})
	}
}

func TestConfigurationFilesAreObjects(t *testing.T) {
	t.Parallel()
	for apiVersion, kinds := range map[string][]string{
		"kubelet.config.k8s.io/v1beta1":            {"KubeletConfiguration"},
		"kubeproxy.config.k8s.io/v1alpha1":         {"KubeProxyConfiguration"},
		"kubescheduler.config.k8s.io/v1":           {"KubeSchedulerConfiguration"},
		"kubeadm.k8s.io/v1beta4":                   {"ClusterConfiguration", "InitConfiguration", "JoinConfiguration"},
		"audit.k8s.io/v1":                          {"Policy"},
		"apiserver.config.k8s.io/v1":               {"EncryptionConfiguration", "AdmissionConfiguration", "AuthenticationConfiguration"},
		"pod-security.admission.config.k8s.io/v1":  {"PodSecurityConfiguration"},
		"eventratelimit.admission.k8s.io/v1alpha1": {"Configuration"},
		"apiserver.k8s.io/v1beta1":                 {"EgressSelectorConfiguration"},
		"v1":                                       {"Config"},
		"kind.x-k8s.io/v1alpha4":                   {"Cluster"},
	} {
		for _, kind := range kinds {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				// Files of components have no metadata.
				text := "# the file\napiVersion: " + apiVersion + "\nkind: " + kind + "\nsetting: 1\n"
				got := summary(read(t, &manifest.Source{Paths: []string{write(t, "config", text)}}))
				if diff := cmp.Diff(got, seen{Objects: []string{"2 " + apiVersion + " " + kind + "/"}}); diff != "" {
					t.Error("-got +want\n", diff)
				}
			})
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge.yaml")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 100<<20); err != nil { // sparse: it takes no room
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, path, want string }{
		{"a file of 100 MiB is not read", huge, "huge.yaml:0: the file has 100 MiB, more than the limit of 64 MiB; raise --max-file-size, or split it"},
		{"a file that is gone", filepath.Join(dir, "gone.yaml"), "gone.yaml:0: no such file or directory"},
		{"a folder in place of a file", dir, filepath.Base(dir) + ":0: not a regular file"},
		{"standard input that is not there", "-", "-:0: there is no standard input"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inv := read(t, &manifest.Source{Paths: []string{tc.path}})
			if diff := cmp.Diff(summary(inv), seen{Gaps: []string{tc.want}}); diff != "" {
				t.Error("-got +want\n", diff)
			}
			if inv.Bytes != 0 {
				t.Errorf("%d bytes were read, want none", inv.Bytes)
			}
		})
	}
}

func TestStandardInput(t *testing.T) {
	t.Parallel()
	inv := read(t, &manifest.Source{Paths: []string{"-"}, Stdin: strings.NewReader(pod)})
	if diff := cmp.Diff(summary(inv), seen{Objects: []string{"1 v1 Pod/a"}}); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if got := inv.Objects[0].Origin.File; got != "-" {
		t.Errorf("the object comes from %q, want -", got)
	}
}

// endless gives the same line over and over.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "#\n"[i%2]
	}
	e.read += len(p)
	return len(p), nil
}

func TestStandardInputWithoutEndIsBounded(t *testing.T) {
	t.Parallel()
	in := new(endless)
	inv := read(t, &manifest.Source{Paths: []string{"-"}, Stdin: in, Limits: decode.Limits{Bytes: 1 << 20, Depth: 10, Nodes: 10}})
	want := seen{Gaps: []string{"-:0: the file is larger than 1 MiB (raise --max-file-size, or split it)"}}
	if diff := cmp.Diff(summary(inv), want); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if in.read > 2<<20 {
		t.Errorf("%d bytes were read, want about 1 MiB", in.read)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the line is cut") }

func TestStandardInputThatFailsIsAGap(t *testing.T) {
	t.Parallel()
	inv := read(t, &manifest.Source{Paths: []string{"-"}, Stdin: io.MultiReader(strings.NewReader(pod), failing{})})
	if diff := cmp.Diff(summary(inv), seen{Gaps: []string{"-:0: the line is cut"}}); diff != "" {
		t.Error("-got +want\n", diff)
	}
}

func TestAllFilesTogetherAreBounded(t *testing.T) {
	t.Parallel()
	a, b := write(t, "a.yaml", pod), write(t, "b.yaml", pod)
	s := &manifest.Source{Paths: []string{a, b}, Limits: decode.DefaultLimits(), TotalBytes: int64(len(pod) + 1)}
	if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "together") {
		t.Errorf("got error %v, want one about the files together", err)
	}
	s.TotalBytes = int64(2 * len(pod))
	if got := len(read(t, s).Objects); got != 2 {
		t.Errorf("%d objects within the bound, want 2", got)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &manifest.Source{Paths: []string{write(t, "a.yaml", pod)}, Limits: decode.DefaultLimits()}
	if _, err := s.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestProgressAndCountsCoverAllFiles(t *testing.T) {
	t.Parallel()
	paths := []string{write(t, "a.yaml", pod), write(t, "b.yaml", "x: 1\n"), write(t, "c.yaml", "")}
	var calls, most atomic.Int64
	inv := read(t, &manifest.Source{Paths: paths, Progress: func(done, total int) {
		calls.Add(1)
		if done == total {
			most.Store(int64(done))
		}
	}})
	if diff := cmp.Diff([]int64{calls.Load(), most.Load(), int64(inv.Files), inv.Bytes}, []int64{3, 3, 3, int64(len(pod) + 5)}); diff != "" {
		t.Error("calls, most, files, bytes: -got +want\n", diff)
	}
}

func TestAnotherDecoderIsUsed(t *testing.T) {
	t.Parallel()
	inv := read(t, &manifest.Source{Paths: []string{write(t, "Dockerfile", "FROM a\nUSER 1\n")}, Decode: dockerfile.Decode})
	if len(inv.Objects) != 1 || inv.Objects[0].Kind != dockerfile.Kind {
		t.Errorf("got %v, want a Dockerfile", inv.Objects)
	}
}
