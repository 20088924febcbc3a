package pod_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/pod"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, pod.Chapter(), checktest.YAML)
}
