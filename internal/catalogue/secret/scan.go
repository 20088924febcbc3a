package secret

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// shape is a form of text that is a credential whatever it is called.
type shape struct {
	// name says what it is.
	name string
	// hint is a text that must occur for the form to be looked for; it keeps
	// the scan fast.
	hint string
	form *regexp.Regexp
}

var shapes = []shape{
	{"a private key", "PRIVATE KEY", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
	{"an AWS access key", "AKIA", regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`)},
	{"a temporary AWS access key", "ASIA", regexp.MustCompile(`\bASIA[0-9A-Z]{16}\b`)},
	{"a Google API key", "AIza", regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}\b`)},
	{"a Google service account key", `"private_key_id"`, regexp.MustCompile(`"private_key_id"\s*:`)},
	{"a GitHub token", "gh", regexp.MustCompile(`\bgh[pousr]_[0-9A-Za-z]{36,}\b`)},
	{"a GitHub token", "github_pat_", regexp.MustCompile(`\bgithub_pat_[0-9A-Za-z_]{60,}\b`)},
	{"a GitLab token", "glpat-", regexp.MustCompile(`\bglpat-[0-9A-Za-z_-]{20,}\b`)},
	{"a Slack token", "xox", regexp.MustCompile(`\bxox[abeprs]-[0-9A-Za-z-]{10,}\b`)},
	{"a Slack webhook", "hooks.slack.com", regexp.MustCompile(`hooks\.slack\.com/services/T[0-9A-Z]+/B[0-9A-Z]+/[0-9A-Za-z]+`)},
	{"a Stripe key", "k_live_", regexp.MustCompile(`\b[rs]k_live_[0-9A-Za-z]{16,}\b`)},
	{"an npm token", "npm_", regexp.MustCompile(`\bnpm_[0-9A-Za-z]{36}\b`)},
	{"a JSON web token", "eyJ", regexp.MustCompile(`\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}`)},
	{"an Azure storage key", "AccountKey=", regexp.MustCompile(`AccountKey=[0-9A-Za-z+/]{40,}={0,2}`)},
	{"a URL with a password", "://", regexp.MustCompile(`\b[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@{}$<>]*:[^/\s:@{}$<>]{3,}@[^\s/]`)},
	{"a connection string with a password", "assword=", regexp.MustCompile(`(?i)\b(password|pwd)=[^;\s{}$<>]{4,}`)},
	{"a kubeconfig with credentials", "client-key-data", regexp.MustCompile(`client-key-data\s*["']?:\s*["']?[A-Za-z0-9+/=]{16,}`)},
	{"a registry login", `"auths"`, regexp.MustCompile(`"auths"\s*:\s*\{[^}]*"auth"\s*:`)},
}

// maxText bounds how much of one value is looked at.
const maxText = 256 << 10

// recognise says what credential a text holds, "" for none.
func recognise(text string) string {
	text = text[:min(len(text), maxText)]
	for _, s := range shapes {
		if strings.Contains(text, s.hint) && s.form.MatchString(text) {
			return s.name
		}
	}
	return ""
}

var (
	secretName = regexp.MustCompile(`(?i)(^|[_.\-/]|[a-z])(password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|auth[_-]?key|encryption[_-]?key|signing[_-]?key)s?$`)
	// plainName are endings that make a name speak about a secret rather than
	// hold one.
	plainName = regexp.MustCompile(`(?i)(_|-|\.)(name|file|path|dir|url|uri|ref|key_?name|id|ttl|expiry|expiration|header|enabled|type|length|namespace|mount|issuer|audience)$|^(no|disable|enable|use|require|skip)[_-]`)
	// reference is a value that points elsewhere or stands for one to be put in.
	reference = regexp.MustCompile(`^\$|\$\(|\$\{|\{\{|^<.*>$|^(vault|ref|sops|awssm|gcpsm|env|file|secretref|arn):|^/|^ENC\[`)
	word      = regexp.MustCompile(`^(true|false|yes|no|on|off|null|none|default|\d{1,5}|https?://[^@]*)$`)
	// filler are values nobody means.
	filler = regexp.MustCompile(`(?i)^(change[-_ ]?me.*|x{3,}|\*+|todo|placeholder|example|dummy|your[-_].*|redacted|fake.*|foo|bar)$`)
)

// named judges a value by the name it has. It returns what it is, and whether
// it is only a filler.
func named(name, value string) (string, bool) {
	value = strings.TrimSpace(value)
	if !maybeSecret(name) || !secretName.MatchString(name) || plainName.MatchString(name) || len(value) < 3 || reference.MatchString(value) || word.MatchString(value) {
		return "", false
	}
	if filler.MatchString(value) {
		return "a placeholder for a credential", true
	}
	if strings.ContainsAny(value, "\n ") && entropy(value) < 4 {
		return "", false // prose
	}
	return fmt.Sprintf("a literal credential of %d characters", len(value)), false
}

// maybeSecret is a quick look at the end of a name: it is true for all that
// secretName matches.
func maybeSecret(name string) bool {
	name = strings.TrimRight(name, "sS")
	if len(name) < 2 {
		return false
	}
	switch strings.ToLower(name[len(name)-2:]) {
	case "rd", "wd", "se", "et", "en", "ey", "al":
		return true
	}
	return false
}

// entropy is the Shannon entropy of a text in bits per byte.
func entropy(s string) float64 {
	var counts [256]float64
	for i := range len(s) {
		counts[s[i]]++
	}
	sum := 0.0
	for _, c := range counts {
		if c > 0 {
			p := c / float64(len(s))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// judge makes the finding for one named value, a pass if there is nothing. The
// value itself is never repeated.
func judge(o *inventory.Object, path, name, value string) finding.Finding {
	f := finding.Finding{Verdict: finding.Pass, Object: o, Path: path}
	what, placeholder := recognise(value), false
	if what == "" {
		what, placeholder = named(name, value)
	}
	if what != "" {
		f.Verdict = finding.Fail
		f.Message = fmt.Sprintf("%s holds %s", name, what)
		if placeholder {
			f.Severity = finding.Low
		}
	}
	return f
}

func inEnvironment(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			for i := range t.Containers {
				c := &t.Containers[i]
				inContainer(inventory.JoinPath(t.SpecPath(), c.Path()), c, func(path, name, value string) {
					f := judge(o, path, name, value)
					f.Container = c.Name
					if f.Verdict == finding.Fail {
						f.Message += ": it is readable for whoever may see the workload, and lies in every copy of this file"
					}
					report(f)
				})
			}
		}
	}
}

// inContainer calls visit with each named value of a container: its
// environment, and the options of its command line.
func inContainer(base string, c *inventory.Container, visit func(path, name, value string)) {
	const longestName = 64
	for j, e := range c.Node.Get("env").All() {
		visit(inventory.Join(inventory.JoinIndex(inventory.Join(base, "env"), j), "value"), e.Get("name").Str(), e.Get("value").Str())
	}
	for _, field := range []string{"command", "args"} {
		for j, a := range c.Node.Get(field).All() {
			name, value, _ := strings.Cut(strings.TrimLeft(a.Str(), "-"), "=")
			if len(name) > longestName {
				name, value = field, a.Str()
			}
			visit(inventory.JoinIndex(inventory.Join(base, field), j), name, value)
		}
	}
}

func inConfigMap(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Kind("ConfigMap", "") {
		failed := false
		for _, d := range o.Root.Get("data").All() {
			f := judge(o, inventory.Join("data", d.Key), d.Key, d.Str())
			if f.Verdict == finding.Pass {
				f = judgeLines(o, f.Path, d.Str())
			}
			if f.Verdict == finding.Fail {
				failed = true
				f.Message += ": ConfigMaps are not encrypted at rest and are read by many"
				report(f)
			}
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: o})
		}
	}
}

var assignment = regexp.MustCompile(`(?m)^[ \t]*["']?([A-Za-z0-9_.\-]{2,64})["']?[ \t]*[:=][ \t]*["']?([^"'\s#,;]{3,256})["']?[ \t]*[,;]?[ \t]*$`)

// judgeLines looks for settings in the text of a configuration file.
func judgeLines(o *inventory.Object, path, text string) finding.Finding {
	text = text[:min(len(text), maxText)]
	if !strings.ContainsAny(text, "=:") {
		return finding.Finding{Verdict: finding.Pass, Object: o, Path: path}
	}
	const most = 2000
	for _, m := range assignment.FindAllStringSubmatch(text, most) {
		if f := judge(o, path, m[1], m[2]); f.Verdict == finding.Fail {
			return f
		}
	}
	return finding.Finding{Verdict: finding.Pass, Object: o, Path: path}
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func inAnnotation(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		if o.Annotations().Len() == 0 {
			continue
		}
		failed := false
		for _, a := range o.Annotations().All() {
			f := judge(o, inventory.Join("metadata.annotations", a.Key), a.Key, a.Str())
			switch {
			case a.Key == lastApplied && o.Kind == "Secret" && strings.Contains(a.Str(), `ata":{`):
				f.Verdict, f.Message = finding.Fail, "the annotation of kubectl apply holds a copy of the Secret: whoever sees metadata has the values"
			case a.Key == lastApplied || f.Verdict != finding.Fail:
				continue
			default:
				f.Message += ": annotations are shown by every listing"
			}
			failed = true
			report(f)
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: o})
		}
	}
}
