package nodetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// Program is where the program lies in every image.
const Program = "/program"

// An Image is what a registry serves under a name.
type Image struct {
	// Names are further paths under which the program lies.
	Names []string
	// Entrypoint, User, Env and Volumes are those of the image configuration.
	Entrypoint []string
	User       string
	Env        []string
	Volumes    []string
	// Dirs are folders of the image, by path, with their owner.
	Dirs map[string]int
	// Files are small files of the image, by path.
	Files map[string]string
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// blobs packs an image: its manifest, and every blob by digest.
func (i *Image) blobs() (manifest []byte, all map[string][]byte, _ error) { //nolint:nonamedreturns // two of them need names
	binary, err := program()
	if err != nil {
		return nil, nil, err
	}
	// The program is a layer by itself: all images share it.
	first, err := pack(func(w *tar.Writer) error {
		return put(w, &tar.Header{Typeflag: tar.TypeReg, Name: Program[1:], Mode: 0o755}, binary)
	})
	if err != nil {
		return nil, nil, err
	}
	second, err := pack(i.fill)
	if err != nil {
		return nil, nil, err
	}
	all = map[string][]byte{digest(first): first, digest(second): second}
	entry := i.Entrypoint
	if entry == nil {
		entry = []string{Program}
	}
	volumes := make(map[string]struct{})
	for _, v := range i.Volumes {
		volumes[v] = struct{}{}
	}
	config, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": runtime.GOARCH,
		"config": map[string]any{
			"Entrypoint": entry, "User": i.User, "Env": append([]string{"PATH=/bin"}, i.Env...), "Volumes": volumes, "WorkingDir": "/",
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(first), digest(second)}},
	})
	if err != nil {
		return nil, nil, err
	}
	all[digest(config)] = config
	manifest, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": describe(configType, config),
		"layers": []any{describe(layerType, first), describe(layerType, second)},
	})
	return manifest, all, err
}

// fill writes the second layer: folders, files and the further names.
func (i *Image) fill(w *tar.Writer) error {
	dirs := map[string]int{"/tmp": 0}
	maps.Copy(dirs, i.Dirs)
	for _, path := range keys(dirs) {
		owner, mode := dirs[path], int64(0o755)
		if path == "/tmp" {
			mode = 0o1777
		}
		if err := put(w, &tar.Header{Typeflag: tar.TypeDir, Name: path[1:] + "/", Mode: mode, Uid: owner, Gid: owner}, nil); err != nil {
			return err
		}
	}
	for _, path := range keys(i.Files) {
		if err := put(w, &tar.Header{Typeflag: tar.TypeReg, Name: path[1:], Mode: 0o644}, []byte(i.Files[path])); err != nil {
			return err
		}
	}
	for _, path := range i.Names {
		if !strings.HasPrefix(path, "/") {
			path = "/bin/" + path
		}
		if err := put(w, &tar.Header{Typeflag: tar.TypeSymlink, Name: path[1:], Linkname: Program}, nil); err != nil {
			return err
		}
	}
	return nil
}

func keys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

func pack(fill func(*tar.Writer) error) ([]byte, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	if err := fill(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack layer: %w", err)
	}
	return buffer.Bytes(), nil
}

func put(w *tar.Writer, header *tar.Header, content []byte) error {
	header.Size = int64(len(content))
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("pack %s: %w", header.Name, err)
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("pack %s: %w", header.Name, err)
	}
	return nil
}

func describe(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest(content), "size": len(content)}
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
