package phantom_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/phantom"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, phantom.Chapter(), checktest.YAML)
}
