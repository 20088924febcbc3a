package schema

import (
	"maps"
	"reflect"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	apiserverv1alpha1 "k8s.io/apiserver/pkg/apis/apiserver/v1alpha1"
	apiserverv1beta1 "k8s.io/apiserver/pkg/apis/apiserver/v1beta1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes/scheme"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	kubeproxyv1alpha1 "k8s.io/kube-proxy/config/v1alpha1"
	kubeletv1 "k8s.io/kubelet/config/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	podsecurityv1 "k8s.io/pod-security-admission/admission/api/v1"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// extra are types outside the served API groups of k8s.io/api, by
// apiVersion/Kind.
var extra = map[string]reflect.Type{
	"apiextensions.k8s.io/v1/CustomResourceDefinition":                 reflect.TypeFor[apiextensionsv1.CustomResourceDefinition](),
	"apiregistration.k8s.io/v1/APIService":                             reflect.TypeFor[apiregistrationv1.APIService](),
	"kubelet.config.k8s.io/v1beta1/KubeletConfiguration":               reflect.TypeFor[kubeletv1beta1.KubeletConfiguration](),
	"kubelet.config.k8s.io/v1/CredentialProviderConfig":                reflect.TypeFor[kubeletv1.CredentialProviderConfig](),
	"kubeproxy.config.k8s.io/v1alpha1/KubeProxyConfiguration":          reflect.TypeFor[kubeproxyv1alpha1.KubeProxyConfiguration](),
	"audit.k8s.io/v1/Policy":                                           reflect.TypeFor[auditv1.Policy](),
	"apiserver.config.k8s.io/v1/AdmissionConfiguration":                reflect.TypeFor[apiserverv1.AdmissionConfiguration](),
	"apiserver.config.k8s.io/v1/EncryptionConfiguration":               reflect.TypeFor[apiserverv1.EncryptionConfiguration](),
	"apiserver.config.k8s.io/v1/AuthenticationConfiguration":           reflect.TypeFor[apiserverv1.AuthenticationConfiguration](),
	"apiserver.config.k8s.io/v1/AuthorizationConfiguration":            reflect.TypeFor[apiserverv1.AuthorizationConfiguration](),
	"apiserver.config.k8s.io/v1beta1/AuthenticationConfiguration":      reflect.TypeFor[apiserverv1beta1.AuthenticationConfiguration](),
	"apiserver.config.k8s.io/v1beta1/AuthorizationConfiguration":       reflect.TypeFor[apiserverv1beta1.AuthorizationConfiguration](),
	"apiserver.config.k8s.io/v1alpha1/AuthenticationConfiguration":     reflect.TypeFor[apiserverv1alpha1.AuthenticationConfiguration](),
	"apiserver.config.k8s.io/v1alpha1/AuthorizationConfiguration":      reflect.TypeFor[apiserverv1alpha1.AuthorizationConfiguration](),
	"pod-security.admission.config.k8s.io/v1/PodSecurityConfiguration": reflect.TypeFor[podsecurityv1.PodSecurityConfiguration](),
	"v1/Config": reflect.TypeFor[clientcmdv1.Config](),
}

// roots remembers the types of the kinds that were asked for.
var roots sync.Map

// typeOf is the Go type of an object's kind, nil for kinds this program has no
// type of.
func typeOf(o *inventory.Object) reflect.Type {
	if t, ok := extra[o.APIVersion+"/"+o.Kind]; ok {
		return t
	}
	kind := gvk(o)
	if known, ok := roots.Load(kind); ok {
		t, _ := known.(reflect.Type)
		return t
	}
	v, err := scheme.Scheme.New(kind)
	if err != nil {
		return nil
	}
	t := reflect.TypeOf(v).Elem()
	roots.Store(kind, t)
	return t
}

// New is a pointer to a new value of the Go type of an object's kind, nil for
// kinds this program has no type of.
func New(o *inventory.Object) any {
	t := typeOf(o)
	if t == nil {
		return nil
	}
	return reflect.New(t).Interface()
}

// fields maps the JSON names of a struct type to the types of its fields,
// embedded structs included.
var fields sync.Map

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := fields.Load(t); ok {
		if m, ok := known.(map[string]reflect.Type); ok {
			return m
		}
	}
	out := make(map[string]reflect.Type)
	if t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case !f.IsExported() || name == "-":
			case name == "" && (f.Anonymous || strings.Contains(rest, "inline")):
				maps.Copy(out, fieldsOf(deref(f.Type)))
			case name == "":
				out[f.Name] = f.Type
			default:
				out[name] = f.Type
			}
		}
	}
	fields.Store(t, out)
	return out
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// opaque are types that decode themselves: below them there are no fields to
// know.
var opaque = map[reflect.Type]bool{
	reflect.TypeFor[metav1.Time]():                            true,
	reflect.TypeFor[metav1.MicroTime]():                       true,
	reflect.TypeFor[metav1.FieldsV1]():                        true,
	reflect.TypeFor[runtime.RawExtension]():                   true,
	reflect.TypeFor[runtime.Unknown]():                        true,
	reflect.TypeFor[apiextensionsv1.JSON]():                   true,
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray](): true,
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():  true,
}

// childType is the type of a child of a value of type t.
func childType(t reflect.Type, child *inventory.Node) reflect.Type {
	if t == nil {
		return nil
	}
	t = deref(t)
	switch t.Kind() { //nolint:exhaustive // other kinds have no children
	case reflect.Struct:
		if ct, ok := fieldsOf(t)[child.Key]; ok {
			return deref(ct)
		}
	case reflect.Map, reflect.Slice, reflect.Array:
		return deref(t.Elem())
	}
	return nil
}
