package netpol

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Port is a destination port. The zero value stands for any.
type Port struct {
	// Protocol is TCP, UDP or SCTP; empty means TCP.
	Protocol string
	// Number is the port, or 0 if Name is set.
	Number int
	// Name is the name of a container port of the destination.
	Name string
}

// Any tells whether the port is left open.
func (p Port) Any() bool { return p.Number == 0 && p.Name == "" }

// String writes the port as [ParsePort] reads it.
func (p Port) String() string {
	if p.Any() {
		return "any port"
	}
	s := p.Name
	if s == "" {
		s = strconv.Itoa(p.Number)
	}
	if p.Protocol != "" && p.Protocol != "TCP" {
		s += "/" + strings.ToLower(p.Protocol)
	}
	return s
}

var errPort = errors.New("want a port such as 8080, 53/udp or http")

// ParsePort reads 8080, 53/udp, http, http/tcp; the empty text is any port.
func ParsePort(s string) (Port, error) {
	if s == "" {
		return Port{}, nil
	}
	number, protocol, found := strings.Cut(s, "/")
	if !found {
		protocol = "TCP"
	}
	p := Port{Protocol: strings.ToUpper(protocol)}
	if _, ok := protocolNumber(p.Protocol); !ok {
		return Port{}, fmt.Errorf("%q: %w", s, errPort)
	}
	if n, err := strconv.Atoi(number); err == nil {
		if n < 1 || n > maxPort {
			return Port{}, fmt.Errorf("%q: %w", s, errPort)
		}
		p.Number = n
		return p, nil
	}
	if len(validation.IsValidPortName(number)) > 0 {
		return Port{}, fmt.Errorf("%q: %w", s, errPort)
	}
	p.Name = number
	return p, nil
}

const maxPort = 65535

var protocols = [...]string{"TCP", "UDP", "SCTP"}

func protocolNumber(name string) (uint32, bool) {
	i := slices.Index(protocols[:], name)
	return uint32(max(i, 0)), i >= 0 //nolint:gosec // at most two
}

// span is a range of ports, both ends included. A port is a number of its
// protocol and its own: protocol<<16 | port.
type span struct{ from, to uint32 }

const protocolShift = 16

func spanOf(protocol, from, to uint32) span {
	return span{protocol<<protocolShift | from, protocol<<protocolShift | to}
}

// everyPort are all ports of all protocols.
var everyPort = []span{spanOf(0, 1, maxPort), spanOf(1, 1, maxPort), spanOf(2, 1, maxPort)}

func contains(spans []span, port uint32) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= port && port <= s.to })
}

func overlap(a, b []span) bool {
	return slices.ContainsFunc(a, func(s span) bool {
		return slices.ContainsFunc(b, func(t span) bool { return s.from <= t.to && t.from <= s.to })
	})
}

// segment is a run of ports from a port up to the next segment's, with what
// holds for all of them.
type segment struct {
	from uint32
	is   tri
}

// starts are the ports at which something may change, given the spans of
// rules.
func starts(spans []span) []uint32 {
	out := []uint32{everyPort[0].from, everyPort[1].from, everyPort[2].from}
	for _, s := range spans {
		out = append(out, realPort(s.from), realPort(s.to+1))
	}
	slices.Sort(out)
	out = slices.Compact(out)
	end, _ := slices.BinarySearch(out, everyPort[2].to+1)
	return out[:end]
}

// realPort skips port 0, which does not exist.
func realPort(p uint32) uint32 {
	if p&maxPort == 0 {
		return p + 1
	}
	return p
}

// shrink joins neighbours that are alike.
func shrink(segments []segment) []segment {
	return slices.CompactFunc(segments, func(a, b segment) bool { return a.is == b.is })
}

// at says what holds for a port.
func at(segments []segment, port uint32) tri {
	i, found := slices.BinarySearchFunc(segments, port, func(s segment, p uint32) int { return cmp.Compare(s.from, p) })
	if !found {
		i--
	}
	if i < 0 {
		return no
	}
	return segments[i].is
}

// merge combines two lists of segments port by port.
func merge(a, b []segment, combine func(a, b tri) tri) []segment {
	out := make([]segment, 0, len(a)+len(b))
	var i, j int
	var va, vb tri
	for i < len(a) || j < len(b) {
		var from uint32
		switch {
		case j == len(b) || i < len(a) && a[i].from < b[j].from:
			from, va = a[i].from, a[i].is
			i++
		case i == len(a) || b[j].from < a[i].from:
			from, vb = b[j].from, b[j].is
			j++
		default:
			from, va, vb = a[i].from, a[i].is, b[j].is
			i++
			j++
		}
		out = append(out, segment{from, combine(va, vb)})
	}
	return shrink(out)
}

func least(a, b tri) tri    { return min(a, b) }
func greatest(a, b tri) tri { return max(a, b) }

// best is the greatest truth value among the ports of the spans.
func best(segments []segment, spans []span) tri {
	out := no
	for _, s := range spans {
		out = max(out, at(segments, s.from))
		for _, seg := range segments {
			if seg.from > s.from && seg.from <= s.to {
				out = max(out, seg.is)
			}
		}
	}
	return out
}

// worst is the least truth value among the first ports of the spans.
func worst(segments []segment, spans []span) tri {
	out := yes
	for _, s := range spans {
		out = min(out, at(segments, s.from))
	}
	return out
}

// maxNamed bounds the spans that are written out.
const maxNamed = 6

// nameSpans writes the ports for which a truth value holds, within spans.
func nameSpans(segments []segment, want tri, within []span) string {
	var open []span
	for i, s := range segments {
		if s.is != want {
			continue
		}
		end := everyPort[2].to
		if i+1 < len(segments) {
			end = segments[i+1].from - 1
		}
		for _, w := range within {
			if from, to := max(s.from, w.from), min(end, w.to); from <= to {
				open = append(open, span{from, to})
			}
		}
	}
	slices.SortFunc(open, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	if slices.Equal(open, everyPort) {
		return "all ports"
	}
	names := make([]string, 0, min(len(open), maxNamed)+1)
	for i, s := range open {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(open)-maxNamed))
			break
		}
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}

// String is TCP 80, TCP 80-90 or all TCP.
func (s span) String() string {
	protocol := protocols[s.from>>protocolShift]
	from, to := s.from&maxPort, s.to&maxPort
	switch {
	case from == to:
		return fmt.Sprintf("%s %d", protocol, from)
	case from == 1 && to == maxPort:
		return "all " + protocol
	}
	return fmt.Sprintf("%s %d-%d", protocol, from, to)
}
