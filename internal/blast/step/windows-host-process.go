package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var windowsHostProcess = &blast.Step{
	ID:    "windows-host-process",
	Title: "runs on the Windows node itself",
	Needs: "A container is a host process of a Windows node.",
	Gives: "The node with the rights of the user the process runs as, mostly those of the system.",
	MITRE: []string{"T1611"}, Difficulty: blast.Trivial,
	Control: "windows-host-process", Fix: "set hostProcess to false", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, emit, func(_ *blast.Pod, c *blast.Container) (string, bool, bool) {
			return ".securityContext.windowsOptions.hostProcess", true, c.HostProcess
		})
	},
}
