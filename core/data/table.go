package data

import (
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// openTable reads a CSV file, plain or gzipped.
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
	name := filepath.Base(path)
	for ext := filepath.Ext(name); ext == ".gz" || ext == ".csv" || ext == ".tsv"; ext = filepath.Ext(name) {
		name = strings.TrimSuffix(name, ext)
	}
	d.Name, d.Source = name, path
	return d, nil
}

// readTable reads a table and splits it; name is the file's, for messages.
func readTable(r io.Reader, name string, o Options) (*Data, error) {
	val, test, err := o.shares()
	if err != nil {
		return nil, err
	}
	t, err := parseTable(r, name, clean(o.LabelColumn))
	if err != nil {
		return nil, err
	}
	d := &Data{Columns: t.columns, Notes: t.notes}
	var ids []int32
	if d.Classes, ids, err = t.classes(); err != nil {
		return nil, err
	}
	part, class := split(ids, len(d.Classes), val, test, o.Seed)
	if class >= 0 {
		k := t.keys[t.ids[d.Classes[class]]]
		return nil, fmt.Errorf("%s:%d: class %s has only %d rows: it needs at least 3, one each for training, validation and test: add rows, or remove the class", name, k.line, short(k.text), k.rows)
	}
	sets := t.deal(part, ids)
	raw := [3]splitHash{newSplitHash(), newSplitHash(), newSplitHash()}
	for i, s := range sets {
		b := make([]byte, 0, 4*s.F())
		for x := s.X; len(x) > 0; x = x[s.F():] {
			b = b[:0]
			for _, v := range x[:s.F()] {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
			raw[i].h.Write(b)
		}
	}
	d.Train, d.Val, d.Test = sets[inTrain], sets[inVal], sets[inTest]
	d.Prep = tablePrep(d.Train.X, d.Train.F())
	if o.Prep != nil {
		d.Prep = *o.Prep
	}
	for _, s := range sets {
		if err := d.Prep.Apply(s.X, s.Shape); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	d.finishHash("f32", raw)
	return d, nil
}

// table is a CSV file in memory.
type table struct {
	name    string
	header  bool
	columns []string  // [F] names
	x       []float32 // [N][F]
	labels  []int32   // [N], indices of keys
	keys    []key     // in order of appearance
	ids     map[string]int32
	label   string // name of the label column
	notes   []string
}

// key is one text of the label column.
type key struct {
	text string
	line int // where it first stands
	rows int
}

// parseTable reads all rows.
func parseTable(src io.Reader, name, labelColumn string) (*table, error) {
	in, err := sniff(src, name)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(in.r)
	r.Comma = in.comma
	r.ReuseRecord = true
	first, err := r.Read()
	if err != nil {
		return nil, csvError(name, err)
	}
	t := &table{name: name, ids: map[string]int32{}}
	first = append([]string(nil), first...)
	for i := range first {
		first[i] = clean(first[i])
	}
	line, _ := r.FieldPos(0)
	if len(first) < 2 {
		return nil, fmt.Errorf("%s:%d: has one column only: a table needs values and a label, separated by comma, semicolon or tab", name, line)
	}
	t.header = isHeader(first, labelColumn)
	label, err := t.findLabel(first, labelColumn, line)
	if err != nil {
		return nil, err
	}
	if !t.header {
		if err := t.addRow(r, first, label); err != nil {
			return nil, err
		}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, csv.ErrFieldCount) {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("%s:%d: has %d cells, the first row has %d: every row needs the same columns", name, line, len(row), len(first))
		}
		if err != nil {
			return nil, csvError(name, err)
		}
		if err := t.addRow(r, row, label); err != nil {
			return nil, err
		}
	}
	if len(t.labels) == 0 {
		return nil, fmt.Errorf("%s: has a header but no rows", name)
	}
	head := "no header"
	if t.header {
		head = "a header"
	}
	t.notes = append(t.notes, fmt.Sprintf("%d rows, %s, separated by %s; label: %s", len(t.labels), head, separators[in.comma], t.label))
	return t, nil
}

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

// findLabel fills in the column names and returns the index of the label.
func (t *table) findLabel(first []string, want string, line int) (int, error) {
	names := make([]string, len(first))
	for i := range names {
		names[i] = "column " + strconv.Itoa(i+1)
		if !t.header {
			continue
		}
		if names[i] = first[i]; names[i] == "" {
			return 0, fmt.Errorf("%s:%d: column %d has no name: name it, or remove it if it only numbers the rows", t.name, line, i+1)
		}
	}
	at := -1
	if want == "" {
		at = len(names) - 1
	} else if t.header {
		for i, n := range names {
			if n != want {
				continue
			}
			if at >= 0 {
				return 0, fmt.Errorf("%s:%d: columns %d and %d are both named %q: rename one, or give the label column by its number", t.name, line, at+1, i+1, want)
			}
			at = i
		}
	}
	if at < 0 {
		n, err := strconv.Atoi(want)
		if err != nil || n < 1 || n > len(names) {
			if !t.header {
				return 0, fmt.Errorf("%s: has no header, so label column %q must be a number from 1 to %d", t.name, want, len(names))
			}
			return 0, fmt.Errorf("%s: has no column %q: choose one of %s", t.name, want, list(names))
		}
		at = n - 1
	}
	t.label = names[at]
	t.columns = append(names[:at:at], names[at+1:]...)
	return at, nil
}

// addRow appends one row; cells may have space around them.
func (t *table) addRow(r *csv.Reader, row []string, label int) error {
	k := 0
	for i, cell := range row {
		if i == label {
			cell = clean(cell)
			if missing(cell) || strings.EqualFold(cell, "nan") {
				return t.bad(r, i, "the label (%s) is missing (%q): fill it in, or remove the row", t.label, cell)
			}
			id, known := t.ids[cell]
			if !known {
				line, _ := r.FieldPos(i)
				cell = strings.Clone(cell) // or it keeps the whole row in memory
				id = int32(len(t.keys))
				t.keys = append(t.keys, key{text: cell, line: line})
				t.ids[cell] = id
			}
			t.keys[id].rows++
			t.labels = append(t.labels, id)
			continue
		}
		cell = strings.TrimSpace(cell)
		v, err := strconv.ParseFloat(cell, 32)
		switch {
		case missing(cell):
			return t.bad(r, i, "%s is missing (%q): fill it in, or remove the row", t.columns[k], cell)
		case errors.Is(err, strconv.ErrRange):
			return t.bad(r, i, "%s is %s, too large for float32 (3.4e38): rescale the column", t.columns[k], short(cell))
		case err != nil && strings.Count(cell, ",") == 1 && isNumber(strings.Replace(cell, ",", ".", 1)):
			return t.bad(r, i, "%s is %s: write decimals with a point", t.columns[k], short(cell))
		case err != nil:
			return t.bad(r, i, "%s is %s, not a number: write text as numbers, remove the column, or name it as the label column", t.columns[k], short(cell))
		case !finite(v):
			return t.bad(r, i, "%s is %s: NaN and infinity cannot be trained on: fill in a number, or remove the row", t.columns[k], cell)
		}
		t.x = append(t.x, float32(v))
		k++
	}
	return nil
}

// bad is an error at the cell of column i of the row just read.
func (t *table) bad(r *csv.Reader, i int, format string, args ...any) error {
	line, col := r.FieldPos(i)
	hint := ""
	if !t.header && len(t.labels) == 0 {
		hint = " (the first row was taken as data because it holds numbers: if it is a header, give every column a name)"
	}
	return fmt.Errorf("%s:%d:%d: %s%s", t.name, line, col, fmt.Sprintf(format, args...), hint)
}

// classes names the classes in their order, numbers by size and other texts by
// alphabet, and returns each row's class.
func (t *table) classes() (names []string, ids []int32, err error) {
	k, n := len(t.keys), len(t.labels)
	if k == 1 {
		return nil, nil, fmt.Errorf("%s: every row has the label %s (%s): there is nothing to tell apart with one class", t.name, short(t.keys[0].text), t.label)
	}
	if k > n/3 {
		return nil, nil, fmt.Errorf("%s: %s has %d different values in %d rows, so it is no label (a class needs at least 3 rows): name the label column", t.name, t.label, k, n)
	}
	order := make([]int32, k)
	numeric := true
	value := make([]int, k)
	for i := range order {
		order[i] = int32(i)
		v, err := strconv.Atoi(t.keys[i].text)
		value[i], numeric = v, numeric && err == nil
	}
	sort.Slice(order, func(a, b int) bool {
		i, j := order[a], order[b]
		if numeric && value[i] != value[j] {
			return value[i] < value[j]
		}
		return t.keys[i].text < t.keys[j].text
	})
	class := make([]int32, k)
	for c, i := range order {
		class[i] = int32(c)
		names = append(names, t.keys[i].text)
	}
	ids = make([]int32, n)
	for i, l := range t.labels {
		ids[i] = class[l]
	}
	return names, ids, nil
}

// deal copies every row to its part, in file order.
func (t *table) deal(part []uint8, ids []int32) (sets [3]*Set) {
	f := len(t.columns)
	var n [3]int
	for _, p := range part {
		n[p]++
	}
	for p := range sets {
		sets[p] = &Set{X: make([]float32, 0, n[p]*f), Labels: make([]int32, 0, n[p]), Shape: []int{f}}
	}
	for i, p := range part {
		sets[p].X = append(sets[p].X, t.x[i*f:(i+1)*f]...)
		sets[p].Labels = append(sets[p].Labels, ids[i])
	}
	return sets
}
