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

// fromFiles are the controls that serve a requirement by what files show.
func fromFiles(controls []*control.Control) map[string][]*control.Control {
	out := make(map[string][]*control.Control)
	for _, c := range controls {
		if c.Chapter == live {
			continue
		}
		for _, id := range c.Requirements {
			out[id] = append(out[id], c)
		}
	}
	return out
}

// coverage is the table of all requirements with their five faces. What is not
// there yet is left blank.
func coverage(controls []*control.Control, reqs *requirement.Catalogue, prevented map[string]bool) string {
	serving := fromFiles(controls)
	var b strings.Builder
	b.WriteString(generated + "# Coverage of the requirements\n\n" +
		"For each requirement: what detects it in files today, what evidence of other kinds\n" +
		"it has that Redoubt does not read from files, whether a control describes a fix,\n" +
		"for how many of the controls `redoubt policy generate` makes an admission policy, and\n" +
		"which of them `redoubt prove admission` tries. Watch is blank until\n" +
		"it is built. A requirement whose evidence is not in files can't be detected by\n" +
		"scanning files; its row says so.\n\n")
	summary(&b, serving, reqs)
	for _, chapter := range reqs.Chapters {
		fmt.Fprintf(&b, "\n## %s: %s\n\n", chapter.Code, chapter.Name)
		b.WriteString("| requirement | detected in files by | not detected yet | fix | prevent | prove | watch |\n|---|---|---|---|---|---|---|\n")
		for i := range reqs.Requirements {
			if r := &reqs.Requirements[i]; r.Chapter == chapter.Code {
				row(&b, r, serving[r.ID], prevented)
			}
		}
	}
	return b.String()
}

func summary(b *strings.Builder, serving map[string][]*control.Control, reqs *requirement.Catalogue) {
	static, staticCovered, covered := 0, 0, 0
	for _, r := range reqs.Requirements {
		has := len(serving[r.ID]) > 0
		if has {
			covered++
		}
		if r.Detect["static_manifest"] != "" {
			static++
			if has {
				staticCovered++
			}
		}
	}
	fmt.Fprintf(b, "| | requirements | detected in files |\n|---|---|---|\n| with evidence in manifests | %d | %d |\n| all | %d | %d |\n",
		static, staticCovered, len(reqs.Requirements), covered)
}

func row(b *strings.Builder, r *requirement.Requirement, controls []*control.Control, prevented map[string]bool) {
	links := make([]string, 0, len(controls))
	fixable, policies := 0, 0
	for _, c := range controls {
		links = append(links, fmt.Sprintf("[%s](controls/%s.md)", c.ID, c.ID))
		if c.Fix.Safety != control.Manual {
			fixable++
		}
		if prevented[c.ID] {
			policies++
		}
	}
	slices.Sort(links)
	var missing []string
	for _, e := range evidence {
		text := r.Detect[e.key]
		if text == "" || e.key == "static_manifest" && len(controls) > 0 {
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
	fmt.Fprintf(b, "| **%s** %s | %s | %s | %s | %s | %s | |\n", r.ID, cell(r.Title), strings.Join(links, ", "), cell(strings.Join(missing, "; ")), fix, prevent, prevent)
}
