package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// textSource is the text of files one after the other, as newCorpus joins them, read
// anew each time and never held.
type textSource struct {
	files []string
	at    []int64 // where each file starts, once count has run
	bytes int64
}

// textReader reads a textSource.
type textReader struct {
	s    *textSource
	next int // file
	file *os.File
	r    io.Reader
	read int64 // bytes of the file at hand
	last byte
}

func (s *textSource) open() *textReader { return &textReader{s: s} }

func (t *textReader) Close() {
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
}

func (t *textReader) Read(p []byte) (int, error) {
	for {
		if t.file == nil {
			if t.next == len(t.s.files) {
				return 0, io.EOF
			}
			if err := t.start(); err != nil {
				return 0, err
			}
		}
		n, err := t.r.Read(p)
		name := t.s.files[t.next-1]
		if i := bytes.IndexByte(p[:n], 0); i >= 0 {
			return 0, fmt.Errorf("%s: is not text: byte %d of it is 0", name, t.read+int64(i)+1)
		}
		if n > 0 {
			t.read += int64(n)
			t.last = p[n-1]
		}
		if err == nil || n > 0 {
			return n, nil
		}
		t.Close()
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return 0, fmt.Errorf("%s: is cut short: fetch it again", name)
		case !errors.Is(err, io.EOF):
			return 0, fmt.Errorf("%s: cannot be read: %w", name, err)
		case len(t.s.files) > 1 && t.last != '\n':
			p[0] = '\n'
			return 1, nil
		}
	}
}

// start opens the next file.
func (t *textReader) start() error {
	name := t.s.files[t.next]
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	t.next, t.file, t.read, t.last = t.next+1, f, 0, 0
	st, err := f.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(f, 1<<16)
	if b, _ := r.Peek(2); bytes.Equal(b, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("%s: is damaged (%w): fetch it again", name, err)
		}
		r = bufio.NewReaderSize(&bounded{z, max(st.Size()*maxGrowth, alwaysAllow)}, 1<<16)
	}
	head, _ := r.Peek(8)
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return fmt.Errorf("%s: is %s", name, strings.ReplaceAll(f.what, "CSV", "text"))
		}
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		r.Discard(3) //nolint:errcheck // they were there
	}
	t.r = r
	return nil
}

// count finds out how long the text is, in characters and lines too.
func (s *textSource) count() (chars, lines int64, err error) {
	t := s.open()
	defer t.Close()
	buf := make([]byte, 1<<16)
	s.bytes, s.at = 0, nil
	for {
		n, err := t.Read(buf)
		for len(s.at) < t.next {
			s.at = append(s.at, s.bytes)
		}
		s.bytes += int64(n)
		for _, c := range buf[:n] {
			if c&0xc0 != 0x80 {
				chars++
			}
		}
		lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return chars, lines, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// cuts moves three places on to where cutAt would cut; they ascend.
func (s *textSource) cuts(at [3]int64) ([3]int64, error) {
	t := s.open()
	defer t.Close()
	r := bufio.NewReaderSize(t, 1<<16)
	pos := int64(0)
	for i, to := range at {
		for pos < to {
			n, err := r.Discard(int(min(to-pos, 1<<30)))
			pos += int64(n)
			if err != nil {
				return at, err
			}
		}
		near, err := r.Peek(4096 + 4)
		if err != nil && !errors.Is(err, io.EOF) {
			return at, err
		}
		if to > 0 {
			at[i] += int64(cutAt("."+string(near), 1) - 1)
		}
	}
	return at, nil
}

// pieces reads the text in the parts that end at ends, each cut up as fileTokens.Encode
// cuts a long text: what it makes of all pieces of a part is what it makes of the part.
func (s *textSource) pieces(ends []int64, do func(part int, text string) error) error {
	t := s.open()
	defer t.Close()
	r := bufio.NewReaderSize(t, maxPiece+16)
	pos := int64(0)
	for part, end := range ends {
		for pos < end {
			b, err := r.Peek(int(min(end-pos, maxPiece+4)))
			if err != nil {
				return err
			}
			text := string(b)
			text = text[:lineCut(text, maxPiece)]
			if err := do(part, text); err != nil {
				return s.placed(err, pos)
			}
			r.Discard(len(text)) //nolint:errcheck // it was there
			pos += int64(len(text))
		}
	}
	return nil
}

// placed adds file and line to the error of a tokenizer for a piece that starts at pos.
func (s *textSource) placed(err error, pos int64) error {
	var u *unknownChar
	var b *notUTF8
	switch {
	case errors.As(err, &u):
		pos += int64(u.at)
	case errors.As(err, &b):
		pos += int64(b.at)
	}
	i := len(s.at) - 1
	for i > 0 && s.at[i] > pos {
		i--
	}
	t := s.open()
	defer t.Close()
	line, at := 1, int64(0)
	buf := make([]byte, 1<<16)
	for at < pos {
		n, failed := t.Read(buf[:min(int64(len(buf)), pos-at)])
		if failed != nil {
			break
		}
		from := min(max(s.at[i]-at, 0), int64(n))
		line += bytes.Count(buf[from:n], []byte{'\n'})
		at += int64(n)
	}
	return fmt.Errorf("%s:%d: %w", s.files[i], line, err)
}
