package control

import (
	"fmt"
	"strconv"
	"strings"
)

// Latest is a minor version above all others.
const Latest = 1 << 20

// ParseMinor reads v1.27, 1.27 or latest and returns the minor version.
func ParseMinor(s string) (int, error) {
	if s == "" || s == "latest" {
		return Latest, nil
	}
	minor, ok := strings.CutPrefix(strings.TrimPrefix(s, "v"), "1.")
	if !ok {
		return 0, fmt.Errorf("version %q: want latest or v1.N", s)
	}
	n, err := strconv.Atoi(minor)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("version %q: want latest or v1.N", s)
	}
	return n, nil
}
