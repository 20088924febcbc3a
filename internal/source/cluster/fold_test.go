package cluster_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// rollout serves a Deployment, a DaemonSet, ReplicaSets of a Deployment and of
// an operator, and the given pods.
func rollout(pods ...string) *fake {
	const template = `{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"app","image":"x:1","imagePullPolicy":"IfNotPresent","resources":{},"ports":[{"containerPort":80,"protocol":"TCP"}]}],"hostNetwork":true,"restartPolicy":"Always"}}`
	list := func(kind, items string) string { return `{"kind":"` + kind + `","items":[` + items + `]}` }
	sets := `{"metadata":{"name":"d-1","uid":"rs","ownerReferences":[{"controller":true,"kind":"Deployment","uid":"d"}]}},
		{"metadata":{"name":"o-1","uid":"foreign","ownerReferences":[{"controller":true,"kind":"Operator","uid":"o"}]}}`
	answers := map[string]http.HandlerFunc{
		"/apis": text(`{"kind":"APIGroupList","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}}]}`),
		"/apis/apps/v1": text(`{"kind":"APIResourceList","groupVersion":"apps/v1","resources":[
			{"name":"deployments","kind":"Deployment","namespaced":true,"verbs":["list"]},{"name":"replicasets","kind":"ReplicaSet","namespaced":true,"verbs":["list"]},
			{"name":"daemonsets","kind":"DaemonSet","namespaced":true,"verbs":["list"]},{"name":"statefulsets","kind":"StatefulSet","namespaced":true,"verbs":["list"]}]}`),
		"/apis/apps/v1/deployments": text(list("DeploymentList", `{"metadata":{"name":"d","uid":"d"},"spec":{"template":`+template+`}}`)),
		"/apis/apps/v1/daemonsets":  text(list("DaemonSetList", `{"metadata":{"name":"ds","uid":"ds"},"spec":{"template":`+template+`}}`)),
		"/apis/apps/v1/replicasets": func(w http.ResponseWriter, r *http.Request) {
			kind := "PartialObjectMetadataList"
			if !strings.Contains(r.Header.Get("Accept"), kind) {
				kind = "ReplicaSetList"
			}
			say(w, list(kind, strings.ReplaceAll(sets, `"uid":"o"}]}`, `"uid":"o"}]},"spec":{"replicas":0}`)))
		},
		"/api/v1/pods": text(list("PodList", strings.Join(pods, ","))),
	}
	return &fake{answers: answers}
}

// pod is a running pod of an owner; the spec is bent by replacing text.
func pod(name, kind, owner string, replace ...string) string {
	const base = `{"metadata":{"name":"NAME","namespace":"n","labels":{"app":"a","pod-template-hash":"h"},"annotations":{"cni.example.com/ip":"10.0.0.1"},
		"managedFields":[{"fieldsV1":{"f:spec":{"f:containers":{}}}}],"ownerReferences":[{"controller":true,"kind":"KIND","uid":"OWNER"}]},
		"spec":{"nodeName":"node-1","containers":[{"name":"app","image":"x:1","imagePullPolicy":"IfNotPresent","resources":{},"ports":[{"containerPort":80,"hostPort":80,"protocol":"TCP"}],
		"volumeMounts":[{"name":"kube-api-access-xyz12","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}]}],
		"volumes":[{"name":"kube-api-access-xyz12","projected":{"sources":[{"serviceAccountToken":{"path":"token"}}]}}],
		"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],
		"hostNetwork":true,"restartPolicy":"Always","serviceAccountName":"default","serviceAccount":"default","enableServiceLinks":true,"priority":0,"preemptionPolicy":"PreemptLowerPriority"},
		"status":{"phase":"Running"}}`
	return strings.NewReplacer(append([]string{"NAME", name, "KIND", kind, "OWNER", owner}, replace...)...).Replace(base)
}

func TestPodsAreJudgedAsTheyRunOnlyWhereTheyDiffer(t *testing.T) {
	t.Parallel()
	const sidecar = `"containers":[{"name":"proxy","image":"mesh","imagePullPolicy":"Always","resources":{}},{"name":"app"`
	of := func(name string, replace ...string) string { return pod(name, "ReplicaSet", "rs", replace...) }
	for _, tc := range []struct {
		name string
		pods []string
		want []string
	}{
		{"a pod as its template says", []string{of("p")}, nil},
		{"an injected sidecar", []string{of("p", `"containers":[{"name":"app"`, sidecar)}, []string{"p"}},
		{"several pods with the same sidecar", []string{
			of("p1", `"containers":[{"name":"app"`, sidecar), of("p2", `"containers":[{"name":"app"`, sidecar, "kube-api-access-xyz12", "kube-api-access-abc34", "node-1", "node-2"),
		}, []string{"p1"}},
		{"an ephemeral container", []string{of("p", `"hostNetwork":true`, `"hostNetwork":true,"ephemeralContainers":[{"name":"debug","image":"y"}]`)}, []string{"p"}},
		{"an older image", []string{of("p", "x:1", "x:0")}, []string{"p"}},
		{"a security context from before a policy", []string{of("p", `"restartPolicy"`, `"securityContext":{"runAsUser":0},"restartPolicy"`)}, []string{"p"}},
		{"another label", []string{of("p", `"app":"a"`, `"app":"a","extra":"b"`)}, []string{"p"}},
		{"another host port", []string{of("p", `"hostPort":80`, `"hostPort":81`)}, []string{"p"}},
		{"an AppArmor annotation", []string{of("p", "cni.example.com/ip", "container.apparmor.security.beta.kubernetes.io/app")}, []string{"p"}},
		{"a pod that has ended", []string{of("p", "x:1", "x:0", "Running", "Succeeded")}, nil},
		{"an affinity of a Deployment", []string{of("p", `"restartPolicy"`, `"affinity":{"nodeAffinity":{"x":"y"}},"restartPolicy"`)}, []string{"p"}},
		{"an affinity of a DaemonSet", []string{pod("p", "DaemonSet", "ds", `"restartPolicy"`, `"affinity":{"nodeAffinity":{"x":"y"}},"restartPolicy"`)}, nil},
		{"limits from a LimitRange", []string{of("p", `"resources":{}`, `"resources":{"limits":{"cpu":"1"}}`)}, nil},
		{"a pod of an operator's ReplicaSet", []string{pod("p1", "ReplicaSet", "foreign"), pod("p2", "ReplicaSet", "foreign")}, []string{"p1"}},
		{"pods of an owner nobody knows", []string{pod("p1", "Thing", "a"), pod("p2", "Thing", "b")}, []string{"p1", "p2"}},
		{"a static pod", []string{pod("p", "Node", "node", "cni.example.com/ip", "kubernetes.io/config.mirror")}, []string{"p"}},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			inv := read(t, rollout(tc.pods...), cluster.Options{}, "Pod")
			var got []string
			for _, o := range inv.Objects {
				if o.Kind == "Pod" {
					got = append(got, o.Name)
				}
				if o.Kind == "ReplicaSet" {
					t.Errorf("ReplicaSet %s is judged", o.Name)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPodShowsWhatItsAuthorWrote(t *testing.T) {
	t.Parallel()
	inv := read(t, rollout(pod("p", "Thing", "a"), pod("q", "Thing", "b", `"f:containers"`, `"f:nodeName":{},"f:containers"`)), cluster.Options{}, "Pod")
	specs := make(map[string]string)
	for _, o := range inv.Objects {
		specs[o.Name] = string(o.Root.Get("spec").JSON()) + string(o.Root.Get("metadata").JSON())
	}
	for _, added := range []string{"node-1", "kube-api-access", "not-ready", "managedFields"} {
		if strings.Contains(specs["p"], added) {
			t.Errorf("%s is still there: %s", added, specs["p"])
		}
	}
	if !strings.Contains(specs["q"], `"nodeName":"node-1"`) {
		t.Errorf("the node that the author named is gone: %s", specs["q"])
	}
}

func TestUsersOfImagesAreTakenFromContainersThatRun(t *testing.T) {
	t.Parallel()
	status := func(name, image, user string, more ...string) string {
		return pod(name, "Thing", name, append([]string{
			"x:1", image, `"phase":"Running"`, `"phase":"Running","containerStatuses":[{"name":"app","user":{"linux":{"uid":` + user + `}}}]`,
		}, more...)...)
	}
	inv := read(t, rollout(
		status("a", "root:1", "0"), status("b", "user:1", "1000"), status("c", "user:1", "1000"),
		status("d", "moved:latest", "0"), status("e", "moved:latest", "5"), status("f", "moved:latest", "5"),
		status("g", "told:1", "7", `"restartPolicy"`, `"securityContext":{"runAsUser":7},"restartPolicy"`), pod("h", "Thing", "h"),
	), cluster.Options{}, "Pod")
	if diff := cmp.Diff(inv.ImageUsers, map[string]string{"root:1": "0", "user:1": "1000"}); diff != "" {
		t.Error(diff)
	}
}
