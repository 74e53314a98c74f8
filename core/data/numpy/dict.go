package numpy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// parse reads the dictionary of a header: a literal of Python with the keys descr,
// fortran_order and shape.
func parse(s string) (h header, err error) {
	p := &parser{s: s}
	if !p.take("{") {
		return h, errors.New("no dictionary")
	}
	seen := map[string]bool{}
	for !p.take("}") {
		key, err := p.text()
		if err != nil {
			return h, err
		}
		if seen[key] || !p.take(":") {
			return h, fmt.Errorf("key %q stands there twice or without a value", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			if p.peek() == '[' {
				return h, errors.New("it has named fields: save the columns as one array of numbers")
			}
			h.descr, err = p.text()
		case "fortran_order":
			h.fortran = p.take("True")
			if !h.fortran && !p.take("False") {
				err = errors.New("fortran_order is neither True nor False")
			}
		case "shape":
			h.shape, err = p.tuple()
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return h, err
		}
		if !p.take(",") && p.peek() != '}' {
			return h, errors.New("a comma is missing")
		}
	}
	if len(seen) != 3 {
		return h, errors.New("descr, fortran_order or shape is missing")
	}
	if strings.TrimSpace(p.s) != "" {
		return h, errors.New("something follows the dictionary")
	}
	return h, nil
}

type parser struct{ s string }

func (p *parser) skip() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

// peek is the next character that is no space, or 0.
func (p *parser) peek() byte {
	if p.skip(); p.s == "" {
		return 0
	}
	return p.s[0]
}

func (p *parser) take(t string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.s, t)
	if ok {
		p.s = rest
	}
	return ok
}

// text is a string without escapes.
func (p *parser) text() (string, error) {
	q := p.peek()
	if q != '\'' && q != '"' {
		return "", errors.New("a text is missing")
	}
	t, rest, ok := strings.Cut(p.s[1:], string(q))
	if !ok || strings.Contains(t, `\`) || len(t) > 64 {
		return "", errors.New("a text has no end")
	}
	p.s = rest
	return t, nil
}

func (p *parser) tuple() ([]int, error) {
	if !p.take("(") {
		return nil, errors.New("the shape is no tuple")
	}
	dims := []int{}
	for !p.take(")") {
		p.skip()
		k := 0
		for k < len(p.s) && p.s[k] >= '0' && p.s[k] <= '9' {
			k++
		}
		n, err := strconv.Atoi(p.s[:k])
		if err != nil || n > math.MaxInt32 {
			return nil, errors.New("the shape has an axis that is no number up to 2147483647")
		}
		if dims = append(dims, n); len(dims) > maxRank {
			return nil, fmt.Errorf("the shape has more than %d axes", maxRank)
		}
		p.s = strings.TrimPrefix(p.s[k:], "L") // of Python 2
		if !p.take(",") && p.peek() != ')' {
			return nil, errors.New("the shape has no end")
		}
	}
	return dims, nil
}
