package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
)

// served is a resource as this server has it.
type served struct {
	Resource

	// version is that of the API group.
	version    string
	namespaced bool
}

func (s served) apiVersion() string {
	if s.Group == "" {
		return s.version
	}
	return s.Group + "/" + s.version
}

// path is where the objects of the resource are listed, in one namespace or in
// all.
func (s served) path(namespace string) string {
	name := s.Name
	if namespace != "" {
		name = "namespaces/" + namespace + "/" + name
	}
	if s.Group == "" {
		return "/api/" + s.version + "/" + name
	}
	return "/apis/" + s.Group + "/" + s.version + "/" + name
}

// full names the resource for people, such as deployments.apps.
func (s served) full() string {
	if s.Group == "" {
		return s.Name
	}
	return s.Name + "." + s.Group
}

// The forms a list can be asked in.
const (
	whole    = "application/json"
	metaOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	table    = "application/json;as=Table;g=meta.k8s.io;v=v1"
)

// pageSize is the number of objects asked for at once.
const pageSize = 500

// page is one part of a list.
type page struct {
	root  *inventory.Node
	items []inventory.Node
}

// listing is one list being read, page by page.
type listing struct {
	client *Client
	served served
	// namespace is the one that is listed, all if empty.
	namespace string
	// accept is the form asked for.
	accept string
	parser jsontree.Parser
	// seen counts objects.
	seen int
}

// each reads all pages. A failure after the first page leaves what was read
// before. While a page is being taken the next is on its way.
func (l *listing) each(ctx context.Context, take func(page) error) (*failure, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var token string
	ahead := l.fetch(ctx, token)
	for {
		got := <-ahead
		if got.failed != nil {
			return got.failed, nil
		}
		// Most servers name the next page before the items.
		if token = early(got.body); token != "" {
			ahead = l.fetch(ctx, token)
		}
		p, next, err := l.parse(got.body)
		if err != nil {
			return &failure{why: other, text: "the answer can't be read: " + err.Error()}, nil
		}
		// The parser has copied all that it keeps.
		l.client.done(got.body)
		l.seen += len(p.items)
		if err := take(p); err != nil {
			return nil, err
		}
		switch {
		case next == "":
			return nil, nil
		case next != token:
			ahead = l.fetch(ctx, next)
		}
	}
}

// answer is what became of the request for a page.
type answer struct {
	body   []byte
	failed *failure
}

// fetch asks for a page in the background.
func (l *listing) fetch(ctx context.Context, token string) <-chan answer {
	out := make(chan answer, 1)
	go func() {
		body, failed := l.page(ctx, token)
		out <- answer{body, failed}
	}()
	return out
}

// page asks for one page.
func (l *listing) page(ctx context.Context, token string) ([]byte, *failure) {
	const renewals = 3
	limit := pageSize
	for fresh := 0; ; {
		query := url.Values{"limit": {strconv.Itoa(limit)}}
		if token != "" {
			query.Set("continue", token)
		}
		if l.accept == table {
			query.Set("includeObject", "Metadata")
		}
		body, failed := l.client.get(ctx, request{path: l.served.path(l.namespace), query: query, accept: l.accept})
		switch {
		case failed == nil:
			return body, nil
		case failed.why == tooLarge && limit > 1:
			limit = max(1, limit/10)
		case failed.why == gone && failed.token != "" && fresh < renewals:
			// The list took longer than the server keeps old states; it goes on
			// with the present one.
			token = failed.token
			fresh++
		default:
			return nil, failed
		}
	}
}

// early finds the token of the next page where servers write it, ahead of the
// items; "" if it is not there.
func early(body []byte) string {
	const head = 4096
	start := body[:min(len(body), head)]
	for _, items := range []string{`"items":`, `"rows":`, `"columnDefinitions":`} {
		start, _, _ = bytes.Cut(start, []byte(items))
	}
	_, rest, ok := bytes.Cut(start, []byte(`"continue":"`))
	token, _, ended := bytes.Cut(rest, []byte(`"`))
	if !ok || !ended || bytes.ContainsRune(token, '\\') {
		return ""
	}
	return string(token)
}

// parse reads a page, and checks that it has the form that was asked for: a
// server that gives whole Secrets for a table must not be believed.
func (l *listing) parse(body []byte) (page, string, error) {
	root, err := l.parser.Parse(body)
	if err != nil {
		return page{}, "", err
	}
	kind, items := root.Get("kind").Str(), root.Get("items")
	switch {
	case l.accept == table && kind == "Table":
		items = root.Get("rows")
	case l.accept == metaOnly && kind == "PartialObjectMetadataList":
	case l.accept == whole && strings.HasSuffix(kind, "List"):
	default:
		return page{}, "", fmt.Errorf("it is of kind %q", kind)
	}
	p := page{root: root}
	if items != nil {
		p.items = items.Items
	}
	return p, root.Find("metadata", "continue").Str(), nil
}

// object takes an item out of its page, so that it does not keep the others in
// memory, and completes it.
func (l *listing) object(item *inventory.Node) *inventory.Object {
	root := &inventory.Node{Kind: inventory.Map, Items: make([]inventory.Node, 0, len(item.Items)+2)}
	root.Items = append(
		root.Items,
		inventory.Node{Key: "apiVersion", Kind: inventory.String, Text: l.served.apiVersion()},
		inventory.Node{Key: "kind", Kind: inventory.String, Text: l.served.Kind},
	)
	for _, n := range item.Items {
		if n.Key != "apiVersion" && n.Key != "kind" {
			root.Items = append(root.Items, n)
		}
	}
	return inventory.NewObject(root, origin)
}

// origin is that of every object of a cluster. There is no file.
var origin = &inventory.Origin{Kind: inventory.FromCluster}
