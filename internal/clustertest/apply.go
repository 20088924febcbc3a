package clustertest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// REST is the client configuration of a kubeconfig, without limits on requests.
func REST(tb testing.TB, kubeconfig string) *rest.Config {
	tb.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		tb.Fatal(err)
	}
	config.QPS, config.Burst = 1000, 1000
	return config
}

// Create creates the objects of YAML documents as the administrator. Those that
// exist are left as they are. A namespace gets its default service account,
// which the controller manager would make.
func (c *Cluster) Create(tb testing.TB, manifests string) {
	tb.Helper()
	config := REST(tb, c.Kubeconfig)
	disc, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(disc)
	if err != nil {
		tb.Fatal(err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for docs := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 1<<16); ; {
		var o unstructured.Unstructured
		if err := docs.Decode(&o); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			tb.Fatal(err)
		}
		if len(o.Object) == 0 {
			continue
		}
		to, err := endpoint(client, mapper, &o)
		if err != nil {
			tb.Fatal(err)
		}
		if err := create(tb.Context(), to, &o); err != nil {
			tb.Fatalf("create %s %s: %v", o.GetKind(), o.GetName(), err)
		}
		if o.GetKind() == "Namespace" {
			c.Create(tb, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: "+o.GetName()+"}\n")
		}
	}
}

// endpoint is where an object is created.
func endpoint(client dynamic.Interface, mapper meta.RESTMapper, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return client.Resource(mapping.Resource), nil
	}
	if o.GetNamespace() == "" {
		o.SetNamespace("default")
	}
	return client.Resource(mapping.Resource).Namespace(o.GetNamespace()), nil
}

func create(ctx context.Context, to dynamic.ResourceInterface, o *unstructured.Unstructured) error {
	for try := 0; ; try++ {
		_, err := to.Create(ctx, o, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		// A namespace that was just made may not be known to admission yet.
		if err == nil || try > 20 || !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "service account") {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
