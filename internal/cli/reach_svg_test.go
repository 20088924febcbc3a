package cli_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/cli"
	"github.com/redoubt-k8s/redoubt/internal/gen"
)

// drawn runs reach -o svg and returns the picture's size, elements and words.
func drawn(t *testing.T, manifests string) (int, map[string]int, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), []string{"reach", "-o", "svg", file}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	count := make(map[string]int)
	var words strings.Builder
	size := out.Len()
	for d := xml.NewDecoder(&out); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return size, count, words.String()
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			count[token.Name.Local]++
		case xml.CharData:
			words.Write(token)
		}
	}
}

func TestReachPicturesHoldNoMarkupOfTheInput(t *testing.T) {
	t.Parallel()
	_, got, words := drawn(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: \"</text><script>x\", namespace: \"<b>&\"}\nspec: {containers: [{name: c, image: x}]}\n---\n"+
		"apiVersion: v1\nkind: Pod\nmetadata: {name: other, namespace: shop}\nspec: {containers: [{name: c, image: x}]}\n")
	if got["script"]+got["b"] > 0 || !strings.Contains(words, "Pod/</text><script>x") || !strings.Contains(words, "<b>&") {
		t.Errorf("markup of the input is in the picture, or its names are not: %v\n%s", got, words)
	}
}

func TestReachPicturesOfManyWorkloadsAreFolded(t *testing.T) {
	t.Parallel()
	size, got, words := drawn(t, strings.Join(gen.Manifests(1200, gen.Options{Seed: 3}), "\n---\n"))
	if size > 1<<20 || got["rect"] > 200 {
		t.Errorf("%d bytes and %d boxes for 900 workloads", size, got["rect"])
	}
	if !strings.Contains(words, "900 workloads") {
		t.Errorf("the picture does not tell how many workloads there are: %.200s", words)
	}
}
