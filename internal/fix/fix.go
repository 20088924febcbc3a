// Package fix turns findings into the smallest edits of the files they are in,
// and offers only those that are proven: judged again, the finding is gone and
// nothing is worse than before.
//
// It does no I/O, and judges nothing itself: a [Judge] is passed in.
package fix

import (
	"cmp"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
)

// A Judge says what is wrong with an inventory, by all controls there are:
// whether an edit does harm must not depend on what the user selected. Waived
// findings are marked as such.
type Judge func(inv *inventory.Inventory) ([]finding.Finding, error)

// Options say what may be edited and how.
type Options struct {
	// Controls are all controls by id, Selected those whose findings are to be
	// fixed.
	Controls map[string]*control.Control
	Selected map[string]bool
	// Safety is the boldest kind of edit that is wanted: safe or review.
	Safety control.Safety
	Judge  Judge
	// Texts are the files as they were read, by name.
	Texts map[string][]byte
	// Parsed are parts of files as they were parsed before; some or none of them.
	Parsed map[string][]edit.Parsed
	// Locked are files that must not be edited, and why.
	Locked map[string]string
	Limits decode.Limits
	// Roots are charts and kustomizations, by folder. The texts of their files
	// are among Texts.
	Roots map[string]*Root
	// User is the number that containers shall run as where none is known; 0
	// means that the person has not named one.
	User int64
	// Writable are folders that get an empty volume where the root becomes
	// read-only.
	Writable []string
	// IngressNamespace is where the ingress controller runs, "" if nobody said.
	IngressNamespace string
	// Digests are those of images, by their names in manifests.
	Digests map[string]string
	// Facts are what only a person knows of the workloads.
	Facts Facts
	// Exists tells whether there is a file of a name, so that none is added
	// over it; nil stands for no.
	Exists func(name string) bool
	// Dockerfile reads a file that holds no YAML, as the scan does; nil means
	// that there are none.
	Dockerfile func(text []byte, origin *inventory.Origin, limits decode.Limits) (decode.Result, error)
	// Ask decides on each proven edit, if set: those it returns false for are
	// not made. An error ends the run.
	Ask func(Question) (bool, error)
}

// Edit is one edit that is offered, for one control.
type Edit struct {
	Control  string `json:"control"`
	Severity string `json:"severity"`
	Safety   string `json:"safety"`
	// Why says what the edit is for, and what to look at if it is to be reviewed.
	Why  string `json:"why"`
	File string `json:"file"`
	// Line is that of the field, or of what it is put into, in the file as it
	// is now.
	Line      int32  `json:"line"`
	Object    string `json:"object"`
	Container string `json:"container,omitempty"`
	Path      string `json:"path"`
	// Effect says what else the edit changes, and what that takes, if there is
	// more to say of it than Why does.
	Effect string `json:"effect,omitempty"`
	// Before and After are the values of the field in JSON, empty for none.
	Before string `json:"before"`
	After  string `json:"after"`
}

// Refusal is a finding that gets no edit.
type Refusal struct {
	Control string `json:"control"`
	File    string `json:"file"`
	Line    int32  `json:"line"`
	Object  string `json:"object,omitempty"`
	Path    string `json:"path,omitempty"`
	Reason  string `json:"reason"`
}

// Result is what can be done.
type Result struct {
	// Texts are the files that change, as they would be.
	Texts map[string][]byte
	Edits []Edit
	// Refused are findings that have an edit which is not offered, and why.
	Refused []Refusal
	// Manual are findings that only a person can fix, with what to do.
	Manual []Refusal
	// Patches are what is left to do in charts, for a post-renderer.
	Patches []Patch
	// Steps are what is to be done beside the edits, such as Secrets that are to
	// be made. They hold no secret.
	Steps []string
	// Secrets are the credentials that the findings are about, for those who
	// show texts: they are to be masked there.
	Secrets []string
	// Bolder is the number of findings with an edit that needs a review, which
	// was not asked for.
	Bolder int
	// Before and After are the open findings of the selected controls.
	Before, After int
	// Final is what the input is once the edits are made, without the patches.
	Final *inventory.Inventory
}

// maxRounds bounds how often edits may make other edits possible.
const maxRounds = 12

// Run edits until nothing is left to edit. The inventory must be sealed; it is
// left as it is.
func Run(inv *inventory.Inventory, opts Options) (*Result, error) {
	s := newSession(inv, opts)
	s.Locked = maps.Clone(s.Locked)
	if s.Locked == nil {
		s.Locked = make(map[string]string)
	}
	maps.Copy(s.texts, opts.Texts)
	s.state = state{inv: s.inv, texts: s.texts, parsed: opts.Parsed}
	var err error
	if s.state.findings, err = opts.Judge(s.inv); err != nil {
		return nil, err
	}
	s.result.Before = s.open()
	s.result.Secrets = s.secrets()
	s.goLive()
	if err := s.rounds(); err != nil {
		return nil, err
	}
	s.result.After, s.result.Final = s.open(), s.state.inv
	patches := s.postRender
	if s.live {
		patches = s.livePatches
	}
	if err := patches(); err != nil {
		return nil, err
	}
	s.report()
	return s.result, nil
}

func newSession(inv *inventory.Inventory, opts Options) *session {
	dockerfiles, slow := make(map[string]bool), make(map[string]bool)
	for _, o := range inv.Kind(dockerfileKind) {
		dockerfiles[o.Origin.File], slow[o.Origin.File] = true, true
	}
	return &session{
		dockerfiles: dockerfiles,
		Options:     opts, inv: inv, texts: make(map[string][]byte), rejected: make(map[string]string),
		agreed: make(map[string]bool), declined: make(map[string]bool), unsteady: make(map[objectKey]bool),
		patches: make(map[string]string), patchNames: make(map[objectKey]string), patched: make(map[objectKey][]edit.Change),
		checked: make(map[string]error), values: make(map[string]*valueAt), slow: slow, result: &Result{Texts: make(map[string][]byte)},
	}
}

// rounds makes edits until none is left.
func (s *session) rounds() error {
	for range maxRounds {
		proposals := s.propose()
		if len(proposals) == 0 && s.retry {
			s.retry = false
			clear(s.rejected)
			proposals = s.propose()
		}
		if len(proposals) == 0 {
			break
		}
		if err := s.round(proposals); err != nil {
			return err
		}
	}
	return nil
}

// session is the state of one run.
type session struct {
	Options

	inv   *inventory.Inventory
	texts map[string][]byte
	state state
	// rejected are findings whose edit is not offered, and why.
	rejected map[string]string
	// agreed and declined are findings whose edit the person was asked about.
	agreed, declined map[string]bool
	// retry is set when edits were made since the rejections were decided.
	retry  bool
	judged int
	result *Result

	// dockerfiles are the files that hold no YAML.
	dockerfiles map[string]bool
	// wanted are the Secrets that edits need.
	wantedSecrets []wantedSecret
	// checked are the roots that were built as they are, and what came of it;
	// unsteady objects come out different each time.
	checked  map[string]error
	unsteady map[objectKey]bool
	built    int
	// values are where fields of charts are set, nil for nowhere.
	values map[string]*valueAt
	// slow are the files in which the proof by values did not do, and each edit
	// is proven by itself.
	slow map[string]bool
	// evaluator is made when first needed.
	evaluator *podsecurity.Evaluator
	// patches are the patch files that were added, with their folder, by name;
	// patched what is patched of an object.
	patches    map[string]string
	patchNames map[objectKey]string
	patched    map[objectKey][]edit.Change
	// virtual is set where objects are patched after they were rendered;
	// pending is what is tried of that.
	virtual bool
	pending []*proposal
	tries   int
	// live is set where the objects are those of a cluster; created are those
	// that it is to get, edited the objects of the edits.
	live    bool
	created []created
	edited  []objectKey
}

// state is an inventory with what is wrong with it.
type state struct {
	inv      *inventory.Inventory
	texts    map[string][]byte
	findings []finding.Finding
	// parsed are parts of the texts as they were parsed.
	parsed map[string][]edit.Parsed
	// tallies are counted when first needed.
	tallies map[tallyKey]tally
}

// errChanged says that a file is not what was judged.
var errChanged = errors.New("the file has changed since it was read; run fix again")

// parallel does n things on all processors.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// decoded is a file as the scan reads it. Parts that can't be read are left out,
// as there.
type decoded struct {
	objects []*inventory.Object
	err     error
}

func (s *session) decode(name string, text []byte) decoded {
	origin := &inventory.Origin{Kind: inventory.FromManifest, File: name}
	if s.Dockerfile != nil && s.dockerfiles[name] {
		res, err := s.Dockerfile(text, origin, s.Limits)
		return decoded{res.Objects, err}
	}
	res, err := decode.File(text, origin, s.Limits)
	if len(res.Objects) > 0 {
		err = nil
	}
	return decoded{res.Objects, err}
}

// Parsed is what was decoded, for who edits it.
func Parsed(documents []decode.Document) []edit.Parsed {
	out := make([]edit.Parsed, len(documents))
	for i, d := range documents {
		out[i] = edit.Parsed(d)
	}
	return out
}

// byFile are the objects that stand in files themselves.
func byFile(inv *inventory.Inventory) map[string][]*inventory.Object {
	out := make(map[string][]*inventory.Object)
	for _, o := range inv.Objects {
		if o.Origin.Kind == inventory.FromManifest {
			out[o.Origin.File] = append(out[o.Origin.File], o)
		}
	}
	return out
}

// open counts the open findings of the selected controls.
func (s *session) open() int {
	n := 0
	for i := range s.state.findings {
		if f := &s.state.findings[i]; f.Verdict == finding.Fail && s.Selected[f.Control] {
			n++
		}
	}
	return n
}

// touched are the files that hold objects themselves, and the charts and
// kustomizations that are to be built again.
func (s *session) touched(texts map[string][]byte, own map[string][]*inventory.Object) ([]string, map[string]bool) {
	var names []string
	again := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		dirs := s.inputs(name)
		for _, dir := range dirs {
			again[dir] = true
		}
		if len(dirs) == 0 || len(own[name]) > 0 {
			names = append(names, name)
		}
	}
	return names, again
}

// with is the state after some files have changed by the edits of a trial.
func (s *session) with(texts map[string][]byte, trial []*proposal) (state, error) {
	added := make(map[string]int)
	for _, p := range trial {
		for _, d := range p.documents {
			added[cmp.Or(d.file, p.object.file)] += 1 + d.more
		}
	}
	next := state{texts: make(map[string][]byte), inv: &inventory.Inventory{
		Gaps: slices.Clone(s.state.inv.Gaps), Skipped: s.state.inv.Skipped, Files: s.state.inv.Files, Bytes: s.state.inv.Bytes,
		ImageUsers: s.state.inv.ImageUsers, ClusterWide: s.state.inv.ClusterWide,
		ServerVersion: s.state.inv.ServerVersion, ImageDigests: s.state.inv.ImageDigests, Time: s.state.inv.Time,
	}}
	maps.Copy(next.texts, s.state.texts)
	own := byFile(s.state.inv)
	maps.Copy(next.texts, texts)
	names, again := s.touched(texts, own)
	for _, o := range s.state.inv.Objects {
		_, changed := texts[o.Origin.File]
		if manifest := o.Origin.Kind == inventory.FromManifest; manifest && !changed || !manifest && !again[o.Origin.Root] {
			next.inv.Add(o)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(again)) {
		objects, err := s.build(dir, next.texts)
		if err != nil {
			return next, err
		}
		next.inv.Add(objects...)
	}
	if err := s.addCreated(&next, trial); err != nil {
		return next, err
	}
	files := make([]decoded, len(names))
	parallel(len(names), func(i int) { files[i] = s.decode(names[i], texts[names[i]]) })
	next.parsed = maps.Clone(s.state.parsed)
	for i, name := range names {
		if files[i].err != nil || len(files[i].objects) != len(own[name])+added[name] {
			return next, &strayError{name}
		}
		next.inv.Add(files[i].objects...)
		// Few files are edited in several rounds; for those it is parsed again.
		delete(next.parsed, name)
	}
	next.inv.Seal()
	if err := s.strays(texts, &next, trial); err != nil {
		return next, err
	}
	var err error
	next.findings, err = s.Judge(next.inv)
	return next, err
}
