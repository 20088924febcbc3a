package rbac_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/dynamic"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var update = flag.Bool("update", false, "write the default roles of a real API server instead of comparing them")

// added is what a server of 1.36 grants and one of the two versions before it
// does not. A model that grants a little more than an old server is safe.
const added = 8

// TestDefaultRolesAreThoseOfTheServer holds the default roles the model knows
// against those of real API servers of three versions, nobody's but theirs.
func TestDefaultRolesAreThoseOfTheServer(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.36", "1.35", "1.34"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			server := bootstrapRoles(t, version)
			if version == "1.36" && *update {
				if err := os.WriteFile("defaults.txt", []byte(lines(server)), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			compareDefaults(t, version, server)
		})
	}
}

func compareDefaults(t *testing.T, version string, server *rbac.Model) {
	t.Helper()
	want, got := make(map[string][]string), make(map[string][]string)
	var bindings strings.Builder
	for _, role := range server.Roles {
		want[role.Ref()] = rights(server.Rules(role))
		kind, namespace := "ClusterRoleBinding", ""
		if role.Kind == "Role" {
			kind, namespace = "RoleBinding", ", namespace: "+role.Namespace
		}
		fmt.Fprintf(&bindings, "---\napiVersion: %s/v1\nkind: %s\nmetadata: {name: %q%s}\nroleRef: {kind: %s, name: %q}\n", rbac.Group, kind, role.Ref(), namespace, role.Kind, role.Name)
	}
	for _, b := range rbac.Of(read(t, bindings.String())).Bindings {
		got[b.Object.Name] = rights(b.Grants())
	}
	more := 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if missing := without(want[name], got[name]); len(missing) > 0 {
			t.Errorf("%s: the server grants what the model does not: %q", name, missing)
		}
		more += len(without(got[name], want[name]))
	}
	t.Logf("%d roles; the model grants %d rights more than the server", len(want), more)
	if version == "1.36" && more > 0 || more > added {
		t.Errorf("the model grants %d rights more:\n%s", more, cmp.Diff(want, got))
	}
	if len(want) < 70 {
		t.Errorf("the server has only %d default roles", len(want))
	}
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// bootstrapRoles are the roles of a server nobody has changed. Those made of
// others are given their rules by the model, since no controller runs.
func bootstrapRoles(t *testing.T, version string) *rbac.Model {
	t.Helper()
	options := clustertest.Options{Without: clustertest.ControlPlaneOnly}
	if version != "1.36" {
		options.EmulatedVersion = version
	}
	cluster := clustertest.Start(t, options)
	client, err := dynamic.NewForConfig(clustertest.REST(t, cluster.Kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	text, err := stored(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return rbac.Of(read(t, text))
}

// lines is the model's own form of the roles.
func lines(m *rbac.Model) string {
	var out []string
	for _, role := range m.Roles {
		if role.Root.Get("aggregationRule") != nil {
			continue
		}
		for _, r := range m.Rules(role) {
			groups := slices.Clone(r.APIGroups)
			for i, g := range groups {
				if g == "" {
					groups[i] = "-"
				}
			}
			fields := []string{role.Kind, namespaceOf(role), role.Name}
			for _, list := range [][]string{r.Verbs, groups, r.Resources, r.ResourceNames, r.NonResourceURLs} {
				fields = append(fields, strings.Join(list, " "))
			}
			out = append(out, strings.Join(fields, "\t")+"\n")
		}
		if len(m.Rules(role)) == 0 {
			out = append(out, strings.Join([]string{role.Kind, namespaceOf(role), role.Name, "", "", "", "", ""}, "\t")+"\n")
		}
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

func namespaceOf(o *inventory.Object) string {
	if o.Kind == "Role" {
		return o.EffectiveNamespace()
	}
	return ""
}
