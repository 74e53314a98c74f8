package core

import "testing"

// TestInOrder: the outputs of a model that was trained with the classes in another order.
func TestInOrder(t *testing.T) {
	classes := []string{"ant", "bee", "cat"}
	label := []int32{0, 0, 0, 1, 1, 1, 2, 2, 2, 2}
	for _, c := range []struct {
		name  string
		said  []int32
		order string
		acc   float64
	}{
		{"as they are", []int32{0, 0, 0, 1, 1, 1, 2, 2, 2, 2}, "ant,bee,cat", 1},
		{"moved on, one wrong", []int32{1, 1, 1, 2, 2, 2, 0, 0, 0, 1}, "cat,ant,bee", 0.9},
		{"always the same", []int32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, "", 0},
		{"two outputs for one class", []int32{0, 0, 0, 0, 1, 0, 1, 2, 2, 1}, "", 0},
	} {
		if order, acc := inOrder(c.said, label, classes); order != c.order || acc != c.acc {
			t.Errorf("%s: %q, %g; want %q, %g", c.name, order, acc, c.order, c.acc)
		}
	}
	if order, _ := inOrder(nil, nil, classes); order != "" {
		t.Errorf("of nothing: %q", order)
	}
	if order, _ := inOrder([]int32{1, 0}, []int32{0, 1}, []string{"a", "b,c"}); order != "" {
		t.Errorf("a name that a flag would cut: %q", order)
	}
}
