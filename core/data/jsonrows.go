package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// jsonRows are rows of JSON, one a line: objects, whose keys are the columns, or
// arrays. A value is a number, a text, true or false; an array of numbers in an
// object is as many columns.
type jsonRows struct {
	r    *bufio.Reader
	name string

	line  int
	keys  []string       // columns of objects, as the first one has them; nil: rows are arrays
	at    map[string]int // column by key
	width int            // columns
	held  bool           // row was read with the keys and is still to be given
	row   []string
	cols  []int // where in the line each value stands
}

// openJSONRows reads the first row, for its keys.
func openJSONRows(r *bufio.Reader, name string) (*jsonRows, error) {
	j := &jsonRows{r: r, name: name}
	if err := j.next(); err != nil {
		return nil, err
	}
	j.held = true
	return j, nil
}

func (j *jsonRows) missing(cell string) bool { return cell == "" }
func (j *jsonRows) form() string             { return "JSON, one row a line" }

func (j *jsonRows) pos(i int) (line, col int) { return j.line, j.cols[i] }

// header are the names of the columns, or nil.
func (j *jsonRows) header() []string { return j.keys }

func (j *jsonRows) read() ([]string, error) {
	if j.held {
		j.held = false
		return j.row, nil
	}
	if err := j.next(); err != nil {
		return nil, err
	}
	return j.row, nil
}

// next reads the next line that is not blank.
func (j *jsonRows) next() error {
	for {
		s, err := readLine(j.r, j.name, j.line+1)
		if err != nil {
			return err
		}
		j.line++
		if strings.TrimSpace(s) == "" {
			continue
		}
		if err := j.parse(s); err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				return fmt.Errorf("%s:%d: is no JSON value on one line (%w): write one row a line, e.g. by jq -c .", j.name, j.line, err)
			}
			return fmt.Errorf("%s:%d: %w", j.name, j.line, err)
		}
		return nil
	}
}

// parse reads one row.
func (j *jsonRows) parse(s string) error {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	open, err := d.Token()
	if err != nil {
		return err
	}
	first := j.at == nil && j.width == 0
	switch open {
	case json.Delim('{'):
		if !first && j.keys == nil {
			return errors.New("is an object, the first row is an array: write all rows alike")
		}
		err = j.object(d, first)
	case json.Delim('['):
		if j.keys != nil {
			return errors.New("is an array, the first row is an object: write all rows alike")
		}
		j.row, j.cols = j.row[:0], j.cols[:0]
		for d.More() && err == nil {
			err = j.value(d, "", nil)
		}
		if err == nil && !first && len(j.row) != j.width {
			return fmt.Errorf("has %d cells, the first row has %d: every row needs the same columns", len(j.row), j.width)
		}
		j.width = len(j.row)
	default:
		return errors.New("is neither an object nor an array: a row is {\"column\": value, …} or [value, …]")
	}
	if err != nil {
		return err
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return err
	}
	if rest := strings.TrimSpace(s[d.InputOffset():]); rest != "" {
		return fmt.Errorf("has %s after its row: write one row a line", short(rest))
	}
	if j.width == 0 {
		return errors.New("is an empty row")
	}
	return nil
}

// object reads the keys and values of a row. The first row makes the columns.
func (j *jsonRows) object(d *json.Decoder, first bool) error {
	if first {
		j.at = map[string]int{}
	} else {
		for i := range j.row {
			j.row[i], j.cols[i] = "\x00", 1 // not there yet
		}
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if err := j.value(d, key, &first); err != nil {
			return err
		}
	}
	if first {
		j.width = len(j.row)
		return nil
	}
	for i, c := range j.row {
		if c == "\x00" {
			return fmt.Errorf("has no %s, which the first row has: fill it in, or remove the row", short(j.keys[i]))
		}
	}
	return nil
}

// value reads one value into its column, or an array of numbers into several.
// first is nil for rows that are arrays.
func (j *jsonRows) value(d *json.Decoder, key string, first *bool) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	col := int(d.InputOffset())
	cell := ""
	switch v := t.(type) {
	case json.Delim:
		if v != '[' || first == nil {
			return fmt.Errorf("%s holds a value inside a value: write numbers, texts, true or false", short(key))
		}
		for i := 0; d.More(); i++ {
			t, err := d.Token()
			if err != nil {
				return err
			}
			n, ok := t.(json.Number)
			if !ok {
				return fmt.Errorf("%s is an array of something else than numbers: write numbers, texts, true or false", short(key))
			}
			if err := j.put(key+"["+strconv.Itoa(i)+"]", n.String(), int(d.InputOffset()), *first); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	case json.Number:
		cell = v.String()
		col -= len(cell) - 1
	case string:
		if cell = v; strings.IndexByte(cell, 0) >= 0 {
			return fmt.Errorf("%s holds the character U+0000: remove it", short(key))
		}
	case bool:
		cell = strconv.FormatBool(v)
	}
	if first == nil {
		j.row, j.cols = append(j.row, cell), append(j.cols, col)
		return nil
	}
	return j.put(key, cell, col, *first)
}

// put stores a cell in the column of a key.
func (j *jsonRows) put(key, cell string, col int, first bool) error {
	i, known := j.at[key]
	switch {
	case first && !known:
		j.at[key] = len(j.keys)
		j.keys = append(j.keys, key)
		j.row, j.cols = append(j.row, cell), append(j.cols, col)
		return nil
	case !known:
		return fmt.Errorf("has %s, which the first row has not: every row needs the same keys", short(key))
	case first || j.row[i] != "\x00":
		return fmt.Errorf("has %s twice", short(key))
	}
	j.row[i], j.cols[i] = cell, col
	return nil
}

// looksJSON says whether a table that starts so is JSON, and refuses what is JSON
// but no rows.
func looksJSON(head []byte, name string) (bool, error) {
	line, _, more := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
	line = bytes.TrimSpace(line)
	if line[0] != '{' && line[0] != '[' || !isJSON(name) && !json.Valid(line) && !bytes.HasPrefix(line, []byte(`[{"`)) {
		return false, nil
	}
	inner := bytes.TrimSpace(line[1:])
	if line[0] == '[' && len(inner) > 0 && (inner[0] == '{' || inner[0] == '[') || len(inner) == 0 && more {
		return false, fmt.Errorf("%s: is one JSON value, not a row a line: write it so, e.g. by jq -c '.[]'", name)
	}
	return true, nil
}
