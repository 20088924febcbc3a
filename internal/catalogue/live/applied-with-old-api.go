package live

import (
	"fmt"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
)

// appliedWithOldAPI finds objects whose manifest names a version of the API
// from before its release, while the server has moved on.
func appliedWithOldAPI(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Objects {
		copied := o.Annotations().Get(lastApplied).Str()
		if copied == "" {
			continue
		}
		f := finding.Finding{Object: o, Path: "metadata.annotations[" + lastApplied + "]", Verdict: finding.Pass}
		root, err := new(jsontree.Parser).Parse([]byte(copied))
		applied := root.Get("apiVersion").Str()
		switch {
		case err != nil || applied == "":
			// That the copy can't be read is the matter of another control.
			f.Verdict = finding.NotApplicable
		case applied != o.APIVersion && (strings.Contains(applied, "beta") || strings.Contains(applied, "alpha")):
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("it was applied as %s and is served as %s: the manifest is of a version before the release, and fails once a server does without it", applied, o.APIVersion)
		}
		report(f)
	}
}
