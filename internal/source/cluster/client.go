// Package cluster reads objects from an API server, and nothing but reads: it
// sends get and list, and where it is told to ask, subject access reviews, of
// which the server keeps nothing. What it may not or can not read becomes a gap.
// It judges nothing.
package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Options say which cluster to read, and as whom.
type Options struct {
	// Kubeconfig is a file; empty means the usual places, then the service
	// account of the pod this program runs in.
	Kubeconfig string
	// Context is one of the kubeconfig; empty means the current one.
	Context string
	// As and AsGroups are whom to impersonate.
	As       string
	AsGroups []string
	// Timeout bounds each request.
	Timeout time.Duration
	// UserAgent names this program to the server.
	UserAgent string
	// Namespaces are read one by one where a list over all is forbidden.
	Namespaces []string
	// NodeProxy reads the configuration of kubelets, too.
	NodeProxy bool
	// Progress is told what is being read; may be nil.
	Progress func(what string, done, total int)
}

// DefaultTimeout bounds a request if nothing else is said.
const DefaultTimeout = 30 * time.Second

// Client reads from one API server.
type Client struct {
	opts Options
	base *url.URL
	http *http.Client
	disc *discovery.DiscoveryClient
	// version is that of the server.
	version string
	// bytes counts what was read.
	bytes atomic.Int64
	// buffers are those of answers that have been read.
	buffers sync.Pool
	// dead is set once the server can't be reached or refuses the credentials:
	// what is asked after that fails at once.
	dead atomic.Pointer[failure]
}

// Connect finds the cluster and asks for its version.
func Connect(ctx context.Context, opts Options) (*Client, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = opts.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: opts.Context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w\nhint: --kubeconfig names the file, --context the cluster in it", err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: opts.As, Groups: opts.AsGroups}
	config.Timeout = opts.Timeout
	config.UserAgent = opts.UserAgent
	config.WarningHandler = rest.NoWarnings{}
	// The server has fair queuing of its own; this only keeps us modest.
	config.QPS, config.Burst = 50, 100
	c := &Client{opts: opts}
	if c.http, err = rest.HTTPClientFor(config); err != nil {
		return nil, fmt.Errorf("use the kubeconfig: %w", err)
	}
	// A redirect would carry the credentials to wherever it points.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.disc, err = discovery.NewDiscoveryClientForConfigAndClient(config, c.http); err != nil {
		return nil, fmt.Errorf("use the kubeconfig: %w", err)
	}
	if c.base, _, err = rest.DefaultServerUrlFor(config); err != nil {
		return nil, fmt.Errorf("use the kubeconfig: %w", err)
	}
	body, failed := c.get(ctx, request{path: "/version", attempts: 2})
	if failed != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", c.base, failed)
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(body, &version); err != nil || version.GitVersion == "" {
		return nil, fmt.Errorf("%s does not answer as a Kubernetes API server", c.base)
	}
	c.version = version.GitVersion
	return c, nil
}

// Version is that of the API server, such as v1.36.3.
func (c *Client) Version() string { return c.version }

// Server is the address of the API server.
func (c *Client) Server() string { return c.base.String() }

// request is one GET, or a POST if it has a body.
type request struct {
	body []byte

	path   string
	query  url.Values
	accept string
	// attempts bounds how often it is sent.
	attempts int
	// size bounds the answer.
	size int64
	// through the server to a node: a failure says nothing about the server.
	through bool
}

const (
	// attempts let a server restart: the pauses between them add up to 16 s.
	attempts   = 7
	firstPause = 250 * time.Millisecond
	// maxPause is the longest a server may ask to wait.
	maxPause = 10 * time.Second
	// maxAnswer bounds one answer: a page, or a configuration.
	maxAnswer = 48 << 20
)

// get sends a request until it is answered or hopeless.
func (c *Client) get(ctx context.Context, r request) ([]byte, *failure) {
	if dead := c.dead.Load(); dead != nil {
		return nil, dead
	}
	if r.attempts == 0 {
		r.attempts = attempts
	}
	if r.size == 0 {
		r.size = maxAnswer
	}
	pause := firstPause
	for try := 1; ; try++ {
		body, failed := c.once(ctx, r)
		if failed == nil {
			return body, nil
		}
		if !failed.passing() || try >= r.attempts || ctx.Err() != nil {
			if ctx.Err() == nil && !r.through && (failed.why == unreachable || failed.why == unauthorized) {
				c.dead.CompareAndSwap(nil, failed)
			}
			return nil, failed
		}
		timer := time.NewTimer(max(pause, failed.after))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		pause *= 2
	}
}

// done takes back the memory of an answer that nobody looks at any more.
func (c *Client) done(body []byte) {
	c.buffers.Put(bytes.NewBuffer(body[:0]))
}

// errTooLarge means that an answer is above the bound.
var errTooLarge = errors.New("the answer is too large")

func (c *Client) once(ctx context.Context, r request) ([]byte, *failure) {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + r.path
	u.RawQuery = r.query.Encode()
	method, content := http.MethodGet, io.Reader(http.NoBody)
	if r.body != nil {
		method, content = http.MethodPost, bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, &failure{why: other, text: err.Error()}
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.accept == "" {
		r.accept = "application/json"
	}
	req.Header.Set("Accept", r.accept)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fromTransport(ctx, err, c.opts.Timeout)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	buf, _ := c.buffers.Get().(*bytes.Buffer)
	if buf == nil {
		buf = new(bytes.Buffer)
	}
	if n := resp.ContentLength; n > 0 && n <= r.size {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, r.size+1))
	c.bytes.Add(n)
	switch {
	case err != nil:
		return nil, fromTransport(ctx, err, c.opts.Timeout)
	case n > r.size:
		return nil, &failure{why: tooLarge, text: errTooLarge.Error()}
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated:
		return nil, fromStatus(resp, buf.Bytes())
	}
	return buf.Bytes(), nil
}

// fromStatus reads the error of a server.
func fromStatus(resp *http.Response, body []byte) *failure {
	f := &failure{why: other, code: resp.StatusCode}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Message != "" {
		f.text = status.Message
		f.token = status.Continue
	} else {
		f.text = http.StatusText(resp.StatusCode)
	}
	switch resp.StatusCode {
	case http.StatusForbidden:
		f.why = forbidden
	case http.StatusUnauthorized:
		f.why = unauthorized
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable:
		f.why = missing
	case http.StatusGone:
		f.why = gone
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable:
		f.why = busy
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
			f.after = min(time.Duration(seconds)*time.Second, maxPause)
		}
	case http.StatusGatewayTimeout:
		f.why = timedOut
	}
	return f
}
