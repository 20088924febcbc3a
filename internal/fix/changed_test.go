package fix_test

import (
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/fix"
)

func TestAFileThatHasChangedIsRefused(t *testing.T) {
	t.Parallel()
	text := head + "spec:\n  containers: [{name: a}]\n"
	for name, now := range map[string]string{
		"a line is new in front":             "# new\n" + text,
		"another field is new":               text + "  hostIPC: true\n",
		"another field has changed":          strings.Replace(text, "namespace: shop", "namespace: shed", 1),
		"an object has come":                 text + "---\n" + head,
		"what is edited has another content": strings.Replace(text, "{name: a}]", "{name: b}]", 1),
		"it is no object any more":           "\n\na: 1\n",
		"it is empty":                        "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := fix.Options{Safety: control.Safe, Selected: map[string]bool{"privilege-escalation": true}, Limits: decode.DefaultLimits()}
			opts.Judge, opts.Controls = judge(t)
			opts.Texts = map[string][]byte{"a.yaml": []byte(now), "b.yaml": []byte(text)}
			res, err := fix.Run(load(t, map[string]string{"a.yaml": text, "b.yaml": text}), opts)
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Texts) != 1 || res.Texts["b.yaml"] == nil || len(res.Refused) != 1 || !strings.Contains(res.Refused[0].Reason, "changed") {
				t.Errorf("refused %v, texts %s", res.Refused, res.Texts)
			}
		})
	}
}

func TestImagesArePinnedOnlyOnRequestAndByAKnownDigest(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.yaml": head + "spec:\n  containers:\n  - name: a\n    image: a:1\n  - name: b\n    image: b:1\n"}
	known := map[string]string{"a:1": "sha256:" + strings.Repeat("0f", 32)}
	if res := fixed(t, files, fix.Options{Safety: control.Safe, Digests: known}, "image-without-digest"); len(res.Edits) > 0 || res.Bolder != 1 || len(res.Manual) != 1 {
		t.Errorf("safe: edits %v, %d with a review, by hand %v", res.Edits, res.Bolder, res.Manual)
	}
	if res := fixed(t, files, fix.Options{Safety: control.Review}, "image-without-digest"); len(res.Edits) > 0 || res.Bolder != 0 || len(res.Manual) != 2 {
		t.Errorf("without digests: edits %v, %d with a review, by hand %v", res.Edits, res.Bolder, res.Manual)
	}
	if res := fixed(t, files, fix.Options{Safety: control.Review, Digests: known}, "image-without-digest"); len(res.Edits) != 1 || res.Edits[0].Safety != "review" {
		t.Errorf("review: edits %v", res.Edits)
	}
}
