package run

import (
	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

// ReachEvidence is a reason with its place.
type ReachEvidence struct {
	Side     string `json:"side,omitempty"`
	Effect   string `json:"effect"`
	Object   string `json:"object,omitempty"`
	Path     string `json:"path,omitempty"`
	Location string `json:"location,omitempty"`
	Says     string `json:"says"`
}

// ReachGap is something that could not be read.
type ReachGap struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// ReachAnswer explains one connection.
type ReachAnswer struct {
	From    string          `json:"from"`
	To      string          `json:"to"`
	Port    string          `json:"port"`
	Verdict netpol.Verdict  `json:"verdict"`
	Ports   string          `json:"ports,omitempty"`
	Because []ReachEvidence `json:"because"`
}

// ReachExplanation holds an answer for each meaning of the question: a Service
// may lead to several workloads.
type ReachExplanation struct {
	Schema  string        `json:"schema"`
	Answers []ReachAnswer `json:"answers"`
}

// ReachDiff is what changed between two inputs.
type ReachDiff struct {
	Schema  string        `json:"schema"`
	Opened  int           `json:"opened"`
	Closed  int           `json:"closed"`
	Changes []ReachChange `json:"changes"`
}

// ReachChange is a connection that is judged otherwise.
type ReachChange struct {
	From     string         `json:"from"`
	To       string         `json:"to"`
	Was      netpol.Verdict `json:"was"`
	Is       netpol.Verdict `json:"is"`
	WasPorts string         `json:"wasPorts,omitempty"`
	IsPorts  string         `json:"isPorts,omitempty"`
	Opened   bool           `json:"opened"`
	Closed   bool           `json:"closed"`
}
