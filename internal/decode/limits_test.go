package decode_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// bomb is a document whose aliases stand for ten to the power of levels values.
func bomb(levels int) string {
	var text strings.Builder
	text.WriteString("apiVersion: v1\nkind: A\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < levels; i++ {
		one := fmt.Sprintf("*a%d,", i-1)
		fmt.Fprintf(&text, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(one, 10), ","))
	}
	return text.String()
}

func TestLimits(t *testing.T) {
	t.Parallel()
	small := decode.Limits{Bytes: 1000, Depth: 10, Nodes: 100}
	usual := decode.DefaultLimits()
	for _, c := range []struct {
		name, file, text string
		limits           decode.Limits
		want             []string
	}{
		{name: "a file of the greatest size is read", text: "#" + strings.Repeat("a", 999), limits: small},
		{
			name: "a larger file is not", text: "#" + strings.Repeat("a", 1000), limits: small,
			want: []string{"a.yaml: the file is larger than 1000 bytes (raise --max-file-size, or split it)"},
		},
		{
			name: "large sizes are said in MiB", text: strings.Repeat("a", 2<<20+1), limits: decode.Limits{Bytes: 2 << 20},
			want: []string{"a.yaml: the file is larger than 2 MiB (raise --max-file-size, or split it)"},
		},
		{name: "values may be nested to the limit", text: "a: " + strings.Repeat("[", 9) + "x" + strings.Repeat("]", 9), limits: small, want: []string{"foreign 1"}},
		{
			name: "values may not be nested deeper", text: "a: " + strings.Repeat("[", 10) + "x" + strings.Repeat("]", 10), limits: small,
			want: []string{"a.yaml:1: values are nested deeper than 10"},
		},
		{
			name: "the depth of JSON is limited", file: "a.json", text: strings.Repeat("[", 100_000), limits: usual,
			want: []string{"a.json:1: values are nested deeper than 200"},
		},
		{
			name: "the depth of block style is limited", text: strings.Repeat("- ", 300) + "a", limits: usual,
			want: []string{"a.yaml:1: values are nested deeper than 200"},
		},
		{
			name: "the values of all documents count", text: strings.Repeat("- 1\n", 60) + "---\n" + strings.Repeat("- 1\n", 60), limits: small,
			want: []string{"foreign 1", "a.yaml:100: the file has more than 100 values, aliases expanded (split it, or remove nested aliases)"},
		},
		{
			name: "the values of JSON count", file: "a.json", text: "[" + strings.Repeat("1,\n", 150) + "1]", limits: small,
			want: []string{"a.json:100: the file has more than 100 values, aliases expanded (split it, or remove nested aliases)"},
		},
		{
			name: "an alias bomb is stopped", text: bomb(9), limits: usual,
			want: []string{"a.yaml:3: aliases expand to more than 1000000 values (write the values out, or remove nested aliases)"},
		},
		{
			name: "an alias bomb does not hide its neighbour", text: bomb(9) + "---\n" + yamlA, limits: usual,
			want: []string{podA, "a.yaml:3: aliases expand to more than 1000000 values (write the values out, or remove nested aliases)"},
		},
		{
			name: "a long key is refused", file: "a.json", text: `{"` + strings.Repeat("k", 20_000) + `":1}`, limits: usual,
			want: []string{"a.json:1: the keys that lead to this value are longer than 16384 bytes together"},
		},
		{
			name: "long keys within each other are refused", file: "a.yaml", text: strings.Repeat(`{"`+strings.Repeat("k", 1000)+`":`, 20) + "1" + strings.Repeat("}", 20), limits: usual,
			want: []string{"a.yaml:1: the keys that lead to this value are longer than 16384 bytes together"},
		},
		{
			name: "long keys beside each other are fine", file: "a.json", text: `{"` + strings.Repeat("k", 9000) + `":1,"` + strings.Repeat("j", 9000) + `":1}`, limits: usual,
			want: []string{"foreign 1"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.file == "" {
				c.file = "a.yaml"
			}
			if diff := cmp.Diff(c.want, file(c.file, c.text, c.limits)); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManyDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		faults     int
		last       string
	}{
		{
			"a file of broken documents is given up", strings.Repeat("---\n}\n", 5000), 1001,
			"a.yaml:1999: 1000 documents of the file are broken; the rest of it was not read",
		},
		{
			"a file has an end", strings.Repeat("---\na\n", 200_001), 1,
			"a.yaml:400001: the file has more than 200000 documents; the rest of it was not read (split it)",
		},
		{"documents of comments cost nothing", strings.Repeat("---\n#\n", 500_000), 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := decode.File([]byte(c.text), &inventory.Origin{File: "a.yaml"}, decode.DefaultLimits())
			faults := decode.Faults(err)
			if len(faults) != c.faults {
				t.Fatalf("got %d faults, want %d", len(faults), c.faults)
			}
			if c.faults > 0 && faults[len(faults)-1].Error() != c.last {
				t.Errorf("got %s, want %s", faults[len(faults)-1], c.last)
			}
		})
	}
}

// TestHostileTextIsReadInTime has texts that cost the square of their length if
// each part looks at all others. Each takes far less than the allowed time.
func TestHostileTextIsReadInTime(t *testing.T) {
	t.Parallel()
	keys := func(prefix string) string {
		var b strings.Builder
		for i := range 30_000 {
			fmt.Fprintf(&b, "  %s%d: 1\n", prefix, i)
		}
		return b.String()
	}
	const head = "apiVersion: v1\nkind: A\n"
	for _, c := range []struct{ name, text string }{
		{"a large map merged into a large map", head + "a: &a\n" + keys("k") + "b:\n  <<: *a\n" + keys("j")},
		{"many waivers above many fields", head + strings.Repeat("# redoubt:ignore a b\n", 30_000) + "b:\n" + keys("k")},
		{"many waivers at many items", head + "b:\n" + strings.Repeat("  - a # redoubt:ignore a b\n", 30_000)},
		{"many items below a long key", `{"apiVersion":"v1","kind":"A","` + strings.Repeat("k", 16_000) + `":[` + strings.Repeat("1,", 100_000) + "1]}"},
		{"one key many times", head + "a: {" + strings.Repeat("a: 1, ", 30_000) + "}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			done := make(chan []string, 1)
			go func() { done <- file("a.yaml", c.text, decode.DefaultLimits()) }()
			select {
			case got := <-done:
				if len(got) != 1 || !strings.HasPrefix(got[0], "v1 A ") {
					t.Errorf("got %.200q, want one object", got)
				}
			case <-time.After(20 * time.Second):
				t.Error("not read after 20 seconds")
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	_, err := decode.File([]byte("a: [\n---\nb: [\n"), &inventory.Origin{File: "a.yaml"}, decode.DefaultLimits())
	var got []string
	for _, f := range decode.Faults(fmt.Errorf("while reading: %w", err)) {
		got = append(got, f.Error()+" | "+f.Reason())
	}
	want := []string{
		"a.yaml:1: invalid YAML: did not find expected node content | invalid YAML: did not find expected node content",
		"a.yaml:3: invalid YAML: did not find expected node content | invalid YAML: did not find expected node content",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	other := decode.Faults(errors.New("disk on fire"))
	if len(other) != 1 || other[0].Reason() != "disk on fire" || other[0].Line != 0 {
		t.Errorf("got %+v, want the text of the error without a line", other)
	}
	if decode.Faults(nil) != nil {
		t.Error("no error has faults")
	}
}
