package nodetest

import (
	"errors"
	"net/url"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/redoubt-k8s/redoubt/internal/nodetest/stream"
)

// Exec runs the program in a container through the API. It gives what it says,
// and why it fails if it does; that it can't be run at all ends the test.
func (n *Node) Exec(tb testing.TB, namespace, pod, container string, args ...string) (string, error) {
	tb.Helper()
	config, err := rest.TLSConfigFor(n.config)
	if err != nil {
		tb.Fatal(err)
	}
	query := url.Values{"stdout": {"true"}, "stderr": {"true"}, "command": append([]string{Program}, args...)}
	if container != "" {
		query.Set("container", container)
	}
	said, err := stream.Run(n.URL+"/api/v1/namespaces/"+namespace+"/pods/"+pod+"/exec?"+query.Encode(), nil, config)
	var exit *stream.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatalf("exec into %s/%s: %v", namespace, pod, err)
	}
	return said, err
}
