package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
)

// maxConfigz bounds the configuration of a kubelet.
const maxConfigz = 4 << 20

// kubelets reads the configuration each kubelet works with: flags, file and
// defaults together.
func (r *reading) kubelets(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(parallel)
	var mu sync.Mutex
	failures := make(map[string][]string)
	slices.Sort(r.nodes)
	for _, node := range r.nodes {
		group.Go(func() error {
			o, why := r.kubelet(ctx, node)
			if why != "" {
				mu.Lock()
				defer mu.Unlock()
				failures[why] = append(failures[why], node)
				return nil
			}
			return r.add(o)
		})
	}
	err := group.Wait()
	for why, nodes := range failures {
		slices.Sort(nodes)
		what := "get nodes/proxy: configuration of the kubelet of " + nodes[0]
		if len(nodes) > 1 {
			what += fmt.Sprintf(" and %d more", len(nodes)-1)
		}
		r.rest.AddGap(inventory.Gap{What: what, Why: why, Kinds: []string{KubeletConfiguration}})
	}
	return err
}

func (r *reading) kubelet(ctx context.Context, node string) (*inventory.Object, string) {
	const tries = 2
	body, failed := r.client.get(ctx, request{
		path: "/api/v1/nodes/" + node + "/proxy/configz", attempts: tries, size: maxConfigz, through: true,
	})
	if failed != nil {
		return nil, strings.ReplaceAll(failed.Error(), node, "NODE")
	}
	root, err := new(jsontree.Parser).Parse(body)
	config := root.Get("kubeletconfig")
	if err != nil || config == nil || config.Kind != inventory.Map {
		return nil, "the answer is no configuration of a kubelet"
	}
	word := func(key, value string) inventory.Node {
		return inventory.Node{Key: key, Kind: inventory.String, Text: value}
	}
	remove(config, "apiVersion", "kind", "metadata")
	items := []inventory.Node{
		word("apiVersion", "kubelet.config.k8s.io/v1beta1"),
		word("kind", KubeletConfiguration),
	}
	o := inventory.NewObject(&inventory.Node{Kind: inventory.Map, Items: append(items, config.Items...)}, origin)
	o.Name = node
	return o, ""
}
