package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// AccessOptions say what the rights are for.
type AccessOptions struct {
	Selection catalogue.Selection
	// OwnControls is a folder with controls of the user, may be empty.
	OwnControls string
	// NodeProxy adds the right to read the configuration of kubelets.
	NodeProxy bool
	// Cluster is asked which kinds with pod templates it defines; may be nil.
	Cluster *Cluster
	// Version is that of the program.
	Version string
}

// Access prints the ClusterRole with the least rights that a scan of a cluster
// by the chosen controls needs.
func Access(ctx context.Context, opts AccessOptions) (string, error) {
	controls, _, err := loadControls(opts.OwnControls)
	if err != nil {
		return "", err
	}
	selected, err := catalogue.Select(controls, opts.Selection)
	if err != nil {
		return "", err
	}
	kinds := kindsOf(selected)
	if kinds != nil && opts.NodeProxy {
		kinds = append(kinds, "Node")
	}
	wanted := cluster.Resources(kinds)
	if opts.Cluster != nil && slices.ContainsFunc(wanted, func(r cluster.Resource) bool { return r.Kind == "Pod" }) {
		client, err := opts.Cluster.connect(ctx, opts.Version, nil)
		if err != nil {
			return "", err
		}
		custom, err := client.Custom(ctx)
		if err != nil {
			return "", fmt.Errorf("ask the cluster for the kinds it defines: %w", err)
		}
		wanted = append(wanted, custom...)
	}
	rules := cluster.Rules(wanted)
	if opts.NodeProxy {
		rules = append(rules, cluster.NodeProxyRule())
	}
	if len(rules) == 0 {
		return "", errNothingLive
	}
	return roleText(rules, opts.NodeProxy)
}

const (
	accessHead = `# What redoubt scan --cluster and redoubt snapshot read. Bind it to whom they run as.
# The right to list Secrets shows their values to whoever holds it; Redoubt asks for
# names, types and keys only. Without a rule, what depends on it becomes unknown.
`
	accessProxy = `# nodes/proxy reaches everything a kubelet serves, commands in containers included.
# It is needed for --node-proxy only: give it to people, not to a program that runs always.
`
)

func roleText(rules []cluster.Rule, nodeProxy bool) (string, error) { //nolint:revive // the flag as it is
	var b strings.Builder
	b.WriteString(accessHead)
	name := "redoubt-scan"
	if nodeProxy {
		b.WriteString(accessProxy)
		name = "redoubt-scan-nodes"
	}
	b.WriteString("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: " + name + "\nrules:\n")
	for _, rule := range rules {
		for i, field := range []struct {
			name   string
			values []string
		}{{"apiGroups", rule.APIGroups}, {"resources", rule.Resources}, {"verbs", rule.Verbs}} {
			text, err := json.Marshal(field.values)
			if err != nil {
				return "", fmt.Errorf("write role: %w", err)
			}
			lead := "  "
			if i == 0 {
				lead = "- "
			}
			fmt.Fprintf(&b, "%s%s: %s\n", lead, field.name, strings.ReplaceAll(string(text), `","`, `", "`))
		}
	}
	return b.String(), nil
}
