package energy

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// wallPart reads windows from a wall meter's file, which may still be growing.
type wallPart struct {
	path  string
	start time.Time // UTC at which the meter's clock was zero
	stat  func(string) (int64, error)

	mu    sync.Mutex
	log   *WallLog
	size  int64
	fault string        // why the newest version of the file was not taken
	under chan wallRead // a reading under way
}

// wallPatience is how long a window waits for the file: reading days of rows takes
// a while. A file system that hangs costs that once.
var wallPatience = 2 * time.Second

// wallRead is the outcome of reading the file; without a log it has not changed.
type wallRead struct {
	log  *WallLog
	size int64
	err  error
}

// openWall opens the file that Options.Wall or PARE_WALL names.
func openWall(o Options) (*wallPart, Status, error) {
	path := o.Wall
	if path == "" {
		path, _ = o.env("PARE_WALL")
	}
	row := Status{Name: "wall meter", Why: "none was named", Fix: "pare run --wall FILE.csv, or PARE_WALL=FILE.csv (timestamp,watts or timestamp,joules), takes one"}
	if path == "" {
		return nil, row, nil
	}
	w := &wallPart{path: path, start: o.utc().Add(-time.Duration(o.now())), stat: fileSize}
	err := w.reload()
	switch {
	case err == nil:
		return w, row, nil
	case !o.Survey:
		return nil, row, err
	}
	row.Path, row.Why = path, "a run refuses to start with it: "+err.Error()
	row.Fix = "name a file that the meter writes, with columns timestamp,watts or timestamp,joules, or unset PARE_WALL"
	return nil, row, nil
}

func fileSize(path string) (int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// reload reads the file again when its size has changed. One that does not answer
// is waited for once; what comes late is taken by a later call.
func (w *wallPart) reload() error {
	patience := time.Duration(0)
	if w.under == nil {
		patience, w.under = wallPatience, make(chan wallRead, 1)
		go w.readAside(w.under, w.size, w.log != nil)
	}
	x, ok := within(patience, w.under)
	if !ok {
		return fmt.Errorf("wall meter %s: the file does not answer", w.path)
	}
	w.under = nil
	if x.log != nil {
		w.log, w.size = x.log, x.size
	}
	return x.err
}

// within waits for an answer for so long; false when it does not come.
func within[T any](patience time.Duration, answer <-chan T) (T, bool) {
	select {
	case x := <-answer: // it may be there already, however short the patience
		return x, true
	default:
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case x := <-answer:
		return x, true
	case <-t.C:
	}
	select { // it may have come at the same time: this process stood still
	case x := <-answer:
		return x, true
	default:
		var none T
		return none, false
	}
}

func (w *wallPart) readAside(to chan<- wallRead, was int64, have bool) {
	size, err := w.stat(w.path)
	if err == nil && size == was && have {
		to <- wallRead{}
		return
	}
	log, err := ReadWall(w.path)
	to <- wallRead{log, size, err}
}

// between is the reading from one time of the meter's clock (ns) to another.
func (w *wallPart) between(from, to int64) Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.start.Add(time.Duration(to))
	w.fault = ""
	if end.UnixNano() > w.log.at[len(w.log.at)-1] {
		if err := w.reload(); err != nil { // what was read before still holds
			w.fault = err.Error()
		}
	}
	r := w.log.Between(w.start.Add(time.Duration(from)), end)
	r.Part, r.Source, r.contains = "machine", w.source(), true
	r.Note = joinNotes(r.Note, w.fault)
	return r
}

// shortest is the least window, ns.
func (w *wallPart) shortest() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return 2 * w.log.period
}

func (w *wallPart) source() string   { return "wall meter " + filepath.Base(w.path) }
func (w *wallPart) boundary() string { return "wall outlet: the whole machine with its power supply" }

// wallNow is doctor's row.
func (m *Meter) wallNow() Status {
	if m.wall == nil {
		return m.wallRow
	}
	w := m.wall
	gone := w.lost(m.now())
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.log.at)
	s := Status{
		Name: "wall meter", Path: w.path, OK: true, Used: true, Tier: TierA, Every: time.Duration(w.log.period).Round(time.Millisecond).String(),
		Value: w.log.kind + " from " + time.Unix(0, w.log.at[0]).UTC().Format(time.RFC3339) + " to " + time.Unix(0, w.log.at[n-1]).UTC().Format(time.RFC3339),
		Why:   w.fault,
	}
	if len(gone) > 0 && s.Why == "" {
		s.Why = "its last row is " + lasting(int64(gone[0].For)) + " old"
		s.Fix = "see that the meter still writes to this file: a run has no joules for what it does not cover"
	}
	return s
}
