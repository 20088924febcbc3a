package dockerfile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/dockerfile"
)

func parse(t *testing.T, text string) *inventory.Object {
	t.Helper()
	res, err := dockerfile.Decode([]byte(text), &inventory.Origin{File: "app/Dockerfile"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Objects) != 1 || res.Objects[0].Kind != dockerfile.Kind || res.Objects[0].Name != "Dockerfile" {
		t.Fatalf("got %v, want one object of kind Dockerfile", res.Objects)
	}
	return res.Objects[0]
}

// step is one instruction as controls see it.
type step struct {
	Line int32
	Cmd  string
	Args []string
}

type stage struct {
	Line       int32
	Name, Base string
	Steps      []step
}

func stages(o *inventory.Object) []stage {
	var out []stage
	for _, s := range o.Root.Get("stages").All() {
		st := stage{Line: s.Line, Name: s.Get("name").Str(), Base: s.Get("base").Str()}
		for _, i := range s.Get("instructions").All() {
			st.Steps = append(st.Steps, step{i.Line, i.Get("cmd").Str(), i.Get("args").Strings()})
		}
		out = append(out, st)
	}
	return out
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		want       []stage
	}{
		{
			"instructions keep the line they start on, continued or not", "# a comment\nFROM alpine:3.22\n\nRUN a && \\\n    # between\n    b\nUSER 1\n",
			[]stage{{2, "", "alpine:3.22", []step{{4, "RUN", []string{"a &&     b"}}, {7, "USER", []string{"1"}}}}},
		},
		{
			"each stage has its own instructions", "FROM golang AS build\nRUN make\nfrom --platform=linux/amd64 scratch\ncopy --from=build /a /a\n",
			[]stage{
				{1, "build", "golang", []step{{2, "RUN", []string{"make"}}}},
				{3, "", "scratch", []step{{4, "COPY", []string{"--from=build", "/a", "/a"}}}},
			},
		},
		{
			"the exec form gives one argument for each word", "FROM a\nENTRYPOINT [\"/a\", \"-v\", \"x y\"]\n",
			[]stage{{1, "", "a", []step{{2, "ENTRYPOINT", []string{"/a", "-v", "x y"}}}}},
		},
		{
			"a script in a here-document is an argument of RUN", "FROM a\nRUN <<EOF\ncurl https://x | sh\nEOF\nUSER 1\n",
			[]stage{{1, "", "a", []step{{2, "RUN", []string{"<<EOF", "curl https://x | sh\n"}}, {5, "USER", []string{"1"}}}}},
		},
		{
			"a file in a here-document is not an argument of COPY", "FROM a\nCOPY <<EOF /etc/motd\nUSER root\nEOF\n",
			[]stage{{1, "", "a", []step{{2, "COPY", []string{"<<EOF", "/etc/motd"}}}}},
		},
		{
			"another escape character continues lines", "# escape=`\nFROM a\nRUN x `\n  y\nUSER 1\n",
			[]stage{{2, "", "a", []step{{3, "RUN", []string{"x   y"}}, {5, "USER", []string{"1"}}}}},
		},
		{
			"an instruction within ONBUILD comes along", "FROM a\nONBUILD USER root\n",
			[]stage{{1, "", "a", []step{{2, "ONBUILD", []string{"USER", "root"}}}}},
		},
		{
			"a byte order mark and Windows line ends do no harm", "\ufeffFROM a\r\nUSER 1\r\n",
			[]stage{{1, "", "a", []step{{2, "USER", []string{"1"}}}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(stages(parse(t, tc.text)), tc.want); diff != "" {
				t.Error("-got +want\n", diff)
			}
		})
	}
}

func TestArgumentsAreResolved(t *testing.T) {
	t.Parallel()
	// base and user are those of the last stage.
	for _, tc := range []struct{ name, text, base, user string }{
		{"an argument before FROM is known in FROM", "ARG V=3.22\nFROM alpine:$V\nUSER 1", "alpine:3.22", "1"},
		{"braces are the same", "ARG V=3.22\nFROM alpine:${V}\nUSER 1", "alpine:3.22", "1"},
		{"an argument may use another", "ARG A=3\nARG V=$A.22\nFROM alpine:$V\nUSER 1", "alpine:3.22", "1"},
		{"an argument without a value stays open", "ARG V\nFROM alpine:$V\nUSER 1", "alpine:$V", "1"},
		{"a default is taken when there is no value", "FROM ${BASE:-alpine}\nUSER 1", "alpine", "1"},
		{"a default is taken when the value is empty", "ARG BASE=\nFROM ${BASE:-alpine}\nUSER 1", "alpine", "1"},
		{"without the colon an empty value counts", "ARG T=\nFROM alpine${T-:3}\nUSER 1", "alpine", "1"},
		{"an alternative is taken when there is a value", "ARG DEBUG=1\nFROM alpine${DEBUG:+:debug}\nUSER 1", "alpine:debug", "1"},
		{"an argument before FROM is not known within the stage", "ARG U=app\nFROM a\nUSER $U", "a", "$U"},
		{"unless the stage names it again", "ARG U=app\nFROM a\nARG U\nUSER $U", "a", "app"},
		{"a stage may give it another default", "ARG U=app\nFROM a\nARG U=root\nUSER $U", "a", "root"},
		{"the environment of one stage is not that of another", "FROM a AS x\nENV U=app\nFROM b\nUSER $U", "b", "$U"},
		{"a stage that is built on another takes its environment over", "FROM a AS x\nENV U=app\nFROM X\nUSER $U", "X", "app"},
		{"a later stage of the same name hides the first", "FROM a AS x\nENV U=root\nFROM a AS x\nENV U=1\nFROM x\nUSER $U", "x", "1"},
		{"the environment wins over what was before", "FROM a\nARG U=root\nENV U=7\nUSER ${U}:${U}", "a", "7:7"},
		{"the old form of ENV is read", "FROM a\nENV U app\nUSER $U", "a", "app"},
		{"quotes are taken off", "FROM a\nENV U=\"app\"\nUSER \"$U\"", "a", "app"},
		{"single quotes keep a dollar sign", "FROM a\nENV A=root U='$A'\nUSER $U", "a", "$A"},
		{"an escaped dollar sign is no variable", "FROM a\nENV U=root\nUSER \\$U", "a", "\\$U"},
		{"a form only a shell knows stays open", "FROM a\nENV U=root\nUSER ${U#r}", "a", "${U#r}"},
		{"a value set to an unknown one is unknown", "FROM a\nENV U=$HOME\nUSER $U", "a", "$HOME"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			all := stages(parse(t, tc.text))
			last := all[len(all)-1]
			user := last.Steps[len(last.Steps)-1].Args[0]
			if diff := cmp.Diff([]string{last.Base, user}, []string{tc.base, tc.user}); diff != "" {
				t.Error("-got +want\n", diff)
			}
		})
	}
}

func TestBrokenDockerfiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"a word that is no instruction", "FROM a\n\nRUNN make\n", "app/Dockerfile:3: invalid Dockerfile: there is no instruction RUNN"},
		{"no FROM at all", "ARG A=1\n", "app/Dockerfile:1: invalid Dockerfile: there is no FROM instruction"},
		{"an instruction before the first FROM", "ARG A\nUSER 1\nFROM a\n", "app/Dockerfile:2: invalid Dockerfile: USER stands before the first FROM"},
		{"a FROM without an image", "FROM\n", "app/Dockerfile:1: invalid Dockerfile: FROM names no image"},
		{"a here-document without an end", "FROM a\nRUN <<EOF\nmake\n", "app/Dockerfile:2: invalid Dockerfile: unterminated heredoc"},
		{"an empty file", "", "app/Dockerfile: invalid Dockerfile: file with no instructions"},
		{"only comments", "# nothing\n", "app/Dockerfile:1: invalid Dockerfile: file with no instructions"},
		{"bytes that are no text", "FROM a\x00\n", "app/Dockerfile: invalid Dockerfile: the file is binary, not text"},
		{"an escape character that is none", "# escape=x\nFROM a\n", "app/Dockerfile: invalid Dockerfile: invalid escape token"},
		{"an ENV without a value", "FROM a\nENV A\n", "app/Dockerfile:2: invalid Dockerfile: ENV must have two arguments"},
		{"more stages than anybody writes", strings.Repeat("FROM a\n", 1001), "app/Dockerfile:1001: invalid Dockerfile: there are more than 1000 stages"},
		{"a file larger than anybody writes", "FROM a\n" + strings.Repeat("#\n", 1<<20), "app/Dockerfile: the Dockerfile is larger than 1024 KiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res, err := dockerfile.Decode([]byte(tc.text), &inventory.Origin{File: "app/Dockerfile"}, decode.DefaultLimits())
			if err == nil {
				t.Fatalf("got %d objects, want an error", len(res.Objects))
			}
			if !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
		})
	}
}

func TestValuesThatDoubleAreBounded(t *testing.T) {
	t.Parallel()
	text := "FROM a\nENV A=xxxxxxxx\n" + strings.Repeat("ENV A=$A$A\n", 60) + "USER $A\n"
	all := stages(parse(t, text))
	if got := all[0].Steps[61].Args[0]; len(got) > 4<<10 || !strings.Contains(got, "$A") {
		t.Errorf("the user is %d bytes long, %.20s; want it short and left open", len(got), got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"FROM a\nUSER 1\n", "ARG A=1\nFROM x:${A:-2} AS b\nENV A=$A$A B='x'\nRUN <<EOF\nx\nEOF\n", "# escape=`\nFROM a\nRUN x `\n y",
		"FROM a\nONBUILD " + "ONBUILD RUN x", "FROM a\nHEALTHCHECK CMD [\"x\"]\nSHELL []\nLABEL a=b c", "FROM a\nRUN --mount=type=secret x\nENV =\nARG =",
		"FROM a\nCOPY <<a <<b /\na\nb\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := dockerfile.Decode(data, &inventory.Origin{File: "Dockerfile"}, decode.DefaultLimits())
		if err != nil {
			if len(res.Objects) > 0 {
				t.Error("an error beside an object")
			}
			return
		}
		last := int32(0)
		for _, s := range stages(res.Objects[0]) {
			for _, line := range append([]int32{s.Line}, lines(s)...) {
				if line < 1 || line < last {
					t.Errorf("line %d after line %d", line, last)
				}
				last = line
			}
		}
		if last == 0 {
			t.Error("a Dockerfile without a stage")
		}
	})
}

func lines(s stage) []int32 {
	var out []int32
	for _, i := range s.Steps {
		out = append(out, i.Line)
	}
	return out
}
