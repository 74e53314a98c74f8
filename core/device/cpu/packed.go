package cpu

import (
	"pare/core/device"
	"pare/core/tensor"
)

// packed is the index of a weight stored as blocks of r outputs × 1 input. The
// values of block j are v[j·r] to v[j·r+r−1] of the weight; a block row is r
// outputs.
type packed struct {
	r    int
	idx  []int32   // [blocks] input of each block
	off  []uint32  // [blocks+spareOffs] idx in bytes of a tile's row, for linear layers
	runs [][]int32 // [ranges of inputs][block rows + 1]
	size int       // inputs of a range
	// cuts are the ranges of inputs that tasks of dw take: the runs of single
	// weights, the taps of a convolution.
	cuts []kRange
	back *mirror
}

// spareOffs are the distances behind the last that singleDW reads.
const spareOffs = 3

// A run is a range of inputs that forward and dx go through at a time:
// run[i] to run[i+1] are its blocks in block row i. Blocks of four rows and more
// use each row of x several times and take all inputs in one run. Single weights
// do not, so a run's rows of x must stay in the first level of cache.

// kRange is a range of inputs with the blocks of each block row in it.
type kRange struct {
	from, to []int32 // [block rows]
}

// Ranges of inputs, measured on Zen 4 (BenchmarkStep).
const (
	blockRange  = 384 // of dw: 16 tiles of so many rows of x stay in the second level of cache while all block rows pass by
	singleRange = 96  // of single weights: 4 tiles of so many rows stay in the first
)

// mirror is the transpose of a weight of single values: dx as a forward product.
type mirror struct {
	w   weight  // [K][N], never trained; shares nothing
	pos []int32 // [values] where each value of the original lies
}

// pack works out the index of w, whose n, k and Format are set.
func (w *weight) pack() {
	p := &packed{r: w.Format.Height()}
	w.blk = p
	size := w.k
	if p.r == 1 && !w.Conv {
		parts := (w.k + singleRange - 1) / singleRange
		size = (w.k + parts - 1) / parts
	}
	p.size = size
	rows := (w.n + p.r - 1) / p.r
	for k0 := 0; k0 < w.k; k0 += size {
		run := []int32{int32(len(p.idx))}
		for row := range rows {
			for k := k0; k < min(k0+size, w.k); k++ {
				if w.keepsBlock(row, k) {
					p.idx = append(p.idx, int32(k))
				}
			}
			run = append(run, int32(len(p.idx)))
		}
		p.runs = append(p.runs, run)
	}
	p.off = make([]uint32, len(p.idx)+spareOffs)
	for i, k := range p.idx {
		p.off[i] = uint32(k) * rowBytes
	}
	p.cut(w)
}

// keepsBlock reports whether some output of block row row keeps input k.
func (w *weight) keepsBlock(row, k int) bool {
	r := w.Format.Height()
	for n := row * r; n < min(row*r+r, w.n); n++ {
		if w.Mask.Kept(n*w.k + w.inShape(k)) {
			return true
		}
	}
	return false
}

// cut finds where each block row enters and leaves each range of inputs.
func (p *packed) cut(w *weight) {
	if p.r == 1 && !w.Conv {
		for _, run := range p.runs {
			p.cuts = append(p.cuts, kRange{run[:len(run)-1], run[1:]})
		}
		return
	}
	parts := (w.k + blockRange - 1) / blockRange
	if w.Conv {
		parts = w.taps()
	}
	run := p.runs[0]
	at := append([]int32(nil), run[:len(run)-1]...)
	for i := range parts {
		end := int32((i + 1) * w.k / parts)
		r := kRange{from: append([]int32(nil), at...)}
		for row := range at {
			for at[row] < run[row+1] && p.idx[at[row]] < end {
				at[row]++
			}
		}
		r.to = append([]int32(nil), at...)
		p.cuts = append(p.cuts, r)
	}
}

// rows is the number of block rows.
func (p *packed) rows() int { return len(p.runs[0]) - 1 }

// each calls f for every stored element of w: its output, input and place.
func (p *packed) each(n int, f func(out, in, stored int)) {
	for _, run := range p.runs {
		for row := range p.rows() {
			for j := int(run[row]); j < int(run[row+1]); j++ {
				for q := 0; q < p.r && row*p.r+q < n; q++ {
					f(row*p.r+q, int(p.idx[j]), j*p.r+q)
				}
			}
		}
	}
}

// bytes is the size of the index.
func (p *packed) bytes() int64 {
	n := len(p.idx) + len(p.off)
	for _, run := range p.runs {
		n += len(run)
	}
	if b := p.back; b != nil {
		return 4*int64(n+len(b.pos)+len(b.w.v)) + b.w.blk.bytes()
	}
	return 4 * int64(n)
}

// reflect makes the mirror of w.
func (w *weight) reflect() {
	t := weight{Weight: device.Weight{Name: w.Name, Shape: tensor.Shape{w.k, w.n}, Matrix: true, Format: tensor.Single}, n: w.k, k: w.n, lay: blocks}
	if w.Mask != nil {
		t.Mask = tensor.NewMask(w.n * w.k)
		for i := range w.n {
			for j := range w.k {
				if !w.Mask.Kept(i*w.k + j) {
					t.Mask.Drop(j*w.n + i)
				}
			}
		}
	}
	t.pack()
	t.v = alloc(len(t.blk.idx))
	b := &mirror{w: t, pos: make([]int32, len(t.blk.idx))}
	// Of one input the values of w come in the order of their outputs, and so
	// do those of one output of the mirror, run by run.
	next := make([][]int32, len(t.blk.runs))
	for i, run := range t.blk.runs {
		next[i] = append([]int32(nil), run...)
	}
	w.blk.each(w.n, func(out, in, stored int) {
		at := &next[out/t.blk.size][in]
		b.pos[stored] = *at
		*at++
	})
	w.blk.back = b
}

// mirrorFrom brings values from to to−1 of w into its mirror, if it has one.
func (w *weight) mirrorFrom(from, to int) {
	if w.blk == nil || w.blk.back == nil {
		return
	}
	b := w.blk.back
	for i, v := range w.v[from:to] {
		b.w.v[b.pos[from+i]] = v
	}
}
