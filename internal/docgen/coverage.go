package docgen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/requirement"
)

// evidence names the kinds of evidence of the requirements catalogue.
var evidence = []struct{ key, name string }{
	{"static_manifest", "files"},
	{"live_cluster", "live cluster"},
	{"node", "node"},
	{"etcd_snapshot", "etcd"},
	{"audit_log", "audit log"},
	{"runtime", "runtime"},
}

// live is the chapter of the controls that need a cluster.
const live = "live"

// serving are the controls that serve a requirement: by what files show, and by
// what only a cluster does.
type serving struct{ files, live map[string][]*control.Control }

func servingOf(controls []*control.Control) serving {
	out := serving{make(map[string][]*control.Control), make(map[string][]*control.Control)}
	for _, c := range controls {
		to := out.files
		if c.Chapter == live {
			to = out.live
		}
		for _, id := range c.Requirements {
			to[id] = append(to[id], c)
		}
	}
	return out
}

// links name controls and lead to their pages.
func links(controls []*control.Control) string {
	out := make([]string, 0, len(controls))
	for _, c := range controls {
		out = append(out, fmt.Sprintf("[%s](controls/%s.md)", c.ID, c.ID))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// coverage is the table of all requirements with their five faces. What is not
// there yet is left blank.
func coverage(controls []*control.Control, reqs *requirement.Catalogue, prevented map[string]bool) string {
	serving := servingOf(controls)
	var b strings.Builder
	b.WriteString(generated + "# Coverage of the requirements\n\n" +
		"For each requirement: what detects it in files today (and in a cluster, whose objects\n" +
		"are judged alike), what detects it in a cluster only, what other evidence it has that\n" +
		"Redoubt does not read yet, whether a control describes a fix,\n" +
		"for how many of the controls `redoubt policy generate` makes an admission policy, and\n" +
		"which of them `redoubt prove admission` tries. Watch is blank until\n" +
		"it is built. A requirement whose evidence is not in files can't be detected by\n" +
		"scanning files; its row says so.\n\n")
	summary(&b, serving, reqs)
	for _, chapter := range reqs.Chapters {
		fmt.Fprintf(&b, "\n## %s: %s\n\n", chapter.Code, chapter.Name)
		b.WriteString("| requirement | detected in files by | in a cluster only by | not detected yet | fix | prevent | prove | watch |\n|---|---|---|---|---|---|---|---|\n")
		for i := range reqs.Requirements {
			if r := &reqs.Requirements[i]; r.Chapter == chapter.Code {
				row(&b, r, serving, prevented)
			}
		}
	}
	return b.String()
}

func summary(b *strings.Builder, by serving, reqs *requirement.Catalogue) {
	static, staticCovered, covered := 0, 0, 0
	cluster, clusterCovered, either := 0, 0, 0
	for _, r := range reqs.Requirements {
		has := len(by.files[r.ID]) > 0
		detected := has || len(by.live[r.ID]) > 0
		if has {
			covered++
		}
		if detected {
			either++
		}
		if r.Detect["live_cluster"] != "" {
			cluster++
			if detected {
				clusterCovered++
			}
		}
		if r.Detect["static_manifest"] != "" {
			static++
			if has {
				staticCovered++
			}
		}
	}
	fmt.Fprintf(b, "| | requirements | detected in files | detected in files or a cluster |\n|---|---|---|---|\n"+
		"| with evidence in manifests | %d | %d | |\n| with evidence in a cluster | %d | | %d |\n| all | %d | %d | %d |\n",
		static, staticCovered, cluster, clusterCovered, len(reqs.Requirements), covered, either)
}

func row(b *strings.Builder, r *requirement.Requirement, by serving, prevented map[string]bool) {
	controls := by.files[r.ID]
	fixable, policies := 0, 0
	for _, c := range controls {
		if c.Fix.Safety != control.Manual {
			fixable++
		}
		if prevented[c.ID] {
			policies++
		}
	}
	var missing []string
	for _, e := range evidence {
		text := r.Detect[e.key]
		if text == "" || e.key == "static_manifest" && len(controls) > 0 || e.key == "live_cluster" && len(by.live[r.ID]) > 0 {
			continue
		}
		missing = append(missing, e.name+": "+text)
	}
	fix := ""
	if fixable > 0 {
		fix = fmt.Sprintf("described by %d of %d", fixable, len(controls))
	}
	prevent := ""
	if policies > 0 {
		prevent = fmt.Sprintf("%d of %d", policies, len(controls))
	}
	fmt.Fprintf(b, "| **%s** %s | %s | %s | %s | %s | %s | %s | |\n", r.ID, cell(r.Title), links(controls), links(by.live[r.ID]), cell(strings.Join(missing, "; ")), fix, prevent, prevent)
}
