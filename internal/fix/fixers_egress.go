package fix

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// The addresses of machines rather than of the internet, and those under which
// clouds hand out credentials.
var (
	privateRanges = map[bool][]string{
		true:  {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "168.63.129.16/32"},
		false: {"fc00::/7", "fe80::/10"},
	}
	metadataRanges = []struct{ address, best string }{
		{"169.254.169.254/32", "169.254.0.0/16"}, {"100.100.100.200/32", "100.100.100.200/32"}, {"168.63.129.16/32", "168.63.129.16/32"}, {"fd00:ec2::254/128", "fd00:ec2::254/128"},
	}
)

// outsideOnly leaves of a rule for every address those of the internet.
func outsideOnly(s *site) ([]edit.Change, error) {
	s.effect = "machines of the cluster and its network are no longer reached through this rule: name those that are needed"
	return s.each("spec.egress", func(at string, rule *inventory.Node) []edit.Change {
		if rule.Get("to").Len() == 0 && rule.Get("ports").Len() == 0 {
			peers := &inventory.Node{Kind: inventory.List}
			for _, all := range []struct {
				cidr string
				four bool
			}{{"0.0.0.0/0", true}, {"::/0", false}} {
				peers.Items = append(peers.Items, *dict(named("ipBlock", dict(named("cidr", text(all.cidr)), named("except", strs(privateRanges[all.four]))))))
			}
			return s.set(at+".to", peers)
		}
		var out []edit.Change
		for i, peer := range rule.Get("to").All() {
			cidr := peer.Find("ipBlock", "cidr").Str()
			if (cidr == "0.0.0.0/0" || cidr == "::/0") && peer.Find("ipBlock", "except").Len() == 0 {
				out = append(out, s.set(inventory.JoinIndex(at+".to", i)+".ipBlock.except", strs(privateRanges[cidr == "0.0.0.0/0"]))...)
			}
		}
		return out
	}), nil
}

// exceptMetadata takes the metadata services of clouds out of the addresses that
// rules allow.
func exceptMetadata(s *site) ([]edit.Change, error) {
	s.effect = "pods that ask the metadata service of the cloud are refused: give them an identity of their own"
	return s.each("spec.egress", func(at string, rule *inventory.Node) []edit.Change {
		var out []edit.Change
		for i, peer := range rule.Get("to").All() {
			block, err := netip.ParsePrefix(peer.Find("ipBlock", "cidr").Str())
			if err != nil {
				continue
			}
			for _, m := range metadataRanges {
				address, best := netip.MustParsePrefix(m.address), netip.MustParsePrefix(m.best)
				if block.Bits() >= best.Bits() {
					best = address
				}
				if block.Contains(address.Addr()) && block.Bits() < best.Bits() && !excepted(peer.Find("ipBlock", "except"), address) {
					out = append(out, adding(inventory.JoinIndex(at+".to", i)+".ipBlock.except", text(best.String())))
				}
			}
		}
		return out
	}), nil
}

// excepted tells whether a list of exceptions covers an address.
func excepted(list *inventory.Node, want netip.Prefix) bool {
	return slices.ContainsFunc(list.Strings(), func(e string) bool {
		p, err := netip.ParsePrefix(e)
		return err == nil && p.Bits() <= want.Bits() && p.Contains(want.Addr())
	})
}

// ingressTLS names a certificate for the hosts of an Ingress.
func ingressTLS(s *site) ([]edit.Change, error) {
	var hosts []string
	served := make(map[string]bool)
	for _, t := range s.object.Root.Find("spec", "tls").All() {
		for _, host := range t.Get("hosts").Strings() {
			served[host] = true
		}
	}
	for _, r := range s.object.Root.Find("spec", "rules").All() {
		if host := r.Get("host").Str(); host != "" && !served[host] && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return nil, errors.New("the rules name no host that a certificate could be for")
	}
	name := s.object.Name + "-tls"
	s.effect = fmt.Sprintf("the controller answers with the certificate of Secret %s, and sends plain requests to HTTPS; without the Secret it shows one of its own, which clients refuse", name)
	s.steps = append(s.steps, fmt.Sprintf("kubectl create secret tls %s%s --cert=FILE --key=FILE   # for %s, unless something issues certificates in the cluster", name, inNamespace(s.object), strings.Join(hosts, ", ")))
	return []edit.Change{adding("spec.tls", dict(named("hosts", strs(hosts)), named("secretName", text(name))))}, nil
}
