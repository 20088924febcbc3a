package run

import (
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/source/image"
	"github.com/redoubt-k8s/redoubt/internal/waiver"
)

// readImages adds what images at hand say of themselves to what the
// configuration says of images. The configuration wins.
func (s *settings) readImages(args []string) error {
	written := len(s.config.Images)
	for _, arg := range args {
		name, file := "", arg
		if _, err := os.Stat(arg); err != nil {
			if before, after, found := strings.Cut(arg, "="); found {
				name, file = before, after
			}
		}
		images, err := image.Read(file)
		if err != nil {
			return fmt.Errorf("--image: %w", err)
		}
		if name != "" && len(images) > 1 {
			return fmt.Errorf("--image %s: there are %d images in it: leave the name out, or name a file with one", arg, len(images))
		}
		for _, img := range images {
			if name != "" {
				img.Names = image.Names(name, img.Digest)
			}
			if len(img.Names) == 0 {
				return fmt.Errorf("--image %s: it holds an image without a full name: write --image NAME=%s with the name as in manifests", arg, file)
			}
			for _, known := range img.Names {
				s.config.Images = append(s.config.Images, unwritten(s.config.Images[:written], known, img))
			}
		}
	}
	return nil
}

// unwritten is what the configuration does not say of an image.
func unwritten(config []waiver.Image, name string, img image.Image) waiver.Image {
	out := waiver.Image{Image: name, User: img.User, Digest: img.Digest, Writable: img.Folders}
	if strings.Contains(name, "@") {
		out.Digest = "" // it has one
	}
	for _, c := range config {
		if ok, err := path.Match(c.Image, name); !ok || err != nil {
			continue
		}
		if c.User != waiver.NoUser {
			out.User = waiver.NoUser
		}
		if c.Digest != "" {
			out.Digest = ""
		}
	}
	return out
}
