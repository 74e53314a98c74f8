package sessions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"pare/core/event"
)

// readChunk is how much of a log is read at once, in bytes.
const readChunk = 1 << 20

// Tail reads a log from its first event and then whatever is new. It needs no
// process of the run, never blocks it, and survives a last line that is being
// written, was torn, or is repaired meanwhile. One goroutine at a time.
type Tail struct {
	path string
	f    *os.File // nil until the log exists
	c    chain
	off  int64  // where the bytes after buf stand in the file
	buf  []byte // whole lines read but not yet given out
	room []byte // buf's memory
	err  error  // damage: the end

	past *present // how it reads the past of a long log at once; nil: line by line
	x    *indexer // is shown every line; may be nil
}

// Tail opens the session's log for reading. The log need not exist yet.
func (s *Session) Tail() (*Tail, error) {
	t := &Tail{path: filepath.Join(s.Dir, logFile), c: chain{session: s.ID}}
	if err := t.open(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Tail) open() error {
	f, err := os.Open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("session %s: %w", t.c.session, err)
	}
	t.f = f
	return nil
}

// Next returns up to max events that it has not returned before, all of them
// when max is 0; none when nothing is new. It does not wait. Events may come
// together with an error (*DamageError, ErrNewer), which then stays.
func (t *Tail) Next(max int) ([]event.Event, error) {
	if t.err != nil {
		return nil, t.err
	}
	if t.f == nil {
		if err := t.open(); err != nil || t.f == nil {
			return nil, err
		}
	}
	out, err := t.indexed(max)
	if err != nil {
		return out, err
	}
	for max <= 0 || len(out) < max {
		i := bytes.IndexByte(t.buf, '\n')
		if i < 0 {
			more, err := t.fill()
			if err != nil {
				return out, err
			}
			if !more {
				t.leave()
				break
			}
			continue
		}
		e, err := t.c.next(t.buf[:i])
		if errors.Is(err, errGarbled) {
			if err = t.garbled(); err == nil {
				break // the torn end of a run that died; it may be repaired
			}
		}
		if err != nil {
			t.err = err
			return out, err
		}
		if out == nil {
			n := bytes.Count(t.buf, []byte("\n"))
			if max > 0 {
				n = min(n, max)
			}
			out = make([]event.Event, 0, n)
		}
		if t.x != nil {
			t.x.push(e, t.buf[:i])
		}
		t.buf = t.buf[i+1:]
		out = append(out, e)
	}
	t.keep()
	return out, nil
}

// fill reads on from off. It keeps whole lines only: what stands after the last
// newline may yet change and is read again next time.
func (t *Tail) fill() (bool, error) {
	if t.room == nil {
		t.room = make([]byte, 64<<10)
	}
	for {
		n, err := t.f.ReadAt(t.room, t.off)
		if err != nil && err != io.EOF {
			return false, fmt.Errorf("session %s: %w", t.c.session, err)
		}
		if end := bytes.LastIndexByte(t.room[:n], '\n'); end >= 0 {
			t.buf = t.room[:end+1]
			t.off += int64(end + 1)
			if n == len(t.room) && n < readChunk {
				t.room = make([]byte, readChunk) // a long log: larger bites next time
			}
			return true, nil
		}
		if n < len(t.room) {
			return false, nil
		}
		if len(t.room) >= maxLine {
			t.err = t.c.damage(fmt.Sprintf("it is longer than %d bytes", maxLine))
			return false, t.err
		}
		t.room = make([]byte, min(2*len(t.room), maxLine))
	}
}

// garbled decides what a line that is no event means. With an event anywhere
// after it the log was damaged; otherwise it is the torn end, which is left to
// be looked at again.
func (t *Tail) garbled() error {
	at := t.off - int64(len(t.buf))
	t.buf, t.off = nil, at
	good, err := eventAfter(t.f, at)
	if err != nil {
		return fmt.Errorf("session %s: %w", t.c.session, err)
	}
	if good {
		return t.c.damage("it is not an event, but events follow it")
	}
	return nil
}

// Through is the share of the log's bytes that Next has given out, NaN when it is not known.
// Not while Next runs.
func (t *Tail) Through() float64 {
	if t.f == nil {
		return math.NaN()
	}
	st, err := t.f.Stat()
	if err != nil || st.Size() == 0 {
		return math.NaN()
	}
	return min(float64(t.off-int64(len(t.buf)))/float64(st.Size()), 1)
}

// Close ends the reading.
func (t *Tail) Close() error {
	if t.f == nil {
		return nil
	}
	err := t.f.Close()
	if t.past != nil {
		t.past.wg.Wait()
	}
	return err
}

// eventAfter reports whether a whole line after the one that starts at off
// reads as an event.
func eventAfter(r io.ReaderAt, off int64) (bool, error) {
	s := newLines(io.NewSectionReader(r, off, 1<<62))
	var d decoder
	for n := 0; ; n++ {
		line, whole, err := s.next()
		if err == io.EOF || err == nil && !whole {
			return false, nil
		}
		if errors.Is(err, errLong) {
			continue
		}
		if err != nil {
			return false, err
		}
		if n > 0 {
			if _, err := d.line(line); err == nil {
				return true, nil
			}
		}
	}
}

// startedFormat is the format a "started" line claims even when the rest of it
// cannot be read, else 0.
func startedFormat(line []byte) int {
	var l struct {
		Kind string
		Body struct{ Format json.Number }
	}
	if !bytes.Contains(line, []byte(`"started"`)) || json.Unmarshal(line, &l) != nil || l.Kind != "started" {
		return 0
	}
	n, err := l.Body.Format.Int64()
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return int(n)
}
