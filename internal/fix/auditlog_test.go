package fix_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/fix"
)

func event(user, verb, ref string, code int) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","verb":%q,"requestURI":"/metrics?x=1","user":{"username":%q},%s"responseStatus":{"code":%d}}`, verb, user, ref, code)
}

func ref(namespace, group, resource, sub string) string {
	return fmt.Sprintf(`"objectRef":{"namespace":%q,"apiGroup":%q,"resource":%q,"subresource":%q},`, namespace, group, resource, sub)
}

const botName = "system:serviceaccount:shop:bot"

func TestAuditLogsSayWhatAccountsDo(t *testing.T) {
	t.Parallel()
	account := func(namespace string, rules ...fix.RightRule) fix.Right {
		return fix.Right{AccountNamespace: "shop", Account: "bot", Namespace: namespace, Rules: rules}
	}
	for _, tc := range []struct {
		name  string
		lines []string
		want  []fix.Right
	}{
		{
			"resources with the same verbs share a rule",
			[]string{
				event(botName, "list", ref("shop", "", "pods", ""), 200), event(botName, "get", ref("shop", "", "pods", ""), 200), event(botName, "get", ref("shop", "", "pods", ""), 404),
				event(botName, "get", ref("shop", "", "configmaps", ""), 200), event(botName, "list", ref("shop", "", "configmaps", ""), 200), event(botName, "patch", ref("shop", "apps", "deployments", "scale"), 200),
			},
			[]fix.Right{account("shop",
				fix.RightRule{APIGroups: []string{""}, Resources: []string{"configmaps", "pods"}, Verbs: []string{"get", "list"}},
				fix.RightRule{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, Verbs: []string{"patch"}})},
		},
		{
			"what is used everywhere is not granted again in a namespace",
			[]string{event(botName, "get", ref("", "", "nodes", ""), 200), event(botName, "get", ref("a", "", "pods", ""), 200), event(botName, "get", ref("", "", "pods", ""), 200)},
			[]fix.Right{account("", fix.RightRule{APIGroups: []string{""}, Resources: []string{"nodes", "pods"}, Verbs: []string{"get"}})},
		},
		{
			"paths that are no resources",
			[]string{event(botName, "get", "", 200), strings.Replace(event(botName, "get", "", 200), "/metrics?x=1", "/api/v1", 1)},
			[]fix.Right{account("", fix.RightRule{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}})},
		},
		{"what was refused is not used", []string{event(botName, "get", ref("shop", "", "secrets", ""), 403)}, nil},
		{"people and others are not accounts", []string{event("jane", "get", ref("shop", "", "secrets", ""), 200)}, nil},
		{
			"who is impersonated did it",
			[]string{strings.Replace(event("jane", "get", ref("shop", "", "pods", ""), 200), `"user"`, `"impersonatedUser":{"username":"`+botName+`"},"user"`, 1)},
			[]fix.Right{account("shop", fix.RightRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}})},
		},
		{
			"lines that are no events, and names that no role may have",
			[]string{"", "{", "null", `{"kind":"Event","apiVersion":"v1"}`, event(botName, "*", ref("shop", "", "*", ""), 200), event(botName, "get", ref("shop", "", "pods\n- x", ""), 200), event(botName, "get", ref("shop", "", "pods", ""), 200)},
			[]fix.Right{account("shop", fix.RightRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}})},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			used, err := fix.ReadAuditLog(strings.NewReader(strings.Join(tc.lines, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(used.Over(nil), tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAuditLogsAreBounded(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 20_001 {
		many.WriteString(event(botName, "get", ref("shop", "", fmt.Sprintf("r%d", i), ""), 200) + "\n")
	}
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":         {"", "no event"},
		"another format":  {"2026-11-21 audit: get pods\n", "no event"},
		"a long event":    {strings.Repeat("x", 5<<20), "longer than"},
		"too many things": {many.String(), "take a part"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := fix.ReadAuditLog(strings.NewReader(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// FuzzReadAuditLog reads whatever: it must not panic, and what it finds must be
// fit for a role.
func FuzzReadAuditLog(f *testing.F) {
	f.Add(event(botName, "get", ref("shop", "", "pods", "log"), 200))
	f.Add(event(botName, "get", "", 200))
	f.Fuzz(func(t *testing.T, text string) {
		used, err := fix.ReadAuditLog(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, right := range used.Over(nil) {
			for _, rule := range right.Rules {
				for _, name := range append(append(rule.Verbs, rule.Resources...), rule.APIGroups...) {
					if strings.ContainsAny(name, "*\n\"' :") {
						t.Errorf("%q would stand in a role", name)
					}
				}
			}
		}
	})
}
