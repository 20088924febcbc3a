package image_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/image"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/dockerfile"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, image.Chapter(), func(data []byte, origin *inventory.Origin) ([]*inventory.Object, error) {
		if origin.File != "Dockerfile" {
			return checktest.YAML(data, origin)
		}
		res, err := dockerfile.Decode(data, origin, decode.DefaultLimits())
		return res.Objects, err
	})
}
