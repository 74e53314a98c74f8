package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/tensor"
)

// TestFlat: a plan of one sample whose calls all know flat values has no lanes, and batch
// norm and ReLU are done by the convolution before them.
func TestFlat(t *testing.T) {
	for _, c := range []struct {
		name   string
		batch  int
		groups int
		format tensor.Format
		flat   bool
	}{
		{"dense", 1, 1, tensor.Dense, !useNEON}, {"few samples", mostFlat, 1, tensor.Dense, !useNEON},
		{"few of single weights", 2, 1, tensor.Single, !useNEON}, {"many of single weights", 3, 1, tensor.Single, false},
		{"many samples", mostFlat + 1, 1, tensor.Dense, false}, {"depthwise", 1, 4, tensor.Dense, !useNEON},
		{"grouped", 1, 2, tensor.Dense, false}, {"blocks", 1, 1, tensor.Block4, !useNEON},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws := []device.Weight{{Name: "w", Shape: tensor.Shape{4, 4 / c.groups, 3, 3}, Matrix: true, Conv: true, Groups: c.groups, Format: c.format}}
			if c.format == tensor.Single { // a tenth
				m := tensor.NewMask(ws[0].Shape.Len())
				for i := range m.N {
					if i%10 > 0 {
						m.Drop(i)
					}
				}
				ws[0].Mask = m
			}
			for _, name := range []string{"gamma", "beta", "mean", "variance"} {
				ws = append(ws, device.Weight{Name: name, Shape: tensor.Shape{4}})
			}
			bank, err := New().NewBank(ws, 0)
			if err != nil {
				t.Fatal(err)
			}
			val := func(i int) device.Val { return device.Val{Name: fmt.Sprint(i), C: 4, H: 5, W: 5, Off: i * 4 * 25 * T} }
			p := &device.Plan{
				Nodes: []string{"conv"}, Batch: c.batch, T: T, P: P, Input: 0, Output: 3, InGrad: -1, Slab: 4 * 4 * 25 * T,
				Vals: []device.Val{val(0), val(1), val(2), val(3)},
				Regions: []device.Region{{Scope: device.Tile, Calls: []device.Call{
					{Kernel: device.Load, Out: []int{0}},
					{Kernel: device.Conv, In: []int{0}, Out: []int{1}, W: []int{0}, Win: &device.Window{KH: 3, KW: 3, SH: 1, SW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: c.groups}},
					{Kernel: device.NormInfer, In: []int{1}, Out: []int{2}, W: []int{1, 2, 3, 4}, S: [2]float32{1e-5}},
					{Kernel: device.ActFn, In: []int{2}, Out: []int{3}, Act: device.ReLU},
				}}},
			}
			ex, err := New().Compile(p, bank, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer ex.Close()
			e, calls := ex.(*exec), 3
			if c.flat {
				calls = 2
			}
			if got := len(e.regions[0].calls); e.flat != c.flat || got != calls {
				t.Errorf("flat %t with %d calls, want %t with %d", e.flat, got, c.flat, calls)
			}
		})
	}
}

// TestPixels: rows of C lie as close as pixels of few channels do; what one row writes
// over the next is written again.
func TestPixels(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for mr := 1; mr <= maxMR; mr++ {
			for _, inner := range []int{1, 3, 4, 9} {
				for outer := 1; outer <= 3; outer++ {
					for _, as := range []int{1, 7, 40} {
						for _, cs := range []int{1, 6, 16, 20} {
							testPixels(t, mr, inner, outer, as, cs)
						}
					}
				}
			}
		}
	})
}

func testPixels(t *testing.T, mr, inner, outer, as, cs int) {
	r := rand.New(rand.NewPCG(uint64(mr), uint64(inner)))
	size := (mr-1)*as + inner
	ao, bo := size+3, inner*16+5
	a := newGuarded(t, "a", (outer-1)*ao+size, 1).random(r)
	b := newGuarded(t, "b", (outer-1)*bo+inner*16, 2).random(r)
	scale, shift := newGuarded(t, "scale", 16, 3).random(r), newGuarded(t, "shift", 16, 4).random(r)
	for mode := range 6 { // the sum alone, with scale and shift, with ReLU; each added to C or not
		c := newGuarded(t, "c", (mr-1)*cs+16, 5).random(r)
		p := pixelArgs{a: a.p(), b: b.p(), c: c.p(), inner: inner, outer: outer, aOuter: ao * 4, bOuter: bo * 4, aStride: as * 4, cStride: cs * 4, acc: mode % 2}
		if mode >= 2 {
			p.scale, p.shift, p.relu = scale.p(), shift.p(), mode/4
		}
		was := c.copy()
		mulP(mr, &p)
		for m := range mr {
			lanes := min(16, cs)
			if m == mr-1 {
				lanes = 16
			}
			for n := range lanes {
				s, abs := float64(was[m*cs+n]*float32(p.acc)), 1.0
				for o := range outer {
					for k := range inner {
						v := float64(a.x[o*ao+m*as+k]) * float64(b.x[o*bo+k*16+n])
						s, abs = s+v, abs+math.Abs(v)
					}
				}
				if mode >= 2 {
					s = s*float64(scale.x[n]) + float64(shift.x[n])
				}
				if p.relu == 1 {
					s = max(s, 0)
				}
				if !near(c.x[m*cs+n], s, abs) {
					t.Fatalf("%d rows of %dx%d, strides %d and %d, mode %d: C[%d][%d] = %g, want %g", mr, outer, inner, as, cs, mode, m, n, c.x[m*cs+n], s)
				}
			}
		}
	}
}

// TestWindows: sums and maxima over windows, 16 channels to a row.
func TestWindows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 4, 5, 8, 9, 13, 21} {
			for _, taps := range [][2]int{{1, 1}, {1, 3}, {2, 1}, {3, 2}} {
				for _, px := range []int{n*16 - 10, n*16 - 3, n * 16} { // channels of a pixel
					testWindows(t, n, taps[0], taps[1], px)
				}
			}
		}
	})
}

func testWindows(t *testing.T, n, rows, cols, px int) {
	const pixels = 3
	r := rand.New(rand.NewPCG(uint64(n), uint64(rows)))
	width := cols + pixels
	w := newGuarded(t, "w", rows*cols*n*16, 1).random(r)
	x := newGuarded(t, "x", rows*width*px+16, 2).random(r)
	shift := newGuarded(t, "shift", n*16, 4).random(r)
	x.x[width*px/2] = nan
	for mode := range 4 { // largest; sum; with a shift; and ReLU
		y := newGuarded(t, "y", (pixels-1)*px+n*16, 3).fill(nan)
		a := depthArgs{
			w: w.p(), x: x.p(), y: y.p(), n: n, pixels: pixels, rows: rows, cols: cols,
			wRow: cols * n * 64, wCol: n * 64, xRow: width * px * 4, xCol: px * 4, xPixel: px * 4, yPixel: px * 4,
		}
		if mode >= 2 {
			a.shift, a.relu = shift.p(), mode-2
		}
		if mode == 0 {
			windowMax(&a)
		} else {
			windowMul(&a)
		}
		for p := range pixels {
			for i := range px {
				s, abs, top := 0.0, 1.0, math.Inf(-1)
				for ky := range rows {
					for kx := range cols {
						in := float64(x.x[(ky*width+p+kx)*px+i])
						v := float64(w.x[(ky*cols+kx)*n*16+i]) * in
						s, abs, top = s+v, abs+math.Abs(v), max(top, in)
					}
				}
				if mode >= 2 {
					s += float64(shift.x[i])
				}
				if mode == 3 {
					s = max(s, 0)
				}
				if mode == 0 {
					s, abs = top, 1
				}
				if got := y.x[p*px+i]; !near(got, s, abs) && (got == got || s == s) {
					t.Fatalf("%d rows of %d channels, %dx%d taps, mode %d: pixel %d channel %d is %g, want %g", n, px, rows, cols, mode, p, i, got, s)
				}
			}
		}
	}
}

// TestBlockPixels: rows of blocks, empty ones among them, for pixels that lie closer than
// the rows are long.
func TestBlockPixels(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, r := range []int{1, 4, 8, 16} {
			for pixels := 1; pixels <= mostPixels(r); pixels++ {
				for rows := 1; rows <= 3; rows++ {
					for _, ys := range []int{rows * r, max(1, rows*r-3)} { // outputs of a pixel
						testBlockPixels(t, r, pixels, rows, ys)
					}
				}
			}
		}
	})
}

func testBlockPixels(t *testing.T, r, pixels, rows, ys int) {
	const inputs, xs = 9, 5
	rnd := rand.New(rand.NewPCG(uint64(r), uint64(pixels)))
	index, off := []int32{3}, []uint32{} // the first block need not be the first of all
	for range rows {
		for k := range inputs {
			if rnd.IntN(3) == 0 {
				off = append(off, uint32(4*k))
			}
		}
		index = append(index, int32(3+len(off)))
	}
	val := newGuarded(t, "val", len(off)*r, 1).random(rnd)
	x := newGuarded(t, "x", (pixels-1)*xs+inputs, 2).random(rnd)
	scale, shift := newGuarded(t, "scale", rows*r, 3).random(rnd), newGuarded(t, "shift", rows*r, 4).random(rnd)
	for relu := range 2 {
		y := newGuarded(t, "y", (pixels-1)*ys+rows*r, 5).fill(nan)
		blockPixels(r, pixels, &blockPixelArgs{
			ptr: ptr(index), off: ptr(off), val: val.p(), x: x.p(), y: y.p(), rows: rows, xStride: xs * 4, yStride: ys * 4,
			scale: scale.p(), shift: shift.p(), relu: relu,
		})
		for m := range pixels {
			for i := range ys {
				s, abs := 0.0, 1.0
				for j := index[i/r] - 3; j < index[i/r+1]-3; j++ {
					v := float64(val.x[int(j)*r+i%r]) * float64(x.x[m*xs+int(off[j])/4])
					s, abs = s+v, abs+math.Abs(v)
				}
				s = s*float64(scale.x[i]) + float64(shift.x[i])
				if relu == 1 {
					s = max(s, 0)
				}
				if !near(y.x[m*ys+i], s, abs) {
					t.Fatalf("%d rows of %d×1, %d pixels of %d, ReLU %d: pixel %d output %d is %g, want %g", rows, r, pixels, ys, relu, m, i, y.x[m*ys+i], s)
				}
			}
		}
	}
}

// TestSingleInFull: single weights that do not train and are more than flatFrom of all are
// multiplied with the zeros between them, bit by bit as a dense weight is; fewer are not.
// What is set later counts.
func TestSingleInFull(t *testing.T) {
	conv := device.Weight{Shape: tensor.Shape{4, 2, 3, 3}, Matrix: true, Conv: true, Groups: 1}
	linear := device.Weight{Shape: tensor.Shape{4, 18}, Matrix: true}
	for _, w := range []device.Weight{conv, linear} {
		for kept, full := range map[int]bool{1: false, 2: true, 9: true} { // of 18 weights
			t.Run(fmt.Sprintf("%v, %d of 18", w.Shape, kept), func(t *testing.T) { testSingleInFull(t, w, kept, full && !(useNEON && w.Conv)) })
		}
	}
}

func testSingleInFull(t *testing.T, w device.Weight, kept int, full bool) {
	m := tensor.NewMask(4 * 18)
	for i := range m.N {
		if i%18 >= kept {
			m.Drop(i)
		}
	}
	banks, outs := [2]device.Bank{}, [2][]float32{}
	for i, f := range []tensor.Format{tensor.Single, tensor.Dense} {
		w.Name, w.Format, w.Mask = "w", f, m
		b, err := Checked().NewBank([]device.Weight{w}, 0)
		if err != nil {
			t.Fatal(err)
		}
		product := device.Call{Kernel: device.Linear, In: []int{0}, Out: []int{1}, W: []int{0}}
		x, y := device.Val{Name: "x", C: 18, H: 1, W: 1}, device.Val{Name: "y", C: 4, H: 1, W: 1, Off: 2 * 25 * T}
		if w.Conv {
			product.Kernel, product.Win = device.Conv, &device.Window{KH: 3, KW: 3, SH: 1, SW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
			x.C, x.H, x.W, y.H, y.W = 2, 5, 5, 5, 5
		}
		p := &device.Plan{
			Nodes: []string{"product"}, Batch: 1, T: T, P: P, Input: 0, Output: 1, InGrad: -1, Slab: (2 + 4) * 25 * T,
			Vals: []device.Val{x, y},
			Regions: []device.Region{{Scope: device.Tile, Calls: []device.Call{
				{Kernel: device.Load, Out: []int{0}}, product,
			}}},
		}
		ex, err := Checked().Compile(p, b, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer ex.Close()
		r := rand.New(rand.NewPCG(1, 2))
		random := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = r.Float32() - 0.5
			}
			return x
		}
		for range 2 {
			if err := b.Set(0, random(m.N)); err != nil {
				t.Fatal(err)
			}
			out := make([]float32, y.C*y.H*y.W)
			if _, err := ex.Run(&device.Step{X: random(x.C * x.H * x.W), N: 1, Out: out}); err != nil {
				t.Fatal(err)
			}
			outs[i] = append(outs[i], out...)
		}
		banks[i] = b
	}
	if got := banks[0].(*bank).ws[0].full != nil; got != full {
		t.Errorf("%d of 18 kept: in full %t, want %t", kept, got, full)
	}
	if d, s := banks[1].Resident(), banks[0].Resident(); full == (s <= d) {
		t.Errorf("%d of 18 kept: %d bytes resident, %d dense", kept, s, d)
	}
	for i, v := range outs[0] {
		if w := outs[1][i]; full && v != w || !near(v, float64(w), 9) {
			t.Fatalf("%d of 18 kept: output %d is %g, want %g", kept, i, v, w)
		}
	}
}
