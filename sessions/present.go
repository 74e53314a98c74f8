package sessions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"pare/core/event"
)

// present is what a Tail needs to begin with the index.
type present struct {
	s     *Session
	begun bool
	*past               // nil: there is no index
	next  int           // block
	ready []event.Event // of the block before, not given out yet
	made  []byte        // index of what had to be read line by line
	wg    sync.WaitGroup
}

// Present opens the log like Tail, for folds that want to be at its end soon: what an index
// stands for is not read line by line. Of metrics that follow each other there it gives one
// *event.Metrics, and events come without Prev. The log is compared with the index's
// checksums meanwhile; where it was changed, Next says so with the error Tail would have.
func (s *Session) Present() (*Tail, error) {
	t, err := s.Tail()
	if err != nil {
		return nil, err
	}
	t.past = &present{s: s}
	return t, nil
}

// indexed gives out what the index stands for, then nothing.
func (t *Tail) indexed(max int) ([]event.Event, error) {
	p := t.past
	if p == nil {
		return nil, nil
	}
	if !p.begun { // the log may have been waited for
		p.begun = true
		done := span{}
		if p.past = readPast(p.s.Dir, t.f); p.past != nil {
			done = p.end()
			p.wg.Go(func() { p.check(t.f) })
		}
		t.x = newIndexer(done)
	}
	if p.past == nil {
		return nil, nil
	}
	var out []event.Event
	for max <= 0 || len(out) < max {
		if len(p.ready) == 0 {
			if p.next == len(p.blocks) {
				break
			}
			es, ok := p.blocks[p.next].events()
			if !ok { // a good checksum and no sense: of another pare
				return out, t.stale(errStale)
			}
			p.ready = es
			p.next++
			if p.next == len(p.blocks) {
				t.goOnFrom(p.end())
			}
		}
		n := len(p.ready)
		if max > 0 {
			n = min(n, max-len(out))
		}
		out = append(out, p.ready[:n]...)
		p.ready = p.ready[n:]
	}
	select {
	case err := <-p.sums:
		return out, t.stale(err)
	default:
	}
	return out, nil
}

// goOnFrom has the lines after e read next.
func (t *Tail) goOnFrom(e span) {
	t.c.line, t.c.seq, t.c.prev = int(e.to), e.to, e.link
	t.c.dec.expect = e.link
	t.off, t.buf = e.end, nil
}

// settle waits for the comparison of the log with its index.
func (t *Tail) settle() error {
	if t.past == nil || t.past.past == nil {
		return nil
	}
	p := t.past
	err, open := <-p.sums
	if !open {
		return nil
	}
	return t.stale(err)
}

// stale is the error of a log that its index does not fit: the log's own, which a reader
// of its lines finds. The index goes.
func (t *Tail) stale(err error) error {
	if err == nil {
		return nil
	}
	p := t.past
	if errors.Is(err, errStale) {
		_ = os.Remove(filepath.Join(p.s.Dir, indexFile))
	}
	if e := p.s.each(func(event.Event) {}); e != nil {
		err = e
	} else {
		err = fmt.Errorf("session %s: %w, which is whole: open it again", p.s.ID, err)
	}
	t.err = err
	return err
}

// leave writes the index of what had to be read, once the end is reached.
func (t *Tail) leave() {
	p := t.past
	if p == nil || t.x == nil {
		return
	}
	t.keep()
	t.x = nil // what comes now is the run's to index
	if len(p.made) == 0 {
		return
	}
	old := []byte(indexMagic)
	if p.past != nil {
		old = p.raw
	}
	b := slices.Concat(old, p.made)
	p.made = nil
	p.wg.Go(func() { p.s.leaveIndex(b) })
}

// keep encodes the blocks that are full, so that their events can be forgotten.
func (t *Tail) keep() {
	if t.past == nil || t.x == nil {
		return
	}
	for _, b := range t.x.take() {
		t.past.made = append(t.past.made, b.encode()...)
	}
}
