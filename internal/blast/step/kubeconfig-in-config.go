package step

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var kubeconfigInConfig = &blast.Step{
	ID:    "kubeconfig-in-config",
	Title: "uses a kubeconfig that lies in the cluster",
	Needs: "A Secret or ConfigMap the intruder can read holds a kubeconfig.",
	Gives: "Whatever the user named in it may do, in this or another cluster.",
	MITRE: []string{"T1552.001", "T1078"}, Difficulty: blast.Trivial,
	Control: "kubeconfig-static-credential", Fix: "remove the kubeconfig; give the program a service account", Effort: 3,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, o := range f.Inventory.Kind("Secret", "") {
			if key := kubeconfigKey(o); key != "" {
				emit(blast.Move{
					From: f.Vertex(blast.SecretContent, o.EffectiveNamespace(), o.Name), To: kubeconfigOf(f, o),
					Object: o, Path: key,
				})
			}
		}
		found := make(map[mapName]*inventory.Object)
		for _, o := range f.Inventory.Kind("ConfigMap", "") {
			if kubeconfigKey(o) != "" {
				found[mapName{o.EffectiveNamespace(), o.Name}] = o
			}
		}
		for _, w := range f.Workloads {
			for _, p := range w.Pods {
				configMaps(f, w, p, found, emit)
			}
		}
	},
}

type mapName struct{ namespace, name string }

func kubeconfigOf(f *blast.Facts, o *inventory.Object) blast.Vertex {
	return f.Vertex(blast.Outside, "", "the cluster and user of the kubeconfig in "+o.Ref())
}

// kubeconfigKey is the field that looks like a kubeconfig, by its name or, in
// plain text, by what it says.
func kubeconfigKey(o *inventory.Object) string {
	for _, field := range []string{"data", "stringData"} {
		for _, n := range o.Root.Get(field).All() {
			name := strings.ToLower(n.Key)
			text := bare.Replace(n.Text)
			plain := (o.Kind == "ConfigMap" || field == "stringData") && strings.Contains(text, "kind:Config") && strings.Contains(text, "users:")
			if plain && holdsCredential(text) || o.Kind == "Secret" && field == "data" && (strings.Contains(name, "kubeconfig") || name == "admin.conf") {
				return inventory.Join(field, n.Key)
			}
		}
	}
	return ""
}

// bare makes the keys and values of JSON and of YAML look alike.
var bare = strings.NewReplacer(`"`, "", "'", "", " ", "")

func holdsCredential(text string) bool {
	return strings.Contains(text, "token:") || strings.Contains(text, "client-key-data:") || strings.Contains(text, "password:")
}

func configMaps(f *blast.Facts, w *blast.Workload, p *blast.Pod, found map[mapName]*inventory.Object, emit blast.Emit) {
	for i, v := range p.Template.Spec.Get("volumes").All() {
		if o := found[mapName{w.Namespace, v.Find("configMap", "name").Str()}]; o != nil {
			emit(blast.Move{From: w.Held, To: kubeconfigOf(f, o), Object: o, Path: kubeconfigKey(o), Note: "mounted by " + inventory.JoinIndex(p.At("volumes"), i)})
		}
	}
}
