package cpu

import (
	"fmt"
	"sync"

	"pare/core/device"
	"pare/core/tensor"
)

// layout says in which order the values of a weight lie.
type layout uint8

const (
	rowMajor layout = iota // vectors, grouped convolutions
	panels                 // [⌈N/P⌉][K][P], convolution with K over ky, kx, ci
	blocks                 // [blocks][R], see packed
)

// weight is one weight of a bank. v, g and s share one layout. Places that are
// masked or padding are zero in all of them, and stay so: their gradient is
// zero, and every update rule leaves zeros with zero gradients alone.
type weight struct {
	device.Weight
	lay  layout
	n, k int // of a matrix
	v    []float32
	base []float32   // of an adapted weight: what its adapter is added to
	kept kept        // of an adapted weight in blocks
	g    []float32   // nil when the weight does not train
	s    [][]float32 // [slots]
	// keep has a bit for each kept place, see maskRows; nil when
	// everything stored is kept.
	keep []uint16

	blk  *packed // of layout blocks
	pair *pairs  // of a 2:4 weight that does not train
	full *weight // in panels, of blocks where a plan needs them so, see inFull
}

// bank implements device.Bank.
type bank struct {
	guards
	desc  []device.Weight
	ws    []weight
	slots int
	plans sync.Mutex // what plans need of weights is made when the first of them is compiled
}

func newBank(ws []device.Weight, slots int, checked bool) (*bank, error) {
	if slots < 0 {
		return nil, fmt.Errorf("bank with %d slots of optimiser state", slots)
	}
	b := &bank{guards: guards{on: checked}, desc: make([]device.Weight, len(ws)), ws: make([]weight, len(ws)), slots: slots}
	for i, d := range ws {
		err := d.Check("cpu")
		if err == nil && d.Format.Height() > 0 && d.K() >= 1<<26 { // distances in blocks are 32 bits
			err = fmt.Errorf("%d inputs: blocks have at most %d", d.K(), 1<<26-1)
		}
		if err != nil {
			return nil, fmt.Errorf("weight %s: %w", d.Name, err)
		}
		// The caller's mask may change later, this bank must not.
		d.Shape, d.Mask = d.Shape.Clone(), d.Mask.Clone()
		b.desc[i] = d
		b.make(&b.ws[i], d)
	}
	return b, nil
}

// make fills w with zeros in the layout of d.
func (b *bank) make(w *weight, d device.Weight) {
	*w = weight{Weight: d}
	size := d.Shape.Len()
	if d.Matrix && (!d.Conv || d.Groups == 1) {
		w.n, w.k, w.lay = d.N(), d.K(), panels
		size = (w.n + P - 1) / P * w.k * P
	}
	if d.Format.Height() > 0 {
		w.lay = blocks
		w.pack()
		size = len(w.blk.idx) * w.blk.r
	}
	w.v = b.alloc(d.Name, size)
	if d.Format == tensor.NM24 && !d.Train && !d.Adapted {
		w.pair = b.newPairs(w)
	}
	if d.Adapted {
		if w.lay == blocks {
			w.kept = keptOf(w)
		}
		w.base, w.g = b.alloc(d.Name+" (base)", size), b.alloc(d.Name+" (gradient)", size)
	}
	if d.Train {
		w.g = b.alloc(d.Name+" (gradient)", size)
		for range b.slots {
			w.s = append(w.s, b.alloc(d.Name+" (state)", size))
		}
	}
	if d.Mask.Zeros() > 0 {
		keep, kept := newBits(size), 0
		w.each(func(logical, stored int) {
			if d.Mask.Kept(logical) {
				keep[stored/T] |= 1 << (stored % T)
				kept++
			}
		})
		// In blocks the mask is the pattern, unless a block is kept in part.
		// The rows below the last output need no bits: see blockDW.
		if w.lay != blocks || kept < w.storedIn() {
			w.keep = keep
		}
	}
}

// storedIn is the number of elements of the shape that have a place.
func (w *weight) storedIn() int {
	n := 0
	w.each(func(int, int) { n++ })
	return n
}

// taps is the number of pixels of a convolution's window, 1 for other weights.
func (w *weight) taps() int {
	if !w.Conv {
		return 1
	}
	return w.Shape[2] * w.Shape[3]
}

// inShape is the place of input k in an output's part of the shape: there inputs
// of a convolution are [C][taps], here [taps][C].
func (w *weight) inShape(k int) int {
	taps := w.taps()
	c := w.k / taps
	return k%c*taps + k/c
}

// each calls f for every element that has a place in v: its index in the shape,
// row-major, and in v.
func (w *weight) each(f func(logical, stored int)) {
	switch w.lay {
	case rowMajor:
		for i := range w.Shape.Len() {
			f(i, i)
		}
	case panels:
		for n := range w.n {
			for k := range w.k {
				f(n*w.k+w.inShape(k), (n/P*w.k+k)*P+n%P)
			}
		}
	case blocks:
		w.blk.each(w.n, func(out, in, stored int) { f(out*w.k+w.inShape(in), stored) })
	}
}

// read copies x, in the layout of w, out to to.
func (w *weight) read(to, x []float32) {
	clearAll(to)
	w.each(func(logical, stored int) { to[logical] = x[stored] })
}

// write copies from into x, in the layout of w, zero at masked places.
func (w *weight) write(x, from []float32) { w.put(x, from, false) }

// put is write, with masked places too if all.
func (w *weight) put(x, from []float32, all bool) {
	w.each(func(logical, stored int) {
		x[stored] = 0
		if all || w.Mask.Kept(logical) {
			x[stored] = from[logical]
		}
	})
}

// fill makes w.full, which see, for plans that multiply one sample at a time or flat values.
func (b *bank) fill(w *weight) {
	b.plans.Lock()
	defer b.plans.Unlock()
	if w.full != nil || !w.inFull() {
		return
	}
	full := &weight{Weight: w.Weight, lay: panels, n: w.n, k: w.k, v: alloc(over(w.n, P) * w.k * P)}
	x := make([]float32, w.Shape.Len())
	w.read(x, w.v)
	full.write(full.v, x)
	w.full = full
}

// mirror makes w.blk.back, which see, for plans with a LinearDX of single weights.
func (b *bank) mirror(w *weight) {
	b.plans.Lock()
	defer b.plans.Unlock()
	if w.lay == blocks && w.blk.r == 1 && w.blk.back == nil {
		w.reflect()
		w.mirrorFrom(0, len(w.v))
	}
}

// Weights describes the weights.
func (b *bank) Weights() []device.Weight { return b.desc }

// Close has nothing to give back: the garbage collector does.
func (b *bank) Close() error { return nil }

// Resident is the bytes of the values with their padding, and of the index of
// packed weights.
func (b *bank) Resident() int64 {
	n := int64(0)
	for i := range b.ws {
		w := &b.ws[i]
		n += 4 * int64(len(w.v)+len(w.base))
		if w.blk != nil {
			n += w.blk.bytes()
		}
		if w.pair != nil {
			n += 4 * int64(len(w.pair.val)+len(w.pair.ctl))
		}
		if w.full != nil {
			n += 4 * int64(len(w.full.v))
		}
	}
	return n
}

// Set copies x into weight i, zero at masked places.
func (b *bank) Set(i int, x []float32) error {
	w, err := b.at(i, x)
	if err == nil {
		w.write(w.v, x)
		copy(w.base, w.v)
		w.mirrorFrom(0, len(w.v))
		w.pair.set(w)
		if w.full != nil {
			w.full.write(w.full.v, x)
		}
	}
	return err
}

// Get copies weight i into x.
func (b *bank) Get(i int, x []float32) error {
	w, err := b.at(i, x)
	if err == nil {
		if w.read(x, w.v); w.Adapted {
			w.read(x, w.base)
		}
	}
	return err
}

// trained is at for a weight with a gradient.
func (b *bank) trained(i int, x []float32) (*weight, error) {
	w, err := b.at(i, x)
	if err == nil && !w.Train {
		err = fmt.Errorf("weight %s does not train: it has no gradient", w.Name)
	}
	return w, err
}

// Grad copies the gradient of weight i into x.
func (b *bank) Grad(i int, x []float32) error {
	w, err := b.trained(i, x)
	if err != nil {
		return err
	}
	w.read(x, w.g)
	return nil
}

// SetGrad copies x into the gradient of weight i, zero at masked places unless it is open.
func (b *bank) SetGrad(i int, x []float32) error {
	w, err := b.trained(i, x)
	if err != nil {
		return err
	}
	w.put(w.g, x, w.Open)
	return nil
}

// SetState copies x into a slot of optimiser state, zero at masked places.
func (b *bank) SetState(i, slot int, x []float32) error {
	w, err := b.state(i, slot, x)
	if err == nil {
		w.write(w.s[slot], x)
	}
	return err
}

// State copies a slot of optimiser state into x.
func (b *bank) State(i, slot int, x []float32) error {
	w, err := b.state(i, slot, x)
	if err == nil {
		w.read(x, w.s[slot])
	}
	return err
}

func (b *bank) at(i int, x []float32) (*weight, error) {
	if i < 0 || i >= len(b.ws) {
		return nil, fmt.Errorf("no weight %d in a bank of %d", i, len(b.ws))
	}
	w := &b.ws[i]
	if len(x) != w.Shape.Len() {
		return nil, fmt.Errorf("weight %s: %d values for shape %v", w.Name, len(x), w.Shape)
	}
	return w, nil
}

func (b *bank) state(i, slot int, x []float32) (*weight, error) {
	w, err := b.at(i, x)
	switch {
	case err != nil:
		return nil, err
	case !w.Train:
		return nil, fmt.Errorf("weight %s does not train: it has no optimiser state", w.Name)
	case slot < 0 || slot >= b.slots:
		return nil, fmt.Errorf("weight %s: no slot %d of optimiser state, the bank has %d", w.Name, slot, b.slots)
	}
	return w, nil
}
