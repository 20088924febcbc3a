package kustomize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// maxAgain bounds how often a build reads one file.
const maxAgain = 200

// watcher is the disk as a build sees it. It notes which files are read, bounds
// them, asks Kustomize to say where each resource comes from, and refuses what
// would be fetched or run: Kustomize has to read a reference before it can
// follow it.
type watcher struct {
	filesys.FileSystem

	ctx   context.Context //nolint:containedctx // lives as long as one build
	root  string
	limit decode.Limits

	mu     sync.Mutex
	closed bool
	// read counts how often each file was read.
	read map[string]int
	// plugins are the files that configure generators and transformers.
	plugins map[string]bool
	refused *decode.Error
}

func newWatcher(ctx context.Context, root string, limits decode.Limits) *watcher {
	return &watcher{
		FileSystem: filesys.MakeFsOnDisk(), ctx: ctx, root: root, limit: limits,
		read: make(map[string]int), plugins: make(map[string]bool),
	}
}

// close returns the files that were read, in order, and the first refusal. A
// build that was left behind changes nothing from here on.
func (w *watcher) close() ([]string, *decode.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	files := make([]string, 0, len(w.read))
	for file := range w.read {
		files = append(files, file)
	}
	slices.Sort(files)
	return files, w.refused
}

// ReadFile implements [filesys.FileSystem].
func (w *watcher) ReadFile(name string) ([]byte, error) {
	data, err := w.bytes(name)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return data, nil
	}
	if w.read[name]++; w.read[name] > maxAgain {
		return nil, w.refuse(&decode.Error{File: name, Msg: fmt.Sprintf("the build reads the file more than %d times", maxAgain), Hint: "look for kustomizations that build on each other many times"})
	}
	switch {
	case slices.Contains(Names(), filepath.Base(name)):
		if fault := w.checkKustomization(name, data); fault != nil {
			return nil, w.refuse(fault)
		}
		if filepath.Dir(name) == w.root {
			return withOrigins(data), nil
		}
	case w.plugins[name]:
		if fault := checkPlugin(name, data); fault != nil {
			return nil, w.refuse(fault)
		}
	}
	return data, nil
}

// WriteFile implements [filesys.FileSystem]; nothing is written.
func (*watcher) WriteFile(string, []byte) error { return errReadOnly }

// Mkdir implements [filesys.FileSystem]; nothing is written.
func (*watcher) Mkdir(string) error { return errReadOnly }

// MkdirAll implements [filesys.FileSystem]; nothing is written.
func (*watcher) MkdirAll(string) error { return errReadOnly }

// RemoveAll implements [filesys.FileSystem]; nothing is removed.
func (*watcher) RemoveAll(string) error { return errReadOnly }

var errReadOnly = errors.New("a scan writes nothing")

func (w *watcher) refuse(fault *decode.Error) error {
	if w.refused == nil {
		w.refused = fault
	}
	return fault
}

// bytes reads a regular file, at most as much as allowed.
func (w *watcher) bytes(name string) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	return readFile(name, w.limit.Bytes)
}

func readFile(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe may wait forever
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: the file is larger than %d MiB; raise --max-file-size", name, limit>>20)
	}
	return data, nil
}

// remote are references that Kustomize would follow over the network, or by
// running git.
var remote = regexp.MustCompile(`(?i)^(git::|https?:|[a-z][a-z0-9+.-]*://|[^/@]+@[^/]*[:/]|(www\.)?(github\.com|gitlab\.com|bitbucket\.org)[/:])|[?&](ref|version)=|\.git(/|\?|$)|_git/`)

// harmless are the fields of a kustomization that name no files, and those
// within fields that do.
var harmless = map[string]bool{
	"apiVersion": true, "kind": true, "metadata": true, "commonAnnotations": true, "commonLabels": true, "labels": true, "images": true,
	"namePrefix": true, "nameSuffix": true, "namespace": true, "vars": true, "replicas": true, "sortOptions": true, "buildMetadata": true,
	"generatorOptions": true, "annotations": true, "literals": true, "patch": true, "options": true, "target": true,
}

// checkKustomization looks for what would be fetched or run.
func (w *watcher) checkKustomization(name string, data []byte) *decode.Error {
	return eachDocument(name, data, "invalid kustomization: ", func(doc *yaml.Node) *decode.Error {
		for i := 0; doc.Kind == yaml.MappingNode && i+1 < len(doc.Content); i += 2 {
			key, value := doc.Content[i], doc.Content[i+1]
			switch key.Value {
			case "helmCharts", "helmChartInflationGenerator":
				return &decode.Error{
					File: name, Line: lineAt(key), Msg: key.Value + " would run helm and fetch charts, and nothing is run or fetched",
					Hint: "scan the chart itself, or build it with kustomize and scan the result",
				}
			case "generators", "transformers", "validators":
				if fault := w.checkPlugins(name, value); fault != nil {
					return fault
				}
			}
			if harmless[key.Value] {
				continue
			}
			if fault := checkReferences(name, value, 0); fault != nil {
				return fault
			}
			if fault := w.checkThere(name, key.Value, value); fault != nil {
				return fault
			}
		}
		return nil
	})
}

// checkThere wants the resources that a kustomization names to exist: the
// build's own message about it has no line.
func (w *watcher) checkThere(name, key string, list *yaml.Node) *decode.Error {
	if key != "resources" && key != "bases" && key != "components" {
		return nil
	}
	for _, n := range resolved(list).Content {
		entry := resolved(n).Value
		if entry == "" || inPlace(entry) || w.Exists(filepath.Join(filepath.Dir(name), filepath.FromSlash(entry))) {
			continue
		}
		return &decode.Error{File: name, Line: lineAt(n), Msg: key + " names " + entry + ", which is not there", Hint: "correct the path, or add the file"}
	}
	return nil
}

// checkPlugins notes the files that configure generators and transformers, and
// checks what is written in place. Whole folders could make any configuration.
func (w *watcher) checkPlugins(name string, list *yaml.Node) *decode.Error {
	for _, n := range resolved(list).Content {
		n = resolved(n)
		if inPlace(n.Value) {
			if fault := checkPlugin(name, []byte(n.Value)); fault != nil {
				fault.Line = lineAt(n)
				return fault
			}
			continue
		}
		file := filepath.Join(filepath.Dir(name), filepath.FromSlash(n.Value))
		if w.IsDir(file) {
			return &decode.Error{File: name, Line: lineAt(n), Msg: "plugins from folder " + n.Value + " are not supported", Hint: "build it with kustomize and scan the result"}
		}
		if target, err := filepath.EvalSymlinks(file); err == nil {
			w.plugins[target] = true
		}
		w.plugins[file] = true
	}
	return nil
}

// inPlace tells whether an entry is a configuration rather than a path.
func inPlace(entry string) bool {
	var doc yaml.Node
	return strings.Contains(entry, "\n") || yaml.Unmarshal([]byte(entry), &doc) == nil && len(doc.Content) > 0 && resolved(doc.Content[0]).Kind != yaml.ScalarNode
}

// checkPlugin looks for references in the configuration of a plugin.
func checkPlugin(name string, data []byte) *decode.Error {
	return eachDocument(name, data, "invalid plugin configuration: ", func(doc *yaml.Node) *decode.Error {
		return checkReferences(name, doc, 0)
	})
}

// maxDepth bounds the nesting of values.
const maxDepth = 100

func checkReferences(name string, n *yaml.Node, depth int) *decode.Error {
	n = resolved(n)
	if depth > maxDepth {
		return &decode.Error{File: name, Line: lineAt(n), Msg: fmt.Sprintf("values are nested deeper than %d", maxDepth)}
	}
	switch n.Kind { //nolint:exhaustive // the other kinds hold no text
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if harmless[n.Content[i].Value] {
				continue
			}
			if fault := checkReferences(name, n.Content[i+1], depth+1); fault != nil {
				return fault
			}
		}
	case yaml.SequenceNode:
		for _, child := range n.Content {
			if fault := checkReferences(name, child, depth+1); fault != nil {
				return fault
			}
		}
	case yaml.ScalarNode:
		_, after, _ := strings.Cut(n.Value, "=")
		if !strings.Contains(n.Value, "\n") && (remote.MatchString(n.Value) || remote.MatchString(after)) {
			return &decode.Error{
				File: name, Line: lineAt(n), Msg: n.Value + " is remote, and nothing is fetched",
				Hint: "build it with kustomize and scan the result, or vendor it",
			}
		}
	}
	return nil
}

func resolved(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

func lineAt(n *yaml.Node) int32 { return int32(n.Line) } //nolint:gosec // a line number fits

// eachDocument calls check for each document of a file. What does not parse is
// a fault with its line.
func eachDocument(name string, data []byte, what string, check func(doc *yaml.Node) *decode.Error) *decode.Error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return syntaxError(name, data, what, err)
		}
		if len(doc.Content) == 0 {
			continue
		}
		if fault := check(resolved(doc.Content[0])); fault != nil {
			return fault
		}
	}
}

// syntaxError says where a file does not parse.
func syntaxError(name string, data []byte, what string, err error) *decode.Error {
	fault := &decode.Error{File: name, Line: 1, Msg: what + strings.TrimPrefix(err.Error(), "yaml: ")}
	_, parsed := decode.File(data, &inventory.Origin{File: name}, decode.DefaultLimits())
	for _, f := range decode.Faults(parsed) {
		fault.Line, fault.Msg = max(f.Line, 1), what+f.Reason()
		break
	}
	return fault
}

// lineOfKey is the line on which a key stands in a file, 0 if it does not.
func lineOfKey(file, key string) int32 {
	data, err := readFile(file, decode.DefaultLimits().Bytes)
	if err != nil {
		return 0
	}
	line := int32(0)
	for text := range bytes.Lines(data) {
		line++
		if rest, ok := bytes.CutPrefix(bytes.TrimLeft(text, " -\t"), []byte(key)); ok && bytes.HasPrefix(rest, []byte(":")) {
			return line
		}
	}
	return 0
}
