package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var unread = &blast.Step{
	ID:    "unread",
	Title: "uses what could not be read",
	Needs: "Objects of a kind that decides who may do what, or what runs where, could not be read.",
	Gives: "Nobody knows: read them, and this goes away.",
	MITRE: []string{"T1078"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, find := range []func(*blast.Facts, blast.Emit){unreadBindings, unreadPods, unreadSecrets, unreadAccounts, unreadVolumes, unreadNodes} {
			find(f, emit)
		}
	},
}

// gapOf returns the first gap that may hide objects of one of the kinds, as the
// reason for which a move is only possible.
func gapOf(f *blast.Facts, holds string, kinds ...string) (blast.Move, bool) {
	for _, kind := range kinds {
		if g, ok := f.Inventory.GapFor(kind); ok {
			return blast.Move{Possible: true, Why: "if a " + kind + " that could not be read " + holds + " (" + g.What + ")", Note: g.What + ": " + g.Why}, true
		}
	}
	return blast.Move{}, false
}

// unreadBindings may give an account any right.
func unreadBindings(f *blast.Facts, emit blast.Emit) {
	m, ok := gapOf(f, "gives it the right", "ClusterRoleBinding", "RoleBinding")
	if !ok {
		return
	}
	m.To = f.Admin()
	for _, namespace := range f.Namespaces {
		for _, name := range f.AccountsIn(namespace) {
			m.From = f.Vertex(blast.Account, namespace, name)
			emit(m)
		}
	}
}

// unreadPods may run on any node with any token.
func unreadPods(f *blast.Facts, emit blast.Emit) {
	m, ok := gapOf(f, "runs there and holds it", "Pod", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job", "CronJob", "ReplicationController")
	if !ok {
		return
	}
	m.To = f.Admin()
	for _, n := range f.Nodes {
		m.From, m.Object = n.Vertex, n.Object
		emit(m)
	}
}

// unreadSecrets may hold tokens of accounts.
func unreadSecrets(f *blast.Facts, emit blast.Emit) {
	m, ok := gapOf(f, "holds its token", "Secret")
	if !ok {
		return
	}
	for _, namespace := range f.Namespaces {
		m.From, m.To = f.All(blast.SecretsOf, namespace), f.All(blast.AccountsOf, namespace)
		emit(m)
	}
}

// unreadAccounts may be identities of a cloud.
func unreadAccounts(f *blast.Facts, emit blast.Emit) {
	m, ok := gapOf(f, "names an identity of a cloud", "ServiceAccount")
	if !ok {
		return
	}
	for _, w := range f.Workloads {
		for _, p := range w.Pods {
			m.From, m.To = w.Held, f.Vertex(blast.CloudIdentity, "", "whatever the cloud allows service account "+w.Namespace+"/"+p.Account)
			m.Object, m.Path = p.Template.Object, p.At("serviceAccountName")
			emit(m)
		}
	}
}

// unreadVolumes may be folders of the node.
func unreadVolumes(f *blast.Facts, emit blast.Emit) {
	m, ok := gapOf(f, "is a folder of the node", "PersistentVolume")
	if !ok {
		return
	}
	for _, w := range f.Workloads {
		for _, p := range w.Pods {
			for _, c := range p.Claims {
				if c.Write {
					m.From, m.To, m.Object, m.Path = w.Code, f.Hosts(w), p.Template.Object, inventory.JoinPath(c.Path, "claimName")
					emit(m)
				}
			}
		}
	}
}

// unreadNodes may be machines of a cloud, with an identity there.
func unreadNodes(f *blast.Facts, emit blast.Emit) {
	m, ok := gapOf(f, "is a machine of a cloud", "Node")
	if !ok {
		return
	}
	m.To = f.Vertex(blast.CloudIdentity, "", "whatever a cloud allows the nodes")
	for _, n := range f.Nodes {
		if n.Object == nil {
			m.From = n.Vertex
			emit(m)
		}
	}
	for _, w := range f.Workloads {
		if reach := f.Reach(w, blast.MetadataService, metadataPort); reach != blast.ReachNo {
			m.From = w.Code
			emit(m)
		}
	}
}
