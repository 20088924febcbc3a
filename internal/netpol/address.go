package netpol

import (
	"cmp"
	"net/netip"
	"slices"
)

// The address families.
const (
	ipv4 = iota
	ipv6
	families
)

// addresses are those a party may have in one family.
type addresses struct {
	// has says whether the party has an address in the family at all.
	has tri
	// prefixes are disjoint; nobody knows which of the addresses it is, unless
	// the party stands for all of them.
	prefixes []netip.Prefix
}

// block is a range of addresses with holes.
type block struct {
	cidr   netip.Prefix
	except []netip.Prefix
}

// run is a run of addresses, both ends included.
type run struct{ first, last netip.Addr }

// runs are the addresses of the blocks in one family, in order, without
// overlaps.
func runs(blocks []*block, family int) []run {
	var all []run
	for _, b := range blocks {
		if familyOf(b.cidr) != family {
			continue
		}
		first, end := b.cidr.Masked().Addr(), last(b.cidr)
		for _, hole := range disjoint(b.except) {
			if first.IsValid() && first.Less(hole.Addr()) {
				all = append(all, run{first, hole.Addr().Prev()})
			}
			first = last(hole).Next()
		}
		if first.IsValid() && !end.Less(first) {
			all = append(all, run{first, end})
		}
	}
	slices.SortFunc(all, func(a, b run) int { return a.first.Compare(b.first) })
	var out []run
	for _, r := range all {
		if n := len(out); n > 0 && !out[n-1].last.Less(r.first) {
			if out[n-1].last.Less(r.last) {
				out[n-1].last = r.last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// holds tells whether an address is in one of the runs.
func holds(all []run, a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(all, a, func(r run, a netip.Addr) int { return r.first.Compare(a) })
	return found || i > 0 && !all[i-1].last.Less(a)
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(texts))
	for _, t := range texts {
		if p, err := netip.ParsePrefix(t); err == nil {
			out = append(out, p)
		}
	}
	return out
}

var (
	// unicast are the addresses a pod, node or server can have.
	unicast = [families][]netip.Prefix{
		subtract(everywhere[ipv4], special),
		prefixes("2000::/3", "fc00::/7"),
	}
	// private are the addresses that are not routed on the internet, those some
	// clusters take for themselves included.
	private = [families][]netip.Prefix{
		prefixes("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "240.0.0.0/4"),
		prefixes("fc00::/7"),
	}
	// special are addresses that stand for no machine elsewhere.
	special    = prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4")
	everywhere = [families][]netip.Prefix{prefixes("0.0.0.0/0"), prefixes("::/0")}
	public     = [families][]netip.Prefix{
		subtract(everywhere[ipv4], slices.Concat(private[ipv4], special)),
		prefixes("2000::/3"),
	}
)

// subtract returns the parts of a that are not in b.
func subtract(a, b []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range a {
		hole := slices.IndexFunc(b, p.Overlaps)
		switch {
		case hole < 0:
			out = append(out, p)
		case b[hole].Bits() > p.Bits():
			low, high := halves(p)
			out = append(out, subtract([]netip.Prefix{low, high}, b)...)
		}
	}
	return out
}

// halves cuts a prefix that is no single address in two.
func halves(p netip.Prefix) (netip.Prefix, netip.Prefix) {
	bits := p.Bits() + 1
	low := netip.PrefixFrom(p.Addr(), bits)
	high := netip.PrefixFrom(last(low).Next(), bits)
	return low, high
}

// last is the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < p.Addr().BitLen(); bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

func familyOf(p netip.Prefix) int {
	if p.Addr().Is4() {
		return ipv4
	}
	return ipv6
}

// disjoint drops prefixes that lie in others.
func disjoint(all []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(all)
	for i := range sorted {
		sorted[i] = sorted[i].Masked()
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var out []netip.Prefix
	for _, p := range sorted {
		if len(out) == 0 || !out[len(out)-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// exactly are the addresses of a party that is known to have just these.
func exactly(all []netip.Prefix) [families]addresses {
	var out [families]addresses
	for _, p := range all {
		f := &out[familyOf(p)]
		f.has = yes
		f.prefixes = append(f.prefixes, p)
	}
	for f := range out {
		out[f].prefixes = disjoint(out[f].prefixes)
	}
	return out
}

// podAddresses are the addresses a pod may have: those of the given ranges, or
// any. Every pod is taken to have an IPv4 address then, and perhaps an IPv6
// address.
func podAddresses(cidrs []netip.Prefix) [families]addresses {
	if len(cidrs) > 0 {
		return exactly(cidrs)
	}
	return anywhere()
}

func anywhere() [families]addresses {
	return [families]addresses{{yes, unicast[ipv4]}, {maybe, unicast[ipv6]}}
}

// samples returns one address for every run of addresses in the prefixes that
// all of the lists treat alike.
func samples(within []netip.Prefix, lists [][]run) []netip.Addr {
	out := make([]netip.Addr, 0, len(within))
	for _, p := range within {
		out = append(out, p.Addr())
	}
	add := func(a netip.Addr) {
		if a.IsValid() && slices.ContainsFunc(within, func(p netip.Prefix) bool { return p.Contains(a) }) {
			out = append(out, a)
		}
	}
	for _, list := range lists {
		for _, r := range list {
			add(r.first)
			add(r.last.Next())
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}
