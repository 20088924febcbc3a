package prove

import "strings"

// Harden returns a copy of a pod in which everything is set as it should be, as
// far as the fault stays: what is refused is then refused for it. Other objects
// come back as they are.
func Harden(object map[string]any, fails Fails) map[string]any {
	if object["kind"] != "Pod" {
		return object
	}
	at := clone(object)
	for _, step := range hardening {
		next := clone(at)
		step(next)
		if fails(next) {
			at = next
		}
	}
	return at
}

// hardening are the steps, each of which is left out if it would mend the
// fault.
var hardening = []func(pod tree){
	onSpec("automountServiceAccountToken", false),
	onSpec("serviceAccountName", "default"),
	func(pod tree) {
		setDefault(mapAt(pod, "metadata"), "ownerReferences", []any{tree{
			"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "redoubt-probe", "uid": "00000000-0000-4000-8000-000000000000", "controller": true,
		}})
	},
	onPodContext("runAsNonRoot", true),
	onPodContext("runAsUser", 1000),
	onPodContext("runAsGroup", 1000),
	onPodContext("supplementalGroupsPolicy", "Strict"),
	onPodContext("seccompProfile", tree{"type": "RuntimeDefault"}),
	userNamespace,
	onContainers(func(c tree) {
		context := mapAt(c, "securityContext")
		if !isTrue(context, "privileged") && !addsAdmin(context) {
			setDefault(context, "allowPrivilegeEscalation", false)
		}
	}),
	onContainers(func(c tree) {
		capabilities := mapAt(mapAt(c, "securityContext"), "capabilities")
		if len(listAt(capabilities, "drop")) == 0 {
			capabilities["drop"] = []any{"ALL"}
		}
	}),
	onContainers(func(c tree) { setDefault(mapAt(c, "securityContext"), "readOnlyRootFilesystem", true) }),
	onContainers(func(c tree) {
		c["image"] = "registry.example/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	}),
	onRegular(func(c tree) { setDefault(c, "livenessProbe", probe()) }),
	onRegular(func(c tree) { setDefault(c, "readinessProbe", probe()) }),
	onContainers(func(c tree) {
		resources := mapAt(c, "resources")
		for _, key := range []string{"requests", "limits"} {
			values := mapAt(resources, key)
			setDefault(values, "cpu", "10m")
			setDefault(values, "memory", "16Mi")
		}
	}),
	func(pod tree) {
		for _, v := range listAt(mapIn(pod, "spec"), "volumes") {
			volume, _ := v.(tree)
			if volume["emptyDir"] != nil {
				setDefault(mapAt(volume, "emptyDir"), "sizeLimit", "1Mi")
			}
		}
	},
}

func probe() tree { return tree{"tcpSocket": tree{"port": 8080}} }

func onSpec(key string, value any) func(tree) {
	return func(pod tree) { setDefault(mapAt(pod, "spec"), key, value) }
}

func onPodContext(key string, value any) func(tree) {
	return func(pod tree) { setDefault(mapAt(mapAt(pod, "spec"), "securityContext"), key, value) }
}

// userNamespace gives the pod one, where the API server takes it.
func userNamespace(pod tree) {
	spec := mapAt(pod, "spec")
	for _, key := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if isTrue(spec, key) {
			return
		}
	}
	setDefault(spec, "hostUsers", false)
}

func onContainers(change func(container tree)) func(tree) {
	return inLists(change, "initContainers", "containers")
}

func onRegular(change func(container tree)) func(tree) { return inLists(change, "containers") }

func inLists(change func(container tree), lists ...string) func(tree) {
	return func(pod tree) {
		for _, list := range lists {
			for _, c := range listAt(mapIn(pod, "spec"), list) {
				if container, ok := c.(tree); ok {
					change(container)
				}
			}
		}
	}
}

// addsAdmin tells whether SYS_ADMIN is added, which the API server does not
// take together with escalation switched off.
func addsAdmin(context tree) bool {
	for _, c := range listAt(mapIn(context, "capabilities"), "add") {
		name, _ := c.(string)
		if name == "ALL" || strings.HasSuffix(name, "SYS_ADMIN") {
			return true
		}
	}
	return false
}
