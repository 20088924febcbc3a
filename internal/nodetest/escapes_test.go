package nodetest_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pod is the manifest of a pod in the namespace of the world.
func pod(name, spec string) string {
	return "\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: {ns}, labels: {app: " + name + "}}\nspec: " + spec + "\n"
}

// app is a pod of one container with more fields of the pod and the container.
func app(ofPod, ofContainer string) string {
	return pod("app", "{"+ofPod+"terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'x:1'"+ofContainer+"}]}")
}

// capability is a pod that is granted one.
func capability(ofPod, name string) string {
	return app(ofPod, ", securityContext: {capabilities: {add: ["+name+"]}}")
}

// folder is a pod, of root, that mounts a folder of the node at /v.
func folder(path, mount string) string {
	return app("volumes: [{name: v, hostPath: {path: "+path+"}}], ", ", securityContext: {runAsUser: 0}, volumeMounts: [{name: v, mountPath: /v"+mount+"}]")
}

// onControlPlane is such a pod that may run beside the control plane.
func onControlPlane(path string) string {
	return app("nodeSelector: {node-role.kubernetes.io/control-plane: ''}, tolerations: [{operator: Exists}], volumes: [{name: v, hostPath: {path: "+path+"}}], ",
		", securityContext: {runAsUser: 0}, volumeMounts: [{name: v, mountPath: /v, readOnly: true}]")
}

const (
	readOnly = ", readOnly: true"
	// whoAmI asks the API server for the name it knows the caller by.
	whoAmI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	// account is a service account that somebody else uses.
	account = "\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ci, namespace: {ns}}\n"
	// held is a Secret with the canary, in base64 as the API shows it.
	held = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: held, namespace: {ns}}\nstringData: {p: '{canary}'}\n"
)

// victim is the pod of somebody else with a token, a Secret and a variable.
var victim = account + held + pod("victim", "{serviceAccountName: ci, terminationGracePeriodSeconds: 0, volumes: [{name: s, secret: {secretName: held}}], "+
	"containers: [{name: app, image: 'victim:1', env: [{name: HELD, value: '{canary}'}], volumeMounts: [{name: s, mountPath: /s}]}]}")

// kubelet is where the node keeps its identity.
const kubelet = "/v{cluster}/node/kubelet.kubeconfig"

// escapes are the ways out of a container.
func escapes() []showing {
	return []showing{
		{
			step: "privileged-container", gets: "mounts the disk of the node and reads a file of root from it",
			yes: app("", ", securityContext: {privileged: true, runAsUser: 0}"), no: app("", ", securityContext: {runAsUser: 0}"),
			tries: [][]string{{"disk", "{dir}/canary"}}, want: "{canary}",
		},
		{
			step: "cap-sys-admin", gets: "mounts a hierarchy of control groups; the kernel starts a program of the container as root outside of it",
			yes: capability("", "SYS_ADMIN"), no: capability("", "CHOWN"),
			tries: [][]string{{"agent"}}, want: "user 0 in {mounts}",
		},
		{
			lacks: func(*stage) string { return missing("/proc/modules", "the kernel takes no modules") }, without: "a kernel that takes modules",
			step: "cap-sys-module", gets: "hands the kernel a module: it refuses the content, no longer the caller",
			yes: capability("", "SYS_MODULE"), no: capability("", "CHOWN"),
			tries: [][]string{{"module"}}, want: "has looked at the module",
		},
		{
			step: "cap-sys-ptrace", gets: "reads the environment of a process of the node that has all rights, and a file of the node by way of it",
			yes: capability("hostPID: true, ", "SYS_PTRACE"), no: capability("hostPID: true, ", "CHOWN"),
			tries: [][]string{{"environ", "{pid}", "HELD"}, {"read", "/proc/{pid}/root{dir}/canary"}}, want: "{canary}",
		},
		{
			step: "cap-dac-read-search", gets: "opens the root folder of the node's disk by its number and reads a file of root",
			yes: capability("", "DAC_READ_SEARCH"), no: capability("", "CHOWN"),
			tries: [][]string{{"handle", "{dir}/canary"}}, want: "{canary}",
		},
		{
			lacks: func(s *stage) string { return s.noPorts() }, without: "a kernel with system calls for the ports of the processor",
			step: "cap-sys-rawio", gets: "opens a port of the processor",
			yes:   app("volumes: [{name: v, hostPath: {path: /dev}}], ", ", securityContext: {runAsUser: 0, capabilities: {add: [SYS_RAWIO]}}, volumeMounts: [{name: v, mountPath: /v}]"),
			no:    app("volumes: [{name: v, hostPath: {path: /dev}}], ", ", securityContext: {runAsUser: 0}, volumeMounts: [{name: v, mountPath: /v}]"),
			tries: [][]string{{"ports"}}, want: "ports are open",
		},
		{
			step: "cap-bpf", gets: "loads a program into the kernel that reads the kernel's memory",
			yes: capability("", "BPF, PERFMON"), no: capability("", "BPF"),
			tries: [][]string{{"trace"}}, want: "taken the program",
		},
		{
			step: "cap-net-admin", gets: "makes the bridge of the pods take all frames",
			yes: capability("hostNetwork: true, ", "NET_ADMIN"), no: capability("hostNetwork: true, ", "CHOWN"),
			tries: [][]string{{"listen-all"}}, want: "took all frames",
		},
		{
			step: "cap-sys-time", gets: "sets the clock of the node (to what it is)",
			yes: capability("", "SYS_TIME"), no: capability("", "CHOWN"),
			tries: [][]string{{"tick"}}, want: "the clock obeys",
		},
		{
			step: "host-pid", gets: "reads a variable and the token of another pod",
			yes: app("hostPID: true, ", ", securityContext: {runAsUser: 0}"), no: app("hostPID: true, ", ", securityContext: {runAsUser: 1000, allowPrivilegeEscalation: false}"),
			both: victim, tries: [][]string{{"environ", "{vpid}", "HELD"}, {"bearer", "/proc/{vpid}/root/var/run/secrets/kubernetes.io/serviceaccount/token", "POST", whoAmI, "{}"}},
			want: "system:serviceaccount:{ns}:ci",
		},
		{
			step: "host-ipc", gets: "reads a memory segment of a process of the node",
			yes: app("hostIPC: true, ", ""), no: app("", ""),
			tries: [][]string{{"memory", "{canary}"}}, want: "{canary}",
		},
		{
			step: "host-network", gets: "talks to the port of the kubelet that listens on the node's loopback only",
			yes: app("hostNetwork: true, ", ""), no: app("", ""),
			tries: [][]string{{"fetch", "http://127.0.0.1:10248/healthz"}}, want: "ok",
		},
		{
			step: "host-path-root", gets: "writes a file of root on the node",
			yes: folder("/", ""), no: folder("/", readOnly),
			tries: [][]string{{"write", "/v{dir}/by-{ns}", "{canary}"}},
			check: func(t *testing.T, s *stage, _ string) { t.Helper(); s.holds(t, "by-host-path-root-yes") },
		},
		{
			step: "host-path-static-pods", gets: "has the kubelet run a privileged pod that the API server was not asked about",
			yes: folder("/", ""), no: folder("/", readOnly),
			tries: [][]string{{"static", "/v{dir}/static", "{ns}"}}, want: "written",
			check: func(t *testing.T, s *stage, _ string) {
				t.Helper()
				s.AwaitPod(t, "default", "host-path-static-pods-yes-"+s.Node.Node.Name)
				if err := os.Remove(filepath.Join(s.dir, "static", "host-path-static-pods-yes.json")); err != nil {
					t.Error(err)
				}
			},
		},
		{
			step: "host-path-runtime-socket", gets: "asks containerd for all containers of the node, through a read-only mount",
			yes: folder("/run", readOnly), no: folder("/run/lock", ""),
			tries: [][]string{{"containers", "/v/redoubt-testcluster/containerd.sock", "{ns}"}}, want: "tells of",
		},
		{
			step: "host-path-proc", gets: "writes the name of the program that the kernel starts for a crash (the one that stood there)",
			yes: folder("/proc", ""), no: folder("/proc", readOnly),
			tries: [][]string{{"same", "/v/sys/kernel/core_pattern"}}, want: "written",
		},
		{
			lacks: func(*stage) string {
				return missing("/sys/kernel/uevent_helper", "the kernel has no uevent_helper, and takes a release agent from CAP_SYS_ADMIN only")
			},
			without: "a kernel with uevent_helper",
			step:    "host-path-sys", gets: "writes the program that the kernel starts for a new device (the one that stood there)",
			yes: folder("/sys", ""), no: folder("/sys", readOnly),
			tries: [][]string{{"same", "/v/kernel/uevent_helper"}}, want: "written",
		},
		{
			lacks: func(s *stage) string { return s.shut() }, without: "a node whose root may open its disk",
			step: "host-path-dev", gets: "as a privileged container, reads the node's disk past its file system",
			yes:   app("volumes: [{name: v, hostPath: {path: '{device}'}}], ", ", securityContext: {runAsUser: 0, privileged: true}, volumeMounts: [{name: v, mountPath: /v}]"),
			no:    app("volumes: [{name: v, hostPath: {path: '{dir}/plain'}}], ", ", securityContext: {runAsUser: 0, privileged: true}, volumeMounts: [{name: v, mountPath: /v}]"),
			tries: [][]string{{"superblock", "/v"}}, want: "a file system",
		},
		{
			step: "host-path-logs", gets: "puts a link among the logs, and the kubelet serves the file it leads to, of root",
			yes: folder("/var/log", ""), no: folder("/var/log", readOnly),
			tries: [][]string{{"link", "{dir}/", "/v/redoubt-nodetest"}}, want: "linked",
			check: func(t *testing.T, s *stage, _ string) {
				t.Helper()
				var said string
				err := s.Do(t, http.MethodGet, "/api/v1/nodes/"+s.Node.Node.Name+"/proxy/logs/redoubt-nodetest/canary", nil, &said)
				if err != nil || said != s.canary {
					t.Errorf("the kubelet says %q, %v; want the canary", brief(said), err)
				}
				if err := os.Remove("/var/log/redoubt-nodetest"); err != nil {
					t.Error(err)
				}
			},
		},
		{
			step: "host-path-kubelet", gets: "reads the token of another pod of the node and is that account",
			yes: folder("/var/lib", readOnly), no: folder("{dir}/other", readOnly), both: victim,
			tries: [][]string{{"bearer", "/v/redoubt-testcluster/kubelet/pods/{vuid}/volumes/kubernetes.io~projected/*/token", "POST", whoAmI, "{}"}},
			want:  "system:serviceaccount:{ns}:ci",
		},
		{
			step: "host-path-kubelet-identity", gets: "takes the kubelet's identity and reads the Secret of another pod of the node",
			yes: folder("/", readOnly), no: folder("/etc/hosts", readOnly), both: victim,
			tries: [][]string{{"as", kubelet, "GET", "/api/v1/namespaces/{ns}/secrets/held"}}, want: "{canary64}",
		},
		{
			step: "host-path-control-plane-keys", gets: "signs a certificate of an administrator with the cluster's key and reads all Secrets",
			yes: onControlPlane("/"), no: onControlPlane("{dir}/other"),
			tries: [][]string{{"mint", "/v{cluster}/pki", "GET", "/api/v1/secrets"}}, want: "SecretList",
		},
		{
			step: "host-path-etcd", gets: "finds the content of a Secret in the files of etcd",
			yes: onControlPlane("/"), no: onControlPlane("{dir}/other"), both: held,
			tries: [][]string{{"grep", "/v{cluster}/etcd", "{canary}"}}, want: "{canary}",
		},
		{
			step: "host-path-other", gets: "changes a file that another workload reads",
			yes: shared("hostPath: {path: '{dir}/other'}", ""), no: shared("hostPath: {path: '{dir}/other'}", readOnly),
			pod: "one", tries: [][]string{{"write", "/v/{ns}", "{canary}"}},
			check: func(t *testing.T, s *stage, _ string) {
				t.Helper()
				s.reads(t, "host-path-other-yes", "two", "/v/host-path-other-yes")
			},
		},
		{
			step: "persistent-volume-host-path", gets: "writes a file of root on the node from a namespace whose Pod Security refuses hostPath",
			yes: volume("/") + claiming, no: volume("{dir}/other") + claiming,
			tries: [][]string{{"write", "/v{dir}/by-{ns}", "{canary}"}},
			check: func(t *testing.T, s *stage, _ string) { t.Helper(); s.holds(t, "by-persistent-volume-host-path-yes") },
		},
		{
			step: "share-process-namespace", gets: "reads a variable of the other container",
			yes: neighbours("true"), no: neighbours("false"), container: "app",
			tries: [][]string{{"find", "{canary}"}}, want: "{canary}",
		},
		{
			step: "shared-claim", gets: "changes a file that another workload reads",
			yes: volume("{dir}/other") + shared("persistentVolumeClaim: {claimName: data}", ""), no: volume("{dir}/other") + shared("persistentVolumeClaim: {claimName: data}", readOnly),
			pod: "one", tries: [][]string{{"write", "/v/{ns}", "{canary}"}},
			check: func(t *testing.T, s *stage, _ string) {
				t.Helper()
				s.reads(t, "shared-claim-yes", "two", "/v/shared-claim-yes")
			},
		},
	}
}

// shared are two pods that mount the same; the first one as told.
func shared(source, mount string) string {
	one := func(name, mount string) string {
		return pod(name, "{terminationGracePeriodSeconds: 0, volumes: [{name: v, "+source+"}], containers: [{name: app, image: 'x:1', securityContext: {runAsUser: 0}, "+
			"volumeMounts: [{name: v, mountPath: /v"+mount+"}]}]}")
	}
	return one("one", mount) + one("two", readOnly)
}

// volume is a claim that is bound to a folder of the node.
func volume(path string) string {
	return "\n---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: '{ns}'}\nspec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], " +
		"hostPath: {path: '" + path + "'}, claimRef: {namespace: '{ns}', name: data}}\n" +
		"\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: '{ns}'}\n" +
		"spec: {accessModes: [ReadWriteOnce], storageClassName: '', volumeName: '{ns}', resources: {requests: {storage: 1Gi}}}\n"
}

// claiming is a pod with that claim in a namespace that allows no hostPath.
var claiming = "\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: '{ns}', labels: {pod-security.kubernetes.io/enforce: baseline}}\n" +
	app("volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], ", ", securityContext: {runAsUser: 0}, volumeMounts: [{name: v, mountPath: /v}]")

// neighbours are two containers, the second with a secret in its environment.
func neighbours(share string) string {
	return pod("app", "{shareProcessNamespace: "+share+", terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'x:1'}, {name: b, image: 'x:1', env: [{name: HELD, value: '{canary}'}]}]}")
}

// missing says why, if a file is missing.
func missing(path, why string) string {
	if _, err := os.Stat(path); err != nil {
		return why
	}
	return ""
}

// noPorts says why a program can't ask for ports of the processor even with all
// rights.
func (s *stage) noPorts() string {
	if out, err := exec.CommandContext(s.t.Context(), s.words["program"], "ports").CombinedOutput(); err != nil {
		return "ports of the processor: " + strings.TrimSpace(string(out))
	}
	return ""
}

// shut says why the disk of the node can't be opened at all.
func (s *stage) shut() string {
	f, err := os.Open(s.words["device"])
	if err != nil {
		return err.Error()
	}
	if err := f.Close(); err != nil {
		return err.Error()
	}
	return ""
}

// holds wants the canary in a file of the node.
func (s *stage) holds(t *testing.T, name string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(s.dir, name)); err != nil || string(got) != s.canary {
		t.Errorf("the file on the node holds %q, %v; want the canary", got, err)
	}
}

// reads wants the canary in a file of another pod.
func (s *stage) reads(t *testing.T, namespace, pod, path string) {
	t.Helper()
	s.AwaitPod(t, namespace, pod)
	if got, err := s.Exec(t, namespace, pod, "", "read", path); err != nil || got != s.canary+"\n" {
		t.Errorf("the other pod reads %q, %v; want the canary", got, err)
	}
}
