package sessions

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"pare/core/event"
)

// The index, events.index, lets a long log be folded without reading it line by line. It
// holds blocks, each of which stands for blockEvents lines of the log: metrics that follow
// each other as columns, other flat events in binary, the rest as their lines. The run
// appends blocks as its log grows; a reader that found none and had to read a long log
// leaves one behind.
//
// It is never trusted further than it is checked: a block has its own checksum and that of
// the lines it stands for, and says where it begins and ends in the log's chain of hashes.
// A block that does not fit ends the index, and the log is read from there.

const indexFile = "events.index"

// indexMagic opens the file; another number is another form.
const indexMagic = "pare index 1\n"

// blockEvents is how many events a block stands for. A log with fewer has no index.
var blockEvents = 4096

// span is what a block stands for, in the log.
type span struct {
	from, to   int64  // numbers of its first and last event
	off, end   int64  // bytes of the log, [off, end)
	last       int64  // bytes of the last line, with its newline
	sum        uint32 // of the lines
	prev, link string // hash before the first line, and of the last one
}

// after is the span that has nothing yet and begins where s ends.
func (s span) after() span {
	return span{from: s.to + 1, to: s.to, off: s.end, end: s.end, prev: s.link, link: s.link}
}

// follows reports whether t goes on where s ends.
func (s span) follows(t span) bool {
	return t.from == s.to+1 && t.to >= t.from && t.off == s.end && t.end > t.off && t.prev == s.link && t.last > 0 && t.last <= t.end-t.off
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// indexer makes blocks of the lines of a log, in order.
type indexer struct {
	now   span // what events stands for
	lines []indexLine
	full  []indexBlock // not yet encoded
}

type indexLine struct {
	e    event.Event
	line []byte // without its newline; nil for flat events
}

type indexBlock struct {
	span
	lines []indexLine
}

// newIndexer begins after what is indexed already; the zero span is the start of a log.
func newIndexer(done span) *indexer { return &indexer{now: done.after()} }

// push takes in the next line. An event without a body is read from the line when its block
// is made: whoever emits may use the body again.
func (x *indexer) push(e event.Event, line []byte) {
	x.now.to, x.now.last, x.now.link = e.Seq, int64(len(line))+1, link(line)
	x.now.end += x.now.last
	x.now.sum = crc32.Update(crc32.Update(x.now.sum, castagnoli, line), castagnoli, []byte{'\n'})
	l := indexLine{e: e}
	if e.Body == nil || !isFlat(e) {
		l.line = append([]byte(nil), line...)
	}
	if x.lines = append(x.lines, l); len(x.lines) >= blockEvents {
		x.full = append(x.full, indexBlock{x.now, x.lines})
		x.now, x.lines = x.now.after(), nil
	}
}

func isFlat(e event.Event) bool { return flat[e.Body.Kind()] != nil && e.At.Location() == time.UTC }

// take gives out the blocks that are full.
func (x *indexer) take() []indexBlock {
	b := x.full
	x.full = nil
	return b
}

// What an entry of a block is.
const (
	entryLine    = iota // a line of the log
	entryFlat           // an event of a flat kind
	entryMetrics        // metrics that follow each other
)

// encode is the block as it stands in the file: its length, its checksum, its span, the
// table of strings, the entries.
func (b *indexBlock) encode() []byte {
	var w words
	var d decoder
	for i := range b.lines {
		l := &b.lines[i]
		if l.e.Body != nil {
			continue
		}
		e, err := d.line(l.line)
		if l.e = e; err != nil || e.Body == nil { // it was written by event.Encode
			return nil
		}
		if isFlat(e) {
			l.line = nil
		}
	}
	var body []byte
	for i := 0; i < len(b.lines); {
		l := &b.lines[i]
		if n := metricsIn(b.lines[i:]); n > 1 && l.e.Seq > 1 { // the first event is when the run began
			body = putMetrics(append(body, entryMetrics), b.lines[i:i+n], &w)
			i += n
			continue
		}
		i++
		if l.line != nil {
			body = binary.AppendUvarint(append(body, entryLine), uint64(len(l.line)))
			body = append(body, l.line...)
			continue
		}
		k := l.e.Body.Kind()
		body = binary.AppendVarint(append(body, entryFlat), l.e.Seq)
		body = binary.AppendUvarint(putTime(body, l.e.At), w.of(k))
		body = flat[k].put(body, reflect.ValueOf(l.e.Body).Elem(), &w)
	}
	out := make([]byte, 8, len(body)+512)
	for _, n := range []int64{b.from, b.to, b.off, b.end, b.last, int64(b.sum)} {
		out = binary.AppendVarint(out, n)
	}
	text := func(s string) { out = append(binary.AppendUvarint(out, uint64(len(s))), s...) }
	text(b.prev)
	text(b.link)
	out = binary.AppendUvarint(out, uint64(len(w.list)))
	for _, s := range w.list {
		text(s)
	}
	out = append(out, body...)
	binary.LittleEndian.PutUint32(out, uint32(len(out)-8))
	binary.LittleEndian.PutUint32(out[4:], crc32.Checksum(out[8:], castagnoli))
	return out
}

// metricsIn counts the metrics of one stage that l begins with.
func metricsIn(l []indexLine) int {
	for i := range l {
		m, ok := l[i].e.Body.(*event.Metric)
		if !ok || l[i].line != nil || m.Stage != l[0].e.Body.(*event.Metric).Stage {
			return i
		}
	}
	return len(l)
}

func putMetrics(b []byte, l []indexLine, w *words) []byte {
	last := l[len(l)-1]
	b = binary.AppendUvarint(putTime(binary.AppendVarint(b, last.e.Seq), last.e.At), uint64(len(l)))
	step := int64(0)
	for i := range l {
		m := l[i].e.Body.(*event.Metric)
		b = binary.AppendVarint(b, m.Step-step) // wraps both ways alike
		step = m.Step
	}
	for i := range l {
		b = putFloat(b, l[i].e.Body.(*event.Metric).Loss)
	}
	for i := range l {
		b = putFloat(b, l[i].e.Body.(*event.Metric).Zeros)
	}
	return flat[last.e.Body.Kind()].put(b, reflect.ValueOf(last.e.Body).Elem(), w)
}

// indexWriter appends blocks to the index of a session whose lock is held. What it cannot
// write is left out: the log is read instead.
type indexWriter struct {
	path string
	f    *os.File
	dead bool
}

func (w *indexWriter) write(blocks []indexBlock) {
	for i := range blocks {
		if w.dead {
			return
		}
		var err error
		if w.f == nil { // whatever stood there is replaced
			if w.f, err = os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644); err == nil {
				_, err = w.f.WriteString(indexMagic)
			}
		}
		if err == nil {
			b := blocks[i].encode()
			_, err = w.f.Write(b)
			w.dead = b == nil
		}
		w.dead = w.dead || err != nil
	}
}

func (w *indexWriter) close() {
	if w.f != nil {
		_ = w.f.Close() // a block that is torn ends the index
	}
}

// leaveIndex writes the index a reader has made, unless somebody carries the run: that one
// writes its own.
func (s *Session) leaveIndex(b []byte) {
	var lock *os.File
	free := func() (err error) {
		lock, err = s.takeLock(0, false)
		return err
	}
	if free() != nil {
		return
	}
	_ = lock.Close()
	lock = nil
	// A folder that cannot be written to has no index.
	_ = writeAside(filepath.Join(s.Dir, indexFile), func(w io.Writer) error { _, err := w.Write(b); return err }, free)
	if lock != nil {
		_ = lock.Close()
	}
}
