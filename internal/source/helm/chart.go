package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"
)

// unpack reads an archive. left is how many bytes it may unpack to, together
// with the archives within it.
func unpack(data []byte, left *int64) ([]*archive.BufferedFile, error) {
	if err := measure(data, left); err != nil {
		return nil, err
	}
	files, err := archive.LoadArchiveFiles(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return files, checkNested(files, left)
}

// measure goes through an archive without keeping it.
func measure(data []byte, left *int64) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("not a gzip archive: %w", err)
	}
	limited := &io.LimitedReader{R: unzipped, N: *left + 1}
	entries := tar.NewReader(limited)
	for n := 0; ; n++ {
		_, err := entries.Next()
		if limited.N <= 0 {
			return fmt.Errorf("the archive unpacks to more than %d MiB", maxUnpacked>>20)
		}
		if errors.Is(err, io.EOF) {
			*left = limited.N - 1
			return nil
		}
		if err != nil {
			return fmt.Errorf("not a tar archive: %w", err)
		}
		if n >= maxFiles {
			return fmt.Errorf("the archive has more than %d files", maxFiles)
		}
	}
}

var nestedArchive = regexp.MustCompile(`(^|/)charts/[^/]+\.tgz$`)

// checkNested bounds the archives of subcharts within a chart.
func checkNested(files []*archive.BufferedFile, left *int64) error {
	for _, f := range files {
		if !nestedArchive.MatchString(f.Name) {
			continue
		}
		if _, err := unpack(f.Data, left); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// sources are the texts of all templates, by their path in the chart as the
// engine sees it.
func sources(c *chart.Chart) map[string][][]byte {
	out := make(map[string][][]byte)
	addSources(c, "", out)
	return out
}

func addSources(c *chart.Chart, prefix string, out map[string][][]byte) {
	for _, t := range c.Templates {
		out[prefix+t.Name] = bytes.Split(t.Data, []byte("\n"))
	}
	for _, d := range c.Dependencies() {
		addSources(d, prefix+"charts/"+d.Name()+"/", out)
	}
}

// folders maps charts/NAME, as the engine calls a subchart, to the folder it
// lies in, where the two differ: by an alias, or by the name of the folder.
func folders(files []*archive.BufferedFile) map[string]string {
	type head struct {
		Name         string `json:"name"`
		Dependencies []struct {
			Name  string `json:"name"`
			Alias string `json:"alias"`
		} `json:"dependencies"`
	}
	heads := make(map[string]head)
	for _, f := range files {
		var h head
		if path.Base(f.Name) == "Chart.yaml" && yaml.Unmarshal(f.Data, &h) == nil {
			heads[path.Dir(f.Name)] = h
		}
	}
	out := make(map[string]string)
	for dir, h := range heads {
		if path.Base(path.Dir(dir)) != "charts" {
			continue
		}
		parent := path.Dir(path.Dir(dir))
		if path.Base(dir) != h.Name {
			out[path.Join(parent, "charts", h.Name)] = dir
		}
		for _, d := range heads[parent].Dependencies {
			if d.Name == h.Name && d.Alias != "" {
				out[path.Join(parent, "charts", d.Alias)] = dir
			}
		}
	}
	return out
}

// onDisk is the path of a template in the folder of the chart.
func (r *rendering) onDisk(file string) string {
	done := ""
	for rest := file; ; {
		name, after, ok := strings.Cut(strings.TrimPrefix(rest, "charts/"), "/")
		if !strings.HasPrefix(rest, "charts/") || !ok {
			return path.Join(done, rest)
		}
		done = path.Join(done, "charts", name)
		if folder, ok := r.folders[done]; ok {
			done = folder
		}
		rest = after
	}
}

// closed tells whether the schemas of a chart need nothing from outside. Others
// would be fetched, from the network or from any file.
func closed(c *chart.Chart) bool {
	if len(c.Schema) > 0 {
		var schema any
		if json.Unmarshal(c.Schema, &schema) != nil || !closedSchema(schema) {
			return false
		}
	}
	for _, d := range c.Dependencies() {
		if !closed(d) {
			return false
		}
	}
	return true
}

var standardSchema = regexp.MustCompile(`^https?://json-schema\.org/`)

func closedSchema(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			text, ok := child.(string)
			switch {
			case !ok:
			case k == "$schema" && !standardSchema.MatchString(text):
				return false
			case (k == "$ref" || k == "$dynamicRef" || k == "$recursiveRef") && !strings.HasPrefix(text, "#"):
				return false
			}
			if !closedSchema(child) {
				return false
			}
		}
	case []any:
		for _, child := range v {
			if !closedSchema(child) {
				return false
			}
		}
	}
	return true
}
