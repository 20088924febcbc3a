package namespace_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/namespace"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, namespace.Chapter(), checktest.YAML)
}
