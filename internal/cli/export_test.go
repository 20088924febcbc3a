package cli

import "github.com/redoubt-k8s/redoubt/internal/fix"

// FixTypes are what fix -o json writes, by their names in the schema.
func FixTypes() map[string]any {
	return map[string]any{"report": fixReport{}, "edit": fix.Edit{}, "finding": fix.Refusal{}, "patch": fix.Patch{}}
}
