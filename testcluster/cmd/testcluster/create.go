package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A document is one object of a manifest, with what its address needs. The text
// is handed to the API server as it is, which reads YAML.
type document struct {
	file                              string
	apiVersion, kind, namespace, name string
	text                              []byte
}

// The forms of plain block style, which is what this command takes: it has no
// YAML parser.
var (
	separator  = regexp.MustCompile(`(?m)^---[ \t]*$`)
	apiVersion = regexp.MustCompile(`(?m)^apiVersion:[ \t]*"?([^\s"#]+)`)
	kind       = regexp.MustCompile(`(?m)^kind:[ \t]*"?([^\s"#]+)`)
	metadata   = regexp.MustCompile(`(?m)^metadata:(.*(?:\n(?:[ \t].*|#.*|[ \t]*))*)`)
	name       = regexp.MustCompile(`(?:^|[\n{,])[ \t]*name:[ \t]*"?([^\s",}#]+)`)
	namespace  = regexp.MustCompile(`(?:^|[\n{,])[ \t]*namespace:[ \t]*"?([^\s",}#]+)`)
)

// create makes the objects of manifests in a running cluster, as kubectl create
// does: fields that the API does not know are dropped. What exists is left as it
// is; documents that are not of the API, such as configuration files, are left
// out.
func create(ctx context.Context, args []string, std streams) error {
	flags := newFlags("create", std)
	clusterName := nameFlag(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("create: want files or folders")
	}
	p, err := placeOf(*clusterName)
	if err != nil {
		return err
	}
	running, err := p.read()
	if err != nil {
		return err
	}
	if running == nil || running.Access == nil {
		return fmt.Errorf("cluster %s is not running: start it with testcluster up", *clusterName)
	}
	documents, err := readDocuments(flags.Args())
	if err != nil {
		return err
	}
	client, err := running.Access.Client("admin", "system:masters")
	if err != nil {
		return err
	}
	return (&creator{client: client, url: running.Access.URL, std: std}).run(ctx, documents)
}

func readDocuments(paths []string) ([]document, error) {
	var all []document
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) || strings.HasPrefix(entry.Name(), ".") {
				return err
			}
			text, err := os.ReadFile(path) //nolint:gosec // the folder of whoever runs this
			if err != nil {
				return err
			}
			for _, part := range separator.Split(string(text), -1) {
				if d := parseDocument(path, part); d.kind != "" {
					all = append(all, d)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
	}
	// Namespaces and definitions first: the others need them.
	slices.SortStableFunc(all, func(a, b document) int { return rank(a.kind) - rank(b.kind) })
	return all, nil
}

func rank(kind string) int {
	return slices.Index([]string{"Service", "ServiceAccount", "CustomResourceDefinition", "Namespace"}, kind) * -1
}

func parseDocument(file, text string) document {
	meta := first(metadata, text)
	return document{
		file: file, text: []byte(text), apiVersion: first(apiVersion, text), kind: first(kind, text),
		name: first(name, meta), namespace: first(namespace, meta),
	}
}

func first(form *regexp.Regexp, text string) string {
	if m := form.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

type creator struct {
	client *http.Client
	url    string
	std    streams
	// resources has the resources of each group and version that was asked for.
	resources map[string][]resource
}

type resource struct {
	Name       string `json:"name"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced"`
}

func (c *creator) run(ctx context.Context, documents []document) error {
	c.resources = make(map[string][]resource)
	var failed []error
	created, left := 0, 0
	for _, d := range documents {
		path, err := c.path(ctx, d)
		switch {
		case err != nil:
			return err
		case path == "" || d.name == "":
			left++
			continue
		}
		if err := c.post(ctx, path, d.text); err != nil {
			failed = append(failed, fmt.Errorf("%s: %s %s: %w", d.file, d.kind, d.name, err))
			continue
		}
		created++
	}
	c.std.tell("testcluster: %d objects created or there, %d documents are not of the API\n", created, left)
	return errors.Join(failed...)
}

// path is the address of the list an object belongs into, "" if the server does not know its kind.
func (c *creator) path(ctx context.Context, d document) (string, error) {
	base := "/apis/" + d.apiVersion
	if !strings.Contains(d.apiVersion, "/") {
		base = "/api/" + d.apiVersion
	}
	known, asked := c.resources[base]
	if !asked {
		body, status, err := c.do(ctx, http.MethodGet, base, "", nil)
		if err != nil {
			return "", err
		}
		var list struct {
			Resources []resource `json:"resources"`
		}
		if status == http.StatusOK {
			if err := json.Unmarshal(body, &list); err != nil {
				return "", fmt.Errorf("read %s: %w", base, err)
			}
		}
		known = list.Resources
		c.resources[base] = known
	}
	for _, r := range known {
		switch {
		case r.Kind != d.kind || strings.Contains(r.Name, "/"):
		case !r.Namespaced:
			return base + "/" + r.Name, nil
		default:
			in := d.namespace
			if in == "" {
				in = "default"
			}
			return base + "/namespaces/" + url.PathEscape(in) + "/" + r.Name, nil
		}
	}
	return "", nil
}

// post creates one object. In a new namespace it waits for the default service
// account, which a controller makes.
func (c *creator) post(ctx context.Context, path string, text []byte) error {
	const tries, pause = 50, 200 * time.Millisecond
	for try := 0; ; try++ {
		body, status, err := c.do(ctx, http.MethodPost, path+"?fieldManager=testcluster", "application/yaml", text)
		if err != nil {
			return err
		}
		if status < http.StatusBadRequest || status == http.StatusConflict {
			return nil
		}
		var answer struct {
			Message string `json:"message"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("status %d", status)
		}
		if !strings.Contains(answer.Message, "error looking up service account") || try >= tries {
			return errors.New(answer.Message)
		}
		time.Sleep(pause)
	}
}

func (c *creator) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("ask the API server: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	const most = 16 << 20
	answer, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, 0, fmt.Errorf("read the answer of the API server: %w", err)
	}
	return answer, response.StatusCode, nil
}
