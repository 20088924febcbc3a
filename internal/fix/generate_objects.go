package fix

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// account is the name of the ServiceAccount that a workload gets, and why it
// gets none.
func (s *site) account() (string, error) {
	name, namespace := s.object.Name, s.object.EffectiveNamespace()
	switch {
	case s.template == nil || name == "" || s.object.Root.Find("metadata", "name") == nil:
		return "", errors.New("the workload has no name that an account could have")
	case s.object.Kind == "Pod":
		return "", errors.New("the account must be there before the pod: put one in front of it by hand, or use a Deployment")
	}
	standard := rbac.Subject{Kind: "ServiceAccount", Name: "default", Namespace: namespace}
	for _, b := range rbac.Of(s.state.inv).Bindings {
		if slices.Contains(b.Subjects, standard) {
			return "", fmt.Errorf("%s gives rights to %s, which the program may use: give them to an account of its own by hand", b.Object.Ref(), standard)
		}
	}
	for _, o := range s.state.inv.Objects {
		if o != s.object && o.Name == name && o.EffectiveNamespace() == namespace && len(o.PodTemplates()) > 0 {
			name += "-" + strings.ToLower(s.object.Kind)
			break
		}
	}
	for _, o := range s.state.inv.Kind("ServiceAccount", "") {
		if o.Name == name && o.EffectiveNamespace() == namespace {
			return "", fmt.Errorf("there is a ServiceAccount %s already: name it in the workload if it is meant for it", name)
		}
	}
	return name, nil
}

// useAccount names the account of its own in a workload.
func useAccount(s *site) ([]edit.Change, error) {
	name, err := s.account()
	if err != nil {
		return nil, err
	}
	// The old name of the field would contradict the new one.
	out := s.remove(inventory.JoinPath(s.template.SpecPath(), "serviceAccount"))
	return append(out, s.set(inventory.JoinPath(s.template.SpecPath(), "serviceAccountName"), text(name))...), nil
}

// ownAccount writes the account, without a token that is mounted unasked.
func ownAccount(s *site) ([]document, error) {
	name, err := s.account()
	if err != nil {
		return nil, err
	}
	namespace := ""
	if s.object.Namespace != "" {
		namespace = "  namespace: " + scalar(s.object.Namespace) + "\n"
	}
	return []document{{
		name: "ServiceAccount/" + name,
		text: "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: " + scalar(name) + "\n" + namespace + "automountServiceAccountToken: false\n",
	}}, nil
}

// Where a quota starts that nothing in the input asks more than; it is twice
// what the input has.
const (
	spare     = 2
	leastPods = 20
)

// quota bounds a namespace at twice what its workloads have. CPU and memory are
// bounded only where every container says what it takes: a quota refuses pods
// that don't.
func quota(s *site) ([]document, error) {
	if s.object.Kind != "Namespace" {
		return nil, errNamespace
	}
	sum := &usage{total: make(map[string]*apiresource.Quantity), known: true}
	for _, o := range s.state.inv.Objects {
		if o.EffectiveNamespace() == s.object.Name {
			sum.add(o)
		}
	}
	if sum.pods == 0 {
		return nil, errors.New("no workload of the namespace is among the input, so what it takes can't be told: name the folder with the workloads, too")
	}
	var hard strings.Builder
	fmt.Fprintf(&hard, "    pods: %d\n", max(leastPods, spare*sum.pods))
	for _, key := range quotaKeys {
		if q := sum.total[key]; sum.known && q != nil {
			q.Add(q.DeepCopy())
			fmt.Fprintf(&hard, "    %s: %s\n", key, scalar(q.String()))
		}
	}
	text := "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: quota\n  namespace: " + scalar(s.object.Name) + "\nspec:\n  hard:\n" + hard.String()
	return []document{{name: "ResourceQuota/quota", text: text}}, nil
}

var quotaKeys = []string{"requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}

// maxReplicas is more than a namespace of one input is believed to have.
const maxReplicas = 10_000

// usage is what workloads take in sum.
type usage struct {
	pods  int64
	total map[string]*apiresource.Quantity
	// known is unset when something takes what can't be told.
	known bool
}

func (u *usage) add(o *inventory.Object) {
	if o.Kind == "HorizontalPodAutoscaler" {
		most, _ := o.Root.Find("spec", "maxReplicas").Int()
		u.pods += min(max(most, 0), maxReplicas)
		u.known = false
		return
	}
	n, ok := o.Root.Find("spec", "replicas").Int()
	if n = min(max(n, 1), maxReplicas); !ok {
		n = 1
	}
	for _, t := range o.PodTemplates() {
		u.pods += n
		u.known = u.known && o.Kind != "DaemonSet" && o.Kind != "Job" && o.Kind != "CronJob"
		for i := range t.Containers {
			u.container(t.Containers[i].Node, n)
		}
	}
}

func (u *usage) container(c *inventory.Node, n int64) {
	for _, key := range quotaKeys {
		kind, name, _ := strings.Cut(key, ".")
		given := c.Find("resources", kind, name)
		if given == nil {
			u.known = false
			return
		}
		q, err := apiresource.ParseQuantity(given.Text)
		if err != nil {
			u.known = false
			return
		}
		if u.total[key] == nil {
			u.total[key] = new(apiresource.Quantity)
		}
		q.Mul(n)
		u.total[key].Add(q)
	}
}
