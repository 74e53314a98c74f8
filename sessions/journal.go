package sessions

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pare/core/event"
)

// syncEvery bounds how much of the log a crash of the machine can take: the
// events that decide something are synced at once, the others within this time.
const syncEvery = time.Second

// appendFile is what the journal needs of the log's file; tests put a full disk
// behind it.
type appendFile interface {
	file
	// Cut shortens the file to size bytes.
	Cut(size int64) error
}

type logOnDisk struct{ *os.File }

// Cut goes by the path: a handle that may only append cannot shorten the file
// on Windows.
func (f logOnDisk) Cut(size int64) error { return os.Truncate(f.Name(), size) }

var openLog = func(path string) (appendFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return logOnDisk{f}, nil
}

// journal is the writing end of a log. There is one, under the session's lock.
// An event is one write of one line, so a reader sees it whole or not at all.
type journal struct {
	mu sync.Mutex // guards everything that follows

	f    appendFile
	size int64 // of the whole lines
	seq  int64
	prev string
	torn bool // bytes of a failed write stand after size

	dirty   bool  // written, not synced
	syncErr error // of the sync beside the writer
	lastErr error // of the last append, nil after a good one

	x  *indexer
	ix indexWriter // only used by one goroutine at a time: the opening, syncs, close

	stop chan struct{}
	done chan struct{}
}

// openJournal reads the log, repairs its torn end and opens it for appending.
// Every event goes through fold. A torn end is kept in events.torn-N.
func openJournal(s *Session, fold func(event.Event)) (*journal, error) {
	path := filepath.Join(s.Dir, logFile)
	_, statErr := os.Stat(path)
	j := &journal{stop: make(chan struct{}), done: make(chan struct{}), x: newIndexer(span{})}
	j.ix.path = filepath.Join(s.Dir, indexFile)
	if err := j.replay(s, path, fold); err != nil {
		j.ix.close()
		return nil, err
	}
	f, err := openLog(path)
	if err != nil {
		j.ix.close()
		return nil, fmt.Errorf("session %s: %w", s.ID, full(err))
	}
	if errors.Is(statErr, os.ErrNotExist) {
		if err := syncDir(s.Dir); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	j.f = f
	go j.syncs()
	return j, nil
}

// replay folds what is there and cuts a torn end off.
func (j *journal) replay(s *Session, path string, fold func(event.Event)) error {
	t, err := s.Tail()
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // only read from
	t.x = j.x
	for {
		es, err := t.Next(4096)
		j.ix.write(j.x.take())
		for _, e := range es {
			fold(e)
		}
		if err != nil {
			return err
		}
		if len(es) == 0 {
			break
		}
	}
	j.seq, j.prev = t.c.seq, t.c.prev
	j.size = t.off - int64(len(t.buf))
	if t.f == nil {
		return nil
	}
	st, err := t.f.Stat()
	if err != nil {
		return fmt.Errorf("session %s: %w", s.ID, err)
	}
	if st.Size() == j.size {
		return nil
	}
	if err := keepTorn(s.Dir, io.NewSectionReader(t.f, j.size, st.Size()-j.size)); err != nil {
		return fmt.Errorf("session %s: setting the torn end of %s aside: %w", s.ID, logFile, err)
	}
	if err := os.Truncate(path, j.size); err != nil {
		return fmt.Errorf("session %s: %w", s.ID, full(err))
	}
	return nil
}

// keepTorn copies the torn end of a log to the first free events.torn-N.
func keepTorn(dir string, r io.Reader) error {
	for n := 1; ; n++ {
		path := filepath.Join(dir, fmt.Sprintf("events.torn-%d", n))
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		return writeAside(path, func(w io.Writer) error { _, err := io.Copy(w, r); return err }, nil)
	}
}

// durable lists the events that are synced before the run goes on: what a
// resume starts from, what must not be decided twice, and how it ended.
func durable(b event.Body) bool {
	switch b.(type) {
	case *event.Started, *event.Plan, *event.StageChange, *event.Checkpoint, *event.Dropped, *event.Decision,
		*event.Resumed, *event.Paused, *event.Failure, *event.Done:
		return true
	}
	return false
}

// append writes one event. On an error nothing of it stays in the log; it can
// be tried again. The exception is a failed sync of a durable event, which is
// in the log (seq > 0) but not safely on the disk.
func (j *journal) append(b event.Body) (e event.Event, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() { j.lastErr = err }()
	if j.f == nil {
		return e, fmt.Errorf("%s: %w", logFile, os.ErrClosed)
	}
	e = event.Event{Seq: j.seq + 1, At: time.Now().UTC(), Body: b, Prev: j.prev}
	line, err := event.Encode(e)
	if err != nil {
		return event.Event{}, err
	}
	if len(line) > maxLine {
		return event.Event{}, fmt.Errorf("event %d (%s): %d bytes, a line may have %d", e.Seq, b.Kind(), len(line), maxLine)
	}
	if err := j.mend(); err != nil {
		return event.Event{}, err
	}
	n, err := j.f.Write(append(line, '\n'))
	if err == nil && n <= len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		j.torn = n > 0
		err = fmt.Errorf("%s: %w", logFile, full(err))
		if e := j.mend(); e != nil {
			err = errors.Join(err, e)
		}
		return event.Event{}, err
	}
	j.size += int64(n)
	j.x.push(event.Event{Seq: e.Seq}, line)
	j.seq, j.prev, j.dirty = e.Seq, j.x.now.link, true
	if durable(b) {
		err = j.sync()
	}
	return e, err
}

// mend takes back what a failed write left, and repeats a failed sync.
func (j *journal) mend() error {
	if j.torn {
		if err := j.f.Cut(j.size); err != nil {
			return fmt.Errorf("%s: taking back a torn line: %w", logFile, full(err))
		}
		j.torn = false
	}
	if j.syncErr != nil {
		return j.sync()
	}
	return nil
}

func (j *journal) sync() error {
	if err := j.f.Sync(); err != nil {
		j.syncErr = fmt.Errorf("%s: %w", logFile, full(err))
		return j.syncErr
	}
	j.dirty, j.syncErr = false, nil
	return nil
}

// syncs keeps the log on disk up to syncEvery, beside the writer, which does
// not wait for it.
func (j *journal) syncs() {
	defer close(j.done)
	t := time.NewTicker(syncEvery)
	defer t.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-t.C:
		}
		j.mu.Lock()
		f, dirty, blocks := j.f, j.dirty, j.x.take()
		j.dirty = false
		j.mu.Unlock()
		j.ix.write(blocks)
		if !dirty {
			continue
		}
		if err := f.Sync(); err != nil {
			j.mu.Lock()
			j.syncErr = fmt.Errorf("%s: %w", logFile, full(err))
			j.mu.Unlock()
		}
	}
}

// status is the number of the last event and why the last one could not be
// written, if so.
func (j *journal) status() (seq int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lastErr != nil {
		return j.seq, j.lastErr
	}
	return j.seq, j.syncErr
}

// close syncs and closes the log.
func (j *journal) close() error {
	close(j.stop)
	<-j.done
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ix.write(j.x.take())
	j.ix.close()
	err := j.mend()
	if err == nil {
		err = j.sync()
	}
	if e := j.f.Close(); err == nil {
		err = e
	}
	j.f = nil
	return err
}
