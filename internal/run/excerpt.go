package run

import (
	"bufio"
	"io"
	"os"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// around is the number of lines shown before and after the blamed one.
const around = 3

// addExcerpts gives each finding its source lines. Files that can't be read
// any more, and standard input, stay without. Secret manifests are left out:
// their lines hold values.
func addExcerpts(rep *report.Report) {
	wanted := make(map[string][]*report.Finding)
	for i := range rep.Findings {
		f := &rep.Findings[i]
		if f.Location.Line == 0 || f.Location.File == "" || f.Location.File == "-" || f.Control == "" || holdsSecrets(f) {
			continue
		}
		wanted[f.Location.File] = append(wanted[f.Location.File], f)
	}
	for file, findings := range wanted {
		excerpts(file, findings)
	}
}

// holdsSecrets tells whether the lines around a finding may show a secret.
func holdsSecrets(f *report.Finding) bool {
	if f.Object != nil && (f.Object.Kind == "Secret" || f.Object.Kind == "Config" || f.Object.Kind == "EncryptionConfiguration") {
		return true
	}
	return slices.Contains(f.Requirements, "NSA-SEC-01")
}

func excerpts(file string, findings []*report.Finding) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // only read
	const maxFile, maxLine = 64 << 20, 400
	var lines []string
	for in := bufio.NewScanner(io.LimitReader(f, maxFile)); in.Scan(); {
		line := in.Text()
		lines = append(lines, line[:min(len(line), maxLine)])
	}
	for _, finding := range findings {
		at := int(finding.Location.Line)
		if at > len(lines) {
			continue
		}
		first := max(1, at-around)
		finding.Excerpt = &report.Excerpt{First: int32(first), Lines: lines[first-1 : min(len(lines), at+around)]} //nolint:gosec // a line number fits
	}
}
