package fix

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Bounds of an audit log: its events are as long as what was sent.
const (
	maxEvent  = 4 << 20
	maxEvents = 20_000_000
	maxUsed   = 20_000
)

// Used is what service accounts did, from an audit log.
type Used struct {
	accounts map[account]map[usedRight]bool
	// Events is the number of events that were read, Skipped that of lines that
	// are none.
	Events, Skipped int
	distinct        int
}

type account struct{ namespace, name string }

// usedRight is one thing that was done.
type usedRight struct{ namespace, group, resource, url, verb string }

// event is what is read of an event.
type event struct {
	Kind             string     `json:"kind"`
	APIVersion       string     `json:"apiVersion"`
	Verb             string     `json:"verb"`
	RequestURI       string     `json:"requestURI"`
	User             eventUser  `json:"user"`
	ImpersonatedUser *eventUser `json:"impersonatedUser"`
	ObjectRef        *struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		APIGroup    string `json:"apiGroup"`
	} `json:"objectRef"`
	ResponseStatus *struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

type eventUser struct {
	Username string `json:"username"`
}

var (
	errLongEvent = fmt.Errorf("an event is longer than %d MiB", maxEvent>>20)
	errManyUsed  = fmt.Errorf("accounts did more than %d different things: take a part of the log", maxUsed)
	errNoEvent   = errors.New("there is no event of audit.k8s.io/v1 in it: it has to be the JSON log, one event in a line")
)

// ReadAuditLog reads the audit log of an API server, one event of
// audit.k8s.io/v1 in a line. What was refused counts as not used.
func ReadAuditLog(r io.Reader) (*Used, error) {
	u := &Used{accounts: make(map[account]map[usedRight]bool)}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent) //nolint:mnd // to start with
	for lines.Scan() {
		if u.Events+u.Skipped >= maxEvents {
			return nil, fmt.Errorf("it has more than %d lines: take a part of it", maxEvents)
		}
		if err := u.line(lines.Bytes()); err != nil {
			return nil, err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, errLongEvent
	}
	if lines.Err() != nil {
		return nil, lines.Err()
	}
	if u.Events == 0 {
		return nil, errNoEvent
	}
	return u, nil
}

func (u *Used) line(text []byte) error {
	var e event
	broken := json.Unmarshal(text, &e)
	if broken != nil || e.Kind != "Event" || e.APIVersion != "audit.k8s.io/v1" {
		u.Skipped++
		return nil //nolint:nilerr // a line that is no event is passed over
	}
	u.Events++
	who := e.User.Username
	if e.ImpersonatedUser != nil {
		who = e.ImpersonatedUser.Username
	}
	rest, ok := strings.CutPrefix(who, "system:serviceaccount:")
	namespace, name, named := strings.Cut(rest, ":")
	const refused = 400
	code := 0
	if e.ResponseStatus != nil {
		code = e.ResponseStatus.Code
	}
	// 404 and 409 come from behind the authorizer; 401 and 403 do not.
	if !ok || !named || e.Verb == "" || code == refused+1 || code == refused+3 {
		return nil
	}
	used := usedRight{verb: e.Verb}
	if ref := e.ObjectRef; ref != nil && ref.Resource != "" {
		used.namespace, used.group, used.resource = ref.Namespace, ref.APIGroup, ref.Resource
		if ref.Subresource != "" {
			used.resource += "/" + ref.Subresource
		}
	} else {
		used.url, _, _ = strings.Cut(e.RequestURI, "?")
	}
	if !used.plain() {
		u.Skipped++
		return nil
	}
	return u.add(account{namespace, name}, used)
}

// plain tells whether a right can stand in a role as it is: what a client sent
// may be anything.
func (r usedRight) plain() bool {
	for _, s := range []string{r.namespace, r.group, r.resource, r.verb} {
		if len(s) > 253 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-./") != "" {
			return false
		}
	}
	return r.resource != "" || strings.HasPrefix(r.url, "/") && len(r.url) < 1024 && strings.Trim(r.url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == ""
}

func (u *Used) add(who account, used usedRight) error {
	if u.accounts[who] == nil {
		u.accounts[who] = make(map[usedRight]bool)
	}
	if !u.accounts[who][used] {
		u.accounts[who][used] = true
		u.distinct++
	}
	if u.distinct > maxUsed {
		return errManyUsed
	}
	return nil
}

// everyone are paths that Kubernetes lets every account read.
var everyone = []string{"/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz"}

// Over joins what was used with what a person knows: what a person said of an
// account, the log adds to.
func (u *Used) Over(known []Right) []Right {
	out := slices.Clone(known)
	for _, who := range slices.SortedFunc(maps.Keys(u.accounts), func(a, b account) int {
		return strings.Compare(a.namespace+"/"+a.name, b.namespace+"/"+b.name)
	}) {
		byNamespace, urls := u.of(who)
		for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
			right := Right{AccountNamespace: who.namespace, Account: who.name, Namespace: namespace, Rules: rules(byNamespace[namespace])}
			if namespace == "" {
				right.Rules = append(right.Rules, urlRules(urls)...)
			}
			if len(right.Rules) > 0 {
				out = append(out, right)
			}
		}
		if len(urls) > 0 && byNamespace[""] == nil {
			out = append(out, Right{AccountNamespace: who.namespace, Account: who.name, Rules: urlRules(urls)})
		}
	}
	return out
}

// of is what an account used: verbs by resource in each namespace, and by path.
func (u *Used) of(who account) (map[string]map[[2]string][]string, map[string][]string) {
	byNamespace := make(map[string]map[[2]string][]string)
	urls := make(map[string][]string)
	for used := range u.accounts[who] {
		switch {
		case used.resource != "":
			if byNamespace[used.namespace] == nil {
				byNamespace[used.namespace] = make(map[[2]string][]string)
			}
			key := [2]string{used.group, used.resource}
			byNamespace[used.namespace][key] = append(byNamespace[used.namespace][key], used.verb)
		case !slices.ContainsFunc(everyone, func(p string) bool { return used.url == p || strings.HasPrefix(used.url, p+"/") }):
			urls[used.url] = append(urls[used.url], used.verb)
		}
	}
	u.unnamespaced(byNamespace)
	return byNamespace, urls
}

// unnamespaced takes out what is granted everywhere anyway.
func (*Used) unnamespaced(all map[string]map[[2]string][]string) {
	for namespace, rights := range all {
		if namespace == "" {
			continue
		}
		for key, verbs := range rights {
			verbs = slices.DeleteFunc(verbs, func(v string) bool { return slices.Contains(all[""][key], v) })
			if rights[key] = verbs; len(verbs) == 0 {
				delete(rights, key)
			}
		}
	}
}

// rules are the least rules for what was used: resources of a group with the
// same verbs share one.
func rules(used map[[2]string][]string) []RightRule {
	type key struct{ group, verbs string }
	shared := make(map[key][]string)
	for resource, verbs := range used {
		slices.Sort(verbs)
		k := key{resource[0], strings.Join(slices.Compact(verbs), ",")}
		shared[k] = append(shared[k], resource[1])
	}
	var out []RightRule
	for _, k := range slices.SortedFunc(maps.Keys(shared), func(a, b key) int { return strings.Compare(a.group+" "+a.verbs, b.group+" "+b.verbs) }) {
		resources := shared[k]
		slices.Sort(resources)
		out = append(out, RightRule{APIGroups: []string{k.group}, Resources: resources, Verbs: strings.Split(k.verbs, ",")})
	}
	return out
}

func urlRules(urls map[string][]string) []RightRule {
	var out []RightRule
	for _, url := range slices.Sorted(maps.Keys(urls)) {
		verbs := slices.Clone(urls[url])
		slices.Sort(verbs)
		out = append(out, RightRule{NonResourceURLs: []string{url}, Verbs: slices.Compact(verbs)})
	}
	return out
}
