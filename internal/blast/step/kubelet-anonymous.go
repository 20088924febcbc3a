package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var kubeletAnonymous = &blast.Step{
	ID:    "kubelet-anonymous",
	Title: "runs commands through an open kubelet",
	Needs: "The kubelet takes requests of nobody in particular and authorises all of them (anonymous with AlwaysAllow), and the pod can reach port 10250 of the nodes.",
	Gives: "Code in every pod of those nodes.",
	MITRE: []string{"T1609", "T1210"}, Difficulty: blast.Trivial,
	Control: "kubelet-anonymous", Fix: "set authentication.anonymous.enabled to false and authorization.mode to Webhook", Effort: 1,
	World: func(f *blast.Facts, emit blast.Emit) {
		all := f.Inventory.Kind("KubeletConfiguration")
		for _, o := range all {
			if !open(o) {
				continue
			}
			if slices.ContainsFunc(all, func(o *inventory.Object) bool { return !open(o) }) {
				emit = perhaps(emit, "if the nodes run with this configuration and not with the other one")
			}
			fromEverywhere(f, emit, blast.Move{To: f.All(blast.WorkloadsOf, ""), Object: o, Path: "authentication.anonymous.enabled"}, blast.NodeItself, kubeletPort)
			return
		}
	},
}

// open tells whether a kubelet takes every request of everybody.
func open(o *inventory.Object) bool {
	return o.Root.Find("authentication", "anonymous", "enabled").True() && o.Root.Find("authorization", "mode").Str() == "AlwaysAllow"
}

// perhaps makes moves possible only.
func perhaps(emit blast.Emit, why string) blast.Emit {
	return func(m blast.Move) {
		if !m.Possible {
			m.Possible, m.Why = true, why
		}
		emit(m)
	}
}

const kubeletPort = 10250

// fromEverywhere emits a move from every workload that may open a connection
// to a place.
func fromEverywhere(f *blast.Facts, emit blast.Emit, m blast.Move, place blast.Place, port int32) {
	for _, w := range f.Workloads {
		reach := f.Reach(w, place, port)
		if reach == blast.ReachNo {
			continue
		}
		one := m
		one.From = w.Code
		if reach == blast.ReachUnknown {
			one.Possible, one.Why = true, "it is not known whether network policies let the pod get there"
		}
		emit(one)
	}
}
