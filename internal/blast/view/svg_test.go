package view_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/blast/view"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// elements counts the elements of a picture by name, which has to be
// well-formed, and gathers its words.
func elements(t *testing.T, svg []byte) (map[string]int, string) {
	t.Helper()
	count := make(map[string]int)
	var words strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count, words.String()
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			count[token.Name.Local]++
			for _, a := range token.Attr {
				count[token.Name.Local+" "+a.Name.Local+" "+a.Value]++
			}
		case xml.CharData:
			words.Write(token)
		}
	}
}

func TestPicturesHoldNoMarkupOfTheInput(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := view.SVG(&b, report(t)); err != nil {
		t.Fatal(err)
	}
	got, words := elements(t, b.Bytes())
	if got["b"]+got["script"] > 0 || !strings.Contains(words, `</script><b>"x`) {
		t.Errorf("markup of the input is in the picture, or its name is not: %v", got)
	}
	if got["path class way bright"] != 2 || got["rect class end"] != 1 {
		t.Errorf("the way to the whole cluster has not two bright arrows to one end: %v", got)
	}
}

func TestPicturesOfManyWorkloadsAreFolded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "apiVersion: v1\nkind: Pod\nmetadata: {name: p%d, namespace: n%d}\nspec: {serviceAccountName: a%d, containers: [{name: c, image: x}]}\n---\n", i, i%300, i%2)
	}
	for i := range 300 {
		fmt.Fprintf(&text, "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b%d}\nroleRef: {kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: a1, namespace: n%[1]d}]\n---\n", i)
	}
	res, err := decode.File([]byte(text.String()), &inventory.Origin{File: "x.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(res.Objects...)
	inv.Seal()
	r := blast.Build(blast.Gather(inv), step.All()).Report(blast.Limits{Detailed: 2000, Gains: 20, Changes: 1})
	var b bytes.Buffer
	if err := view.SVG(&b, r); err != nil {
		t.Fatal(err)
	}
	got, words := elements(t, b.Bytes())
	if boxes := got["g"]; boxes < 40 || boxes > 120 {
		t.Errorf("%d boxes for 3000 workloads", boxes)
	}
	if !strings.Contains(words, "and 4 more") && !strings.Contains(words, "more give away less") {
		t.Errorf("the picture does not tell what it leaves out: %.300s", words)
	}
}
