package decode

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var floatForm = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// resolvePlain gives an unquoted scalar its type by the rules of YAML 1.1 as
// kubectl reads it (sigs.k8s.io/yaml): yes, on and y are booleans, 0777 is
// octal, 1_000 a number. A float without a JSON form comes back with no text.
func resolvePlain(s string) (inventory.NodeKind, string) {
	if s == "" {
		return inventory.Null, ""
	}
	switch c := s[0]; {
	case strings.IndexByte("yYnNtTfFoO~", c) >= 0:
		return resolveWord(s)
	case c == '.':
		switch s {
		case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF":
			return inventory.Float, ""
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return formatFloat(f)
		}
	case c >= '0' && c <= '9' || c == '+' || c == '-':
		return resolveNumber(s)
	}
	return inventory.String, s
}

func resolveWord(s string) (inventory.NodeKind, string) {
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return inventory.Bool, "true"
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return inventory.Bool, "false"
	case "~", "null", "Null", "NULL":
		return inventory.Null, ""
	}
	return inventory.String, s
}

func resolveNumber(s string) (inventory.NodeKind, string) {
	switch s {
	case "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
		return inventory.Float, ""
	}
	if isDate(s) {
		return inventory.String, s
	}
	plain := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return inventory.Int, strconv.FormatInt(i, 10)
	}
	if u, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return inventory.Int, strconv.FormatUint(u, 10)
	}
	if floatForm.MatchString(plain) {
		if f, err := strconv.ParseFloat(plain, 64); err == nil {
			return formatFloat(f)
		}
	}
	// A quirk of the parser: a sign may follow 0b.
	if digits, ok := strings.CutPrefix(plain, "0b"); ok {
		if i, err := strconv.ParseInt(digits, 2, 64); err == nil {
			return inventory.Int, strconv.FormatInt(i, 10)
		}
	}
	return inventory.String, s
}

// parseFloat gives a scalar that resolved to a float its value.
func parseFloat(s string) float64 {
	switch strings.ToLower(s) {
	case ".inf", "+.inf":
		return math.Inf(1)
	case "-.inf":
		return math.Inf(-1)
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// isDate tells whether s starts like a date, which stays text. It can't be a
// number: no number has a dash after four digits.
func isDate(s string) bool {
	return len(s) > 4 && s[4] == '-' && strings.Trim(s[:4], "0123456789") == ""
}

func formatFloat(f float64) (inventory.NodeKind, string) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return inventory.Float, ""
	}
	text, err := json.Marshal(f) // finite floats always marshal
	if err != nil {
		return inventory.Float, ""
	}
	return inventory.Float, string(text)
}
