// Package machine gives a test node its place on this computer: a network
// namespace, folders and control groups, and takes all of it back. There is
// one such place, so one node runs at a time.
package machine

// Names and addresses of the place.
const (
	// Base holds what outlives a process of the node: images, volumes, logs.
	Base = "/var/lib/redoubt-testcluster"
	// Run holds sockets; their paths must be short.
	Run = "/run/redoubt-testcluster"
	// Socket is where containerd listens.
	Socket = Run + "/containerd.sock"
	// Lock is held by the cluster that has the node.
	Lock = Run + ".lock"
	// Namespace is the network namespace of the node.
	Namespace = "redoubt-test"
	// HostIP is this computer as the node sees it.
	HostIP = "198.18.0.254"
	// NodeIP is the node as this computer sees it.
	NodeIP = "198.18.0.1"
	// ServiceIP is this computer too: the address that pods know the API server
	// by. A node without kube-proxy reaches it over its default route.
	ServiceIP = "10.96.0.1"
	// PodRange is where pods have their addresses.
	PodRange = "198.18.64.0/24"

	link = "redoubt-test"
)
