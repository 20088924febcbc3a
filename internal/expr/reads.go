package expr

import (
	"fmt"
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// Reads says which fields expressions look at. Targets that agree in these
// fields get the same verdict, however they differ otherwise.
type Reads struct {
	// Self, PodSpec and PodMeta are the first-level fields read of these.
	Self    Fields `json:"self,omitzero"`
	PodSpec Fields `json:"podSpec,omitzero"`
	PodMeta Fields `json:"podMeta,omitzero"`
	// Field is set when containerField is read.
	Field bool `json:"field,omitempty"`
	// Wide is set when the object or the namespace is read.
	Wide bool `json:"wide,omitempty"`
}

// Fields is a set of fields of a map. Whether the map is there at all counts as
// read.
type Fields struct {
	// All means that the whole value is read.
	All bool `json:"all,omitempty"`
	// Names are sorted; they do not matter when All is set.
	Names []string `json:"names,omitempty"`
}

func (f *Fields) add(name string) {
	if i, found := slices.BinarySearch(f.Names, name); !found {
		f.Names = slices.Insert(f.Names, i, name)
	}
}

// ReadsOf analyses the texts of expressions, without checking their types.
// Empty texts read nothing.
func ReadsOf(texts ...string) (*Reads, error) {
	e, err := env()
	if err != nil {
		return nil, err
	}
	r := new(Reads)
	for _, text := range texts {
		if text == "" {
			continue
		}
		parsed, issues := e.Parse(text)
		if issues.Err() != nil {
			return nil, fmt.Errorf("parse %q: %w", text, issues.Err())
		}
		r.visit(parsed.NativeRep().Expr())
	}
	return r, nil
}

// visit walks an expression. A variable that is not followed by the name of a
// field counts as read whole.
func (r *Reads) visit(root ast.Expr) {
	// named are the variables that a selection of a field stands around.
	named := make(map[int64]bool)
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if variable, field := selection(e); variable != nil {
			named[variable.ID()] = true
			r.field(variable.AsIdent(), field)
			return
		}
		if variable := comparedWithNull(e); variable != nil {
			named[variable.ID()] = true
			r.null(variable.AsIdent())
			return
		}
		if e.Kind() == ast.IdentKind && !named[e.ID()] {
			r.whole(e.AsIdent())
		}
	}))
}

// selection takes apart x.f, has(x.f), x.?f, x["f"] and x[?"f"] of a variable
// x; the variable is nil for all else.
func selection(e ast.Expr) (ast.Expr, string) {
	switch e.Kind() {
	case ast.SelectKind:
		if x := e.AsSelect().Operand(); x.Kind() == ast.IdentKind {
			return x, e.AsSelect().FieldName()
		}
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
		default:
			return nil, ""
		}
		x, key := call.Args()[0], call.Args()[1]
		if x.Kind() != ast.IdentKind || key.Kind() != ast.LiteralKind {
			return nil, ""
		}
		if name, ok := key.AsLiteral().Value().(string); ok {
			return x, name
		}
	case ast.ComprehensionKind, ast.IdentKind, ast.ListKind, ast.LiteralKind, ast.MapKind, ast.StructKind, ast.UnspecifiedExprKind:
	}
	return nil, ""
}

// comparedWithNull takes apart x == null and x != null.
func comparedWithNull(e ast.Expr) ast.Expr {
	if e.Kind() != ast.CallKind {
		return nil
	}
	call := e.AsCall()
	if name := call.FunctionName(); name != operators.Equals && name != operators.NotEquals {
		return nil
	}
	x, null := call.Args()[0], call.Args()[1]
	if x.Kind() == ast.IdentKind && null.Kind() == ast.LiteralKind && null.AsLiteral() == types.NullValue {
		return x
	}
	return nil
}

// null notes that an expression asks whether a variable is there. That counts
// for [Fields] in any case.
func (r *Reads) null(variable string) {
	if variable == varObject || variable == varNamespace {
		r.Wide = true
	}
}

func (r *Reads) field(variable, name string) {
	switch variable {
	case varSelf:
		r.Self.add(name)
	case varPodSpec:
		r.PodSpec.add(name)
	case varPodMeta:
		r.PodMeta.add(name)
	default:
		r.whole(variable)
	}
}

func (r *Reads) whole(variable string) {
	switch variable {
	case varSelf:
		r.Self.All = true
	case varPodSpec:
		r.PodSpec.All = true
	case varPodMeta:
		r.PodMeta.All = true
	case varField:
		r.Field = true
	case varObject, varNamespace:
		r.Wide = true
	}
}
