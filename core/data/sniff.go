package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// text is a CSV file whose dialect is known.
type text struct {
	r     *bufio.Reader // after the byte order mark
	comma rune
}

// separators that are recognised, by name.
var separators = map[rune]string{',': "comma", ';': "semicolon", '\t': "tab"}

// foreign maps the first bytes of files people mistake for CSV to what to say.
var foreign = []struct{ magic, what string }{
	{"PK\x03\x04", "a zip archive or an Excel workbook: export the sheet as CSV"},
	{"\xd0\xcf\x11\xe0", "an Excel workbook: export the sheet as CSV"},
	{"PAR1", "a Parquet file: export it as CSV"},
	{"\x00\x00\x08", "an idx file: give the folder that holds the four idx files"},
	{"\x89PNG", "a picture: give the folder above those named as their classes"},
	{"\xff\xd8\xff", "a picture: give the folder above those named as their classes"},
	{"\x93NUMPY", "a NumPy array: call it x.npy and the labels beside it y.npy"},
	{"\xff\xfe", "UTF-16 text: save it as UTF-8"},
	{"\xfe\xff", "UTF-16 text: save it as UTF-8"},
}

// sniff unpacks gzip, drops a byte order mark, refuses what is no CSV and finds
// the separator.
func sniff(src io.Reader, name string) (*text, error) {
	const window = 1 << 16
	r := bufio.NewReaderSize(src, window)
	if b, _ := r.Peek(2); len(b) == 2 && b[0] == 0x1f && b[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("%s: is damaged (%w): fetch it again", name, err)
		}
		r = bufio.NewReaderSize(&bounded{z, maxUnpacked}, window)
	}
	head, err := r.Peek(window)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, csvError(name, err)
	}
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return nil, fmt.Errorf("%s: is %s", name, f.what)
		}
	}
	if bom := []byte("\xef\xbb\xbf"); bytes.HasPrefix(head, bom) {
		head = head[len(bom):]
		if _, err := r.Discard(len(bom)); err != nil {
			return nil, csvError(name, err)
		}
	}
	switch {
	case len(bytes.TrimSpace(head)) == 0:
		return nil, fmt.Errorf("%s: is empty", name)
	case bytes.IndexByte(head, 0) >= 0:
		return nil, fmt.Errorf("%s: is not text: give %s", name, forms)
	case bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0:
		return nil, fmt.Errorf("%s: ends its lines with a bare carriage return: save it with LF or CRLF", name)
	}
	return &text{r, separator(head)}, nil
}

// maxUnpacked bounds what a gzipped table unpacks to, in bytes: a small file may
// promise any amount.
const maxUnpacked = 4 << 30

// bounded reads at most left bytes, then fails.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("unpacks to more than %d GiB: unpack it and take a part", maxUnpacked>>30)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// separator is the one that stands equally often in every one of the first
// lines; of several, tab before semicolon before comma, since commas may be
// decimal ones. If none does, the most frequent of the first line.
func separator(head []byte) rune {
	whole := len(head) < 1<<16-3
	var lines []map[rune]int
	counts, quoted, some := map[rune]int{}, false, false
	end := func() {
		if some {
			lines = append(lines, counts)
		}
		counts, some = map[rune]int{}, false
	}
	for _, b := range head {
		if len(lines) == 10 {
			break
		}
		switch {
		case b == '"':
			quoted, some = !quoted, true
		case quoted:
		case b == '\n':
			end()
		case b != '\r':
			some = true
			if _, ok := separators[rune(b)]; ok {
				counts[rune(b)]++
			}
		}
	}
	if whole || len(lines) == 0 {
		end()
	}
	best := ','
	for _, c := range []rune{'\t', ';', ','} {
		n, same := lines[0][c], true
		for _, l := range lines {
			same = same && l[c] == n
		}
		if n > 0 && same {
			return c
		}
		if n > lines[0][best] {
			best = c
		}
	}
	return best
}

var errQuote = errors.New("a quotation mark is out of place")

// csvError is an error of encoding/csv in one line with file, line and column.
func csvError(name string, err error) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%s: is cut short: fetch it again", name)
		}
		return fmt.Errorf("%s: cannot be read: %w", name, err)
	}
	switch {
	case errors.Is(p.Err, csv.ErrQuote) && p.StartLine < p.Line:
		return fmt.Errorf("%s:%d: %w: a cell opens with one in this row and was read on to line %d: close it", name, p.StartLine, errQuote, p.Line)
	case errors.Is(p.Err, csv.ErrQuote), errors.Is(p.Err, csv.ErrBareQuote):
		return fmt.Errorf("%s:%d:%d: %w: write \"\" for one inside a quoted cell", name, p.Line, p.Column, errQuote)
	}
	return fmt.Errorf("%s:%d:%d: %w", name, p.Line, p.Column, p.Err)
}

// missing says whether a cell is one of the ways to write nothing.
func missing(cell string) bool {
	switch strings.ToLower(cell) {
	case "", "?", "na", "n/a", "null", "none":
		return true
	}
	return false
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// short quotes a cell, cut to a readable length.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}

// list joins at most eight names.
func list(names []string) string {
	if len(names) > 8 {
		return strings.Join(names[:8], ", ") + fmt.Sprintf(", … (%d in all)", len(names))
	}
	return strings.Join(names, ", ")
}

// clean makes a name from a file fit for a line of a screen: anything that does
// not print becomes a space, and spaces are single.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] > ' ' && s[i] < 0x7f
	}
	if plain {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
