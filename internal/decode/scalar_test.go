package decode_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
)

// data decodes what stands below a key of an object, and returns its JSON or
// the fault.
func data(text string) string {
	got := strings.Join(file("a.yaml", yamlFrame+indent(text), decode.DefaultLimits()), "\n")
	inner, ok := strings.CutPrefix(got, `v1 Thing {"apiVersion":"v1","kind":"Thing","data":`)
	if !ok {
		return got
	}
	return strings.TrimSuffix(inner, "}")
}

func TestValuesAreReadAsKubectlReadsThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"words of YAML 1.1 are booleans", "[y, Yes, on, TRUE, n, No, OFF, false]", "[true,true,true,true,false,false,false,false]"},
		{"other spellings of them are text", "[yES, oN, tRUE, Nope, offf]", `["yES","oN","tRUE","Nope","offf"]`},
		{"quoted words are text", `["yes", 'on', "null", '1']`, `["yes","on","null","1"]`},
		{"words of nothing are null", "[~, null, Null, NULL, ]", "[null,null,null,null]"},
		{"a key without a value is null", "a:\nb: 1", `{"a":null,"b":1}`},
		{"a leading zero makes octal", "[0777, 0o17, 0644, -010]", "[511,15,420,-8]"},
		{"what is no octal after a zero is a float", "[0888, 09]", "[888,9]"},
		{"other bases are integers", "[0x1F, 0b101, -0b11, 0b-1]", "[31,5,-3,-1]"},
		{"underscores in numbers are left out", "[1_000, 0x_f, 1_0.5]", "[1000,15,10.5]"},
		{"base 60 is text", "[1:30, 190:20:30]", `["1:30","190:20:30"]`},
		{"dates are text", "[2001-01-01, 2001-12-14t21:59:43Z]", `["2001-01-01","2001-12-14t21:59:43Z"]`},
		{"floats are numbers", "[1.5, .5, 1., 1e3, -2.5E-3, +1.0]", "[1.5,0.5,1,1000,-0.0025,1]"},
		{"large integers keep their digits", "[9223372036854775807, 18446744073709551615]", "[9223372036854775807,18446744073709551615]"},
		{"larger integers are floats", "[18446744073709551616]", "[18446744073709552000]"},
		{"a float beyond all is text", "1e999", `"1e999"`},
		{"infinity has no place in JSON", "a: .inf", "a.yaml:4: .inf has no place in JSON"},
		{"quantities, versions and addresses are text", "[100m, 1.2.3, 10.0.0.1, 1e3Mi, -, +, 0x, 0b2, .]", `["100m","1.2.3","10.0.0.1","1e3Mi","-","+","0x","0b2","."]`},
		{"the equals sign is text", "=", `"="`},
		{"numbers as keys are text", "{1: a, 0x10: b, 1.5: c, 1e20: d}", `{"1":"a","16":"b","1.5":"c","1e+20":"d"}`},
		{"infinity as a key is its YAML name", "{.inf: a, -.INF: b, .nan: c}", `{".inf":"a","-.inf":"b",".nan":"c"}`},
		{"booleans as keys are true and false", "{yes: a, off: b}", `{"true":"a","false":"b"}`},
		{"a null key is refused", "~: a", "a.yaml:4: a map key is null (quote it if it is meant as text)"},
		{"a map as a key is refused", "? {a: b}\n: c", "a.yaml:4: a map key must be a string"},
		{"a tag makes text", "[!!str 1, !!str yes, !custom 1]", `["1","yes","1"]`},
		{"a tag makes a number of text", `[!!int "3", !!float 3, !!bool "on", !!null ""]`, "[3,3,true,null]"},
		{"a tag that does not fit is refused", `!!int 3.5`, `a.yaml:4: "3.5" is no int`},
		{"a number is no boolean whatever the tag", `!!bool 1`, `a.yaml:4: "1" is no bool`},
		{"binary is decoded", "!!binary aGVsbG8=", `"hello"`},
		{"binary that is not base64 is refused", "!!binary a", "a.yaml:4: !!binary value is not base64: illegal base64 data at input byte 0"},
		{"a block of text keeps its lines", "|\n   a\n    b\n", `"a\n b\n"`},
		{"a folded block joins its lines", ">-\n   a\n   b\n", `"a b"`},
		{"a block of digits is text", "|-\n   1", `"1"`},
		{"a hash within a word is text", "a#b", `"a#b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, data(c.text)); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"an alias is a copy", "a: &x [1]\nb: *x", `{"a":[1],"b":[1]}`},
		{"an alias may be a key", "a: &x k\n*x : 1", `{"a":"k","k":1}`},
		{"a merge adds entries", "a: &x {p: 1}\nb: {<<: *x, q: 2}", `{"a":{"p":1},"b":{"p":1,"q":2}}`},
		{"a key after a merge overrules it", "a: &x {p: 1}\nb:\n  <<: *x\n  p: 2", `{"a":{"p":1},"b":{"p":2}}`},
		// YAML says otherwise; kubectl applies p: 1.
		{"a merge after a key overrules the key", "a: &x {p: 1}\nb:\n  p: 2\n  <<: *x", `{"a":{"p":1},"b":{"p":1}}`},
		{"the first of several merged maps wins", "<<: [{p: 1}, {p: 2, q: 2}]", `{"p":1,"q":2}`},
		{"the last of several merges wins", "<<: {p: 1}\n<<: {p: 2}", `{"p":2}`},
		{"merges nest", "a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y}", `{"a":{"p":1},"b":{"p":1,"q":2},"c":{"p":1,"q":2}}`},
		{"a quoted merge is a key", `"<<": {p: 1}`, `{"<<":{"p":1}}`},
		{"a merge of text is refused", "<<: text", "a.yaml:4: a merge key << needs a map or a list of maps"},
		{"a merge of an aliased list is refused", "a: &x [{p: 1}]\nb: {<<: *x}", "a.yaml:5: a merge key << needs a map or a list of maps"},
		{"an anchor that contains itself is refused", "a: &x [*x]", "a.yaml:4: anchor &x contains itself"},
		{"an anchor that merges itself is refused", "a: &x {<<: *x}", "a.yaml:4: anchor &x contains itself"},
		{"an anchor ends with its document", "a: *x", "a.yaml:1: invalid YAML: unknown anchor 'x' referenced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, data(c.text)); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}
