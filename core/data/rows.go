package data

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// rowReader reads a table row by row.
type rowReader interface {
	// read gives the cells of the next row, valid until the next call; io.EOF at
	// the end.
	read() ([]string, error)
	// pos is where a cell of that row stands, both from 1.
	pos(i int) (line, col int)
	// header are the names of the columns if the format gives them with every row.
	header() []string
	// missing says whether a cell is one of the ways to write nothing.
	missing(cell string) bool
	// form is the format in words.
	form() string
}

// openRows sees what kind of table src is. quoted is false for tab-separated text
// in which quotation marks mean nothing.
func openRows(src io.Reader, name string, quoted bool) (rowReader, error) {
	in, err := sniff(src, name)
	if err != nil {
		return nil, err
	}
	head, _ := in.r.Peek(in.r.Size())
	json, err := looksJSON(head, name)
	switch {
	case err != nil:
		return nil, err
	case json:
		return openJSONRows(in.r, name)
	case !quoted:
		return &plainRows{r: in.r, name: name}, nil
	}
	r := csv.NewReader(in.r)
	r.Comma = in.comma
	r.ReuseRecord = true
	return &csvRows{r: r, name: name}, nil
}

func isJSON(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	return slices.ContainsFunc([]string{".json", ".jsonl", ".ndjson"}, func(e string) bool { return strings.HasSuffix(name, e) })
}

// csvRows are rows of CSV as in RFC 4180, with any separator.
type csvRows struct {
	r     *csv.Reader
	name  string
	cells int // of the first row
}

func (c *csvRows) read() ([]string, error) {
	row, err := c.r.Read()
	if errors.Is(err, csv.ErrFieldCount) {
		line, _ := c.r.FieldPos(0)
		return nil, raggedRow(c.name, line, len(row), c.cells)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, csvError(c.name, err)
	}
	if c.cells == 0 {
		c.cells = len(row)
	}
	return row, err
}

func raggedRow(name string, line, n, first int) error {
	return fmt.Errorf("%s:%d: has %d cells, the first row has %d: every row needs the same columns", name, line, n, first)
}

func (c *csvRows) pos(i int) (line, col int) { return c.r.FieldPos(i) }
func (c *csvRows) header() []string          { return nil }
func (c *csvRows) missing(cell string) bool  { return missing(cell) }
func (c *csvRows) form() string              { return "separated by " + separators[c.r.Comma] }

// plainRows are lines of cells between tabs, without quoting.
type plainRows struct {
	r     *bufio.Reader
	name  string
	line  int
	row   []string
	cells int
}

func (p *plainRows) read() ([]string, error) {
	for {
		s, err := readLine(p.r, p.name, p.line+1)
		if err != nil {
			return nil, err
		}
		p.line++
		if s == "" {
			continue
		}
		p.row = strings.Split(s, "\t")
		if p.cells == 0 {
			p.cells = len(p.row)
		}
		if len(p.row) != p.cells {
			return nil, raggedRow(p.name, p.line, len(p.row), p.cells)
		}
		return p.row, nil
	}
}

func (p *plainRows) pos(i int) (line, col int) {
	col = 1
	for _, c := range p.row[:i] {
		col += len(c) + 1
	}
	return p.line, col
}

func (p *plainRows) header() []string         { return nil }
func (p *plainRows) missing(cell string) bool { return missing(cell) }
func (p *plainRows) form() string {
	return "separated by tab, quotation marks as they stand"
}

// maxLine is the longest line that is read, in bytes.
const maxLine = 64 << 20

// readLine reads a line without its end; io.EOF after the last.
func readLine(r *bufio.Reader, name string, line int) (string, error) {
	var long []byte
	for {
		b, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if long = append(long, b...); len(long) > maxLine {
				return "", fmt.Errorf("%s:%d: is a line of more than %d MiB: is this a table?", name, line, maxLine>>20)
			}
			continue
		case errors.Is(err, io.EOF) && len(b)+len(long) == 0:
			return "", io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return "", csvError(name, err)
		}
		if long != nil {
			b = append(long, b...)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
}
