package tensor

import "testing"

func TestTwoInFour(t *testing.T) {
	m := NewMask(3 * 8)
	if TwoInFour(m, 3, 8) || TwoInFour(nil, 3, 8) {
		t.Error("a mask that keeps everything is not 2:4")
	}
	for i := 0; i < 24; i += 4 {
		m.Drop(i + i/4%3)
		m.Drop(i + 3)
	}
	if !TwoInFour(m, 3, 8) || !TwoInFour(m, 6, 4) {
		t.Error("two of four are kept everywhere")
	}
	if TwoInFour(m, 4, 6) || TwoInFour(m, 3, 4) || TwoInFour(m, 2, 12) != true {
		t.Error("groups lie along the inputs, which must be a multiple of four")
	}
	m.Drop(1)
	if TwoInFour(m, 3, 8) {
		t.Error("one group keeps only one")
	}
	m.Keep(1)
	m.Keep(23)
	if TwoInFour(m, 3, 8) {
		t.Error("one group keeps three")
	}
}
