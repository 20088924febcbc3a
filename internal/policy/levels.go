package policy

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
)

// The labels by which a namespace asks for a level of Pod Security.
const (
	labelPrefix  = "pod-security.kubernetes.io/"
	enforceLabel = labelPrefix + "enforce"
)

// NamespaceLevels is what Pod Security says of the pods of a namespace.
type NamespaceLevels struct {
	Namespace string `json:"namespace"`
	// Today is the level the namespace enforces now, "" if none is known.
	Today string `json:"today,omitempty"`
	// Level is the strictest level that all pods pass, Next the one after it,
	// "" if there is none. Both are "" when a pod can't be judged.
	Level string `json:"level"`
	Next  string `json:"next,omitempty"`
	// Version is that of the levels: latest or v1.N.
	Version string `json:"version"`
	// Templates counts the pods and pod templates.
	Templates int `json:"templates"`
	// Obstacles are the pods that keep the namespace from the next level.
	Obstacles []Obstacle `json:"obstacles,omitempty"`
	// Unknown are the pods that can't be judged, and why.
	Unknown []Obstacle `json:"unknown,omitempty"`
}

// Obstacle is a pod or pod template and what is wrong with it.
type Obstacle struct {
	Object string   `json:"object"`
	File   string   `json:"file,omitempty"`
	Line   int32    `json:"line,omitempty"`
	Checks []string `json:"checks"`
}

// strictness ranks the levels.
var strictness = []string{podsecurity.Privileged, podsecurity.Baseline, podsecurity.Restricted}

// Levels says for each namespace of the inventory, in order of names, which
// level its pods pass.
func Levels(inv *inventory.Inventory, version string) ([]NamespaceLevels, error) {
	switch {
	case version == "":
		version = "latest"
	case version != "latest" && !strings.HasPrefix(version, "v"):
		version = "v" + version
	}
	evaluator, err := podsecurity.New(version)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*levels)
	of := func(name string) *levels {
		if byName[name] == nil {
			byName[name] = &levels{NamespaceLevels: NamespaceLevels{Namespace: name, Version: version}}
		}
		return byName[name]
	}
	for _, ns := range inv.Kind("Namespace", "") {
		of(ns.Name).Today = ns.Labels().Get(enforceLabel).Str()
	}
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			of(o.EffectiveNamespace()).add(o, t, evaluator.Evaluate(t))
		}
	}
	out := make([]NamespaceLevels, 0, len(byName))
	for _, l := range byName {
		out = append(out, l.conclude())
	}
	slices.SortFunc(out, func(a, b NamespaceLevels) int { return strings.Compare(a.Namespace, b.Namespace) })
	return out, nil
}

// levels gathers the pods of one namespace.
type levels struct {
	NamespaceLevels
	// judged are the pods below the strictest level, with the level they pass.
	judged []judgedPod
}

type judgedPod struct {
	obstacle Obstacle
	level    string
}

func (l *levels) add(o *inventory.Object, t *inventory.PodTemplate, v podsecurity.Verdict) {
	l.Templates++
	found := Obstacle{Object: o.Kind + "/" + o.Name, File: o.Origin.File, Line: t.Spec.Line, Checks: v.Blocks}
	switch v.Level {
	case podsecurity.Restricted:
	case podsecurity.Baseline, podsecurity.Privileged:
		l.judged = append(l.judged, judgedPod{found, v.Level})
	default:
		l.Unknown = append(l.Unknown, found)
	}
}

func (l *levels) conclude() NamespaceLevels {
	if len(l.Unknown) > 0 {
		return l.NamespaceLevels
	}
	rank := len(strictness) - 1
	for _, p := range l.judged {
		rank = min(rank, slices.Index(strictness, p.level))
	}
	l.Level = strictness[rank]
	if rank+1 < len(strictness) {
		l.Next = strictness[rank+1]
	}
	for _, p := range l.judged {
		if p.level == l.Level {
			l.Obstacles = append(l.Obstacles, p.obstacle)
		}
	}
	return l.NamespaceLevels
}

// Manifest is the namespace with labels that enforce the level its pods pass,
// and that warn of and note what the next one would refuse. It is nil when the
// level is not known.
func (l *NamespaceLevels) Manifest() *corev1.Namespace {
	if l.Level == "" {
		return nil
	}
	strict := l.Next
	if strict == "" {
		strict = l.Level
	}
	labels := map[string]string{enforceLabel: l.Level, enforceLabel + "-version": l.Version}
	for _, mode := range []string{"warn", "audit"} {
		labels[labelPrefix+mode] = strict
		labels[labelPrefix+mode+"-version"] = l.Version
	}
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: l.Namespace, Labels: labels},
	}
}
