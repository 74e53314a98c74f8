package sessions

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"pare/core/event"
)

// past is the part of a log that its index stands for, as a reader sees it.
type past struct {
	raw    []byte // the index up to its last good block
	blocks []pastBlock
	sums   chan error // says once whether the log is still what was indexed
}

type pastBlock struct {
	span
	words []string
	body  []byte
}

// maxIndexBlock bounds a block, in bytes.
const maxIndexBlock = 1 << 30

// errStale says that the log is not what its index stands for.
var errStale = errors.New("the index does not fit the log")

// readPast reads the index of a session up to its last good block; nil when nothing of it
// fits the log.
func readPast(dir string, log io.ReaderAt) *past {
	raw, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		return nil
	}
	p := parseIndex(raw)
	if len(p.blocks) == 0 || !p.fits(log) {
		return nil
	}
	p.sums = make(chan error, 1)
	return p
}

// parseIndex finds the good blocks.
func parseIndex(raw []byte) *past {
	p := new(past)
	if !bytes.HasPrefix(raw, []byte(indexMagic)) {
		return p
	}
	var done span
	at := len(indexMagic)
	for len(raw)-at >= 8 {
		n := int(binary.LittleEndian.Uint32(raw[at:]))
		if n > len(raw)-at-8 || n > maxIndexBlock {
			break
		}
		pay := raw[at+8 : at+8+n]
		if crc32.Checksum(pay, castagnoli) != binary.LittleEndian.Uint32(raw[at+4:]) {
			break
		}
		k, ok := parseBlock(pay)
		if !ok || !done.follows(k.span) {
			break
		}
		at += 8 + n
		done = k.span
		p.blocks = append(p.blocks, k)
	}
	p.raw = raw[:at]
	return p
}

// parseBlock reads a block's head.
func parseBlock(b []byte) (k pastBlock, ok bool) {
	u := unpack{b: b}
	var sum int64
	for _, n := range []*int64{&k.from, &k.to, &k.off, &k.end, &k.last, &sum} {
		*n = u.int()
	}
	k.sum = uint32(sum)
	k.prev = string(u.bytes(u.uint()))
	k.link = string(u.bytes(u.uint()))
	n := u.uint()
	if n > uint64(len(b)) {
		return k, false
	}
	k.words = make([]string, n)
	for i := range k.words {
		k.words[i] = string(u.bytes(u.uint()))
	}
	k.body = u.b
	return k, !u.bad
}

// end is where the index ends in the log.
func (p *past) end() span { return p.blocks[len(p.blocks)-1].span }

// fits looks at the last line the index stands for: its hash holds those of all before.
func (p *past) fits(log io.ReaderAt) bool {
	e := p.end()
	if e.last > maxLine+1 {
		return false
	}
	line := make([]byte, e.last)
	if n, err := log.ReadAt(line, e.end-e.last); n < len(line) || err != nil && err != io.EOF {
		return false
	}
	return line[len(line)-1] == '\n' && link(line[:len(line)-1]) == e.link
}

// check compares the log with the blocks' checksums, so that a change in its middle is
// found although nobody reads the lines. It tells the outcome once.
func (p *past) check(log io.ReaderAt) {
	defer close(p.sums)
	buf := make([]byte, readChunk)
	for _, k := range p.blocks {
		sum := uint32(0)
		for at := k.off; at < k.end; {
			n, err := log.ReadAt(buf[:min(int64(len(buf)), k.end-at)], at)
			if n == 0 || err != nil && err != io.EOF {
				if errors.Is(err, os.ErrClosed) {
					err = nil // the reader has left
				}
				p.sums <- err
				return
			}
			sum = crc32.Update(sum, castagnoli, buf[:n])
			at += int64(n)
		}
		if sum != k.sum {
			p.sums <- errStale
			return
		}
	}
	p.sums <- nil
}

// events gives out what a block stands for; false when it cannot be read.
func (k *pastBlock) events() ([]event.Event, bool) {
	u := unpack{b: k.body, words: k.words}
	var out []event.Event
	seq := k.from - 1
	for len(u.b) > 0 {
		e := event.Event{Seq: seq + 1}
		switch u.byte() {
		case entryLine:
			var err error
			if e, err = event.Decode(u.bytes(u.uint())); err != nil {
				return nil, false
			}
		case entryFlat:
			e.Seq, e.At = u.int(), u.time()
			s := flat[u.word()]
			if s == nil {
				return nil, false
			}
			v := reflect.New(s.of)
			s.get(&u, v.Elem())
			e.Body = v.Interface().(event.Body)
		case entryMetrics:
			e.Seq, e.At = u.int(), u.time()
			e.Body = u.metrics()
		default:
			return nil, false
		}
		if u.bad || e.Seq <= seq {
			return nil, false
		}
		seq = e.Seq
		out = append(out, e)
	}
	return out, seq == k.to
}

func (u *unpack) metrics() *event.Metrics {
	n := u.uint()
	if n > uint64(len(u.b))/17 { // of each a step and two numbers
		u.fail()
		return nil
	}
	m := &event.Metrics{Step: make([]int64, n), Loss: make([]float64, n), Zeros: make([]float64, n)}
	step := int64(0)
	for i := range m.Step {
		step += u.int()
		m.Step[i] = step
	}
	for _, c := range [][]float64{m.Loss, m.Zeros} {
		for i := range c {
			c[i] = u.float()
		}
	}
	flat[m.Last.Kind()].get(u, reflect.ValueOf(&m.Last).Elem())
	return m
}
