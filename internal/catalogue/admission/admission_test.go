package admission_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/admission"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, admission.Chapter(), checktest.YAML)
}
