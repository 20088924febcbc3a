package rbac_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/rbac"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, rbac.Chapter(), checktest.YAML)
}
