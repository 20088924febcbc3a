package fix

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

const dockerfileKind = "Dockerfile"

// lineEdit puts lines in the place of one line of a file that is no YAML. What
// it does is said without a secret in what.
type lineEdit struct {
	line int32
	// keep is set where the line stays, behind the new ones.
	keep bool
	text []string
	what string
}

// applyLines edits a file by its lines. Of edits that get into each other's way
// the first is made.
func applyLines(old []byte, proposals []*proposal, failed map[*proposal]error) []byte {
	taken := byLine(proposals, failed)
	eol := "\n"
	if bytes.Contains(old, []byte("\r\n")) {
		eol = "\r\n"
	}
	var out []byte
	number := int32(0)
	put := func(e lineEdit) {
		for _, text := range e.text {
			out = append(out, text+eol...)
		}
	}
	for line := range bytes.Lines(old) {
		number++
		e, changed := taken[number]
		delete(taken, number)
		put(e)
		if !changed || e.keep {
			out = append(out, line...)
		}
	}
	if e, more := taken[number+1]; more {
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, eol...)
		}
		put(e)
	}
	return out
}

// byLine are the edits by their line.
func byLine(proposals []*proposal, failed map[*proposal]error) map[int32]lineEdit {
	taken := make(map[int32]lineEdit)
	for _, p := range proposals {
		for _, e := range p.lines {
			if other, known := taken[e.line]; known && (other.keep != e.keep || !slices.Equal(other.text, e.text)) {
				failed[p] = edit.ErrConflict
			}
		}
		for _, e := range p.lines {
			if failed[p] == nil {
				taken[e.line] = e
			}
		}
	}
	return taken
}

// instruction is one instruction of a Dockerfile on a line of its own.
type instruction struct {
	cmd  string
	text string
	line int32
	// path is that of the list it is in.
	path string
}

// stage are the instructions of the stage a finding is about.
func (s *site) stage() (string, []instruction) {
	head, _, _ := strings.Cut(s.finding.Path, ".")
	stages := s.object.Root.Get("stages")
	if s.object.Root.At(head) == nil && stages.Len() > 0 {
		head = inventory.JoinIndex("stages", stages.Len()-1)
	}
	path := head + ".instructions"
	var out []instruction
	for _, n := range s.object.Root.At(path).All() {
		out = append(out, instruction{cmd: n.Get("cmd").Str(), text: n.Get("text").Str(), line: n.Line, path: path})
	}
	return path, out
}

// lineOf is a line of the file as it is, 1-based.
func (s *site) lineOf(number int32) string {
	n := int32(0)
	for line := range bytes.Lines(s.state.texts[s.object.Origin.File]) {
		if n++; n == number {
			return strings.TrimRight(string(line), "\r\n")
		}
	}
	return ""
}

// lines counts the lines of the file.
func (s *site) lineCount() int32 {
	n := int32(0)
	for range bytes.Lines(s.state.texts[s.object.Origin.File]) {
		n++
	}
	return n
}

var errContinued = errors.New("the instruction goes over several lines: edit it by hand")

// simple tells whether an instruction is the whole of its line.
func (s *site) simple(i instruction) bool {
	line := s.lineOf(i.line)
	return strings.TrimSpace(line) == strings.TrimSpace(i.text) && !strings.HasSuffix(strings.TrimSpace(line), "\\") && !strings.Contains(line, "<<")
}

// rewritten announces that the instructions of a stage change.
func (s *site) rewritten(path string) []edit.Change {
	return []edit.Change{{Op: edit.Set, Path: path, Value: s.object.Root.At(path)}}
}

// dockerUser ends a Dockerfile with an ordinary user whose number the person has
// named.
func dockerUser(s *site) ([]edit.Change, error) {
	if s.User <= 0 {
		return nil, errUser
	}
	stages := s.object.Root.Get("stages")
	if stages.Len() == 0 {
		return nil, nil
	}
	s.finding = &finding.Finding{Object: s.object, Path: inventory.JoinIndex("stages", stages.Len()-1), Control: s.finding.Control}
	path, all := s.stage()
	number := strconv.FormatInt(s.User, 10)
	user := lineEdit{text: []string{"USER " + number + ":" + number}, what: "USER " + number + ":" + number}
	s.effect = "the program runs as user " + number + ": files it writes have to belong to that user, and ports below 1024 may be closed to it"
	for _, i := range slices.Backward(all) {
		if i.cmd != "USER" {
			continue
		}
		if !s.simple(i) {
			return nil, errContinued
		}
		user.line = i.line
		s.lines = []lineEdit{user}
		return s.rewritten(path), nil
	}
	user.line = s.lineCount() + 1
	for _, i := range slices.Backward(all) {
		if i.cmd != "CMD" && i.cmd != "ENTRYPOINT" && i.cmd != "EXPOSE" && i.cmd != "HEALTHCHECK" && i.cmd != "LABEL" && i.cmd != "STOPSIGNAL" {
			break
		}
		user.line, user.keep = i.line, true
	}
	s.lines = []lineEdit{user}
	return s.rewritten(path), nil
}

// dockerCredential takes a credential out of an image: the instructions that use
// it get it as a secret of the build.
func dockerCredential(s *site) ([]edit.Change, error) {
	at := s.object.Root.At(s.finding.Path)
	path, all := s.stage()
	n := slices.IndexFunc(all, func(i instruction) bool { return at != nil && i.line == at.Line })
	if n < 0 {
		return nil, nil
	}
	bad := all[n]
	name, ok := variable(bad)
	switch {
	case !ok:
		return nil, errors.New("the instruction sets more than the credential, or copies a file: take it out by hand, and use RUN --mount=type=secret where it is needed")
	case !s.simple(bad):
		return nil, errContinued
	}
	id := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	s.lines = []lineEdit{{line: bad.line, what: "removed, as a secret of the build " + id}}
	for _, i := range all[n+1:] {
		if i.cmd != "RUN" || !uses(i.text, name) {
			continue
		}
		if !s.simple(i) || !strings.HasPrefix(strings.TrimSpace(s.lineOf(i.line)), "RUN ") {
			return nil, errContinued
		}
		line := strings.Replace(s.lineOf(i.line), "RUN ", "RUN --mount=type=secret,id="+id+",env="+name+" ", 1)
		s.lines = append(s.lines, lineEdit{line: i.line, text: []string{line}})
	}
	s.effect = "the image no longer holds " + name + ": RUN instructions that name it get it from the build, and a program that reads it when it runs needs it from a Secret"
	s.steps = []string{
		fmt.Sprintf("%s:%d held %s: replace the credential, since images that were built have it, and build with: docker build --secret id=%s,env=%s .", s.object.Origin.File, bad.line, name, id, name),
	}
	return s.rewritten(path), nil
}

// variable is the one variable that an ENV or ARG sets.
func variable(i instruction) (string, bool) {
	fields := strings.Fields(i.text)
	if len(fields) < 2 || i.cmd != "ENV" && i.cmd != "ARG" { //nolint:mnd // the instruction and what it sets
		return "", false
	}
	name, _, assigned := strings.Cut(fields[1], "=")
	if assigned && len(fields) > 2 && !strings.ContainsAny(i.text, `"'`) || strings.Count(i.text, "=") > 1 && len(fields) > 2 {
		return "", false
	}
	return name, name != ""
}

// uses tells whether a shell line refers to a variable.
func uses(text, name string) bool {
	for rest := text; ; {
		at := strings.Index(rest, "$")
		if at < 0 {
			return false
		}
		rest = strings.TrimPrefix(rest[at+1:], "{")
		after, ok := strings.CutPrefix(rest, name)
		if ok && (after == "" || !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", rune(after[0]))) {
			return true
		}
	}
}

// dockerExpose takes the port of SSH off the list.
func dockerExpose(s *site) ([]edit.Change, error) {
	at := s.object.Root.At(s.finding.Path)
	path, all := s.stage()
	n := slices.IndexFunc(all, func(i instruction) bool { return at != nil && i.line == at.Line })
	if n < 0 || all[n].cmd != "EXPOSE" {
		return nil, errors.New("the server is installed by a command: take the package out of it by hand")
	}
	if !s.simple(all[n]) {
		return nil, errContinued
	}
	ports := slices.DeleteFunc(strings.Fields(all[n].text)[1:], func(p string) bool {
		number, _, _ := strings.Cut(p, "/")
		return number == "22"
	})
	e := lineEdit{line: all[n].line, what: "removed"}
	if len(ports) > 0 {
		e.text = []string{"EXPOSE " + strings.Join(ports, " ")}
		e.what = e.text[0]
	}
	s.lines = []lineEdit{e}
	return s.rewritten(path), nil
}

// baseDigest adds the digest of a base image where it is known.
func baseDigest(s *site) ([]edit.Change, error) {
	n := s.object.Root.At(s.finding.Path)
	if n == nil {
		return nil, nil
	}
	image := n.Str()
	known := s.Digests[image]
	line := s.lineOf(n.Line)
	if known == "" || strings.Contains(image, "@") {
		return nil, nil
	}
	if strings.Count(line, image) != 1 || strings.HasSuffix(strings.TrimSpace(line), "\\") {
		return nil, errContinued
	}
	s.lines = []lineEdit{{line: n.Line, text: []string{strings.Replace(line, image, image+"@"+known, 1)}, what: "by digest"}}
	return []edit.Change{{Op: edit.Set, Path: s.finding.Path, Value: text(image + "@" + known)}}, nil
}

var numericMode = regexp.MustCompile(`\bchmod\s+(?:-\S+\s+)*([0-7]{3,4})\s`)

// openMode takes the right to write from everybody else.
func openMode(s *site) ([]edit.Change, error) {
	at := s.object.Root.At(s.finding.Path)
	path, all := s.stage()
	n := slices.IndexFunc(all, func(i instruction) bool { return at != nil && i.line == at.Line })
	if n < 0 {
		return nil, nil
	}
	if !s.simple(all[n]) {
		return nil, errContinued
	}
	line := s.lineOf(all[n].line)
	found := numericMode.FindAllStringSubmatchIndex(line+" ", -1)
	if len(found) == 0 {
		return nil, errors.New("the mode is given in words: leave out what gives others the right to write, or sets the user")
	}
	out := []byte(line)
	for _, m := range found {
		last := m[3] - 1
		out[last] = '0' + (out[last]-'0')&^2
		if m[3]-m[2] == 4 && out[m[2]] != '0' { //nolint:mnd // a mode with a digit for setuid
			out[m[2]] = '0'
		}
	}
	s.lines = []lineEdit{{line: all[n].line, text: []string{string(out)}, what: strings.TrimSpace(string(out))}}
	s.effect = "a program that runs as another user than the owner of the files, or its group, can't write to them: give it a folder of its own"
	return s.rewritten(path), nil
}
