package offline

import (
	celgo "github.com/google/cel-go/cel"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// boolean is an expression that says yes or no.
type boolean string

// GetExpression is the text.
func (b boolean) GetExpression() string { return string(b) }

// ReturnTypes is what it may yield.
func (boolean) ReturnTypes() []*celgo.Type { return []*celgo.Type{celgo.BoolType} }

// text is an expression that yields a message.
type text string

// GetExpression is the text.
func (t text) GetExpression() string { return string(t) }

// ReturnTypes is what it may yield.
func (text) ReturnTypes() []*celgo.Type { return []*celgo.Type{celgo.StringType} }

// variable is a named expression.
type variable struct {
	admissionregistrationv1.Variable
}

// GetExpression is the text.
func (v *variable) GetExpression() string { return v.Expression }

// ReturnTypes is what it may yield.
func (*variable) ReturnTypes() []*celgo.Type { return []*celgo.Type{celgo.AnyType, celgo.DynType} }

// GetName is the name.
func (v *variable) GetName() string { return v.Name }
