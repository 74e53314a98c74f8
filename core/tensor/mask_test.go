package tensor

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// drawMask draws a mask and, as its definition, the list of what it keeps.
func drawMask(t *rapid.T, label string, n int) (*Mask, []bool) {
	kept := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, label)
	m := NewMask(n)
	for i, k := range kept {
		if !k {
			m.Drop(i)
		}
	}
	return m, kept
}

func TestMaskProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		m, kept := drawMask(t, "kept", n)
		count := 0
		x := make([]float32, n)
		for i, k := range kept {
			x[i] = float32(math.NaN())
			if k {
				count++
				x[i] = float32(i + 1)
			}
			if m.Kept(i) != k {
				t.Fatalf("element %d: kept %v", i, !k)
			}
		}
		if m.Count() != count || m.Zeros() != n-count {
			t.Fatalf("%d kept and %d removed of %d, want %d kept", m.Count(), m.Zeros(), n, count)
		}
		m.Apply(x)
		for i, k := range kept {
			if want := float32(i + 1); k && x[i] != want || !k && math.Float32bits(x[i]) != 0 {
				t.Fatalf("element %d is %g after Apply", i, x[i])
			}
		}

		b := m.Bytes()
		if len(b) != (n+7)/8 {
			t.Fatalf("%d bytes for %d elements", len(b), n)
		}
		for i, k := range kept {
			if b[i/8]>>(i%8)&1 == 1 != k {
				t.Fatalf("bit %d of the bytes is not element %d", i, i)
			}
		}
		back := MaskFromBytes(b, n)
		if back == nil || !back.Equal(m) || !m.Equal(back) || back.Hash() != m.Hash() {
			t.Fatalf("bytes do not come back: %v, want %v", back, m)
		}
		if MaskFromBytes(append(b, 0), n) != nil {
			t.Fatal("one byte too many is accepted")
		}
		if n%8 != 0 {
			b[len(b)-1] |= 1 << (n % 8)
			if MaskFromBytes(b, n) != nil {
				t.Fatal("a bit past the end is accepted")
			}
		}
	})
}

// Hashes are equal exactly when the masks are.
func TestMaskHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "n")
		a, kept := drawMask(t, "kept", n)
		b := a.Clone()
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 3).Draw(t, "flips") {
			if b.Kept(i) {
				b.Drop(i)
			} else {
				b.Keep(i)
			}
		}
		equal := true
		for i, k := range kept {
			equal = equal && b.Kept(i) == k
			if a.Kept(i) != k {
				t.Fatalf("a clone's change reached element %d", i)
			}
		}
		if a.Equal(b) != equal || b.Equal(a) != equal || (a.Hash() == b.Hash()) != equal {
			t.Fatalf("equal %v, Equal %v, hashes %s %s", equal, a.Equal(b), a.Hash(), b.Hash())
		}
	})
}

// Hashes stand in logs: they may not change from version to version.
func TestMaskHashFixed(t *testing.T) {
	m := NewMask(10)
	m.Drop(3)
	// SHA-256 of 0a00000000000000 f703000000000000.
	if got := m.Hash(); got != "559eae0f252a3c33" {
		t.Errorf("hash is %s", got)
	}
	longer := NewMask(11)
	longer.Drop(3)
	longer.Drop(10) // the same bits over another number of elements
	if m.Hash() == longer.Hash() || m.Equal(longer) {
		t.Error("masks of different lengths are taken for equal")
	}
}

func TestNilMask(t *testing.T) {
	var none *Mask
	all, some := NewMask(70), NewMask(70)
	some.Drop(69)
	if !none.Kept(5) || none.Zeros() != 0 || none.Clone() != nil || none.Hash() != "" {
		t.Error("a nil mask must keep everything")
	}
	if !none.Equal(nil) || !none.Equal(all) || !all.Equal(none) || none.Equal(some) || some.Equal(none) {
		t.Error("a nil mask equals those that keep everything, and no other")
	}
	x := []float32{1, 2}
	none.Apply(x)
	if x[0] != 1 || x[1] != 2 {
		t.Error("a nil mask removed something")
	}
}

func FuzzMaskFromBytes(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0xff, 0x01}, 9)
	f.Add([]byte{0xff, 0x02}, 9)
	f.Add([]byte{1}, -1)
	f.Add([]byte{1}, math.MaxInt)
	f.Add([]byte{}, math.MinInt)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		m := MaskFromBytes(b, n)
		if m == nil {
			if n == 8*len(b) {
				t.Fatalf("%d whole bytes for %d elements are refused", len(b), n)
			}
			return
		}
		if m.N != n || m.Count() > n || !bytes.Equal(m.Bytes(), b) {
			t.Fatalf("%d bytes for %d elements came back as %d bytes, %d of %d kept", len(b), n, len(m.Bytes()), m.Count(), m.N)
		}
	})
}
