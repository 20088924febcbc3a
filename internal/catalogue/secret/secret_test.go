package secret_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/secret"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, secret.Chapter(), checktest.YAML)
}
