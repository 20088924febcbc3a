package cli_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/cli"
)

// TestReadmeShowsWhatTheProgramPrints runs the commands of the transcript in
// the README and wants its lines, in order, in the output. A line [...] stands
// for lines that are left out.
func TestReadmeShowsWhatTheProgramPrints(t *testing.T) {
	t.Chdir("../..")
	shows(t, "README.md", 3)
}

// TestTheDocsOfFixShowWhatTheProgramPrints does that for the page of fix.
func TestTheDocsOfFixShowWhatTheProgramPrints(t *testing.T) {
	t.Chdir("../..")
	shows(t, "docs/fix.md", 1)
}

func shows(t *testing.T, page string, least int) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var block strings.Builder
	rest, found := string(text), false
	for {
		_, after, more := strings.Cut(rest, "```console\n")
		if !more {
			break
		}
		inside, behind, closed := strings.Cut(after, "```")
		if !closed {
			t.Fatalf("a transcript in %s does not end", page)
		}
		block.WriteString(inside)
		rest, found = behind, true
	}
	if !found {
		t.Fatalf("%s has no transcript", page)
	}
	var output []string
	commands := 0
	for line := range strings.Lines(block.String()) {
		line = strings.TrimRight(line, "\n")
		if call, ok := strings.CutPrefix(line, "$ redoubt "); ok {
			commands++
			var out bytes.Buffer
			cli.Main(t.Context(), strings.Fields(call), cli.Streams{Out: &out, Err: &out})
			output = strings.Split(out.String(), "\n")
			continue
		}
		if line == "" || line == "[...]" {
			continue
		}
		for len(output) > 0 && output[0] != line {
			output = output[1:]
		}
		if len(output) == 0 {
			t.Fatalf("the program does not print %q there", line)
		}
	}
	if commands < least {
		t.Errorf("the transcript of %s has %d commands", page, commands)
	}
}
