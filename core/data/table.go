package data

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// openTable reads a table: CSV or rows of JSON, plain or gzipped.
func openTable(path string, o Options) (*Data, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := readTable(f, path, o)
	if err != nil {
		return nil, err
	}
	d.Name, d.Source = stem(path), path
	return d, nil
}

// readTable reads a table and splits it; name is the file's, for messages.
func readTable(r io.ReadSeeker, name string, o Options) (*Data, error) {
	if _, _, err := o.shares(); err != nil {
		return nil, err
	}
	t, _, err := parseTable(r, name, o)
	if err != nil {
		return nil, err
	}
	return t.data(o)
}

// data makes the splits of a table that has been read.
func (t *table) data(o Options) (*Data, error) {
	d := &Data{Kind: Tables, Notes: t.notes}
	d.Columns, d.Categories = t.outputs()
	names, ids, err := t.classes(o)
	if err != nil {
		return nil, err
	}
	d.Classes = names
	part, class, err := d.parts(ids, t.from, "row", o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	if class >= 0 {
		k := t.first(ids, class)
		return nil, fmt.Errorf("%s:%d: class %s has only %d rows: it needs at least 3, one each for training, validation and test: add rows, or remove the class", k.name, k.line, short(k.text), k.rows)
	}
	shape := []int{t.st.f}
	switch {
	case t.text != nil:
		d.Text = &t.text.Text
		if d.Text.Pair {
			shape = []int{d.Text.Len, 2}
		}
		if err := t.text.number(t.st, part); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		if t.text.cut > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%d of %d texts are longer than %d tokens and cut off there", t.text.cut, t.st.n, d.Text.Len))
		}
	case o.Shape != nil:
		if shape, err = o.imageShape(t.name, t.st.f); err != nil {
			return nil, err
		}
	}
	return done(d, d.fill(t.st, ids, part, shape, o))
}

// imageShape is Options.Shape, checked against the number of columns.
func (o Options) imageShape(name string, f int) ([]int, error) {
	s := o.Shape
	if len(s) != 3 || min(s[0], s[1], s[2]) < 1 || max(s[0], s[1], s[2]) > f || volume(s) != f {
		return nil, fmt.Errorf("%s: data.shape = %v does not fit %d columns: give [channels, rows, columns] of an image with as many pixels", name, s, f)
	}
	return s, nil
}

// table is a file of rows in memory.
type table struct {
	name    string
	header  bool
	cols    []column
	labelAt int
	label   string // name of the label column
	words   bool   // samples are text
	rows    rowReader

	st     *store // samples: numbers, or tokens of text
	row    []float32
	text   *texts
	labels []int32 // [N], indices of keys
	from   []uint8 // [N], the part that the file of a row is for; nil: one file for all
	keys   []key   // in order of appearance
	ids    map[string]int32
	notes  []string
}

// key is one text of the label column.
type key struct {
	text string
	name string // where it first stands
	line int
	rows int
}

// attempt is how to read a table; it changes by what a first reading finds.
type attempt struct {
	quoted   bool // quotation marks mean something
	noHeader bool
	cols     []column // nil: all are numbers
	words    bool
	notes    []string
}

// errText is a cell that is no number in a table read as numbers.
type errText struct{ error }

func (e errText) Unwrap() error { return e.error }

// errHeader says that the first row is data.
var errHeader = errors.New("the first row is data")

// parseTable reads all rows. It takes the cells for numbers first; if one is text it
// looks through the columns and reads again. It returns how it was read in the end.
func parseTable(src io.ReadSeeker, name string, o Options) (*table, attempt, error) {
	how := attempt{quoted: true}
	asked := o.Tokenizer != "" || o.Tokens != 0 || len(o.TextColumns) > 0 || o.Pair || o.Categories != nil
	looked := false
	for {
		if _, err := src.Seek(0, io.SeekStart); err != nil {
			return nil, how, fmt.Errorf("%s: cannot be read: %w", name, err)
		}
		t, err := readRows(src, name, o, how, asked && !looked, nil)
		var text errText
		switch {
		case errors.Is(err, errHeader):
			how.noHeader, how.cols, looked = true, nil, false
			continue
		case errors.Is(err, errSurveyed):
			looked = true
			how.cols, how.words, how.notes = t.cols, t.words, t.notes
			continue
		case errors.As(err, &text) && !looked:
			asked = true
			continue
		case errors.Is(err, errQuote) && how.quoted && t != nil && t.tabs():
			how = attempt{noHeader: how.noHeader}
			looked = false
			continue
		case err != nil:
			return nil, how, err
		}
		return t, how, nil
	}
}

// errSurveyed says that the columns are known now.
var errSurveyed = errors.New("the columns are known")

// tabs says whether the cells stand between tabs.
func (t *table) tabs() bool {
	c, ok := t.rows.(*csvRows)
	return ok && c.r.Comma == '\t'
}

// readRows goes through the rows once: to look at the columns, or to read them. onto is
// nil, or a table of the same columns whose rows are followed by these.
func readRows(src io.Reader, name string, o Options, how attempt, look bool, onto *table) (*table, error) {
	r, err := openRows(src, name, how.quoted)
	if err != nil {
		return nil, err
	}
	t := &table{name: name, ids: map[string]int32{}, rows: r, words: how.words, st: newStore(name, false, o)}
	want := clean(o.LabelColumn)
	row, err := r.read()
	if err != nil {
		return t, err
	}
	line, _ := r.pos(0)
	first := make([]string, len(row))
	for i := range row {
		first[i] = clean(row[i])
	}
	if names := r.header(); names != nil {
		t.header, first = true, make([]string, len(names))
		for i := range names {
			first[i] = clean(names[i])
		}
	}
	if len(first) < 2 {
		return nil, fmt.Errorf("%s:%d: has one column only: a table needs values and a label, separated by comma, semicolon or tab", name, line)
	}
	_, json := r.(*jsonRows)
	t.header = t.header || !json && !how.noHeader && isHeader(first, want)
	if err := t.findLabel(first, want, line); err != nil {
		return nil, err
	}
	if t.header && r.header() == nil {
		row = nil // names, no data
	}
	if look {
		return t, t.look(row, o)
	}
	before := 0
	if onto != nil {
		if err := t.follow(onto); err != nil {
			return nil, err
		}
		before = len(t.labels)
	}
	if how.cols != nil {
		t.cols = how.cols
	}
	if t.words && t.text == nil {
		if t.text, err = newTexts(o); err != nil {
			return nil, err
		}
	}
	for ; !isEOF(err); row, err = r.read() {
		if err != nil {
			return t, err
		}
		if row == nil {
			continue
		}
		if err := t.addRow(row); err != nil {
			return t, err
		}
	}
	if len(t.labels) == before {
		return nil, fmt.Errorf("%s: has a header but no rows", name)
	}
	if _, known := t.ids[first[t.labelAt]]; known && onto == nil && t.header && r.header() == nil && t.label != want {
		return t, errHeader
	}
	head := "no header"
	if t.header {
		head = "a header"
	}
	if !json {
		head += ", "
	} else {
		head = ""
	}
	if onto != nil {
		t.notes = append(t.notes, fmt.Sprintf("%d rows of %s", len(t.labels)-before, filepath.Base(name)))
		return t, nil
	}
	t.notes = append(t.notes, fmt.Sprintf("%d rows, %s%s; label: %s", len(t.labels), head, r.form(), t.label))
	t.notes = append(t.notes, how.notes...)
	return t, nil
}

// look finds out what the columns are.
func (t *table) look(row []string, o Options) error {
	stats, n, err := survey(t.rows, row, len(t.cols), t.labelAt)
	if err != nil {
		return err
	}
	if o.Categories != nil {
		t.setCategories(o.Categories)
	} else if err := t.decide(stats, n, o); err != nil {
		return err
	}
	return errSurveyed
}

// isEOF is true for io.EOF itself: errors that wrap it are others.
func isEOF(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// isHeader says whether the first row names columns: no cell is a number, or
// the label column was named and is there.
func isHeader(first []string, labelColumn string) bool {
	numbers := 0
	for _, c := range first {
		if c == labelColumn && c != "" {
			if _, err := strconv.Atoi(c); err != nil {
				return true
			}
		}
		if _, err := strconv.ParseFloat(c, 64); err == nil || errors.Is(err, strconv.ErrRange) {
			numbers++
		}
	}
	return numbers == 0
}

// usualLabel is the column that is called label or target, or class if it is the first,
// if there is one such, else the last.
func (t *table) usualLabel() int {
	at := -1
	for i, c := range t.cols {
		switch strings.ToLower(c.name) {
		case "class":
			if i > 0 {
				continue // of ships' passengers, for example
			}
			at = i
		case "label", "target":
			if at >= 0 {
				return len(t.cols) - 1
			}
			at = i
		}
	}
	if at < 0 {
		return len(t.cols) - 1
	}
	return at
}

// first is the label of a class that stands first.
func (t *table) first(ids []int32, class int) key {
	for i, c := range ids {
		if int(c) == class {
			return t.keys[t.labels[i]]
		}
	}
	return key{}
}

// findLabel names the columns and finds that of the label.
func (t *table) findLabel(first []string, want string, line int) error {
	t.cols = make([]column, len(first))
	for i := range t.cols {
		t.cols[i].name = "column " + strconv.Itoa(i+1)
		if !t.header {
			continue
		}
		if t.cols[i].name = first[i]; first[i] == "" {
			return fmt.Errorf("%s:%d: column %d has no name: name it, or remove it if it only numbers the rows", t.name, line, i+1)
		}
	}
	at := -1
	if want == "" {
		at = t.usualLabel()
	} else if t.header {
		for i, c := range t.cols {
			if c.name != want {
				continue
			}
			if at >= 0 {
				return fmt.Errorf("%s:%d: columns %d and %d are both named %q: rename one, or give the label column by its number", t.name, line, at+1, i+1, want)
			}
			at = i
		}
	}
	if at < 0 {
		n, err := strconv.Atoi(want)
		if err != nil || n < 1 || n > len(t.cols) {
			if !t.header {
				return fmt.Errorf("%s: has no header, so label column %q must be a number from 1 to %d", t.name, want, len(t.cols))
			}
			t.labelAt = -1
			return fmt.Errorf("%s: has no column %q: choose one of %s", t.name, want, list(t.names()))
		}
		at = n - 1
	}
	t.labelAt, t.label = at, t.cols[at].name
	return nil
}
