package sessions

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core"
	"pare/core/event"
)

// branchName is the checkpoint a branch begins with.
const branchName = "branch"

// Branch makes a new session that goes on from a checkpoint of this one with
// another recipe: edit gets the recipe in force there and changes it. "" is the
// checkpoint where the recipe of sparsifying is chosen, see BranchPoint. The new
// session holds this one's log up to the checkpoint, so that its charts and its bill
// are whole, and stands there like a run that was stopped: Start goes on. This
// session is only read.
func (s *Session) Branch(checkpoint string, edit func(*core.Recipe) error) (*Session, error) {
	from, err := s.BranchPoint(checkpoint)
	if err != nil {
		return nil, err
	}
	fail := func(err error) error { return fmt.Errorf("branch of %s at %s: %w", s.ID, from.Name, err) }
	b, err := verifyFile(s.Dir, from.Name, from.SHA)
	if err != nil {
		return nil, fail(err)
	}
	c, err := readCheckpoint(b)
	if err != nil {
		return nil, fail(err)
	}
	r, err := core.RecipeOf(c)
	if err != nil {
		return nil, fail(err)
	}
	if err := edit(r); err != nil {
		return nil, fail(err)
	}
	made, err := core.Branch(c, r, s.looks())
	if err != nil {
		return nil, fail(err)
	}
	n, err := newDir(filepath.Dir(s.Dir))
	if err != nil {
		return nil, err
	}
	// Out of sight until it is whole: half a branch would train from the beginning.
	tmp := &Session{ID: n.ID, Dir: filepath.Join(filepath.Dir(n.Dir), ".branch-"+n.ID)}
	err = tmp.grow(s, from, c, made)
	if err == nil {
		err = os.Remove(n.Dir)
	}
	if err == nil {
		err = os.Rename(tmp.Dir, n.Dir)
	}
	if err != nil {
		_ = os.RemoveAll(tmp.Dir) // the first error is the one to tell
		_ = os.Remove(n.Dir)
		return nil, fail(full(err))
	}
	return n, nil
}

// looks is how often the session has used the test set.
func (s *Session) looks() (n int) {
	_ = s.skim(func(e event.Event) { // what can be read of it counts
		if b, ok := e.Body.(*event.Verdict); ok {
			n = max(n, b.Looks)
		}
	})
	return n
}

// Point is a checkpoint to branch from.
type Point struct {
	event.Checkpoint
	Seq int64 // of its event
}

// BranchPoint finds the checkpoint of a name; without one the door of configure,
// else the dense model.
func (s *Session) BranchPoint(name string) (Point, error) {
	l, err := s.Points()
	if err != nil {
		return Point{}, err
	}
	var names []string
	for i := len(l) - 1; i >= 0; i-- {
		p := l[i]
		if p.Name == name || name == "" && (p.Stage == event.Configure || p.Name == "baseline") {
			return p, nil
		}
		names = append(names, p.Name)
	}
	switch {
	case len(l) == 0:
		return Point{}, fmt.Errorf("session %s has no checkpoint to branch from", s.ID)
	case name == "":
		return Point{}, fmt.Errorf("session %s has no recipe to change yet: its baseline is not done; name a checkpoint: %s", s.ID, shorten(names, 6))
	}
	return Point{}, fmt.Errorf("session %s has no checkpoint %q: it has %s", s.ID, name, shorten(names, 8))
}

// Points are the checkpoints on disk that the log knows, oldest first.
func (s *Session) Points() ([]Point, error) {
	var h history
	byName := map[string]event.Checkpoint{}
	err := s.each(func(e event.Event) {
		h.apply(e)
		if b, ok := e.Body.(*event.Checkpoint); ok {
			byName[b.Name] = *b
		}
	})
	var l []Point
	for _, c := range h.state.Checkpoints {
		k, ok := h.all[c.Name]
		if _, e := os.Stat(checkpointPath(s.Dir, c.Name, ckptExt)); ok && e == nil && checkName(c.Name) == nil {
			l = append(l, Point{byName[c.Name], k.seq})
		}
	}
	if len(l) > 0 { // a log that is damaged further on is no hindrance
		err = nil
	}
	return l, err
}

// grow fills the folder of a branch.
func (s *Session) grow(parent *Session, from Point, c *core.Checkpoint, made *core.Branched) error {
	for _, d := range []string{"", checkpointDir, exportDir} {
		if err := os.Mkdir(filepath.Join(s.Dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(s.Dir, lockFile), nil, 0o644); err != nil {
		return err
	}
	log, err := parent.logUpTo(from.Seq)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(s.Dir, logFile), log); err != nil {
		return err
	}
	st, err := openStore(s)
	if err != nil {
		return err
	}
	err = st.begin(parent, from, c, made)
	return errors.Join(err, st.close())
}

// begin brings the other's checkpoints over and says what this session is.
func (st *store) begin(parent *Session, from Point, c *core.Checkpoint, made *core.Branched) error {
	have := map[string]bool{}
	var gone []event.Body
	for _, k := range st.h.state.Checkpoints {
		old, mine := checkpointPath(parent.Dir, k.Name, ckptExt), st.path(k.Name, ckptExt)
		if checkName(k.Name) == nil && bring(old, mine, k.SHA) == nil {
			have[k.Name] = true
			continue
		}
		gone = append(gone, &event.Dropped{Name: k.Name})
	}
	mark := from.Checkpoint
	mark.Name = branchName
	if mark.Stage == event.Sparsify {
		mark.Good = mark.Acc < 0 || mark.Acc >= made.Floor
		good := made.Good
		switch door := fmt.Sprintf("s%d-000000", event.Sparsify); {
		case mark.Good && mark.Acc >= 0:
			good = branchName
		case good != "" && have[good]:
		case have[door]:
			good = door
		default:
			good = branchName
		}
		if err := c.SetGood(good); err != nil {
			return err
		}
	}
	mark.AtGoal = mark.Stage >= event.Sparsify && mark.Zeros >= made.Target-1e-3
	var err error
	if mark.SHA, mark.Bytes, err = st.Save(branchName, c); err != nil {
		return err
	}
	say := append(gone,
		&event.Resumed{Checkpoint: from.Name, Seq: from.Seq, Stage: mark.Stage, Step: mark.Step, Why: "branch"},
		&event.Branch{Session: parent.ID, Checkpoint: from.Name, Seq: from.Seq, Changed: made.Changed})
	say = append(say, parent.chosenSince(st.h.state.Chosen, mark)...)
	say = append(say, made.Said...)
	say = append(say, &mark, &event.Paused{Stage: mark.Stage, Step: mark.Step, Why: "stopped"})
	for _, b := range say {
		if _, err := st.Emit(b); err != nil {
			return err
		}
	}
	return nil
}

// chosenSince are the choices of devices that the whole log holds and a part of it does not:
// what a branch computes alike is then computed by the same algorithms.
func (s *Session) chosenSince(have map[string]map[string]string, at event.Checkpoint) []event.Body {
	var out []event.Body
	all, _ := s.chosen() // what can be read of it counts
	for _, on := range slices.Sorted(maps.Keys(all)) {
		late := maps.Clone(all[on])
		maps.DeleteFunc(late, func(what, _ string) bool { _, ok := have[on][what]; return ok })
		if len(late) > 0 {
			out = append(out, &event.Chosen{Stage: at.Stage, Step: at.Step, On: on, Choices: late})
		}
	}
	return out
}

// bring links a checkpoint's file, which never changes under its name, or copies
// it where links do not reach. The file must be the one the log speaks of.
func bring(from, to, sha string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if sha != "" && hexSum(b) != sha {
		return errors.New("it was written again since")
	}
	if os.Link(from, to) == nil {
		return nil
	}
	return writeFile(to, b)
}

// logUpTo is the log up to and including an event.
func (s *Session) logUpTo(seq int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(s.Dir, logFile))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	var out bytes.Buffer
	l := newLines(f)
	var d decoder
	for {
		line, whole, err := l.next()
		if errors.Is(err, io.EOF) || err == nil && !whole {
			return nil, fmt.Errorf("its log ends before event %d", seq)
		}
		if err != nil {
			return nil, err
		}
		e, err := d.line(line)
		if err != nil {
			return nil, err
		}
		out.Write(line)
		out.WriteByte('\n')
		if e.Seq >= seq {
			return out.Bytes(), nil
		}
	}
}

// AtEpoch is the name of the checkpoint at the end of an epoch of sparsify; of the
// baseline when the run got no further.
func (s *Session) AtEpoch(epoch int) (string, error) {
	l, err := s.Points()
	if err != nil {
		return "", err
	}
	stage := event.Baseline
	for _, p := range l {
		if p.Stage == event.Sparsify && p.Step > 0 {
			stage = event.Sparsify
		}
	}
	var have []string
	for _, p := range l {
		if p.Stage == stage && p.Epoch > 0 && strings.HasPrefix(p.Name, fmt.Sprintf("s%d-", stage)) {
			if p.Epoch == epoch {
				return p.Name, nil
			}
			have = append(have, fmt.Sprint(p.Epoch))
		}
	}
	if len(have) == 0 {
		return "", fmt.Errorf("session %s has no checkpoint of an epoch: give the name of one (`pare sessions show %s` lists them)", s.ID, s.ID)
	}
	return "", fmt.Errorf("session %s keeps no checkpoint of epoch %d of %s: there are %s", s.ID, epoch, stage, strings.Join(have, ", "))
}
