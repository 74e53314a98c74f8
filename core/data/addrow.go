package data

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// addRow appends one row; cells may have space around them.
func (t *table) addRow(row []string) error {
	said, pair := "", [2]string{}
	t.row = t.row[:0]
	for i, cell := range row {
		if i == t.labelAt {
			if err := t.addLabel(i, clean(cell)); err != nil {
				return err
			}
			continue
		}
		c := &t.cols[i]
		cell = strings.TrimSpace(cell)
		switch {
		case c.kind == unused:
			continue
		case c.kind == words && t.text.Pair:
			if cell == "" {
				return t.bad(i, "%s is missing: fill it in, or remove the row", c.name)
			}
			pair[c.place] = cell
			continue
		case c.kind == words:
			if said != "" && cell != "" {
				said += "\n"
			}
			said += cell
			continue
		case t.rows.missing(cell):
			return t.bad(i, "%s is missing (%q): fill it in, or remove the row", c.name, cell)
		case c.kind == category:
			at, ok := c.values[cell]
			if !ok {
				return t.bad(i, "%s is %s, which is none of %s", c.name, short(cell), list(c.names))
			}
			for k := range c.names {
				v := float32(0)
				if k == at {
					v = 1
				}
				t.row = append(t.row, v)
			}
			continue
		}
		v, err := strconv.ParseFloat(cell, 32)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return t.bad(i, "%s is %s, too large for float32 (3.4e38): rescale the column", c.name, short(cell))
		case err != nil && strings.Count(cell, ",") == 1 && isNumber(strings.Replace(cell, ",", ".", 1)):
			return t.bad(i, "%s is %s: write decimals with a point", c.name, short(cell))
		case err != nil:
			return errText{t.bad(i, "%s is %s, not a number: write text as numbers, remove the column, or name it as the label column", c.name, short(cell))}
		case !finite(v):
			return t.bad(i, "%s is %s: NaN and infinity cannot be trained on: fill in a number, or remove the row", c.name, cell)
		}
		t.row = append(t.row, float32(v))
	}
	switch {
	case t.words && t.text.Pair:
		var err error
		if t.row, err = t.text.pair(t.row, pair); err != nil {
			line, _ := t.rows.pos(0)
			return fmt.Errorf("%s:%d: %w", t.name, line, err)
		}
	case t.words:
		line, _ := t.rows.pos(0)
		if said == "" {
			return fmt.Errorf("%s:%d: the text is missing: fill it in, or remove the row", t.name, line)
		}
		var err error
		if t.row, err = t.text.sample(t.row, said); err != nil {
			return fmt.Errorf("%s:%d: %w", t.name, line, err)
		}
	}
	return t.st.add(t.row)
}

// addLabel appends the label of a row.
func (t *table) addLabel(i int, cell string) error {
	if t.rows.missing(cell) || strings.EqualFold(cell, "nan") {
		return t.bad(i, "the label (%s) is missing (%q): fill it in, or remove the row", t.label, cell)
	}
	id, known := t.ids[cell]
	if !known {
		line, _ := t.rows.pos(i)
		cell = strings.Clone(cell) // or it keeps the whole row in memory
		if id = int32(len(t.keys)); id == maxLabels {
			return t.noLabel(len(t.labels))
		}
		t.keys = append(t.keys, key{text: cell, name: t.name, line: line})
		t.ids[cell] = id
	}
	t.keys[id].rows++
	t.labels = append(t.labels, id)
	return nil
}

// bad is an error at the cell of column i of the row just read.
func (t *table) bad(i int, format string, args ...any) error {
	line, col := t.rows.pos(i)
	hint := ""
	if !t.header && len(t.labels) == 0 {
		hint = " (the first row was taken as data because it holds numbers: if it is a header, give every column a name)"
	}
	return fmt.Errorf("%s:%d:%d: %s%s", t.name, line, col, fmt.Sprintf(format, args...), hint)
}

// maxLabels is how many classes a set may have.
const maxLabels = 1 << 16

// classes names the classes in their order and returns each row's class.
func (t *table) classes(o Options) (names []string, ids []int32, err error) {
	k, n := len(t.keys), len(t.labels)
	if o.Classes == nil && k == 1 {
		return nil, nil, fmt.Errorf("%s: every row has the label %s (%s): there is nothing to tell apart with one class", t.name, short(t.keys[0].text), t.label)
	}
	if o.Classes == nil && k > n/3 {
		return nil, nil, t.noLabel(n)
	}
	raw := make([]string, k)
	for i, x := range t.keys {
		raw[i] = x.text
	}
	names, class, at := o.classes(raw)
	if at >= 0 {
		x := t.keys[at]
		return nil, nil, fmt.Errorf("%s:%d: the label (%s) is %s, which is none of the recipe's classes %s", x.name, x.line, t.label, short(x.text), list(names))
	}
	ids = make([]int32, n)
	for i, l := range t.labels {
		ids[i] = class[l]
	}
	return names, ids, nil
}

func (t *table) noLabel(rows int) error {
	return fmt.Errorf("%s: %s has %d different values in %d rows, so it is no label (a class needs at least 3 rows): name the label column", t.name, t.label, len(t.keys), rows)
}
