package step

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// guessedRoot is the note for containers whose user only the image knows.
const guessedRoot = "the user of the image is not known and taken for root"

// whySetuid is the doubt about what a user other than root can do with what
// its container is granted.
const whySetuid = "the process is not root: it needs a setuid program in the image"

// removeHostPath is what to do about a folder of the node: nothing less than
// another folder takes all steps away that start from it.
const removeHostPath = "remove the hostPath volume, or mount a folder that holds nothing of the system"

// escape emits the move from a workload to root on its nodes for the first
// running container that has what a step needs. The test returns the field to
// blame below the container, and whether it is certain.
func escape(f *blast.Facts, w *blast.Workload, emit blast.Emit, has func(p *blast.Pod, c *blast.Container) (string, bool, bool)) {
	for _, p := range w.Pods {
		for i := range p.Running {
			c := &p.Running[i]
			field, certain, ok := has(p, c)
			if !ok {
				continue
			}
			m := blast.Move{From: w.Code, To: f.Hosts(w), Object: p.Template.Object, Path: c.Path + field, Note: "container " + c.Name}
			if c.RootUnknown {
				m.Note += "; " + guessedRoot
			}
			if !certain {
				m.Possible, m.Why = true, whySetuid
			}
			emit(m)
			return
		}
	}
}

// capable is the test for a capability of a container in the users of the node.
func capable(names ...string) func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
	return func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
		if p.OwnUsers || p.Windows || c.Privileged {
			return "", false, false
		}
		certain := true
		for _, name := range names {
			has, sure := c.Has(name)
			if !has {
				return "", false, false
			}
			certain = certain && sure
		}
		return ".securityContext.capabilities.add", certain, true
	}
}

// hostPaths emits the moves a mounted folder of the node gives.
func hostPaths(w *blast.Workload, to blast.Vertex, emit blast.Emit, gives func(h blast.HostPath) bool) {
	for _, p := range w.Pods {
		for _, h := range p.HostPaths {
			if gives(h) {
				emit(hostMove(w, p, h, to))
				return
			}
		}
	}
}

func hostMove(w *blast.Workload, p *blast.Pod, h blast.HostPath, to blast.Vertex) blast.Move {
	how := "read only"
	if h.Write {
		how = "writable"
	}
	m := blast.Move{From: w.Code, To: to, Object: p.Template.Object, Path: h.Path, Note: h.Folder + ", " + how}
	if !slices.ContainsFunc(p.Running, func(c blast.Container) bool { return c.Root }) {
		m.Possible, m.Why = true, "no container runs as root: it depends on the permissions of the files"
	}
	return m
}

// under tells whether a folder is one of the given or below one.
func under(folder string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return folder == r || strings.HasPrefix(folder, r+"/") })
}

// covers tells whether a mounted folder shows a path: it is the path, below
// it, or above it.
func covers(folder string, paths ...string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		return under(folder, p) || folder == "/" || strings.HasPrefix(p, folder+"/")
	})
}
