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
		escape(f, w, emit, func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
			return ".securityContext.procMount", true, c.Unmasked && c.Root && !p.OwnUsers && !c.Privileged
		})
	},
}
