package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/cli"
)

// TestReadmeShowsWhatTheProgramPrints runs the commands of the transcript in
// the README and wants its lines, in order, in the output. A line [...] stands
// for lines that are left out.
func TestReadmeShowsWhatTheProgramPrints(t *testing.T) {
	t.Chdir("../..")
	if n := transcript(t, "README.md"); n < 3 {
		t.Errorf("the transcript has %d commands", n)
	}
}

// TestFixGuideShowsWhatTheProgramPrints does so with the guide to fix.
func TestFixGuideShowsWhatTheProgramPrints(t *testing.T) {
	t.Chdir("../..")
	if n := transcript(t, "docs/fix.md"); n < 1 {
		t.Errorf("the transcript has %d commands", n)
	}
}

// TestBlastGuideShowsWhatTheProgramPrints does so with the guide to blast, on a
// copy of the example, since fix writes to it.
func TestBlastGuideShowsWhatTheProgramPrints(t *testing.T) {
	guide, err := filepath.Abs("../../docs/blast.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "shop"), os.DirFS("../../examples/shop")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if n := transcript(t, guide); n != 3 {
		t.Errorf("the transcript has %d commands", n)
	}
}

// transcript runs the commands of a file and returns their number.
func transcript(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
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
			t.Fatalf("a transcript in %s does not end", file)
		}
		block.WriteString(inside)
		rest, found = behind, true
	}
	if !found {
		t.Fatalf("%s has no transcript", file)
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
	return commands
}
