package report_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := report.Finding{
		Control: "x", Container: "app", Path: "spec.template.spec.containers[1].ports[0]", Message: "m",
		Object:   &report.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"},
		Location: report.Location{File: "a.yaml", Line: 3, Column: 1},
	}
	for name, c := range map[string]struct {
		change func(*report.Finding)
		same   bool
	}{
		"another line":             {func(f *report.Finding) { f.Location.Line = 9 }, true},
		"another file":             {func(f *report.Finding) { f.Location.File = "b.yaml" }, true},
		"another message":          {func(f *report.Finding) { f.Message = "n" }, true},
		"another severity":         {func(f *report.Finding) { f.Severity = "low" }, true},
		"a container added before": {func(f *report.Finding) { f.Path = strings.Replace(f.Path, "s[1]", "s[2]", 1) }, true},
		"an item added before":     {func(f *report.Finding) { f.Path = strings.Replace(f.Path, "s[0]", "s[1]", 1) }, false},
		"an init container":        {func(f *report.Finding) { f.Path = strings.Replace(f.Path, "containers", "initContainers", 1) }, false},
		"another container":        {func(f *report.Finding) { f.Container = "proxy" }, false},
		"another control":          {func(f *report.Finding) { f.Control = "y" }, false},
		"another field":            {func(f *report.Finding) { f.Path += ".hostPort" }, false},
		"another API version":      {func(f *report.Finding) { f.Object.APIVersion = "apps/v1beta1" }, false},
		"another kind":             {func(f *report.Finding) { f.Object.Kind = "DaemonSet" }, false},
		"another namespace":        {func(f *report.Finding) { f.Object.Namespace = "test" }, false},
		"another name":             {func(f *report.Finding) { f.Object.Name = "db" }, false},
		"no object":                {func(f *report.Finding) { f.Object = nil }, false},
		"text that moves from one part to the next": {func(f *report.Finding) { f.Object.Namespace, f.Object.Name = "shop\x00w", "eb" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := *base.Object
			f := base
			f.Object = &object
			c.change(&f)
			if same := report.Fingerprint(&f) == report.Fingerprint(&base); same != c.same {
				t.Errorf("the fingerprint is the same: %v, want %v", same, c.same)
			}
		})
	}
	t.Run("files stand in for objects", func(t *testing.T) {
		t.Parallel()
		one, other := report.Finding{Control: "x", Location: report.Location{File: "a"}}, report.Finding{Control: "x", Location: report.Location{File: "b"}}
		if report.Fingerprint(&one) == report.Fingerprint(&other) {
			t.Error("two files have one fingerprint")
		}
	})
	t.Run("without a container the position counts", func(t *testing.T) {
		t.Parallel()
		one, other := report.Finding{Path: "spec.containers[0]"}, report.Finding{Path: "spec.containers[1]"}
		if report.Fingerprint(&one) == report.Fingerprint(&other) {
			t.Error("two containers without a name have one fingerprint")
		}
	})
}

func TestClean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"plain text stays":                      {"Grüße, 世界 👍 ~", "Grüße, 世界 👍 ~"},
		"line ends and tabs become blanks":      {"a\nb\r\tc\u2028d\u2029e", "a b  c d e"},
		"escape sequences lose their start":     {"\x1b[31m\u009b1m", "\ufffd[31m\ufffd1m"},
		"null, bell and delete":                 {"\x00\x07\x7f", "\ufffd\ufffd\ufffd"},
		"what turns the direction of text":      {"\u202e\u2066\u200f\u061c", "\ufffd\ufffd\ufffd\ufffd"},
		"what cannot be seen":                   {"\u200b\ufeff\u00ad\U000e0041", "\ufffd\ufffd\ufffd\ufffd"},
		"bytes that are no UTF-8":               {"caf\xe9", "caf\ufffd"},
		"halves of characters beyond the BMP":   {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		"what no XML may hold":                  {"\ufffe\uffff", "\ufffd\ufffd"},
		"a mark that stands there already":      {"\ufffd", "\ufffd"},
		"nothing stays nothing, even a newline": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := report.Clean(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		most int
		want string
	}{
		"short text stays":                     {"abc", 4, "abc"},
		"text of just that length stays":       {"abcd", 4, "abcd"},
		"longer text is cut and says so":       {"abcde", 4, "abcd…"},
		"characters count, not bytes":          {"äöüß", 4, "äöüß"},
		"long characters are not cut in parts": {"👍👍👍👍👍👍", 4, "👍👍👍👍…"},
		"short and long ones":                  {"a👍👍👍👍👍👍👍", 4, "a👍👍👍…"},
		"it is cleaned, too":                   {"a\nb\x1bcde", 4, "a b\ufffd…"},
		"broken bytes":                         {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 4, "\ufffd\ufffd\ufffd\ufffd…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := report.Clip(c.in, c.most); got != c.want || !utf8.ValidString(got) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at   report.Location
		want string
	}{
		"file and line":      {report.Location{File: "a.yaml", Line: 3, Column: 2}, "a.yaml:3"},
		"no line":            {report.Location{File: "a.yaml"}, "a.yaml"},
		"no file":            {report.Location{Line: 3}, ""},
		"a file of two rows": {report.Location{File: "a\nb", Line: 3}, "a b:3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := report.Place(c.at); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
