package image

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// instruction is one line of a Dockerfile.
type instruction struct {
	cmd  string
	args []string
	// path is where it stands in the object.
	path string
}

// stage is one FROM with what follows.
type stage struct {
	name, base, path string
	instructions     []instruction
}

func stages(o *inventory.Object) []stage {
	var out []stage
	for i, s := range o.Root.Get("stages").All() {
		st := stage{name: s.Get("name").Str(), base: s.Get("base").Str(), path: inventory.JoinIndex("stages", i)}
		for j, n := range s.Get("instructions").All() {
			st.instructions = append(st.instructions, instruction{
				cmd: n.Get("cmd").Str(), args: n.Get("args").Strings(), path: inventory.JoinIndex(st.path+".instructions", j),
			})
		}
		out = append(out, st)
	}
	return out
}

// each calls judge for every Dockerfile with its stages; without a call of fail
// the file passes.
func each(inv *inventory.Inventory, report func(finding.Finding), judge func(all []stage, say func(v finding.Verdict, path, msg string))) {
	for _, o := range inv.Kind("Dockerfile") {
		said := false
		if all := stages(o); len(all) > 0 {
			judge(all, func(v finding.Verdict, path, msg string) {
				said = true
				report(finding.Finding{Verdict: v, Object: o, Path: path, Message: msg})
			})
		}
		if !said {
			report(finding.Finding{Verdict: finding.Pass, Object: o})
		}
	}
}

// instructions makes an analysis that judges instructions one by one, in all
// stages.
func instructions(judge func(i instruction) string) control.Analysis {
	return func(inv *inventory.Inventory, report func(finding.Finding)) {
		each(inv, report, func(all []stage, say func(finding.Verdict, string, string)) {
			for _, s := range all {
				for _, i := range s.instructions {
					if msg := judge(i); msg != "" {
						say(finding.Fail, i.path, msg)
					}
				}
			}
		})
	}
}

// user is the last USER of the final stage, followed through the stages it is
// built on. The second result is the stage or instruction to blame, the third
// is false when an image outside of the file decides.
func user(all []stage) (string, string, bool) {
	at := len(all) - 1
	for range all {
		s := all[at]
		for _, i := range slices.Backward(s.instructions) {
			if i.cmd == "USER" && len(i.args) > 0 {
				return i.args[0], i.path, true
			}
		}
		next := slices.IndexFunc(all[:at], func(o stage) bool { return o.name != "" && strings.EqualFold(o.name, s.base) })
		if next < 0 {
			return "", all[len(all)-1].path, !mayHaveUser(s.base)
		}
		at = next
	}
	return "", all[len(all)-1].path, false
}

// rootBases are base images that are known to run as root.
var rootBases = []string{
	"scratch", "alpine", "debian", "ubuntu", "busybox", "golang", "node", "python", "openjdk", "eclipse-temurin", "maven", "gradle",
	"nginx", "httpd", "php", "ruby", "rust", "fedora", "centos", "rockylinux", "almalinux", "amazonlinux", "redis", "postgres", "mysql",
}

// mayHaveUser tells whether a base image may set a user of its own, which the
// file does not show.
func mayHaveUser(base string) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(base, "docker.io/"), "library/")
	name, _, _ = strings.Cut(name, "@")
	tagless, tag, _ := strings.Cut(name, ":")
	return !slices.Contains(rootBases, tagless) || strings.Contains(tag, "nonroot") || strings.Contains(tag, "rootless")
}

func isRoot(u string) bool {
	name, _, _ := strings.Cut(u, ":")
	return name == "0" || name == "root" || name == ""
}

func root(inv *inventory.Inventory, report func(finding.Finding)) {
	each(inv, report, func(all []stage, say func(finding.Verdict, string, string)) {
		u, path, known := user(all)
		switch {
		case strings.Contains(u, "$"):
			say(finding.Unknown, path, "the user is filled in at build time: "+u+"; give the argument a default")
		case u == "" && !known:
			say(finding.Unknown, path, "no USER instruction, and base image "+all[len(all)-1].base+" may set one: look there, or set the user here")
		case u == "":
			say(finding.Fail, path, "the last stage has no USER instruction: the program runs as root")
		case isRoot(u):
			say(finding.Fail, path, "the last USER instruction says "+u+": the program runs as root")
		}
	})
}

var number = regexp.MustCompile(`^[0-9]+(:|$)`)

func userName(inv *inventory.Inventory, report func(finding.Finding)) {
	each(inv, report, func(all []stage, say func(finding.Verdict, string, string)) {
		if u, path, _ := user(all); u != "" && !isRoot(u) && !number.MatchString(u) && !strings.Contains(u, "$") {
			say(finding.Fail, path, fmt.Sprintf("USER %s is a name: with runAsNonRoot the kubelet can not tell that it is not root, and refuses to start the container", u))
		}
	})
}

func baseUnpinned(inv *inventory.Inventory, report func(finding.Finding)) {
	each(inv, report, func(all []stage, say func(finding.Verdict, string, string)) {
		for i, s := range all {
			earlier := slices.ContainsFunc(all[:i], func(o stage) bool { return o.name != "" && strings.EqualFold(o.name, s.base) })
			last := s.base[strings.LastIndexByte(s.base, '/')+1:]
			switch {
			case earlier || s.base == "scratch" || strings.Contains(s.base, "@"):
			case strings.Contains(s.base, "$"):
				say(finding.Unknown, s.path+".base", "the base image is filled in at build time: "+s.base+"; give the argument a default")
			case !strings.Contains(last, ":") || strings.HasSuffix(last, ":latest"):
				say(finding.Fail, s.path+".base", "base image "+s.base+" has no fixed version: the next build may start from another one")
			}
		}
	})
}

var (
	secretVariable = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key|access_?key|private_?key|credentials?)$`)
	secretFile     = regexp.MustCompile(`(?i)(^|/)(id_(rsa|dsa|ecdsa|ed25519)|\.ssh|\.kube/config|\.docker/config\.json|\.aws/credentials|\.netrc|\.npmrc|\.pypirc|\.env|kubeconfig|[^/]*\.(pem|key|p12|pfx|jks|keystore))(/|$)`)
)

func credential(i instruction) string {
	switch i.cmd {
	case "ENV":
		for j := 0; j+1 < len(i.args); j += 3 {
			if v := strings.Trim(i.args[j+1], `"'`); secretVariable.MatchString(i.args[j]) && v != "" && !strings.HasPrefix(v, "$") {
				return fmt.Sprintf("ENV %s holds a literal value: it is part of the image, for whoever pulls it", i.args[j])
			}
		}
	case "ARG":
		for _, a := range i.args {
			if k, v, ok := strings.Cut(a, "="); ok && secretVariable.MatchString(k) && strings.Trim(v, `"'`) != "" {
				return fmt.Sprintf("ARG %s has a literal default: it is part of the history of the image", k)
			}
		}
	case "COPY", "ADD":
		if slices.ContainsFunc(i.args, func(a string) bool { return strings.HasPrefix(a, "--from=") }) {
			return ""
		}
		for _, a := range i.args[:max(len(i.args)-1, 0)] {
			if secretFile.MatchString(a) {
				return fmt.Sprintf("%s puts %s into a layer of the image, for whoever pulls it", i.cmd, a)
			}
		}
	}
	return ""
}

var pipedShell = regexp.MustCompile(`(curl|wget)\b[^|;&]*\|\s*(sudo\s+)?(\S*/)?(ba|z|da|a)?sh\b`)

func download(i instruction) string {
	switch {
	case i.cmd == "RUN" && pipedShell.MatchString(strings.Join(i.args, " ")):
		return "RUN pipes a download into a shell: whoever controls the server runs code in the build"
	case i.cmd == "ADD" && !slices.ContainsFunc(i.args, func(a string) bool { return strings.HasPrefix(a, "--checksum=") }):
		for _, a := range i.args {
			if strings.HasPrefix(a, "http://") || strings.HasPrefix(a, "https://") {
				return "ADD fetches " + a + " without a check of its content"
			}
		}
	}
	return ""
}

var (
	install  = regexp.MustCompile(`\b(apt(-get)?|apk|yum|dnf|microdnf|zypper)\b[^|;&]*\b(install|add)\b([^|;&]*)`)
	toolName = regexp.MustCompile(`^(curl|wget|nc|ncat|netcat|netcat-openbsd|netcat-traditional|nmap|socat|tcpdump|telnet|ssh|openssh-client|openssh-clients|gcc|g\+\+|make|build-base|build-essential|gdb|strace|sudo|git|vim|nano)$`)
)

func tools(inv *inventory.Inventory, report func(finding.Finding)) {
	each(inv, report, func(all []stage, say func(finding.Verdict, string, string)) {
		for _, i := range all[len(all)-1].instructions {
			if i.cmd != "RUN" {
				continue
			}
			if found := installed(strings.Join(i.args, " ")); len(found) > 0 {
				say(finding.Fail, i.path, "the image gets "+strings.Join(found, ", ")+", which serve an intruder better than the program")
			}
		}
	})
}

// installed are the tools that a command line installs.
func installed(line string) []string {
	var found []string
	for _, m := range install.FindAllStringSubmatch(line, -1) {
		for word := range strings.FieldsSeq(m[4]) {
			if toolName.MatchString(word) && !slices.Contains(found, word) {
				found = append(found, word)
			}
		}
	}
	return found
}

func remoteLogin(i instruction) string {
	switch i.cmd {
	case "EXPOSE":
		for _, a := range i.args {
			if port, _, _ := strings.Cut(a, "/"); port == "22" {
				return "port 22 is exposed: a container needs no SSH server"
			}
		}
	case "RUN":
		if strings.Contains(strings.Join(i.args, " "), "openssh-server") {
			return "an SSH server is installed: a container needs none"
		}
	}
	return ""
}

var openMode = regexp.MustCompile(`\bchmod\s+(-\S+\s+)*(0?[0-7]?[0-7]{2}[2367]|[2-7][0-7]{3}|[ugoa]*[ao]\+[rx]*w\S*|[ugo]*\+s\S*)\s`)

func openPermissions(i instruction) string {
	if i.cmd == "RUN" && openMode.MatchString(strings.Join(i.args, " ")+" ") {
		return "chmod makes files writable for everybody, or lets them run as their owner"
	}
	return ""
}
