package step

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var driveControllers = &blast.Step{
	ID:    "drive-controllers",
	Title: "has a deployment controller apply what it likes",
	Needs: "A right to write the objects a deployment or pipeline controller acts on: Argo CD Applications, Flux Kustomizations and HelmReleases, Tekton runs, Argo Workflows, Crossplane objects.",
	Gives: "What the service account of the controller may do, which is often the whole cluster.",
	MITRE: []string{"T1610", "T1072"}, Difficulty: blast.Easy,
	Fix: "remove the controller's objects from the rule, and bound the controller by its own projects and accounts", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{controllerObjects},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			found := false
			for _, namespace := range f.Namespaces {
				for _, w := range f.WorkloadsIn(namespace) {
					if drivesCluster(w) {
						for _, p := range w.Pods {
							emit(h.Maybe(f.Vertex(blast.Account, w.Namespace, p.Account), "if the controller takes orders from there"))
							found = true
						}
					}
				}
			}
			if !found {
				emit(h.Maybe(f.Admin(), "the controller and its rights are not among the input"))
			}
		},
	},
}

var controllerObjects = slices.Concat(
	requests("create update patch", "argoproj.io", "applications applicationsets workflows"),
	requests("create update patch", "kustomize.toolkit.fluxcd.io", "kustomizations"),
	requests("create update patch", "helm.toolkit.fluxcd.io", "helmreleases"),
	requests("create update patch", "tekton.dev", "taskruns pipelineruns"),
	requests("create update patch", "kubernetes.crossplane.io", "objects"),
	requests("create update patch", "helm.crossplane.io", "releases"),
)

// drivesCluster tells whether a workload is one of those controllers.
func drivesCluster(w *blast.Workload) bool {
	_, name, _ := strings.Cut(w.Name, "/")
	return slices.ContainsFunc([]string{"argocd-application-controller", "kustomize-controller", "helm-controller", "tekton-pipelines-controller", "workflow-controller", "provider-kubernetes", "provider-helm"}, func(known string) bool {
		return name == known || strings.HasPrefix(name, known+"-") || strings.HasSuffix(name, "-"+known)
	})
}
