package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var unmaskedProc = &blast.Step{
	ID:    "unmasked-proc",
	Title: "writes to kernel settings in an unmasked /proc",
	Needs: "A container runs as root with procMount Unmasked in the users of the node.",
	Gives: "Root on the node: the settings of the kernel under /proc/sys are writable, core_pattern among them.",
	MITRE: []string{"T1611"}, Difficulty: blast.Easy,
	Control: "proc-mount", Fix: "set procMount to Default", Effort: 1,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		perhaps := func(m blast.Move) {
			m.Possible, m.Why = true, "if the API server takes the pod: since 1.33 it refuses procMount Unmasked without users of the pod's own"
			emit(m)
		}
		escape(f, w, perhaps, func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
			return ".securityContext.procMount", true, c.Unmasked && c.Root && !p.OwnUsers && !c.Privileged
		})
	},
}
