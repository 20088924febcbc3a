package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capSysRawio = &blast.Step{
	ID:    "cap-sys-rawio",
	Title: "writes to the hardware of the node",
	Needs: "A running container has CAP_SYS_RAWIO in the users of the node and a device file to use it on (the folder /dev of the node is mounted).",
	Gives: "Memory and disks of the node past its file systems, and so root on it.",
	MITRE: []string{"T1611"}, Difficulty: blast.Hard,
	Control: "capabilities-added", Fix: "take SYS_RAWIO out of capabilities.add", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		raw := capable("SYS_RAWIO")
		perhaps := func(m blast.Move) {
			m.Possible, m.Why = true, "if the runtime lets the container open a device it was not given, or the kernel lets it use the ports of the processor"
			emit(m)
		}
		escape(f, w, perhaps, func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
			field, certain, ok := raw(p, c)
			for _, h := range p.HostPaths {
				if under(h.Folder, "/dev") || h.Folder == "/" {
					return field, certain, ok
				}
			}
			return "", false, false
		})
	},
}
