package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var persistentVolumeHostPath = &blast.Step{
	ID:    "persistent-volume-host-path",
	Title: "writes to the node through a claimed volume",
	Needs: "A claim the pod mounts is bound to a PersistentVolume that is a folder of the node (hostPath or local) from which the node can be taken over.",
	Gives: "Root on the node, although the pod itself names no hostPath and Pod Security sees none.",
	MITRE: []string{"T1611"}, Difficulty: blast.Easy,
	Control: "persistent-volume-host-path", Fix: "move the volume to a folder of its own that holds nothing of the system", Effort: 3,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, pv := range f.Inventory.Kind("PersistentVolume", "") {
			spec := pv.Root.Get("spec")
			path, field := spec.Find("hostPath", "path").Str(), "spec.hostPath.path"
			if path == "" {
				path, field = spec.Find("local", "path").Str(), "spec.local.path"
			}
			if path != "/" && !under(path, "/etc", "/root", "/usr", "/var/lib/kubelet", "/opt/cni", "/bin", "/sbin", "/lib", "/boot", "/proc", "/run", "/var/run") && path != "/var" && path != "/var/lib" {
				continue
			}
			ref := spec.Get("claimRef")
			for _, w := range f.WorkloadsIn(ref.Get("namespace").Str()) {
				for _, p := range w.Pods {
					for _, c := range p.Claims {
						if c.Name == ref.Get("name").Str() && c.Write {
							emit(blast.Move{From: w.Code, To: f.Hosts(w), Object: pv, Path: field, Note: "claim " + c.Name + " mounts " + path})
						}
					}
				}
			}
		}
	},
}
