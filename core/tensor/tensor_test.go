package tensor

import (
	"math"
	"testing"
)

func TestShape(t *testing.T) {
	s := Shape{3, 4, 5}
	c := s.Clone()
	c[0] = 9
	if s.Len() != 60 || (Shape{}).Len() != 1 || s[0] != 3 {
		t.Errorf("shape %v has %d elements, a scalar %d", s, s.Len(), Shape{}.Len())
	}
	if !s.Equal(Shape{3, 4, 5}) || s.Equal(c) || s.Equal(Shape{3, 4}) || s.Equal(Shape{3, 4, 5, 1}) {
		t.Error("shapes are equal when all axes are")
	}
	if s.String() != "3×4×5" || (Shape{7}).String() != "7" || (Shape{}).String() != "" {
		t.Errorf("written as %q, %q and %q", s, Shape{7}, Shape{})
	}
}

func TestShapeCheck(t *testing.T) {
	for _, c := range []struct {
		s  Shape
		ok bool
	}{
		{Shape{}, true},
		{Shape{1, 1}, true},
		{Shape{1<<31 - 1}, true},
		{Shape{1 << 31}, false},
		{Shape{1 << 16, 1 << 15}, false},
		{Shape{1 << 20, 1 << 20, 1 << 20, 1 << 20}, false}, // 2^80 wraps to zero
		{Shape{4, 1 << 62}, false},                         // 2^64 wraps to zero at once
		{Shape{2, math.MaxInt}, false},                     // wraps to a negative count
		{Shape{3, 0}, false},
		{Shape{-3, -3}, false},
	} {
		if err := c.s.Check(); (err == nil) != c.ok {
			t.Errorf("shape %v: error %v", c.s, err)
		}
	}
}

func TestFormatString(t *testing.T) {
	for f := range formats {
		if h := f.Height(); (h == 0) != (f == Dense || f == NM24) {
			t.Errorf("format %v has blocks of %d outputs", f, h)
		}
		if s := f.String(); s == "" || s[0] == 'f' {
			t.Errorf("format %d is called %q", f, s)
		}
	}
	if s := formats.String(); s != "format(6)" {
		t.Errorf("unknown format is called %q", s)
	}
}
