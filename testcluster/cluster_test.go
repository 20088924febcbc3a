package testcluster_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/redoubt-k8s/redoubt/testcluster"
	"github.com/redoubt-k8s/redoubt/testcluster/build"
)

const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Metadata}]
`

const encryption = `
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aesgcm: {keys: [{name: first, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}
  - identity: {}
`

const admission = `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline}
`

const authentication = `
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: true, conditions: [{path: /readyz}]}
`

func TestOneClusterWithEverything(t *testing.T) {
	t.Parallel()
	cluster := start(t, testcluster.Options{
		Config: testcluster.Config{
			Audit: auditPolicy, Encryption: encryption, Admission: admission, Authentication: authentication,
		},
		Files: map[string]string{"note.txt": "kept in ${DIR}"},
		Flags: map[testcluster.Component][]string{testcluster.APIServer: {"--event-ttl=5m"}},
	})
	admin := client(t, cluster, "admin", "system:masters")
	url := cluster.Access().URL
	must(t, admin, url+"/api/v1/namespaces", `{"metadata":{"name":"shop"}}`, http.StatusCreated)
	must(t, admin, url+"/api/v1/namespaces/default/pods", pod("plain", "{}"), http.StatusCreated)

	t.Run("a privileged pod is refused by the admission configuration", func(t *testing.T) {
		t.Parallel()
		must(t, admin, url+"/api/v1/namespaces/default/pods", pod("privileged", `{"privileged":true}`), http.StatusForbidden)
	})
	t.Run("the audit log names the pod", func(t *testing.T) {
		t.Parallel()
		log, err := os.ReadFile(cluster.AuditLog())
		if err != nil {
			t.Fatal(err)
		}
		if want := `"requestURI":"/api/v1/namespaces/default/pods"`; !bytes.Contains(log, []byte(want)) {
			t.Errorf("audit log has no %s", want)
		}
	})
	t.Run("a secret is encrypted in the store", func(t *testing.T) {
		t.Parallel()
		body := `{"metadata":{"name":"card"},"stringData":{"number":"4111"}}`
		must(t, admin, url+"/api/v1/namespaces/default/secrets", body, http.StatusCreated)
		got := stored(t, cluster, "/registry/secrets/default/card")
		if want := "k8s:enc:aesgcm:v1:first:"; !strings.HasPrefix(got, want) {
			t.Errorf("got %.40q in etcd, want prefix %q", got, want)
		}
	})
	t.Run("a user has the rights of its groups only", func(t *testing.T) {
		t.Parallel()
		must(t, client(t, cluster, "eve"), url+"/api/v1/namespaces/default/secrets", "", http.StatusForbidden)
	})
	t.Run("the authentication configuration closes the door to strangers", func(t *testing.T) {
		t.Parallel()
		stranger := client(t, cluster, "nobody")
		transport, ok := stranger.Transport.(*http.Transport)
		if !ok {
			t.Fatalf("transport is a %T", stranger.Transport)
		}
		transport.TLSClientConfig.Certificates = nil
		must(t, stranger, url+"/readyz", "", http.StatusOK)
		must(t, stranger, url+"/healthz", "", http.StatusUnauthorized)
	})
	t.Run("extra files know the folder", func(t *testing.T) {
		t.Parallel()
		dir := cluster.Access().Dir
		got, err := os.ReadFile(dir + "/files/note.txt")
		if want := "kept in " + dir; err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}

func TestAPIServerRestartsWithOtherOptionsAndTheSameData(t *testing.T) {
	t.Parallel()
	cluster := start(t, testcluster.Options{
		Without: []testcluster.Component{testcluster.ControllerManager, testcluster.Scheduler},
	})
	admin := client(t, cluster, "admin", "system:masters")
	secrets := cluster.Access().URL + "/api/v1/namespaces/default/secrets"
	must(t, admin, secrets, `{"metadata":{"name":"old"}}`, http.StatusCreated)
	if got := cluster.AuditLog(); got != "" {
		t.Errorf("got audit log %s without a policy", got)
	}
	err := cluster.RestartAPIServer(t.Context(), func(o *testcluster.Options) {
		o.Config.Encryption, o.Config.Audit = encryption, auditPolicy
	})
	if err != nil {
		t.Fatal(err)
	}
	must(t, admin, secrets+"/old", "", http.StatusOK)
	must(t, admin, secrets, `{"metadata":{"name":"new"}}`, http.StatusCreated)
	for name, want := range map[string]string{"old": "k8s\x00", "new": "k8s:enc:aesgcm:"} {
		if got := stored(t, cluster, "/registry/secrets/default/"+name); !strings.HasPrefix(got, want) {
			t.Errorf("secret %s is stored as %.40q, want prefix %q", name, got, want)
		}
	}
	if _, err := os.Stat(cluster.AuditLog()); err != nil {
		t.Error(err)
	}
}

func TestOlderMinorsAreEmulated(t *testing.T) {
	t.Parallel()
	for _, minor := range []string{"34", "35"} {
		t.Run("1."+minor, func(t *testing.T) {
			t.Parallel()
			cluster := start(t, testcluster.Options{EmulatedVersion: "1." + minor})
			body := must(t, client(t, cluster, "admin", "system:masters"), cluster.Access().URL+"/version", "", http.StatusOK)
			var version struct {
				EmulationMinor string `json:"emulationMinor"`
			}
			if err := json.Unmarshal(body, &version); err != nil {
				t.Fatal(err)
			}
			if version.EmulationMinor != minor {
				t.Errorf("got minor %q, want %q, in %s", version.EmulationMinor, minor, body)
			}
		})
	}
}

func TestStopLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	cluster := start(t, testcluster.Options{})
	pids, dir := cluster.PIDs(), cluster.Access().Dir
	if len(pids) != 4 {
		t.Errorf("got processes %v, want four", pids)
	}
	for range 2 {
		if err := cluster.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	gone(t, pids)
	if err := cluster.RestartAPIServer(t.Context(), nil); err == nil {
		t.Error("a stopped cluster can be restarted")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder %s is still there (%v)", dir, err)
	}
}

func TestEndOfContextEndsTheCluster(t *testing.T) {
	t.Parallel()
	needs(t)
	ctx, cancel := context.WithCancel(t.Context())
	cluster, err := testcluster.Start(ctx, testcluster.Options{
		Dir: t.TempDir(), Without: []testcluster.Component{testcluster.ControllerManager, testcluster.Scheduler},
	})
	if err != nil {
		t.Fatal(err)
	}
	pids := cluster.PIDs()
	cancel()
	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	gone(t, pids)
	if _, err := os.Stat(cluster.Access().Dir + "/kube-apiserver.log"); err != nil {
		t.Errorf("the log of a folder of our own is lost: %v", err)
	}
}

func TestFailedStartShowsTheReasonAndLeavesNoProcess(t *testing.T) {
	t.Parallel()
	needs(t)
	dir := t.TempDir()
	_, err := testcluster.Start(t.Context(), testcluster.Options{
		Dir:   dir,
		Flags: map[testcluster.Component][]string{testcluster.APIServer: {"--no-such-flag=1"}},
	})
	if err == nil || !strings.Contains(err.Error(), "unknown flag: --no-such-flag") || !strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v, want one with the log's words and the folder", err)
	}
	if _, err := testcluster.Start(t.Context(), testcluster.Options{Dir: dir}); err == nil {
		t.Error("a used folder was accepted")
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]testcluster.Options{
		"without the store":          {Without: []testcluster.Component{testcluster.Etcd}},
		"flags of an unknown":        {Flags: map[testcluster.Component][]string{"kube-proxy": {"--v=1"}}},
		"a flag without value":       {Flags: map[testcluster.Component][]string{testcluster.Etcd: {"--debug"}}},
		"a file outside the folder":  {Files: map[string]string{"../x": ""}},
		"a file with absolute name":  {Files: map[string]string{"/etc/x": ""}},
		"a folder that has contents": {Dir: "."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := testcluster.Start(t.Context(), o); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func needs(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a control plane takes seconds, and -short is set")
	}
	if !build.Built(build.ControlPlane()) {
		t.Skip("the control plane is not built: run go run ./cmd/testcluster build (some 9 minutes, once)")
	}
}

func start(t *testing.T, o testcluster.Options) *testcluster.Cluster {
	t.Helper()
	needs(t)
	cluster, err := testcluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

func client(t *testing.T, cluster *testcluster.Cluster, user string, groups ...string) *http.Client {
	t.Helper()
	c, err := cluster.Client(user, groups...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pod(name, securityContext string) string {
	return `{"metadata":{"name":"` + name + `"},"spec":{"containers":[{"name":"c","image":"i","securityContext":` + securityContext + `}]}}`
}

// must sends a request, a POST if it has a body, and demands a status.
func must(t *testing.T, c *http.Client, url, body string, status int) []byte {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing was written
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("%s %s: got %s, want %d: %s", method, url, response.Status, status, content)
	}
	return content
}

// stored reads a value from etcd through its JSON gateway.
func stored(t *testing.T, cluster *testcluster.Cluster, key string) string {
	t.Helper()
	c, err := cluster.EtcdClient()
	if err != nil {
		t.Fatal(err)
	}
	body := `{"key":"` + base64.StdEncoding.EncodeToString([]byte(key)) + `"}`
	content := must(t, c, cluster.Access().EtcdURL+"/v3/kv/range", body, http.StatusOK)
	var answer struct {
		KVs []struct {
			Value []byte `json:"value"`
		} `json:"kvs"`
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.KVs) != 1 {
		t.Fatalf("etcd has %d values for %s, want one", len(answer.KVs), key)
	}
	return string(answer.KVs[0].Value)
}

func gone(t *testing.T, pids map[testcluster.Component]int) {
	t.Helper()
	for component, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s, process %d, is still there (%v)", component, pid, err)
		}
	}
}
