package data

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// diskText are the windows of a language model's training text, in a file of ids.
type diskText struct {
	name string
	file *os.File
	t    int   // T
	n    int   // windows
	runs []run // stretches of text without a break
}

// run is one stretch: window first is at id number at, the others follow, T ids each
// and one more behind the last.
type run struct {
	first int
	at    int64
}

func (d *diskText) samples() int { return d.n }

// ids reads window i and the id behind it, into buf.
func (d *diskText) ids(i int, buf []byte) ([]byte, error) {
	k := len(d.runs) - 1
	for d.runs[k].first > i {
		k--
	}
	buf = slices.Grow(buf[:0], 4*(d.t+1))[:4*(d.t+1)]
	if _, err := d.file.ReadAt(buf, 4*(d.runs[k].at+int64(i-d.runs[k].first)*int64(d.t))); err != nil {
		return buf, fmt.Errorf("%s: sample %d cannot be read back from the file that keeps it: %w", d.name, i+1, err)
	}
	return buf, nil
}

func (d *diskText) read(_ *Set, rows []int32, b *Batch) (err error) {
	for i, r := range rows {
		if b.b, err = d.ids(int(r), b.b); err != nil {
			return err
		}
		x := b.x[i*d.t : (i+1)*d.t]
		for k := range x {
			x[k] = float32(binary.LittleEndian.Uint32(b.b[4*k:]))
			b.l = append(b.l, int32(binary.LittleEndian.Uint32(b.b[4*k+4:])))
		}
	}
	return nil
}

func (d *diskText) labels(_ *Set, do func(l int32)) error {
	var buf []byte
	var err error
	for i := range d.n {
		if buf, err = d.ids(i, buf); err != nil {
			return err
		}
		for k := range d.t {
			do(int32(binary.LittleEndian.Uint32(buf[4*k+4:])))
		}
	}
	return nil
}

// hash is over the ids of all windows.
func (d *diskText) hash(h splitHash) error {
	var buf []byte
	var err error
	for i := range d.n {
		if buf, err = d.ids(i, buf); err != nil {
			return err
		}
		h.h.Write(buf[:4*d.t])
	}
	return nil
}

// isLarge says whether text of so many bytes goes to a file: a token may be a byte.
func (o Options) isLarge(bytes int64) bool { return bytes > newStore("", false, o).limit/4 }

// textSize is about what files hold; packed ones some four times their size.
func textSize(files []string) (n int64) {
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			n += st.Size()
			if isGzip(f) {
				n += 3 * st.Size()
			}
		}
	}
	return n
}

func isGzip(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [2]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && b == [2]byte{0x1f, 0x8b}
}

// streamText makes the samples of running text that is too large for memory: of
// training in a file, of validation and test in memory, at most a sixteenth of
// Options.Memory each in bytes of text. own are files of their own for these.
func streamText(name string, files []string, own [3][]document, o Options) (*Data, error) {
	val, test, err := o.shares()
	if err != nil {
		return nil, err
	}
	t, err := o.tokens()
	if err != nil {
		return nil, err
	}
	limit := newStore("", false, o).limit
	src := &textSource{files: files}
	chars, lines, err := src.count()
	if err != nil {
		return nil, err
	}
	d := &Data{Kind: Words, Notes: []string{fmt.Sprintf("%d files of text, %d characters, %d lines", len(files), chars, lines)}}
	held := [3][]stretch{}
	n := [3]int64{inVal: int64(val * float64(src.bytes)), inTest: int64(test * float64(src.bytes))}
	for _, p := range []int{inVal, inTest} {
		how := "a block of the text"
		if c := newCorpus(own[p]); len(own[p]) > 0 && c.text != "" {
			held[p], n[p], how = []stretch{{c, 0, len(c.text)}}, 0, "files of their own"
		}
		n[p] = min(n[p], limit/16)
		d.Notes = append(d.Notes, partNames[p]+": "+how)
	}
	start := src.bytes - n[inVal] - n[inTest]
	if o.Seed != 0 && start > 0 {
		r := newRNG(o.Seed, splitStream)
		start = int64(r.below(uint64(start) + 1))
	}
	at, err := src.cuts([3]int64{start, start + n[inVal], start + n[inVal] + n[inTest]})
	if err != nil {
		return nil, err
	}
	ends := []int64{at[0], at[1], at[2], src.bytes}
	if d.Text, err = streamTokens(src, ends, held, o); err != nil {
		return nil, err
	}
	d.Text.LM, d.Text.Len, d.Text.Pad = true, t, -1
	if err := d.Text.masked(o); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return done(d, d.stream(name, src, ends, held))
}

// partOf are the parts of what ends at the ends of streamText.
var partOf = [4]int{inTrain, inVal, inTest, inTrain}

// streamTokens opens the tokenizer; the vocabulary of characters needs the whole text.
func streamTokens(src *textSource, ends []int64, held [3][]stretch, o Options) (*Text, error) {
	o.own()
	if o.Tokenizer != "" && o.Tokenizer != Chars || o.Vocab != "" {
		return newText([3][]stretch{}, o)
	}
	seen := [2]map[rune]bool{{}, {}}
	err := src.pieces(ends, func(k int, text string) error {
		if i := invalid(text); i >= 0 {
			return &notUTF8{i}
		}
		for _, c := range text {
			seen[min(partOf[k], 1)][c] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, part := range held {
		for _, s := range part {
			if i := invalid(s.text()); i >= 0 {
				return nil, fmt.Errorf("%s: %w", s.c.place(s.from+i), &notUTF8{i})
			}
			for _, c := range s.text() {
				seen[1][c] = true
			}
		}
	}
	o.Tokenizer, o.Vocab = Chars, string(vocabulary(seen[0], seen[1]))
	return newText([3][]stretch{}, o)
}

// stream tokenises and makes the splits.
func (d *Data) stream(name string, src *textSource, ends []int64, held [3][]stretch) error {
	t := d.Text.Len
	file, err := spillFile()
	if err != nil {
		return fmt.Errorf("%s: is too large for memory, and no file can be made for its tokens (%w): set XDG_CACHE_HOME to a folder with room, or raise data.memory_mb", name, err)
	}
	k := &diskText{name: name, file: file, t: t}
	w := bufio.NewWriterSize(file, 1<<18)
	written, from := int64(0), [4]int64{}
	var rest [3][]int32
	last := -1
	var word [4]byte
	err = src.pieces(ends, func(part int, text string) error {
		ids, err := d.Text.Tokens.Encode(text)
		if err != nil {
			return err
		}
		if p := partOf[part]; p != inTrain {
			rest[p] = append(rest[p], ids...)
			return nil
		}
		if part != last {
			from[part], last = written, part
		}
		for _, id := range ids {
			binary.LittleEndian.PutUint32(word[:], uint32(id))
			if _, err := w.Write(word[:]); err != nil {
				return fmt.Errorf("its tokens cannot be kept in a file (%w): set XDG_CACHE_HOME to a folder with room", err)
			}
		}
		written += int64(len(ids))
		if part == 0 {
			from[3] = written
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("%s: its tokens cannot be kept in a file (%w): set XDG_CACHE_HOME to a folder with room", name, err)
	}
	for _, r := range [][2]int64{{0, from[3]}, {from[3], written}} {
		if n := int(max(r[1]-r[0]-1, 0) / int64(t)); n > 0 {
			k.runs = append(k.runs, run{k.n, r[0]})
			k.n += n
		}
	}
	if k.n > math.MaxInt32 {
		return fmt.Errorf("%s: has more than %d samples of %d tokens: take more tokens a sample", name, math.MaxInt32, t)
	}
	sets := [3]*Set{inTrain: {Shape: []int{t}, disk: k}}
	raw := [3]splitHash{inTrain: newSplitHash()}
	if err := k.hash(raw[inTrain]); err != nil {
		return err
	}
	for _, p := range []int{inVal, inTest} {
		if held[p] != nil {
			if sets[p], raw[p], err = d.windows(held[p]); err != nil {
				return err
			}
			continue
		}
		sets[p], raw[p] = &Set{Shape: []int{t}}, newSplitHash()
		sets[p].window(rest[p], t, raw[p])
	}
	for p, s := range sets {
		if s.N() == 0 {
			return fmt.Errorf("%s: its %s part is too short for one sample of %d tokens: give more text, or fewer tokens a sample", name, partNames[p], t)
		}
	}
	d.Notes = append(d.Notes, fmt.Sprintf("a large text: its training tokens are in a file of %d MiB that goes with the run, read as training needs them", (4*written+1<<20-1)>>20))
	d.Train, d.Val, d.Test = sets[inTrain], sets[inVal], sets[inTest]
	if err := d.maskSets(); err != nil {
		return err
	}
	return d.finishHash("tokens", raw)
}
