package sessions

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pare/core"
	"pare/core/event"
)

// Statuses of a session, as Summary has them.
const (
	New     = "new"     // never started
	Running = "running" //
	Paused  = "paused"  //
	Waiting = "waiting" // for the person, between stages
	Done    = "done"    // as far as it goes
	Spent   = "spent"   // done, too: its budget ended it
	Missed  = "missed"  // done, too: its target was not reached
	Failed  = "failed"  //
	Stopped = "stopped" // told to; can be resumed
	Dead    = "dead"    // its process is gone without a word; can be resumed
)

// Summary is one line of the list of sessions.
type Summary struct {
	ID      string      `json:"id"`
	Dir     string      `json:"dir"`
	Begun   time.Time   `json:"begun"` // zero when the log is empty
	Last    time.Time   `json:"last"`  // last event
	Status  string      `json:"status"`
	Pid     int         `json:"pid,omitempty"` // of the process, 0 when there is none
	Model   string      `json:"model"`
	Data    string      `json:"data"`
	Stage   event.Stage `json:"stage"`
	Zeros   float64     `json:"zeros"`             // share, 0…1; 0 before anything was pruned
	Acc     float64     `json:"acc"`               // last validation accuracy, −1 unknown
	TestAcc float64     `json:"test_acc"`          // of the pared model once validated, −1 before
	Bytes   int64       `json:"bytes"`             // on disk, all files
	Verdict string      `json:"verdict,omitempty"` // PASS, FAIL, UNDECIDED or ""
	Weights string      `json:"weights,omitempty"` // hash of the final weights, "" before the end
	// OverBudget: a run that is done has spent more than its budget, as its recipe allows.
	OverBudget bool   `json:"over_budget,omitempty"`
	Damage     string `json:"damage,omitempty"` // what is wrong with the files, "" when nothing is
	Newer      bool   `json:"newer,omitempty"`  // the damage is only that a newer pare wrote it
	// FailedStart: a mistake was found before the first step, so there is nothing
	// to look at or to go on with.
	FailedStart bool `json:"failed_start,omitempty"`
}

// List describes the sessions, the one begun last first. A damaged session is
// listed with its damage; starts that failed are left out.
func List(root string) ([]Summary, error) {
	l, err := ListAll(root)
	return slices.DeleteFunc(l, func(m Summary) bool { return m.FailedStart }), err
}

// ListAll is List with the starts that failed.
func ListAll(root string) ([]Summary, error) {
	names, err := ids(root)
	if err != nil {
		return nil, err
	}
	var l []Summary
	for _, id := range names {
		s := &Session{ID: id, Dir: filepath.Join(root, id)}
		l = append(l, s.Summary())
	}
	slices.SortStableFunc(l, func(a, b Summary) int { return b.Begun.Compare(a.Begun) })
	return l, nil
}

// Summary describes the session as it is now. It skims the log: the curve
// points are counted but not read, and the hash chain is not checked.
func (s *Session) Summary() Summary {
	m := Summary{ID: s.ID, Dir: s.Dir, Acc: -1, TestAcc: -1}
	var st event.State
	zeros, test := 0.0, -1.0
	stopped, worked := false, false
	err := s.skim(func(e event.Event) {
		st.Apply(e)
		worked = worked || isWork(e.Body)
		switch b := e.Body.(type) {
		case *event.Metric:
			zeros = b.Zeros
		case *event.Eval:
			zeros = b.Zeros
			switch b.Split {
			case "val":
				m.Acc = b.Acc()
			case "test":
				test = b.Acc()
			}
		case *event.Checkpoint:
			zeros = b.Zeros
		case *event.Started:
			stopped = false
		case *event.Paused:
			stopped = b.Why == "stopped"
		}
	})
	if err != nil {
		m.Damage, m.Newer = err.Error(), errors.Is(err, ErrNewer)
	}
	m.Begun, m.Last, m.Stage, m.Zeros = st.Begun, st.At, st.Stage, zeros
	m.Model, m.Data = st.Started.Model, st.Started.Data
	if st.Verdict != nil {
		m.Verdict, m.TestAcc = st.Verdict.Verdict, test
		if st.Ledger != nil { // there is none where the budget ended the comparison
			m.TestAcc = st.Ledger.Now.Acc
		}
	}
	if st.Done != nil {
		m.Weights = st.Done.Weights
	}
	if r, err := s.Recipe(); err != nil {
		if m.Damage == "" {
			m.Damage = s.noRecipe(err)
		}
	} else if m.Model == "" {
		m.Model, m.Data = spec(r.Model.Name, r.Model.Path), spec(r.Data.Name, r.Data.Path)
	}
	m.Bytes = diskBytes(s.Dir)
	var alive bool
	m.Pid, alive = s.Alive()
	m.Status = s.status(&st, alive, stopped)
	m.OverBudget = m.Over() && m.Status != Spent && st.Budget != nil && st.Budget.Spent > st.Budget.Limit
	m.FailedStart = m.Status == Failed && m.Damage == "" && !worked && !isBug(&st)
	return m
}

// isWork tells the first step of a run from what comes before it.
func isWork(b event.Body) bool {
	switch b := b.(type) {
	case *event.Metric, *event.Eval, *event.EpochCost:
		return true
	case *event.Checkpoint:
		return b.Step > 0 || b.Stage > event.Baseline
	}
	return false
}

// isBug reports whether the run ended in a panic: its files help to find out
// why.
func isBug(st *event.State) bool {
	n := len(st.Failures)
	return n > 0 && strings.HasPrefix(st.Failures[n-1].Text, bugWords)
}

func (s *Session) noRecipe(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		if !isSession(s.Dir) {
			return "holds no session: neither " + recipeFile + " nor " + logFile
		}
		return recipeFile + " is missing"
	}
	return err.Error()
}

func spec(name, path string) string {
	if path != "" {
		return filepath.Base(path)
	}
	return name
}

// status puts what the log says and what the process table says together.
func (s *Session) status(st *event.State, alive, stopped bool) string {
	if st.Status == event.StatusDone {
		switch st.Done.Exit {
		case core.ExitBudget:
			return Spent
		case core.ExitTarget:
			return Missed
		}
		return Done
	}
	if alive {
		switch st.Status {
		case event.StatusPaused:
			return Paused
		case event.StatusWaiting:
			return Waiting
		}
		return Running
	}
	if st.Status == event.StatusFailed {
		return Failed
	}
	r, err := readRun(s.Dir)
	switch {
	case stopped, err == nil && r.stopped():
		return Stopped
	case err == nil && r.Ended != nil && r.Why == whyError:
		return Failed
	case st.Seq == 0 && errors.Is(err, os.ErrNotExist):
		return New
	}
	return Dead
}

// skim reads the log for Summary: every event but metrics, and of those the
// last. Lines it cannot read are damage only when others follow.
func (s *Session) skim(f func(event.Event)) error {
	file, err := os.Open(filepath.Join(s.Dir, logFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	c := chain{session: s.ID}
	l := newLines(file)
	var metric []byte // the last one, not yet given out
	flush := func() {
		if len(metric) > 0 {
			if e, err := c.dec.line(metric); err == nil {
				f(e)
			}
			metric = metric[:0]
		}
	}
	defer flush()
	bad := error(nil)
	for {
		b, whole, err := l.next()
		if err != nil && !errors.Is(err, errLong) || !whole {
			return nil // the end, torn or not
		}
		var seq int64
		var e event.Event
		cur := cursor{b: b}
		var env envelope
		isMetric := err == nil && cur.open(&env) && string(env.kind) == "metric" && bytes.HasSuffix(b, []byte(`"}`))
		switch {
		case err != nil:
		case isMetric:
			seq = env.seq
		default:
			if e, err = c.dec.line(b); err == nil {
				seq = e.Seq
			}
		}
		if bad != nil {
			if err == nil {
				return bad
			}
			continue
		}
		if err != nil {
			if v := startedFormat(b); v > event.Version {
				return c.newer(v)
			}
			bad = c.damage("it is not an event, but events follow it")
			continue
		}
		if st, ok := e.Body.(*event.Started); ok && st.Format > event.Version {
			return c.newer(st.Format)
		}
		if seq != c.seq+1 {
			return c.damage(fmt.Sprintf("it has number %d, expected %d", seq, c.seq+1))
		}
		c.line, c.seq = c.line+1, seq
		if isMetric {
			metric = append(metric[:0], b...)
			continue
		}
		flush()
		f(e)
	}
}

// diskBytes is the size of all files of a session.
func diskBytes(dir string) int64 {
	n := int64(0)
	// A file that vanishes meanwhile takes no room: errors are skipped.
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if st, err := d.Info(); err == nil && st.Mode().IsRegular() {
			n += st.Size()
		}
		return nil
	})
	return n
}

// Over reports whether the run has come to its end: nothing goes on with it.
func (m Summary) Over() bool {
	return m.Status == Done || m.Status == Spent || m.Status == Missed
}

// Resumable reports whether Start would go on with the run.
func (m Summary) Resumable() bool {
	switch m.Status {
	case New, Stopped, Dead, Failed:
		return m.Damage == ""
	}
	return false
}
