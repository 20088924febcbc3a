package run

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/source/image"
	"github.com/redoubt-k8s/redoubt/internal/waiver"
)

// withImages adds what images at hand say of themselves to what the
// configuration says of images. The configuration wins.
func withImages(config []waiver.Image, args []string) ([]waiver.Image, error) {
	all := slices.Clone(config)
	for _, arg := range args {
		images, err := imagesOf(arg)
		if err != nil {
			return nil, fmt.Errorf("--image %s: %w", arg, err)
		}
		for _, img := range images {
			for _, name := range img.Names {
				all = append(all, unwritten(config, name, img))
			}
		}
	}
	return all, nil
}

// imagesOf are the images of a path, with NAME= before it where they have none.
func imagesOf(arg string) ([]image.Image, error) {
	name, file := "", arg
	if _, err := os.Stat(arg); err != nil {
		if before, after, found := strings.Cut(arg, "="); found {
			name, file = before, after
		}
	}
	images, err := image.Read(file)
	switch {
	case err != nil:
		return nil, err
	case name != "" && len(images) > 1:
		return nil, fmt.Errorf("there are %d images in it: leave the name out, or name a file with one", len(images))
	}
	for i := range images {
		if name != "" {
			images[i].Names = image.Names(name, images[i].Digest)
		}
		if len(images[i].Names) == 0 {
			return nil, fmt.Errorf("it holds an image without a full name: write --image NAME=%s with the name as in manifests", file)
		}
	}
	return images, nil
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
