package run_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// customKind defines a kind with pod templates. It is stored as v1 and listed
// as v2, so that each list asks the conversion.
func customKind(group, conversion string) string {
	schema := `{type: object, properties: {spec: {type: object, properties: {template: {type: object, properties: {spec: {type: object, properties: {containers: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}}}}}`
	return `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tigers.` + group + `}
spec:
  group: ` + group + `
  names: {plural: tigers, kind: Tiger}
  scope: Namespaced
  conversion: ` + conversion + `
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: ` + schema + `}}
  - {name: v2, served: true, storage: false, schema: {openAPIV3Schema: ` + schema + `}}
`
}

func webhook(address, bundle string) string {
	return "{strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {url: \"" + address + "\", caBundle: " + bundle + "}}}"
}

// TestClustersInTrouble shares a cluster with kinds whose conversion fails.
func TestClustersInTrouble(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	stop := make(chan struct{})
	hanging := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			return // an answer that is no review
		}
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(stop); hanging.Close() })
	bundle := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hanging.Certificate().Raw}))
	c.Create(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: own, namespace: shop}\nspec: {containers: [{name: app, image: x}]}\n")
	for group, conversion := range map[string]string{
		"fine.example.com": "{strategy: None}", "hanging.example.com": webhook(hanging.URL, bundle), "broken.example.com": webhook(hanging.URL+"/broken", bundle),
	} {
		c.Create(t, customKind(group, conversion))
		createOnce(t, c, group)
	}
	awaitKinds(t, c, "fine.example.com", "hanging.example.com", "broken.example.com")
	c.Create(t, "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: tenant, namespace: shop}\n"+
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant}]\n")
	time.Sleep(time.Second) // until the authoriser has seen it
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"kinds that people define are judged, and those that can not be converted are gaps": conversions,
		"what may be read in a namespace is judged":                                         oneNamespace,
		"a connection that is lost":                                                         lostConnection,
		"a token that is not valid":                                                         expiredToken,
		"the rights for kinds that people define are printed when the cluster is asked":     customAccess,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// createOnce creates an object of a kind as soon as the server knows it.
func createOnce(t *testing.T, c *clustertest.Cluster, group string) {
	t.Helper()
	client, err := rest.HTTPClientFor(clustertest.REST(t, c.Kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	body := `{"apiVersion":"` + group + `/v1","kind":"Tiger","metadata":{"name":"t"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"x","securityContext":{"privileged":true}}]}}}}`
	last := ""
	for range 50 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/apis/"+group+"/v1/namespaces/shop/tigers", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // nothing is read of it
		if last = resp.Status; resp.StatusCode == http.StatusCreated {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(last)
}

// awaitKinds waits until the server names the groups among what it serves.
func awaitKinds(t *testing.T, c *clustertest.Cluster, groups ...string) {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(clustertest.REST(t, c.Kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		_, lists, _ := client.ServerGroupsAndResources() // it is asked again
		missing := slices.ContainsFunc(groups, func(g string) bool {
			return !slices.ContainsFunc(lists, func(l *metav1.APIResourceList) bool { return l.GroupVersion == g+"/v2" })
		})
		if !missing {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the kinds do not appear")
}

func conversions(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	// The API server itself takes three seconds until it gives up on a conversion.
	rep := scanLive(t, liveOptions("privileged-container"), run.Cluster{Kubeconfig: c.Kubeconfig, Timeout: 8 * time.Second})
	got := make([]string, 0, len(rep.Gaps))
	for _, g := range rep.Gaps {
		got = append(got, g.What+": "+g.Why)
		if !slices.Contains(g.Controls, "privileged-container") {
			t.Errorf("the gap %s does not name the control that it keeps from judging", g.What)
		}
	}
	slices.Sort(got)
	want := []string{"list tigers.broken.example.com: the server answers 500: conversion webhook", "list tigers.hanging.example.com: no answer within 8s"}
	if len(got) != len(want) || !strings.HasPrefix(got[0], want[0]) || !strings.HasPrefix(got[1], want[1]) {
		t.Errorf("got gaps %q, want %q", got, want)
	}
	if v := verdictOf(rep, "Tiger"); v != "fail" {
		t.Errorf("the object of the kind that works is judged %q, want fail", v)
	}
	if rep.Summary.Unknown == 0 {
		t.Error("what could not be read made nothing unknown")
	}
}

func customAccess(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	plain, err := run.Access(t.Context(), run.AccessOptions{})
	if err != nil {
		t.Fatal(err)
	}
	asked, err := run.Access(t.Context(), run.AccessOptions{Cluster: &run.Cluster{Kubeconfig: c.Kubeconfig}})
	if err != nil {
		t.Fatal(err)
	}
	const rule = "- apiGroups: [\"fine.example.com\"]\n  resources: [\"tigers\"]\n  verbs: [\"list\"]\n"
	if strings.Contains(plain, "tigers") || !strings.Contains(asked, rule) {
		t.Errorf("got role\n%s\nwant the rule\n%s in it", asked, rule)
	}
	for i, text := range []string{plain, asked} {
		name := fmt.Sprintf("custom-%d", i)
		c.Create(t, strings.ReplaceAll(text, "name: redoubt-scan", "name: "+name)+"\n---\n"+binding(name, name))
	}
	time.Sleep(time.Second) // until the authoriser has seen it
	for i, want := range []bool{true, false} {
		rep := scanLive(t, liveOptions("privileged-container"), run.Cluster{Kubeconfig: c.Kubeconfig, As: fmt.Sprintf("custom-%d", i), Timeout: 3 * time.Second})
		got := slices.ContainsFunc(rep.Gaps, func(g report.Gap) bool { return strings.Contains(g.Why, "forbidden") })
		if got != want {
			t.Errorf("role %d: refused is %t, want %t; gaps %+v", i, got, want, rep.Gaps)
		}
	}
}

// verdictOf is the verdict on the object of a kind.
func verdictOf(rep *report.Report, kind string) string {
	for i := range rep.Findings {
		if o := rep.Findings[i].Object; o != nil && o.Kind == kind {
			return rep.Findings[i].Verdict
		}
	}
	return ""
}

func oneNamespace(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	from := run.Cluster{Kubeconfig: c.Kubeconfig, As: "tenant", Timeout: 3 * time.Second}
	if v := verdictOf(scanLive(t, liveOptions("seccomp-missing"), from), "Pod"); v != "" {
		t.Errorf("without a namespace the pod is judged %q", v)
	}
	from.Namespaces = []string{"shop", "gone"}
	rep := scanLive(t, liveOptions("seccomp-missing"), from)
	if v := verdictOf(rep, "Pod"); v != "fail" {
		t.Errorf("the pod of the namespace is judged %q, want fail", v)
	}
	var whole, gone bool
	for _, g := range rep.Gaps {
		whole = whole || g.What == "list pods"
		gone = gone || g.What == "list pods in namespace gone"
		if g.What == "list pods in namespace shop" {
			t.Errorf("got gap %+v for what may be read", g)
		}
	}
	if !whole || !gone || rep.Summary.Unknown == 0 {
		t.Errorf("got gaps %+v and %d unknown, want the other namespaces among them", rep.Gaps, rep.Summary.Unknown)
	}
}

// kubeconfigOf is that of the administrator with parts replaced.
func kubeconfigOf(t *testing.T, c *clustertest.Cluster, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile(c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func expiredToken(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"a","clusters":[{"name":"a","cluster":{"server":%q,"certificate-authority":%q}}],
		"contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],"users":[{"name":"a","user":{"token":"eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"}}]}`, c.URL, c.CA)
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := run.ScanCluster(t.Context(), liveOptions(), run.Cluster{Kubeconfig: file})
	if err == nil || !strings.Contains(err.Error(), "the server refuses the credentials: they are wrong or have expired") {
		t.Errorf("got error %v, want one that speaks of the credentials", err)
	}
}

// lostConnection reads through a proxy that is cut in the middle of an answer
// and does not come back.
func lostConnection(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	server, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := cutProxy(t, server.Host, 60_000)
	rep, err := run.ScanCluster(t.Context(), liveOptions(), run.Cluster{Kubeconfig: kubeconfigOf(t, c, c.URL, "https://"+p.Addr().String()), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Gaps) < 5 || rep.Summary.Unknown == 0 {
		t.Errorf("got gaps %+v and %d unknown", rep.Gaps, rep.Summary.Unknown)
	}
	for _, g := range rep.Gaps {
		if strings.HasPrefix(g.What, "list tigers.") {
			continue // it is in trouble of its own
		}
		if !strings.HasPrefix(g.What, "list ") || !strings.Contains(g.Why, "the connection failed") {
			t.Errorf("got gap %+v, want one that speaks of the connection", g)
		}
	}
	t.Logf("%d gaps, %d unknown", len(rep.Gaps), rep.Summary.Unknown)
}

// cutProxy hands on bytes until so many came back, then none.
func cutProxy(t *testing.T, to string, most int64) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passed atomic.Int64
	var wg sync.WaitGroup
	serve := func(in net.Conn) {
		defer in.Close() //nolint:errcheck // it is cut anyway
		out, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
		if err != nil {
			return
		}
		defer out.Close()                       //nolint:errcheck // it is cut anyway
		go func() { _, _ = io.Copy(out, in) }() // it ends with the connection
		buf := make([]byte, 4096)
		for passed.Load() < most {
			n, err := out.Read(buf)
			if err != nil {
				return
			}
			passed.Add(int64(n))
			if _, err := in.Write(buf[:n]); err != nil {
				return
			}
		}
		_ = listener.Close() // nobody gets in any more
	}
	wg.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(in) })
		}
	})
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}
