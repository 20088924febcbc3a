package policy

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// YAML writes objects as documents of one stream, without the empty fields
// that only the API server fills in.
func YAML(objects ...runtime.Object) ([]byte, error) {
	var out []byte
	for i, o := range objects {
		tree, err := tree(o)
		if err != nil {
			return nil, err
		}
		text, err := yaml.Marshal(tree)
		if err != nil {
			return nil, fmt.Errorf("write YAML: %w", err)
		}
		if i > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, text...)
	}
	return out, nil
}

func tree(o runtime.Object) (map[string]any, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	delete(out, "status")
	if out["kind"] == "Namespace" {
		delete(out, "spec") // empty
	}
	if metadata, ok := out["metadata"].(map[string]any); ok {
		delete(metadata, "creationTimestamp")
	}
	return out, nil
}
