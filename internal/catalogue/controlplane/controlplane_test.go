package controlplane_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/controlplane"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, controlplane.Chapter(), checktest.YAML)
}
