package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var createVolumes = &blast.Step{
	ID:    "create-volumes",
	Title: "brings the disk of a node into a pod by a PersistentVolume",
	Needs: "Rights to create PersistentVolumes, to claim them, and to create pods; Pod Security does not look behind claims.",
	Gives: "The files of any node, and so root on it, even where Pod Security is restricted.",
	MITRE: []string{"T1611"}, Difficulty: blast.Easy,
	Control: "persistent-volume-write", Fix: "remove persistentvolumes from the rule; let a provisioner make them", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("create", core, "persistentvolumes"), requests("create", core, "persistentvolumeclaims"), makePods},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.EveryNode()))
		},
	},
}
