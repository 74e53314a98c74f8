package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"pare/core/data/tokenizer"
)

// defaultTokens is T where Options leave it 0.
const defaultTokens = 128

// maxIDs is how many ids a float32 tells apart.
const maxIDs = 1 << 24

// tokens checks and completes Options.Tokens.
func (o Options) tokens() (int, error) {
	switch {
	case o.Tokens == 0 && o.ModelTokens > 1:
		return min(defaultTokens, o.ModelTokens), nil
	case o.Tokens == 0:
		return defaultTokens, nil
	case o.Tokens < 2 || o.Tokens > 1<<20:
		return 0, fmt.Errorf("%d tokens a sample: choose 2 to %d, such as %d", o.Tokens, 1<<20, defaultTokens)
	}
	return o.Tokens, nil
}

// corpus is the text of one split: files one after the other.
type corpus struct {
	docs []document
	text string
	at   []int // where each document starts in text
}

// newCorpus joins documents; each ends in a line end, so that no two lines become one.
func newCorpus(docs []document) *corpus {
	c := &corpus{docs: docs, at: make([]int, len(docs))}
	if len(docs) == 1 {
		c.text = docs[0].text
		return c
	}
	var b strings.Builder
	for i, d := range docs {
		c.at[i] = b.Len()
		b.WriteString(d.text)
		if !strings.HasSuffix(d.text, "\n") {
			b.WriteByte('\n')
		}
	}
	c.text = b.String()
	return c
}

// place names the file and line of a byte of the text.
func (c *corpus) place(at int) string {
	i := len(c.at) - 1
	for i > 0 && c.at[i] > at {
		i--
	}
	return fmt.Sprintf("%s:%d", c.docs[i].name, 1+strings.Count(c.text[c.at[i]:at], "\n"))
}

// stretch is a part of a corpus that goes to one split without a break.
type stretch struct {
	c        *corpus
	from, to int // bytes
}

func (s stretch) text() string { return s.c.text[s.from:s.to] }

// blocks cuts a text: validation and test are one block each, side by side, and
// training is the rest. By seed 0 they are the end of the text, by others they
// stand where the seed draws. Cuts are at line ends where there are any.
func blocks(c *corpus, val, test float64, seed uint64) (parts [3][]stretch) {
	n := len(c.text)
	nval, ntest := int(val*float64(n)), int(test*float64(n))
	start := n - nval - ntest
	if seed != 0 && start > 0 {
		r := newRNG(seed, splitStream)
		start = int(r.below(uint64(start) + 1))
	}
	cut := func(at int) int { return cutAt(c.text, at) }
	a, b, e := cut(start), cut(start+nval), cut(start+nval+ntest)
	for _, p := range []struct{ part, from, to int }{{inTrain, 0, a}, {inVal, a, b}, {inTest, b, e}, {inTrain, e, n}} {
		if p.from < p.to {
			parts[p.part] = append(parts[p.part], stretch{c, p.from, p.to})
		}
	}
	return parts
}

// cutAt is at, moved on to the start of a line, else of a word, else of a
// character, that is near.
func cutAt(s string, at int) int {
	near := s[at:min(at+4096, len(s))]
	if at == 0 || len(near) == 0 {
		return at
	}
	if i := strings.IndexByte(near, '\n'); i >= 0 {
		return at + i + 1
	}
	if i := strings.IndexByte(near, ' '); i >= 0 {
		return at + i + 1
	}
	for at < len(s) && !utf8.RuneStart(s[at]) {
		at++
	}
	return at
}

// openText reads text for a language model: a file, or a folder of them.
func openText(path string, isDir bool, o Options) (*Data, error) {
	files := [3][]string{{path}}
	given := false
	if isDir {
		var err error
		if files, given, err = textFiles(path); err != nil {
			return nil, err
		}
	}
	large := o.isLarge(textSize(files[inTrain]))
	if rest := textSize(files[inVal]) + textSize(files[inTest]); o.isLarge(rest) {
		return nil, fmt.Errorf("%s: its validation and test files take %d MiB, which are held in memory: give smaller ones, or raise data.memory_mb", path, rest>>20)
	}
	var docs [3][]document
	for p := range files {
		if p == inTrain && large {
			continue
		}
		for _, f := range files[p] {
			d, err := readTextFile(f)
			if err != nil {
				return nil, err
			}
			docs[p] = append(docs[p], d)
		}
	}
	var d *Data
	var err error
	if large {
		d, err = streamText(path, files[inTrain], docs, o)
	} else {
		d, err = languageModel(path, docs, given, o)
	}
	if err != nil {
		return nil, err
	}
	d.Name, d.Source = stem(path), path
	return d, nil
}

// stem is the name of a file without its folder and its ends.
func stem(path string) string {
	name := filepath.Base(filepath.Clean(path))
	for {
		switch ext := filepath.Ext(name); strings.ToLower(ext) {
		case ".gz", ".csv", ".tsv", ".txt", ".text", ".md", ".json", ".jsonl", ".ndjson", ".npy", ".npz":
			if ext != name {
				name = strings.TrimSuffix(name, ext)
				continue
			}
		}
		return name
	}
}

// languageModel makes samples of T tokens of text. docs are those of the splits if
// given, else all are docs[0]; name is for messages.
func languageModel(name string, docs [3][]document, given bool, o Options) (*Data, error) {
	val, test, err := o.shares()
	if err != nil {
		return nil, err
	}
	t, err := o.tokens()
	if err != nil {
		return nil, err
	}
	d := &Data{Kind: Words}
	parts := d.cutText(docs, given, val, test, o.Seed)
	if d.Text, err = newText(parts, o); err != nil {
		return nil, err
	}
	d.Text.LM, d.Text.Len, d.Text.Pad = true, t, -1
	if err := d.Text.masked(o); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var sets [3]*Set
	var raw [3]splitHash
	for p := range parts {
		if sets[p], raw[p], err = d.windows(parts[p]); err != nil {
			return nil, err
		}
		if sets[p].N() == 0 {
			return nil, fmt.Errorf("%s: its %s part is too short for one sample of %d tokens: give more text, or fewer tokens a sample", name, partNames[p], t)
		}
	}
	d.Train, d.Val, d.Test = sets[inTrain], sets[inVal], sets[inTest]
	if err := d.maskSets(); err != nil {
		return nil, err
	}
	return done(d, d.finishHash("tokens", raw))
}

// partNames are the splits for messages.
var partNames = [3]string{inTrain: "training", inVal: "validation", inTest: "test"}

// cutText deals text out to the splits and notes how.
func (d *Data) cutText(docs [3][]document, given bool, val, test float64, seed uint64) (parts [3][]stretch) {
	main := newCorpus(docs[inTrain])
	chars := utf8.RuneCountInString(main.text)
	d.Notes = append(d.Notes, fmt.Sprintf("%d files of text, %d characters, %d lines", len(main.docs), chars, strings.Count(main.text, "\n")))
	if len(main.docs) == 1 {
		d.Notes[0] = strings.Replace(d.Notes[0], "1 files of text", "text", 1)
	}
	how := "the end of the text"
	if seed != 0 {
		how = "a block of the text drawn by the seed"
	}
	if !given {
		d.Notes = append(d.Notes, "validation and test: "+how)
		return blocks(main, val, test, seed)
	}
	var own [3][]stretch
	for _, p := range []int{inVal, inTest} {
		if c := newCorpus(docs[p]); c.text != "" {
			own[p] = []stretch{{c, 0, len(c.text)}}
		}
	}
	if own[inVal] != nil {
		val = 0
	}
	if own[inTest] != nil {
		test = 0
	}
	parts = blocks(main, val, test, seed)
	for _, p := range []int{inVal, inTest} {
		if own[p] != nil {
			parts[p] = own[p]
			d.Notes = append(d.Notes, partNames[p]+": files of their own")
		} else {
			d.Notes = append(d.Notes, partNames[p]+": "+how)
		}
	}
	return parts
}

// own takes the tokenizer of the model if none is named.
func (o *Options) own() {
	if o.Tokenizer == "" && o.Vocab == "" {
		o.Tokenizer = o.ModelTokenizer
	}
}

// newText opens the tokenizer that o names. The vocabulary of characters is that
// of the training part.
func newText(parts [3][]stretch, o Options) (*Text, error) {
	o.own()
	switch o.Tokenizer {
	case "", Chars:
		return newCharText(parts, o.Vocab)
	case Bytes:
		return &Text{Kind: Bytes, Vocab: 256, Tokens: byteTokens{}}, nil
	}
	t, err := tokenizer.Open(o.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w; choose %s, %s, or a tokenizer.json or its folder", o.Tokenizer, err, Chars, Bytes)
	}
	if t.IDs() > maxIDs {
		return nil, fmt.Errorf("tokenizer %s: has ids up to %d: %d is the most", o.Tokenizer, t.IDs()-1, maxIDs-1)
	}
	return &Text{Kind: t.Kind(), Vocab: t.IDs(), Path: o.Tokenizer, Tokens: fileTokens{t}}, nil
}

// newCharText is the tokenizer of characters: of the given ones, else of those of
// the training part, by code point; then U+FFFD stands last if other parts have
// characters that training has not.
func newCharText(parts [3][]stretch, vocab string) (*Text, error) {
	chars := []rune(vocab)
	if vocab == "" {
		seen := [2]map[rune]bool{{}, {}}
		for p := range parts {
			for _, s := range parts[p] {
				if i := invalid(s.text()); i >= 0 {
					return nil, fmt.Errorf("%s: %w", s.c.place(s.from+i), &notUTF8{i})
				}
				for _, c := range s.text() {
					seen[min(p, 1)][c] = true
				}
			}
		}
		chars = vocabulary(seen[0], seen[1])
	}
	t, err := newChars(chars)
	if err != nil {
		return nil, err
	}
	return &Text{Kind: Chars, Vocab: len(chars), Chars: string(chars), Tokens: t}, nil
}

// vocabulary are the characters of train by code point, and U+FFFD if rest has
// others.
func vocabulary(train, rest map[rune]bool) []rune {
	var chars []rune
	for c := range train {
		chars = append(chars, c)
	}
	slices.Sort(chars)
	for c := range rest {
		if !train[c] && !train[replacement] {
			return append(chars, replacement)
		}
	}
	return chars
}

// invalid is the first byte of s that is no UTF-8, or −1.
func invalid(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// windows are the samples of one split: T tokens each, one after the other in each
// stretch. The label of a token is the one after it, so the last one of a sample is
// labelled with the first of the next. What is left over at the end of a stretch is
// not used; no token is in two splits.
func (d *Data) windows(parts []stretch) (*Set, splitHash, error) {
	t := d.Text.Len
	s := &Set{Shape: []int{t}}
	h := newSplitHash()
	for _, p := range parts {
		ids, err := d.Text.Tokens.Encode(p.text())
		if err != nil {
			return nil, h, placed(err, p)
		}
		s.window(ids, t, h)
	}
	return s, h, nil
}

// window appends the samples of a stretch, and their ids to h.
func (s *Set) window(ids []int32, t int, h splitHash) {
	n := max(len(ids)-1, 0) / t * t
	x, labels := make([]float32, len(s.X)+n), make([]int32, len(s.Labels)+n)
	at := copy(x, s.X)
	copy(labels, s.Labels)
	for i, id := range ids[:n] {
		x[at+i], labels[at+i] = float32(id), ids[i+1]
	}
	s.X, s.Labels = x, labels
	var buf bytes.Buffer
	for _, id := range ids[:n] {
		buf.Write(binary.LittleEndian.AppendUint32(buf.AvailableBuffer(), uint32(id)))
		if buf.Len() >= 1<<16 {
			buf.WriteTo(h.h) //nolint:errcheck // a hash takes everything
		}
	}
	buf.WriteTo(h.h) //nolint:errcheck // a hash takes everything
}

// placed adds file and line to an error of a tokenizer.
func placed(err error, p stretch) error {
	var u *unknownChar
	var b *notUTF8
	switch {
	case errors.As(err, &u):
		return fmt.Errorf("%s: %w", p.c.place(p.from+u.at), err)
	case errors.As(err, &b):
		return fmt.Errorf("%s: %w", p.c.place(p.from+b.at), err)
	}
	return fmt.Errorf("%s: %w", p.c.place(p.from), err)
}
