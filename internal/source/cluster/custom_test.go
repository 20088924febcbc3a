package cluster_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// defining is an API server on which people have defined kinds.
func defining(extra map[string]http.HandlerFunc) *fake {
	group := func(name string, versions ...string) string {
		all := make([]string, 0, len(versions))
		for _, v := range versions {
			all = append(all, `{"groupVersion":"`+name+`/`+v+`","version":"`+v+`"}`)
		}
		return `{"name":"` + name + `","versions":[` + strings.Join(all, ",") + `],"preferredVersion":` + all[0] + `}`
	}
	list := func(version, plural, kind string) http.HandlerFunc {
		return text(`{"kind":"APIResourceList","groupVersion":"` + version + `","resources":[{"name":"` + plural + `","kind":"` + kind + `","namespaced":true,"verbs":["list"]}]}`)
	}
	definition := func(plural, kind, schema string) string {
		return `{"metadata":{"name":"` + plural + `.example.com","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}},"spec":{"group":"example.com",
			"names":{"plural":"` + plural + `","kind":"` + kind + `"},"versions":[{"name":"v2","served":true,"schema":{"openAPIV3Schema":` + schema + `}}]}}`
	}
	answers := map[string]http.HandlerFunc{
		"/apis":                         text(`{"kind":"APIGroupList","groups":[` + group("apiextensions.k8s.io", "v1") + `,` + group("example.com", "v2", "v1") + `]}`),
		"/apis/apiextensions.k8s.io/v1": list("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition"),
		"/apis/example.com/v1":          list("example.com/v1", "tigers", "Tiger"),
		"/apis/example.com/v2":          list("example.com/v2", "tigers", "Tiger"),
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions": text(`{"kind":"CustomResourceDefinitionList","items":[` +
			definition("tigers", "Tiger", `{"properties":{"spec":{"properties":{"containers":{"type":"array"}}}}}`) + `,` +
			definition("plains", "Plain", `{"properties":{"spec":{"type":"object"}}}`) + `,` +
			definition("ghosts", "Ghost", `{"properties":{"template":{"x-kubernetes-preserve-unknown-fields":true}}}`) + `]}`),
		"/apis/example.com/v2/tigers": text(`{"kind":"TigerList","items":[{"metadata":{"name":"t","namespace":"n","uid":"t"},"spec":{"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"app","image":"x"}]}}}}]}`),
		"/api/v1/pods":                text(`{"kind":"PodList","items":[{"metadata":{"name":"p","namespace":"n","labels":{"app":"a"},"ownerReferences":[{"controller":true,"kind":"Tiger","uid":"t"}]},"spec":{"containers":[{"name":"app","image":"x"}]},"status":{"phase":"Running"}}]}`),
	}
	maps.Copy(answers, extra)
	return &fake{answers: answers}
}

func TestKindsThatPeopleDefineAreReadIfTheyHoldPodTemplates(t *testing.T) {
	t.Parallel()
	inv := read(t, defining(nil), cluster.Options{}, "Pod")
	got := make(map[string]string)
	for _, o := range inv.Objects {
		got[o.Ref()] = o.APIVersion
		if o.Kind == "CustomResourceDefinition" && (o.Annotations().Len() > 0 || strings.Contains(string(o.Root.JSON()), "schema")) {
			t.Errorf("%s keeps what is long: %s", o.Ref(), o.Root.JSON())
		}
	}
	delete(got, "CustomResourceDefinition/tigers.example.com")
	delete(got, "CustomResourceDefinition/plains.example.com")
	delete(got, "CustomResourceDefinition/ghosts.example.com")
	if diff := cmp.Diff(map[string]string{"n/Tiger/t": "example.com/v2"}, got); diff != "" {
		t.Errorf("objects; the pod is as its owner says (-want +got):\n%s", diff)
	}
	var ghosts []string
	for _, g := range inv.Gaps {
		if strings.Contains(g.What, "example.com") {
			ghosts = append(ghosts, g.What)
		}
		if _, hidden := inv.GapFor("PodTemplate"); !hidden {
			t.Error("no gap says that pod templates may be missing")
		}
	}
	if diff := cmp.Diff([]string{"list ghosts.example.com"}, ghosts); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestWithoutDefinitionsPodTemplatesMayBeMissing(t *testing.T) {
	t.Parallel()
	inv := read(t, defining(map[string]http.HandlerFunc{"/apis/apiextensions.k8s.io/v1/customresourcedefinitions": status(http.StatusForbidden, "no")}), cluster.Options{}, "Pod")
	found := false
	for _, g := range inv.Gaps {
		if g.What == "list customresourcedefinitions.apiextensions.k8s.io" {
			found = cmp.Equal(g.Kinds, []string{"CustomResourceDefinition", "PodTemplate"})
		}
	}
	if !found {
		t.Errorf("got gaps %+v", inv.Gaps)
	}
}

func TestNamespacesAreReadOneByOneWhereAllOfThemAreForbidden(t *testing.T) {
	t.Parallel()
	f := &fake{answers: map[string]http.HandlerFunc{
		configMaps:                        status(http.StatusForbidden, "no"),
		"/api/v1/namespaces/a/configmaps": text(`{"kind":"ConfigMapList","items":[{"metadata":{"name":"x","namespace":"a"}}]}`),
		"/api/v1/namespaces/b/configmaps": status(http.StatusForbidden, "no"),
		"/api/v1/nodes":                   status(http.StatusForbidden, "no"),
	}}
	inv := read(t, f, cluster.Options{Namespaces: []string{"a", "b"}}, "ConfigMap", "Node")
	if len(inv.Objects) != 1 || inv.Objects[0].Ref() != "a/ConfigMap/x" {
		t.Errorf("got objects %v", inv.Objects)
	}
	got := make(map[string]bool)
	for _, g := range inv.Gaps {
		got[g.What] = true
	}
	if diff := cmp.Diff(map[string]bool{"list configmaps": true, "list configmaps in namespace b": true, "list nodes": true}, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestDigestsThatRunUnderATagAreGathered(t *testing.T) {
	t.Parallel()
	pod := func(name, image, id string) string {
		return `{"metadata":{"name":"` + name + `"},"spec":{"containers":[{"name":"app","image":"` + image + `"}]},"status":{"containerStatuses":[{"name":"app","imageID":"` + id + `"}]}}`
	}
	f := &fake{answers: map[string]http.HandlerFunc{"/api/v1/pods": text(`{"kind":"PodList","items":[` + strings.Join([]string{
		pod("a", "x:1", "docker.io/library/x@sha256:bb"), pod("b", "x:1", "sha256:aa"), pod("c", "x:1", "x@sha256:bb"), pod("d", "y:1", ""), pod("e", "z:1", "z@sha256:cc"),
	}, ",") + `]}`)}}
	inv := read(t, f, cluster.Options{}, "Pod")
	if diff := cmp.Diff(map[string][]string{"x:1": {"sha256:aa", "sha256:bb"}, "z:1": {"sha256:cc"}}, inv.ImageDigests); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
}

func TestCopiesOfASecretInItsAnnotationsAreEmptied(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("H4sIAAAAAAAA", 40)
	f := &fake{answers: map[string]http.HandlerFunc{"/api/v1/secrets": text(`{"kind":"Table","columnDefinitions":[{"name":"Type"}],"rows":[
		{"cells":["Opaque"],"object":{"metadata":{"name":"a","managedFields":[{"fieldsV1":{}}],"annotations":{"kapp.k14s.io/original":"{\"data\":{\"k\":\"dmFsdWU=\"}}",
		"objectset.rio.cattle.io/applied":"` + long + `","broken":" {\"data\":","owner":"team-a"}}}}]}`)}}
	inv := read(t, f, cluster.Options{}, "Secret")
	want := map[string]string{"kapp.k14s.io/original": `{"data":{"k":""}}`, "objectset.rio.cattle.io/applied": "", "broken": "", "owner": "team-a"}
	if diff := cmp.Diff(want, inv.Objects[0].Annotations().StringMap()); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}
