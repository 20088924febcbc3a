// Package podsecurity says which Pod Security level a pod template would pass,
// in the words of the admission plugin itself (k8s.io/pod-security-admission).
package podsecurity

import (
	"encoding/json"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// The levels, and what is reported when a template can't be decoded.
const (
	Privileged = string(api.LevelPrivileged)
	Baseline   = string(api.LevelBaseline)
	Restricted = string(api.LevelRestricted)
	Unknown    = "unknown"
)

// Verdict is the level of one pod template.
type Verdict struct {
	// Level is the strictest level the template passes.
	Level string
	// Blocks says what keeps it from the next stricter level, one sentence per
	// check; for [Unknown] why the template can't be judged.
	Blocks []string
}

// Evaluator judges pod templates by one policy version.
type Evaluator struct {
	evaluator policy.Evaluator
	version   api.Version
	// known are the verdicts so far, by the digest of the template.
	known sync.Map
}

// New makes an evaluator for a policy version: latest or v1.N.
func New(version string) (*Evaluator, error) {
	v, err := api.ParseVersion(version)
	if err != nil {
		return nil, fmt.Errorf("pod security version: %w", err)
	}
	e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, fmt.Errorf("pod security evaluator: %w", err)
	}
	return &Evaluator{evaluator: e, version: v}, nil
}

// Evaluate judges one template, equal ones once. It is safe for concurrent use.
func (e *Evaluator) Evaluate(t *inventory.PodTemplate) Verdict {
	if known, ok := e.known.Load(t.Digest); ok {
		if v, ok := known.(Verdict); ok {
			return v
		}
	}
	v := e.evaluate(t)
	e.known.Store(t.Digest, v)
	return v
}

func (e *Evaluator) evaluate(t *inventory.PodTemplate) Verdict {
	meta, spec, err := Decode(t)
	if err != nil {
		return Verdict{Level: Unknown, Blocks: []string{err.Error()}}
	}
	level := Restricted
	var blocks []string
	for _, l := range []api.Level{api.LevelRestricted, api.LevelBaseline} {
		failed := e.failed(l, meta, spec)
		if len(failed) == 0 {
			break
		}
		blocks = failed
		level = Baseline
		if l == api.LevelBaseline {
			level = Privileged
		}
	}
	return Verdict{Level: level, Blocks: blocks}
}

func (e *Evaluator) failed(level api.Level, meta *metav1.ObjectMeta, spec *corev1.PodSpec) []string {
	var out []string
	for _, r := range e.evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: e.version}, meta, spec) {
		if !r.Allowed {
			out = append(out, r.ForbiddenReason+" ("+r.ForbiddenDetail+")")
		}
	}
	return out
}

// Decode turns a template into the types of the API, with the defaults that
// matter to Pod Security.
func Decode(t *inventory.PodTemplate) (*metav1.ObjectMeta, *corev1.PodSpec, error) {
	meta, spec := new(metav1.ObjectMeta), new(corev1.PodSpec)
	if t.Meta != nil && t.Meta.Kind == inventory.Map {
		// Only annotations matter; other fields could fail to decode.
		meta.Annotations = t.Meta.Get("annotations").StringMap()
	}
	if err := json.Unmarshal(appendSpec(nil, t.Spec), spec); err != nil {
		return nil, nil, fmt.Errorf("the pod specification does not decode: %w", err)
	}
	// The API server gives a volume that names no source an emptyDir before
	// admission plugins see it.
	for i := range spec.Volumes {
		if spec.Volumes[i].VolumeSource == (corev1.VolumeSource{}) {
			spec.Volumes[i].EmptyDir = new(corev1.EmptyDirVolumeSource)
		}
	}
	return meta, spec, nil
}

// unread are fields that no Pod Security check looks at, and which make up most
// of many a specification, with the type that they must have. All fixtures of
// the library are judged without them.
var unread = map[string]inventory.NodeKind{
	// of the pod
	"affinity": inventory.Map, "dnsConfig": inventory.Map, "imagePullSecrets": inventory.List, "nodeSelector": inventory.Map,
	"tolerations": inventory.List, "topologySpreadConstraints": inventory.List,
	// of containers
	"args": inventory.List, "command": inventory.List, "env": inventory.List, "envFrom": inventory.List, "image": inventory.String,
	"imagePullPolicy": inventory.String, "resources": inventory.Map, "volumeDevices": inventory.List,
	"volumeMounts": inventory.List, "workingDir": inventory.String,
}

// appendSpec writes the JSON form of a pod specification without the fields
// that are not read.
func appendSpec(b []byte, spec *inventory.Node) []byte {
	b = append(b, '{')
	first := true
	for _, field := range spec.All() {
		if kind, ok := unread[field.Key]; ok && field.Kind == kind {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(inventory.AppendJSONString(b, field.Key), ':')
		switch inventory.ContainerField(field.Key) {
		case inventory.InitContainers, inventory.RegularContainers, inventory.EphemeralContainers:
			b = appendContainers(b, field)
		default:
			b = field.AppendJSON(b)
		}
	}
	return append(b, '}')
}

func appendContainers(b []byte, list *inventory.Node) []byte {
	if list.Kind != inventory.List {
		return list.AppendJSON(b)
	}
	b = append(b, '[')
	for i, c := range list.All() {
		if i > 0 {
			b = append(b, ',')
		}
		if c.Kind != inventory.Map {
			b = c.AppendJSON(b)
			continue
		}
		b = appendSpec(b, c)
	}
	return append(b, ']')
}
