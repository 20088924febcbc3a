package helm_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/source/helm"
)

type entry struct {
	name, text, link string
}

func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	out := tar.NewWriter(zip)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.text)), Typeflag: tar.TypeReg}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if err := out.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func archived(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "shop.tgz")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var (
	chartFile = entry{name: "shop/Chart.yaml", text: "apiVersion: v2\nname: shop\nversion: 1.0.0\n"}
	podFile   = entry{name: "shop/templates/a.yaml", text: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n"}
)

func TestArchives(t *testing.T) {
	t.Parallel()
	db := pack(t, entry{name: "db/Chart.yaml", text: "apiVersion: v2\nname: db\nversion: 1.0.0\n"}, entry{name: "db/templates/b.yaml", text: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n"})
	name := archived(t, pack(t, chartFile, podFile, entry{name: "shop/charts/db-1.0.0.tgz", text: string(db)}, entry{name: "shop/link", link: "/etc/passwd"}))
	inv := read(t, &helm.Source{Path: name})
	want := []string{"b metadata.name charts/db/templates/b.yaml:4", "a metadata.name templates/a.yaml:4"}
	if diff := cmp.Diff(places(t, inv, name, "metadata.name"), want); diff != "" {
		t.Error("-got +want\n", diff)
	}
}

func TestBrokenAndHostileArchives(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 64<<20)
	bomb := pack(t, entry{name: "db/Chart.yaml", text: "apiVersion: v2\nname: db\nversion: 1.0.0\n"}, entry{name: "db/a", text: zeros})
	var many []entry
	for i := range 20_001 {
		many = append(many, entry{name: fmt.Sprintf("shop/%d", i)})
	}
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"text is no archive", []byte("apiVersion: v2\n"), "not a gzip archive"},
		{"an archive that is cut off", pack(t, chartFile, podFile)[:100], "not a tar archive: unexpected EOF"},
		{"an archive without a Chart.yaml", pack(t, podFile), "Chart.yaml file is missing"},
		{"a path that leads upwards", pack(t, chartFile, entry{name: "shop/../../out.yaml"}), "parent directory"},
		{"an absolute path", pack(t, chartFile, entry{name: "shop//etc/cron.d/x"}), "absolute paths"},
		{"a file that unpacks to very much", pack(t, chartFile, entry{name: "shop/a", text: zeros}, entry{name: "shop/b", text: zeros}), "unpacks to more than 128 MiB"},
		{"subcharts that unpack to very much together", pack(t, chartFile, entry{name: "shop/charts/a.tgz", text: string(bomb)}, entry{name: "shop/charts/b.tgz", text: string(bomb)}), "charts/b.tgz: the archive unpacks to more than 128 MiB"},
		{"very many files", pack(t, many...), "more than 20000 files"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			name := archived(t, tc.data)
			gapWith(t, read(t, &helm.Source{Path: name}), filepath.ToSlash(name)+":0", tc.want)
		})
	}
}
