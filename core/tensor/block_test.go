package tensor

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestBlockProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(1, 20).Draw(t, "n"), rapid.IntRange(1, 12).Draw(t, "k")
		r := rapid.IntRange(1, 6).Draw(t, "r")
		w := make([]float32, n*k)
		for i := range w {
			w[i] = float32(i % 5) // zeros among the kept values too
		}
		var m *Mask
		switch rapid.IntRange(0, 2).Draw(t, "mask") {
		case 1:
			m, _ = drawMask(t, "kept", n*k)
		case 2: // whole blocks
			_, kept := drawMask(t, "blocks", (n+r-1)/r*k)
			m = NewMask(n * k)
			for i := range w {
				if !kept[i/k/r*k+i%k] {
					m.Drop(i)
				}
			}
		}
		b, err := PackBlock(w, n, k, r, m)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Check(); err != nil {
			t.Fatal(err)
		}
		blocks := 0
		for nb := 0; nb < n; nb += r {
			for j := range k {
				kept := false
				for i := nb; i < min(nb+r, n); i++ {
					kept = kept || m.Kept(i*k+j)
				}
				if kept {
					blocks++
				}
			}
		}
		if b.Blocks() != blocks || b.Rows() != (n+r-1)/r {
			t.Fatalf("%d blocks in %d rows, want %d in %d", b.Blocks(), b.Rows(), blocks, (n+r-1)/r)
		}
		got := make([]float32, n*k)
		for i := range got {
			got[i] = float32(math.NaN())
		}
		if err := b.Unpack(got); err != nil {
			t.Fatal(err)
		}
		m.Apply(w)
		for i := range w {
			if got[i] != w[i] {
				t.Fatalf("element %d is %g, want %g", i, got[i], w[i])
			}
		}
		// Rows past the last output are zero.
		for p := int(b.Ptr[b.Rows()-1]); p < b.Blocks(); p++ {
			for i := n - (b.Rows()-1)*r; i < r; i++ {
				if b.Val[p*r+i] != 0 {
					t.Fatalf("padding of block %d holds %g", p, b.Val[p*r+i])
				}
			}
		}
	})
}

func TestPackBlockHand(t *testing.T) {
	// 3×3 in blocks of 2×1: block row 0 keeps columns 0 and 2, row 1 (padded)
	// column 1, whose value is zero and kept all the same.
	w := []float32{1, 2, 3, 4, 5, 6, 7, 0, 9}
	m := NewMask(9)
	for _, i := range []int{1, 3, 4, 6, 8} {
		m.Drop(i)
	}
	b, err := PackBlock(w, 3, 3, 2, m)
	if err != nil {
		t.Fatal(err)
	}
	want := Block{N: 3, K: 3, R: 2, Ptr: []int32{0, 2, 3}, Idx: []int32{0, 2, 1}, Val: []float32{1, 0, 3, 6, 0, 0}}
	if !equal(b.Ptr, want.Ptr) || !equal(b.Idx, want.Idx) || !equal(b.Val, want.Val) {
		t.Errorf("packed %+v, want %+v", *b, want)
	}
}

func TestBlockRefuses(t *testing.T) {
	for name, err := range map[string]error{
		"empty":         second(PackBlock(nil, 0, 3, 4, nil)),
		"block of none": second(PackBlock(make([]float32, 6), 2, 3, 0, nil)),
		"too few":       second(PackBlock(make([]float32, 5), 2, 3, 4, nil)),
		"other mask":    second(PackBlock(make([]float32, 6), 2, 3, 4, NewMask(5))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	good := func() *Block {
		return &Block{N: 3, K: 4, R: 2, Ptr: []int32{0, 2, 3}, Idx: []int32{0, 3, 1}, Val: make([]float32, 6)}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(b *Block){
		"no outputs":          func(b *Block) { b.N = 0 },
		"negative width":      func(b *Block) { b.K = -1 },
		"no block":            func(b *Block) { b.R = 0 },
		"pointer missing":     func(b *Block) { b.Ptr = b.Ptr[:2] },
		"no pointers":         func(b *Block) { b.Ptr = nil },
		"starts late":         func(b *Block) { b.Ptr[0] = 1 },
		"ends early":          func(b *Block) { b.Ptr[2] = 2 },
		"goes backwards":      func(b *Block) { b.Ptr[1] = 4 },
		"negative":            func(b *Block) { b.Ptr[1] = -1 },
		"values missing":      func(b *Block) { b.Val = b.Val[:5] },
		"values left over":    func(b *Block) { b.Val = append(b.Val, 0) },
		"input past the end":  func(b *Block) { b.Idx[1] = 4 },
		"negative input":      func(b *Block) { b.Idx[0] = -1 },
		"input twice":         func(b *Block) { b.Idx[1] = 0 },
		"inputs out of order": func(b *Block) { b.Idx[0], b.Idx[1] = 3, 0 },
	} {
		b := good()
		spoil(b)
		if b.Check() == nil || b.Unpack(make([]float32, 12)) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if good().Unpack(make([]float32, 11)) == nil {
		t.Error("too little room: no error")
	}
}

// FuzzBlockCheck: an index from a file is refused, or sound enough to unpack
// and pack again. Sizes are 32 bits: Shape.Check keeps larger ones out.
func FuzzBlockCheck(f *testing.F) {
	ints := func(x ...int32) []byte {
		var b []byte
		for _, v := range x {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		return b
	}
	f.Add(int32(3), int32(4), int32(2), ints(0, 2, 3), ints(0, 3, 1), int32(6))
	f.Add(int32(8), int32(4), int32(4), ints(0, -1, 0), ints(), int32(0))
	f.Add(int32(1), int32(1), int32(math.MaxInt32), ints(0, 1), ints(0), int32(1))
	f.Add(int32(math.MaxInt32), int32(math.MaxInt32), int32(math.MaxInt32), ints(0, 0), ints(), int32(0))
	f.Add(int32(5), int32(2), int32(4), ints(0, 9, 2), ints(0, 1), int32(8))
	f.Fuzz(func(t *testing.T, n, k, r int32, ptr, idx []byte, vals int32) {
		b := &Block{N: int(n), K: int(k), R: int(r), Val: make([]float32, vals&0xffff)}
		for ; len(ptr) >= 4; ptr = ptr[4:] {
			b.Ptr = append(b.Ptr, int32(binary.LittleEndian.Uint32(ptr)))
		}
		for ; len(idx) >= 4; idx = idx[4:] {
			b.Idx = append(b.Idx, int32(binary.LittleEndian.Uint32(idx)))
		}
		for i := range b.Val {
			b.Val[i] = float32(i + 1)
		}
		if b.Check() != nil || int64(n)*int64(k) > 1<<20 {
			return
		}
		w := make([]float32, b.N*b.K)
		if err := b.Unpack(w); err != nil {
			t.Fatalf("checked, but does not unpack: %v", err)
		}
		// Every stored value is different from zero, so what is zero had no
		// block, and packing the rest gives the same index.
		m := NewMask(len(w))
		for i, v := range w {
			if v == 0 {
				m.Drop(i)
			}
		}
		again, err := PackBlock(w, b.N, b.K, b.R, m)
		if err != nil {
			t.Fatal(err)
		}
		if !equal(again.Ptr, b.Ptr) || !equal(again.Idx, b.Idx) {
			t.Fatalf("index %v %v came back as %v %v", b.Ptr, b.Idx, again.Ptr, again.Idx)
		}
		x := make([]float32, len(w))
		if err := again.Unpack(x); err != nil || !equal(x, w) {
			t.Fatalf("values changed on the way: %v", err)
		}
	})
}

func second(_ *Block, err error) error { return err }

// equal compares by value; nil equals empty.
func equal[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
