package fix

import (
	"fmt"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Folder is what a folder of patches holds: for live objects the patches, a
// script that applies them and a text for people; for each chart an overlay that
// a post-renderer runs. from names where live objects were read.
func Folder(patches []Patch, from string) (map[string][]byte, error) {
	out := make(map[string][]byte)
	live(out, patches, from)
	for _, chart := range Charts(patches) {
		files, err := Overlay(patches, chart)
		if err != nil {
			return nil, err
		}
		dir := slug(pathpkg.Base(chart))
		for n := 2; out[dir+"/"+overlayFile] != nil; n++ {
			dir = slug(pathpkg.Base(chart)) + "-" + strconv.Itoa(n)
		}
		for name, text := range files {
			out[dir+"/"+name] = text
		}
	}
	return out, nil
}

// live adds the files for live objects.
func live(out map[string][]byte, patches []Patch, from string) {
	var script, list strings.Builder
	script.WriteString("#!/bin/sh\n# Applies the patches in their order. Words that are given are handed to each\n# kubectl, such as --dry-run=server or --context=NAME.\nset -eu\ncd \"$(dirname \"$0\")\"\n")
	for i := range patches {
		p := &patches[i]
		if p.Chart != "" {
			continue
		}
		out[p.File] = []byte(p.Text)
		fmt.Fprintf(&script, "%s \"$@\"\n", p.Command)
		fmt.Fprintf(&list, "%d. %s (%s): %s\n", i+1, oneLine(p.Object), p.Type, strings.Join(p.Controls, ", "))
	}
	if len(out) == 0 {
		return
	}
	out["apply.sh"] = []byte(script.String())
	out["README.md"] = []byte("# Patches by redoubt fix\n\nThey answer findings in " + oneLine(from) + ". Nothing has been applied.\n\n" +
		"Read them, try them, apply them, in the order of their numbers:\n\n```\nsh apply.sh --dry-run=server\nsh apply.sh\n```\n\n" +
		"What others need is created first. What refuses pods that are not hardened yet\ncomes last: wait until the workloads run again before it. Patched workloads are\nrolled out anew. A tool that deploys these objects sets them back: make the same\nchange in what it deploys.\n\n" + list.String())
}

// Charts are the charts that have patches, in order.
func Charts(patches []Patch) []string {
	var out []string
	for i := range patches {
		if c := patches[i].Chart; c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// Rendered is the file of an overlay that takes what a chart renders, and
// overlayFile the overlay itself.
const (
	Rendered    = "all.yaml"
	overlayFile = "kustomization.yaml"
)

// Overlay is the folder of one chart: an overlay over what the chart renders,
// and a script that runs it for Helm.
func Overlay(patches []Patch, chart string) (map[string][]byte, error) {
	out := make(map[string][]byte)
	var entries []any
	for i := range patches {
		p := &patches[i]
		if p.Chart != chart {
			continue
		}
		out[p.File] = []byte(p.Text)
		entries = append(entries, map[string]any{"path": p.File})
	}
	text, err := edit.YAML(map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
		"resources": []any{Rendered}, "patches": entries,
	})
	if err != nil {
		return nil, fmt.Errorf("write the overlay of %s: %w", chart, err)
	}
	head := "# Patches by redoubt fix for what the chart " + oneLine(chart) + " renders and no value sets.\n"
	out[overlayFile] = append([]byte(head), text...)
	out["post-render.sh"] = []byte("#!/bin/sh\n# Helm hands what the chart renders to this script, and deploys what it prints:\n#   helm upgrade --install NAME CHART --post-renderer ./post-render.sh\n# Versions of Helm before 4 do not hand it hooks. Without Helm:\n#   helm template NAME CHART | ./post-render.sh | kubectl apply -f -\nset -eu\ncd \"$(dirname \"$0\")\"\ntrap 'rm -f " + Rendered + "' EXIT\ncat > " + Rendered + "\nkubectl kustomize .\n")
	return out, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// slug is a text as a name of a file.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	return cut(strings.Trim(s, "-"))
}

// cut keeps names of files within what file systems take.
func cut(s string) string {
	const most = 150
	if s == "" {
		return "unnamed"
	}
	return s[:min(len(s), most)]
}

// fileName tells the object of a file.
func fileName(o *inventory.Object) string { return slug(o.Namespace + "-" + o.Kind + "-" + o.Name) }

// chartFile is a name for the patch of an object of a chart that no other has.
func (s *session) chartFile(o *inventory.Object) string {
	name := "patch-" + fileName(o)
	for n := 2; slices.ContainsFunc(s.result.Patches, func(p Patch) bool { return p.Chart == o.Origin.Root && p.File == name+".yaml" }); n++ {
		name = "patch-" + fileName(o) + "-" + strconv.Itoa(n)
	}
	return name + ".yaml"
}
