package network_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/network"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, network.Chapter(), checktest.YAML)
}
