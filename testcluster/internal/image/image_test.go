package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/testcluster/internal/image"
)

func TestImageIsALayoutWhoseDigestsHold(t *testing.T) {
	t.Parallel()
	var archive bytes.Buffer
	if err := image.Write(&archive, "redoubt.test/x:1", image.Program{Name: "x", Content: []byte("binary")}); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, archive.Bytes())
	for name, content := range files {
		if sum := sha256.Sum256(content); strings.HasPrefix(name, "blobs/") && path.Base(name) != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has another digest", name)
		}
	}
	type descriptor struct {
		Digest      string            `json:"digest"`
		Annotations map[string]string `json:"annotations"`
	}
	follow := func(content []byte, into any) {
		t.Helper()
		if err := json.Unmarshal(content, into); err != nil {
			t.Fatal(err)
		}
	}
	blob := func(d descriptor) []byte { return files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")] }
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	follow(files["index.json"], &index)
	if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != "redoubt.test/x:1" {
		t.Errorf("got image name %q", got)
	}
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	follow(blob(index.Manifests[0]), &manifest)
	if !bytes.Contains(blob(manifest.Config), []byte(`"Entrypoint":["/x"]`)) {
		t.Errorf("got config %s", blob(manifest.Config))
	}
	if got := unpack(t, blob(manifest.Layers[0])); string(got["x"]) != "binary" {
		t.Errorf("got layer %q", got)
	}
}

func unpack(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
