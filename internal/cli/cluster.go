package cli

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/run"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// clusterFlags choose a cluster and an identity.
type clusterFlags struct {
	// on is set when a cluster is to be read.
	on   bool
	from run.Cluster
}

// register adds the flags; those that choose a cluster mean nothing without
// --cluster where there is that flag.
func (c *clusterFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.from.Kubeconfig, "kubeconfig", "", "file that says how to reach the cluster (default as kubectl: $KUBECONFIG, ~/.kube/config, then the account of the pod)")
	f.StringVar(&c.from.Context, "context", "", "context of the kubeconfig (default the current one)")
	f.StringVar(&c.from.As, "as", "", "user to impersonate")
	f.StringSliceVar(&c.from.AsGroups, "as-group", nil, "group to impersonate, may be repeated")
	f.DurationVar(&c.from.Timeout, "request-timeout", cluster.DefaultTimeout, "longest time for one request to the cluster")
	f.BoolVar(&c.from.NodeProxy, "node-proxy", false, "read the configuration of each kubelet, too; needs get on nodes/proxy")
}

// place is what is to be looked at: the cluster, if there is one, else files.
func (c *clusterFlags) place(in run.Input) run.Place {
	p := run.Place{Input: in, Version: Version()}
	if c.on {
		p.Cluster = &c.from
	}
	return p
}

// check refuses flags that would have no effect; free ones mean something
// without a cluster, too.
func (c *clusterFlags) check(cmd *cobra.Command, free ...string) error {
	if c.from.As == "" && len(c.from.AsGroups) > 0 {
		return errors.New("--as-group needs --as")
	}
	if c.on {
		return nil
	}
	for _, name := range []string{"kubeconfig", "context", "as", "as-group", "request-timeout", "node-proxy"} {
		if cmd.Flags().Changed(name) && !slices.Contains(free, name) {
			return errors.New("--" + name + " needs --cluster")
		}
	}
	return nil
}
