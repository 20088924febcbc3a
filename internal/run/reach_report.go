package run

import (
	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

// ReachReport says who can talk to whom.
type ReachReport struct {
	Schema     string           `json:"schema"`
	Summary    ReachSummary     `json:"summary"`
	Namespaces []ReachNamespace `json:"namespaces"`
	Workloads  []ReachWorkload  `json:"workloads"`
	Notes      []ReachEvidence  `json:"notes"`
	Gaps       []ReachGap       `json:"gaps"`
}

// ReachSummary counts ordered pairs of different workloads.
type ReachSummary struct {
	Workloads int `json:"workloads"`
	Yes       int `json:"yes"`
	No        int `json:"no"`
	Unknown   int `json:"unknown"`
}

// ReachNamespace says whether a namespace is closed by default.
type ReachNamespace struct {
	Name    string         `json:"name"`
	Ingress ReachIsolation `json:"ingress"`
	Egress  ReachIsolation `json:"egress"`
}

// ReachIsolation is the state of one direction.
type ReachIsolation struct {
	DefaultDeny netpol.Verdict `json:"defaultDeny"`
	Isolated    int            `json:"isolated"`
	Workloads   int            `json:"workloads"`
}

// ReachWorkload is what one workload can reach and how it can be reached from
// outside.
type ReachWorkload struct {
	Name        string                    `json:"name"`
	Location    string                    `json:"location,omitempty"`
	HostNetwork bool                      `json:"hostNetwork,omitempty"`
	FromOutside netpol.Verdict            `json:"fromOutside"`
	Entries     []ReachEntry              `json:"entries,omitempty"`
	Beyond      map[string]netpol.Verdict `json:"beyond"`
	Reaches     []ReachEdge               `json:"reaches"`
}

// ReachEntry is a way in from outside.
type ReachEntry struct {
	Through  string         `json:"through"`
	Object   string         `json:"object"`
	Location string         `json:"location,omitempty"`
	From     string         `json:"from"`
	Port     string         `json:"port"`
	Verdict  netpol.Verdict `json:"verdict"`
}

// ReachEdge leads to a workload; to "namespace/*" if it leads to all others of
// a namespace alike, and to "*" if to all others there are.
type ReachEdge struct {
	To      string         `json:"to"`
	Verdict netpol.Verdict `json:"verdict"`
	Ports   string         `json:"ports"`
}
