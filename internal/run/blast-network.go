package run

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

// policies answers for blast by the network policies of the inventory.
type policies struct {
	model     *netpol.Model
	matrix    *netpol.Matrix
	endpoints map[*inventory.PodTemplate]*netpol.Endpoint
}

func networkOf(inv *inventory.Inventory) *policies {
	p := &policies{model: netpol.New(inv), endpoints: make(map[*inventory.PodTemplate]*netpol.Endpoint)}
	for _, e := range p.model.Endpoints() {
		p.endpoints[e.Template] = e
	}
	// The answers for all pairs are worth their time while they are few.
	const fewEndpoints = 3000
	if len(p.endpoints) <= fewEndpoints {
		p.matrix = p.model.Matrix()
	}
	return p
}

// To asks for each template of the workload: one that gets there is enough.
func (p *policies) To(from *blast.Workload, place blast.Place, port int32) blast.Reach {
	to := netpol.Kubelet()
	switch place {
	case blast.MetadataService:
		to = netpol.Metadata()
	case blast.APIServer:
		to = p.model.APIServer()
	case blast.NodeItself:
	}
	reach := blast.ReachNo
	for _, pod := range from.Pods {
		e := p.endpoints[pod.Template]
		if e == nil {
			reach = blast.ReachUnknown
			continue
		}
		switch p.model.Allowed(netpol.Of(e), to, netpol.Port{Number: int(port)}).Verdict {
		case netpol.Yes:
			return blast.ReachYes
		case netpol.Unknown:
			reach = blast.ReachUnknown
		case netpol.No:
		}
	}
	return reach
}

// Workloads counts what the first template of the workload reaches.
func (p *policies) Workloads(from *blast.Workload) (int, int) {
	own := make(map[*netpol.Endpoint]bool, len(from.Pods))
	for _, pod := range from.Pods {
		own[p.endpoints[pod.Template]] = true
	}
	if p.matrix == nil {
		return 0, len(p.endpoints) - len(own)
	}
	sure, unknown := 0, 0
	for e := range own {
		if e == nil {
			return 0, len(p.endpoints)
		}
		for i, v := range p.matrix.Row(e) {
			switch {
			case own[p.model.Endpoints()[i]]:
			case v == netpol.Yes:
				sure++
			case v == netpol.Unknown:
				unknown++
			}
		}
		break
	}
	return sure, unknown
}
