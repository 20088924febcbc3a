// Package image reads what an image says of itself, where the image is at hand:
// an OCI layout, or an archive as docker save writes it. Nothing is unpacked and
// nothing is fetched; images come from strangers, so all reading is bounded.
package image

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is what is known of one image.
type Image struct {
	// Names are those the image may have in manifests, sorted; none if the folder
	// or archive does not name it in full.
	Names []string
	// Digest is that by which a registry serves the image, "" if that can't be
	// told: docker save changes it.
	Digest string
	// User is the number its programs run as, [NoUser] if that can't be told.
	User int64
	// Folders are those the image declares as volumes: its programs write there.
	Folders []string
}

// NoUser stands for a user that can't be told.
const NoUser = -1

// The bounds of what is read.
const (
	maxJSON   = 4 << 20
	maxImages = 1_000
	maxDepth  = 4
)

// Read reads the images of an OCI layout, which is a folder, or of an archive.
func Read(name string) ([]Image, error) {
	files, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", name, err)
	}
	defer files.close()
	r := &reader{files: files}
	if err := r.read(); err != nil {
		return nil, fmt.Errorf("read image %s: %w", name, err)
	}
	return r.images, nil
}

// reader reads one folder or archive.
type reader struct {
	files  files
	images []Image
	count  int
}

var errNeither = errors.New("it has neither index.json nor manifest.json: name an OCI layout, or an archive of docker save that is not compressed")

func (r *reader) read() error {
	var index ocispec.Index
	err := r.json("index.json", &index)
	switch {
	case errors.Is(err, errAbsent):
		return r.saved(errNeither)
	case err != nil:
		return err
	}
	for _, d := range index.Manifests {
		img, err := r.image(&d, 0)
		if err != nil {
			return err
		}
		img.Digest = d.Digest.String()
		img.Names = Names(cmp.Or(d.Annotations["io.containerd.image.name"], d.Annotations[ocispec.AnnotationRefName]), img.Digest)
		r.images = append(r.images, img)
	}
	if len(r.images) == 0 {
		return errors.New("index.json names no image")
	}
	return nil
}

// image reads the image of a descriptor, or those of all platforms: what they
// don't agree on is not known.
func (r *reader) image(d *ocispec.Descriptor, depth int) (Image, error) {
	if r.count++; r.count > maxImages || depth > maxDepth {
		return Image{}, fmt.Errorf("more than %d images, or indexes nested deeper than %d", maxImages, maxDepth)
	}
	var m struct {
		ocispec.Manifest

		Manifests []ocispec.Descriptor `json:"manifests"`
	}
	if err := r.blob(d, &m); err != nil {
		return Image{}, err
	}
	if len(m.Manifests) == 0 {
		var config ocispec.Image
		if err := r.blob(&m.Config, &config); err != nil {
			return Image{}, err
		}
		layers := make([]string, len(m.Layers))
		for i := range m.Layers {
			name, err := blobName(&m.Layers[i])
			if err != nil {
				return Image{}, err
			}
			layers[i] = name
		}
		return r.configured(&config, layers), nil
	}
	var all []Image
	for i := range m.Manifests {
		if m.Manifests[i].Annotations["vnd.docker.reference.type"] != "" {
			continue // an attestation, not an image
		}
		one, err := r.image(&m.Manifests[i], depth+1)
		if errors.Is(err, errAbsent) {
			continue // a platform that was not saved
		}
		if err != nil {
			return Image{}, err
		}
		all = append(all, one)
	}
	return together(all), nil
}

func together(all []Image) Image {
	out := Image{User: NoUser}
	for i, one := range all {
		if i == 0 {
			out.User = one.User
		}
		if one.User != out.User {
			out.User = NoUser
		}
		out.Folders = append(out.Folders, one.Folders...)
	}
	slices.Sort(out.Folders)
	out.Folders = slices.Compact(out.Folders)
	return out
}

// saved reads what docker save wrote before it wrote layouts, too.
func (r *reader) saved(absent error) error {
	var list []struct {
		Config           string
		RepoTags, Layers []string
	}
	err := r.json("manifest.json", &list)
	if errors.Is(err, errAbsent) {
		return absent
	}
	if err != nil {
		return err
	}
	if len(list) == 0 || len(list) > maxImages {
		return fmt.Errorf("manifest.json names %d images: want 1 to %d", len(list), maxImages)
	}
	for _, saved := range list {
		var config ocispec.Image
		if err := r.json(saved.Config, &config); err != nil {
			return err
		}
		img := r.configured(&config, saved.Layers)
		for _, tag := range saved.RepoTags {
			img.Names = append(img.Names, Names(tag, "")...)
		}
		r.images = append(r.images, img)
	}
	return nil
}

// configured is what the configuration says. layers are the names of the files
// of the layers, from the lowest up.
func (r *reader) configured(config *ocispec.Image, layers []string) Image {
	out := Image{User: r.user(config.Config.User, layers)}
	for _, folder := range slices.Sorted(maps.Keys(config.Config.Volumes)) {
		if clean := path.Clean(folder); path.IsAbs(clean) && clean != "/" {
			out.Folders = append(out.Folders, clean)
		}
	}
	return out
}

// user is the number of the user a configuration names. What starts as nobody in
// particular starts as root.
func (r *reader) user(declared string, layers []string) int64 {
	name, _, _ := strings.Cut(declared, ":")
	if name == "" || name == "root" {
		return 0
	}
	if n, err := strconv.ParseInt(name, 10, 32); err == nil {
		return max(n, NoUser)
	}
	return r.passwd(name, layers)
}

// Names are those by which manifests may name an image. Docker leaves out its own
// registry, and everybody leaves out the tag latest.
func Names(full, digest string) []string {
	if !strings.ContainsAny(full, ":/") || strings.ContainsFunc(full, notInNames) {
		return nil
	}
	all := []string{full}
	for _, prefix := range []string{"docker.io/", "library/"} {
		if short, ok := strings.CutPrefix(all[len(all)-1], prefix); ok {
			all = append(all, short)
		}
	}
	for _, name := range slices.Clone(all) {
		tag := strings.LastIndex(name, ":")
		if tag < strings.LastIndex(name, "/") {
			tag = -1
		}
		bare := name
		if tag >= 0 {
			bare = name[:tag]
		}
		if tag < 0 || name[tag:] == ":latest" {
			all = append(all, bare, bare+":latest")
		}
		if digest != "" {
			all = append(all, name+"@"+digest, bare+"@"+digest)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// notInNames tells whether a character stands in no name of an image. Those of
// globs are among them.
func notInNames(c rune) bool {
	const inNames = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:"
	return !strings.ContainsRune(inNames, c)
}

// json reads a file within the bounds.
func (r *reader) json(name string, into any) error {
	text, err := r.text(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (r *reader) text(name string) ([]byte, error) {
	file, err := r.files.open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(file, maxJSON+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxJSON {
		return nil, fmt.Errorf("%s: larger than %d MiB", name, maxJSON>>20)
	}
	return text, nil
}

// blob reads a document by its digest, and makes sure that it has it.
func (r *reader) blob(d *ocispec.Descriptor, into any) error {
	name, err := blobName(d)
	if err != nil {
		return err
	}
	text, err := r.text(name)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != path.Base(name) {
		return fmt.Errorf("%s: the content has another digest: the image is damaged", name)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func blobName(d *ocispec.Descriptor) (string, error) {
	algorithm, sum, _ := strings.Cut(d.Digest.String(), ":")
	if raw, err := hex.DecodeString(sum); algorithm != "sha256" || err != nil || len(raw) != sha256.Size || sum != strings.ToLower(sum) {
		return "", fmt.Errorf("digest %.80q: want sha256: and 64 digits", d.Digest)
	}
	return "blobs/sha256/" + sum, nil
}
