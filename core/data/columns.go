package data

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// kind is what the cells of a column are.
type kind uint8

const (
	number   kind = iota
	category      // one of few texts: one column of 0 and 1 for each
	words         // text that becomes tokens
	unused
)

// column is one column of a file.
type column struct {
	name   string
	kind   kind
	place  int            // of a text: which of those chosen it is
	values map[string]int // of a category: which of its columns is 1
	names  []string       // of a category: its values, in the order of their columns
}

// maxCategories is how many values a category may have.
const maxCategories = 32

// stat is what a survey found in a column.
type stat struct {
	numbers, texts int
	values         map[string]bool // of texts, up to one more than maxCategories
}

// survey counts what stands in the columns, but in the one of the label.
func survey(r rowReader, first []string, width, label int) ([]stat, int, error) {
	s := make([]stat, width)
	rows := 0
	add := func(row []string) {
		rows++
		for i, cell := range row {
			cell = strings.TrimSpace(cell)
			switch {
			case i == label || r.missing(cell):
			case isNumber(cell) || isNumber(strings.Replace(cell, ",", ".", 1)):
				s[i].numbers++
			default:
				s[i].texts++
				if s[i].values == nil {
					s[i].values = map[string]bool{}
				}
				if len(s[i].values) <= maxCategories && !s[i].values[cell] {
					s[i].values[strings.Clone(cell)] = true
				}
			}
		}
	}
	if first != nil {
		add(first)
	}
	for {
		row, err := r.read()
		if isEOF(err) {
			return s, rows, nil
		}
		if err != nil {
			return nil, 0, err
		}
		add(row)
	}
}

// isNumeric: most cells are numbers. The others are mistakes then.
func (s stat) isNumeric() bool { return s.numbers >= s.texts }

// few says whether the texts are those of a category.
func (s stat) few(rows int) bool { return len(s.values) <= maxCategories && 3*len(s.values) <= rows }

// decide gives every column its kind. Text becomes tokens if it is all there is, or
// if the options ask for it; beside numbers it must be a category.
func (t *table) decide(s []stat, rows int, o Options) error {
	var texts, rest []string
	asked := o.Tokenizer != "" || o.Tokens != 0 || o.Pair
	for i := range t.cols {
		c := &t.cols[i]
		switch {
		case i == t.labelAt || s[i].isNumeric():
			c.kind = number
		case s[i].few(rows) && !asked:
			c.kind = category
		default:
			c.kind = words
			texts = append(texts, c.name)
			continue
		}
		if i != t.labelAt {
			rest = append(rest, c.name)
		}
	}
	switch {
	case len(o.TextColumns) > 0:
		return t.chooseText(o.TextColumns, o.Pair)
	case texts == nil && asked:
		return fmt.Errorf("%s: has no column of text (label: %s), so there is nothing for a tokenizer", t.name, t.label)
	case texts == nil:
		for i := range t.cols {
			if c := &t.cols[i]; c.kind == category {
				c.setValues(sorted(s[i].values))
			}
		}
		return nil
	case rest != nil && !asked:
		return fmt.Errorf("%s: %s holds text of many values beside %s: name the text columns to classify by their words (data.text in a recipe), or remove it", t.name, texts[0], list(rest))
	}
	return t.chooseText(texts, o.Pair)
}

// chooseText makes the named columns text and leaves the others out.
func (t *table) chooseText(names []string, pair bool) error {
	if pair && len(names) != 2 {
		return fmt.Errorf("%s: a pair is two columns of text, not %s: name them in their order (data.text = [\"question\", \"answer\"] in a recipe)", t.name, list(names))
	}
	var left []string
	found := map[string]bool{}
	for i := range t.cols {
		c := &t.cols[i]
		switch {
		case i == t.labelAt:
			if slices.Contains(names, c.name) {
				return fmt.Errorf("%s: column %q is the label and cannot be the text: name another label column", t.name, c.name)
			}
		case slices.Contains(names, c.name):
			c.kind, found[c.name], t.words = words, true, true
			c.place = slices.Index(names, c.name)
		default:
			c.kind = unused
			left = append(left, c.name)
		}
	}
	for _, n := range names {
		if !found[n] {
			return fmt.Errorf("%s: has no column %q: choose text columns of %s", t.name, n, list(t.names()))
		}
	}
	how := "text: "
	if pair {
		how = "pairs of texts: "
	}
	t.notes = append(t.notes, how+list(names))
	if left != nil {
		t.notes = append(t.notes, "left out: "+list(left))
	}
	return nil
}

// setCategories takes the columns of categories from a recipe: "column=value".
func (t *table) setCategories(all []string) {
	for i := range t.cols {
		c := &t.cols[i]
		var values []string
		for _, a := range all {
			if v, ok := strings.CutPrefix(a, c.name+"="); ok {
				values = append(values, v)
			}
		}
		if values != nil && i != t.labelAt {
			c.kind = category
			c.setValues(values)
		}
	}
}

func (c *column) setValues(values []string) {
	c.names, c.values = values, make(map[string]int, len(values))
	for i, v := range values {
		c.values[v] = i
	}
}

// outputs are the names of the values of a sample, and which of them come from
// categories.
func (t *table) outputs() (columns, categories []string) {
	for i, c := range t.cols {
		switch {
		case i == t.labelAt || c.kind == unused:
		case c.kind == category:
			for _, v := range c.names {
				columns = append(columns, c.name+"="+v)
				categories = append(categories, c.name+"="+v)
			}
		default:
			columns = append(columns, c.name)
		}
	}
	return columns, categories
}

// names are those of all columns but the label.
func (t *table) names() []string {
	var out []string
	for i, c := range t.cols {
		if i != t.labelAt {
			out = append(out, c.name)
		}
	}
	return out
}

// sorted are the keys in order, numbers by size and other texts by alphabet.
func sorted(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sortNames(out)
	return out
}

// sortNames puts numbers in order of size, else texts in that of the alphabet.
func sortNames(names []string) {
	numeric := true
	value := make(map[string]int, len(names))
	for _, n := range names {
		v, err := strconv.Atoi(n)
		value[n], numeric = v, numeric && err == nil
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := names[i], names[j]
		if numeric && value[a] != value[b] {
			return value[a] < value[b]
		}
		return a < b
	})
}
