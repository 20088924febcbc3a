package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// asker asks a person about each edit.
type asker struct {
	in  *bufio.Reader
	out io.Writer
	// all and quit are set by the answers that decide on what follows, too.
	all, quit bool
}

// startAsking makes fix ask. Answers come from a terminal: in a pipe nobody
// would see the questions.
func startAsking(streams Streams, opts *run.FixOptions) error {
	if slices.Contains(opts.Paths, "-") {
		return errors.New("--interactive: standard input is needed for the answers; name the file")
	}
	if f, ok := streams.In.(*os.File); ok && !term.IsTerminal(int(f.Fd())) {
		return errors.New("--interactive asks at a terminal, and standard input is none")
	}
	if streams.In == nil {
		return errors.New("--interactive: there is nobody to ask")
	}
	a := &asker{in: bufio.NewReader(streams.In), out: streams.Err}
	opts.Ask = a.ask
	return nil
}

// ask shows an edit and reads the answer. The end of the input means q.
func (a *asker) ask(q fix.Question) (bool, error) {
	if a.all || a.quit {
		return a.all, nil
	}
	var b strings.Builder
	first := q.Edits[0]
	fmt.Fprintf(&b, "\n%s:%d %s (%s, %s) %s\n", first.File, first.Line, first.Control, first.Severity, first.Safety, first.Object)
	if first.Why != "" {
		fmt.Fprintf(&b, "%s\n", first.Why)
	}
	b.WriteString(q.Diff)
	if _, err := io.WriteString(a.out, printable(b.String())); err != nil {
		return false, err
	}
	for {
		if _, err := io.WriteString(a.out, "make this edit? [y,n,a,q,?] "); err != nil {
			return false, err
		}
		line, err := a.in.ReadString('\n')
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		case "a", "all":
			a.all = true
			return true, nil
		case "q", "quit":
			a.quit = true
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			a.quit = true
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read the answer: %w", err)
		}
		if _, err := io.WriteString(a.out, "y: yes; n: no; a: this and all that follow; q: neither this nor any that follow\n"); err != nil {
			return false, err
		}
	}
}

// printable takes the sting out of text from files: a terminal would obey
// control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, s)
}
