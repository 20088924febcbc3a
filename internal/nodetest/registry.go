package nodetest

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Registry serves images to the node under whatever names they have, so that
// manifests need no change to run. It listens on the link to the node only.
type Registry struct {
	mu        sync.Mutex
	manifests map[string][]byte
	blobs     map[string][]byte
	asked     []string
}

// startRegistry serves on the host until the test ends, and tells the node's
// container runtime, by its folder, to take all images from there.
func startRegistry(tb testing.TB, host, dir string) *Registry {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		tb.Fatal(err)
	}
	r := &Registry{manifests: make(map[string][]byte), blobs: make(map[string][]byte)}
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // it ends with the test
	tb.Cleanup(func() { _ = server.Close() })
	url := "http://" + listener.Addr().String()
	text := fmt.Sprintf("server = %q\n[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n", url, url)
	if err := os.MkdirAll(filepath.Join(dir, "_default"), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "_default", "hosts.toml"), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return r
}

// Serve serves an image under a name, in the short form, too.
func (r *Registry) Serve(tb testing.TB, name string, image *Image) {
	tb.Helper()
	manifest, blobs, err := image.blobs()
	if err != nil {
		tb.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	registry, repository, reference := parts(name)
	r.manifests[registry+"/"+repository+"@"+digest(manifest)] = manifest
	r.manifests[registry+"/"+repository+"@"+reference] = manifest
	maps.Copy(r.blobs, blobs)
}

// parts takes the name of an image apart, as container runtimes do.
func parts(name string) (string, string, string) {
	reference := "latest"
	if before, after, ok := strings.Cut(name, "@"); ok {
		name, reference = before, after
	}
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		if reference == "latest" {
			reference = name[i+1:]
		}
		name = name[:i]
	}
	first, rest, ok := strings.Cut(name, "/")
	switch {
	case ok && (strings.ContainsAny(first, ".:") || first == "localhost"):
		return first, rest, reference
	case ok:
		return "docker.io", name, reference
	default:
		return "docker.io", "library/" + name, reference
	}
}

// ServeHTTP answers as registries do to those who pull.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	path := strings.TrimPrefix(request.URL.Path, "/v2/")
	r.mu.Lock()
	r.asked = append(r.asked, request.Method+" "+request.URL.String())
	var body []byte
	kind := "application/octet-stream"
	if repository, reference, ok := strings.Cut(path, "/manifests/"); ok {
		body = r.manifests[request.URL.Query().Get("ns")+"/"+repository+"@"+reference]
		kind = manifestType
	} else if _, name, ok := strings.Cut(path, "/blobs/"); ok {
		body = r.blobs[name]
	}
	r.mu.Unlock()
	if path == "" {
		return
	}
	if body == nil {
		http.NotFound(w, request)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Docker-Content-Digest", digest(body))
	http.ServeContent(w, request, "", time.Time{}, strings.NewReader(string(body)))
}
