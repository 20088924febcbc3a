package pod_test

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/pod"
)

// notJudged are fields of security contexts that no control reads, and why.
var notJudged = map[string]string{
	"fsGroup":             "any group may be right",
	"fsGroupChangePolicy": "a matter of speed",
	"seLinuxChangePolicy": "a matter of speed",
}

// TestEveryFieldOfASecurityContextIsJudged keeps the controls complete when the
// API grows: a field is read by a control, or there is a reason (REDHAT-08).
func TestEveryFieldOfASecurityContextIsJudged(t *testing.T) {
	t.Parallel()
	controls, err := pod.Chapter().Load()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, c := range controls {
		text.WriteString(c.When + " " + c.Violation + " ")
		for _, v := range c.Versions {
			text.WriteString(v.When + " " + v.Violation + " ")
		}
	}
	for _, t2 := range []reflect.Type{reflect.TypeFor[corev1.SecurityContext](), reflect.TypeFor[corev1.PodSecurityContext]()} {
		for f := range t2.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if reason := notJudged[name]; reason == "" && !strings.Contains(text.String(), "."+name) && !strings.Contains(text.String(), "?"+name) {
				t.Errorf("%s.%s is read by no control of this chapter", t2.Name(), name)
			}
		}
	}
}
