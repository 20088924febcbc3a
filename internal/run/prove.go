package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/prove"
)

// ProveOptions say what to try, where and as whom.
type ProveOptions struct {
	Cluster

	Selection catalogue.Selection
	// Namespaces are where the objects would be created.
	Namespaces []string
	// Version is that of the program.
	Version string
	// Progress is told what is being done; may be nil.
	Progress func(what string, done, total int)
}

// Proof is what a cluster did with one bad object in one namespace.
type Proof struct {
	Control  string `json:"control"`
	Title    string `json:"title"`
	Severity string `json:"severity"`
	// Namespace is "" for objects that are in none.
	Namespace string `json:"namespace,omitempty"`
	Kind      string `json:"kind,omitempty"`
	prove.Finding
}

// Proofs is the outcome of a run.
type Proofs struct {
	Server string  `json:"server"`
	User   string  `json:"user,omitempty"`
	Proofs []Proof `json:"proofs"`
	// Untried are controls that no single object can violate.
	Untried int `json:"untried"`
}

// ProveAdmission asks a cluster to create objects that it should refuse, as dry
// runs, and says what it did with them. Nothing is created.
func ProveAdmission(ctx context.Context, opts ProveOptions) (*Proofs, error) {
	cases, untried, err := badObjects(opts.Selection)
	if err != nil {
		return nil, err
	}
	c, err := dial(opts)
	if err != nil {
		return nil, err
	}
	out := &Proofs{Server: c.base.String(), User: opts.As, Untried: untried, Proofs: make([]Proof, 0)}
	for i, bad := range cases {
		if opts.Progress != nil {
			opts.Progress("sending bad objects", i, len(cases))
		}
		for _, namespace := range opts.Namespaces {
			p, err := c.try(ctx, bad, namespace)
			if err != nil {
				return nil, err
			}
			out.Proofs = append(out.Proofs, p)
			if p.Namespace == "" {
				break // once is enough for what is in no namespace
			}
		}
	}
	return out, nil
}

// badObjects makes a case of each chosen control that the API server can judge.
func badObjects(s catalogue.Selection) ([]prove.Case, int, error) {
	controls, _, err := catalogue.Sources()
	if err != nil {
		return nil, 0, err
	}
	chosen, err := catalogue.Select(controls, s)
	if err != nil {
		return nil, 0, err
	}
	compiled, err := catalogue.Compile(chosen, nil, control.Latest)
	if err != nil {
		return nil, 0, err
	}
	made, _ := policy.Generate(compiled, policy.Options{})
	var cases []prove.Case
	for _, c := range compiled {
		faced := slices.ContainsFunc(made, func(p policy.Policy) bool { return p.Control == c.Control })
		if !faced {
			continue
		}
		bad := prove.CaseOf(c.Control, objectsIn, failing(c))
		if len(bad.Objects) > 0 {
			cases = append(cases, bad)
		}
	}
	if len(cases) == 0 {
		return nil, 0, errors.New("no single object can violate the chosen controls: there is nothing to try")
	}
	return cases, len(compiled) - len(cases), nil
}

func objectsIn(manifest string) []*inventory.Object {
	res, err := decode.File([]byte(manifest), &inventory.Origin{Kind: inventory.FromManifest, File: "test.yaml"}, decode.DefaultLimits())
	if err != nil {
		return nil // some tests are about broken manifests
	}
	return res.Objects
}

// failing judges objects by one control.
func failing(c *control.Compiled) prove.Fails {
	return func(object map[string]any) bool {
		text, err := json.Marshal(object)
		if err != nil {
			return false
		}
		inv := new(inventory.Inventory)
		inv.Add(objectsIn(string(text))...)
		inv.Seal()
		res := check.Run(inv, []*control.Compiled{c}, check.Options{})
		return slices.ContainsFunc(res.Findings, func(f finding.Finding) bool { return f.Verdict == finding.Fail })
	}
}

// creator sends dry runs of creations.
type creator struct {
	http *http.Client
	base *url.URL
	disc *discovery.DiscoveryClient
	// served are the resources of group versions, nil for those not served.
	served map[string][]metav1.APIResource
	agent  string
}

func dial(opts ProveOptions) (*creator, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = opts.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: opts.Context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w\nhint: --kubeconfig names the file, --context the cluster in it", err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: opts.As, Groups: opts.AsGroups}
	config.Timeout, config.UserAgent = opts.Timeout, "redoubt/"+opts.Version
	config.WarningHandler = rest.NoWarnings{}
	c := &creator{served: make(map[string][]metav1.APIResource), agent: config.UserAgent}
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
	return c, nil
}

// try sends the objects of a case until the server has an opinion of one.
func (c *creator) try(ctx context.Context, bad prove.Case, namespace string) (Proof, error) {
	p := Proof{Control: bad.Control.ID, Title: bad.Control.Title, Severity: bad.Control.Severity, Namespace: namespace}
	for _, object := range bad.Objects {
		p.Kind, _ = object["kind"].(string)
		resource, err := c.resource(ctx, object)
		if err != nil {
			return p, err
		}
		if resource == nil {
			p.Finding = prove.Finding{Message: fmt.Sprintf("the cluster does not serve %v of %v", object["kind"], object["apiVersion"])}
			continue
		}
		if !resource.Namespaced {
			p.Namespace = ""
		}
		answer, err := c.create(ctx, object, resource, p.Namespace)
		if err != nil {
			return p, err
		}
		if p.Finding = prove.Read(answer); !p.Invalid {
			return p, nil
		}
	}
	p.Finding = p.ForField(bad.Control.At)
	return p, nil
}

// resource is how the server names the kind of an object, nil if it does not
// serve it.
func (c *creator) resource(ctx context.Context, object map[string]any) (*metav1.APIResource, error) {
	version, _ := object["apiVersion"].(string)
	if _, asked := c.served[version]; !asked {
		list, err := c.disc.ServerResourcesForGroupVersionWithContext(ctx, version)
		switch {
		case err == nil:
			c.served[version] = list.APIResources
		case apierrors.IsNotFound(err):
			c.served[version] = nil
		default:
			return nil, fmt.Errorf("ask the cluster what it serves of %s: %w", version, err)
		}
	}
	for _, r := range c.served[version] {
		if r.Kind == object["kind"] && !bytes.ContainsRune([]byte(r.Name), '/') {
			return &r, nil
		}
	}
	return nil, nil //nolint:nilnil // not served is an answer
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 8 << 20

// create sends a dry run. An error means that there was no answer at all.
func (c *creator) create(ctx context.Context, object map[string]any, r *metav1.APIResource, namespace string) (prove.Answer, error) {
	var a prove.Answer
	version, _ := object["apiVersion"].(string)
	path := []string{"apis", version}
	if !bytes.ContainsRune([]byte(version), '/') {
		path[0] = "api"
	}
	if namespace != "" {
		metadata, _ := object["metadata"].(map[string]any)
		metadata = maps.Clone(metadata)
		metadata["namespace"] = namespace
		object = maps.Clone(object)
		object["metadata"] = metadata
		path = append(path, "namespaces", namespace)
	}
	text, err := json.Marshal(object)
	if err != nil {
		return a, fmt.Errorf("write object: %w", err)
	}
	target := c.base.JoinPath(append(path, r.Name)...)
	target.RawQuery = url.Values{"dryRun": {metav1.DryRunAll}, "fieldManager": {"redoubt"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(text))
	if err != nil {
		return a, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return a, fmt.Errorf("ask the cluster: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("read answer: %w", err)
	}
	a.Code, a.Warnings = resp.StatusCode, resp.Header.Values("Warning")
	if a.Code >= http.StatusMultipleChoices {
		var status metav1.Status
		if err := json.Unmarshal(body, &status); err != nil {
			status.Message = resp.Status
		}
		a.Reason, a.Message = string(status.Reason), status.Message
	}
	if a.Code == http.StatusUnauthorized {
		return a, errors.New("the cluster does not accept the credentials of the kubeconfig")
	}
	return a, nil
}
