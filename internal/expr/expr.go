// Package expr compiles and runs the CEL expressions of controls in the
// environment of the API server, so that a generated
// ValidatingAdmissionPolicy runs the same text with the same meaning.
//
// It knows nothing of controls.
package expr

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Scope is what an expression can see. Fields that do not apply are nil and
// read as null.
type Scope struct {
	// Self is the target: the container, volume, pod specification or object.
	Self *inventory.Node
	// PodSpec and PodMeta are the pod specification and metadata around Self.
	PodSpec, PodMeta *inventory.Node
	// Object is the whole object.
	Object *inventory.Node
	// Namespace is the Namespace object the target lives in, when known.
	Namespace *inventory.Node
	// Field is the list a container stands in: containers, initContainers or
	// ephemeralContainers.
	Field string
}

// The names of the variables of a scope.
const (
	varSelf      = "self"
	varPodSpec   = "podSpec"
	varPodMeta   = "podMeta"
	varObject    = "object"
	varNamespace = "namespaceObject"
	varField     = "containerField"
)

// ResolveName makes a scope an activation of the CEL interpreter.
func (s *Scope) ResolveName(name string) (any, bool) {
	switch name {
	case varSelf:
		return value(s.Self), true
	case varPodSpec:
		return value(s.PodSpec), true
	case varPodMeta:
		return value(s.PodMeta), true
	case varObject:
		return value(s.Object), true
	case varNamespace:
		return value(s.Namespace), true
	case varField:
		return types.String(s.Field), true
	}
	return nil, false
}

// Parent makes a scope an activation of the CEL interpreter.
func (*Scope) Parent() cel.Activation { return nil }

// Program is an expression that can be run. It is safe for concurrent use.
type Program struct {
	text    string
	compile func() (cel.Program, error)
}

// env is built on first use: commands that judge nothing must not pay for it.
var env = sync.OnceValues(func() (*cel.Env, error) {
	version := environment.DefaultCompatibilityVersion()
	set, err := environment.MustBaseEnvSet(version).Extend(environment.VersionedOptions{
		IntroducedVersion: version,
		EnvOptions: []cel.EnvOption{
			cel.Variable(varSelf, cel.DynType),
			cel.Variable(varPodSpec, cel.DynType),
			cel.Variable(varPodMeta, cel.DynType),
			cel.Variable(varObject, cel.DynType),
			cel.Variable(varNamespace, cel.DynType),
			cel.Variable(varField, cel.StringType),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("extend the API server's CEL environment: %w", err)
	}
	return set.Env(environment.StoredExpressions)
})

// Lazy makes a program that is compiled when it is first run: most scans need
// few of the built-in expressions, and compiling them all takes longer than
// reading a small folder. A fault shows then as an error of the run.
func Lazy(text string, want *cel.Type) *Program {
	return &Program{
		text:    text,
		compile: sync.OnceValues(func() (cel.Program, error) { return plan(text, want) }),
	}
}

// Compile checks an expression that yields a value of type want.
func Compile(text string, want *cel.Type) (*Program, error) {
	p := Lazy(text, want)
	if _, err := p.compile(); err != nil {
		return nil, err
	}
	return p, nil
}

func plan(text string, want *cel.Type) (cel.Program, error) {
	e, err := env()
	if err != nil {
		return nil, err
	}
	ast, issues := e.Compile(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("compile %q: %w", text, issues.Err())
	}
	if out := ast.OutputType(); !out.IsAssignableType(want) && !out.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("compile %q: yields %s, want %s", text, out, want)
	}
	program, err := e.Program(ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, fmt.Errorf("plan %q: %w", text, err)
	}
	return program, nil
}

// CompileBool checks an expression that yields a boolean.
func CompileBool(text string) (*Program, error) { return Compile(text, cel.BoolType) }

// CompileString checks an expression that yields a string.
func CompileString(text string) (*Program, error) { return Compile(text, cel.StringType) }

// Check compiles the program, if it is not yet, and returns its faults. A nil
// program has none.
func (p *Program) Check() error {
	if p == nil {
		return nil
	}
	_, err := p.compile()
	return err
}

// Text is the source of the expression.
func (p *Program) Text() string { return p.text }

// Bool runs the program in a scope. An error means that the expression has no
// value there, for instance because a field has a type the API server would
// refuse.
func (p *Program) Bool(s *Scope) (bool, error) {
	out, err := p.run(s)
	if err != nil {
		return false, err
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("%q yields %s, want a boolean", p.text, out.Type().TypeName())
	}
	return bool(b), nil
}

// String runs the program in a scope.
func (p *Program) String(s *Scope) (string, error) {
	out, err := p.run(s)
	if err != nil {
		return "", err
	}
	str, ok := out.(types.String)
	if !ok {
		return "", fmt.Errorf("%q yields %s, want a string", p.text, out.Type().TypeName())
	}
	return string(str), nil
}

var errNoValue = errors.New("the expression has no value")

func (p *Program) run(s *Scope) (ref.Val, error) {
	program, err := p.compile()
	if err != nil {
		return nil, err
	}
	out, _, err := program.Eval(s)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, errNoValue
	}
	return out, nil
}
