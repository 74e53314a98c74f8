package cuda

import (
	"fmt"
	"slices"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/tensor"
)

// weight is one weight of a bank in the card's memory. Everything is in the device's
// order: that of Shape, but for convolutions [N][KH][KW][Cg].
type weight struct {
	device.Weight
	count int         // elements
	v     cu.Ptr      // float32, what the optimiser moves; 0 of a bare weight that products alone read
	half  cu.Ptr      // bf16 copy of v, of a device of that precision; else 0
	base  cu.Ptr      // of an adapted weight: float32
	grad  cu.Ptr      // float32; 0 when the weight does not train
	state []cu.Ptr    // float32 [slots]
	mask  cu.Ptr      // a byte for each element, 0 where it is masked; 0: all kept
	kept  []float32   // of a bare weight: its values, see frozen.go; else nil
	packs [2][2]*pack // of a 2:4 weight, by side and kind; nil: no plan uses it

	wanted bool // scratch of bank.exact
}

// operand is the weight as products read it.
func (w *weight) operand() (cu.Ptr, cu.Type) {
	if w.half != 0 {
		return w.half, cu.BF16
	}
	return w.v, cu.F32
}

// rowAlign is what the rows of a matrix and the values of a vector are filled up to in
// memory, with zeros.
const rowAlign = 8

// bank implements device.Bank.
type bank struct {
	dev   Device
	desc  []device.Weight
	ws    []weight
	slots int
	takes [parts]int64 // of the card's memory, bytes
}

// NewBank makes room for weights, gradients and state, all zero. Weights that do not
// train have neither gradient nor state.
func (d Device) NewBank(ws []device.Weight, slots int) (device.Bank, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slots < 0 {
		return nil, fmt.Errorf("bank with %d slots of optimiser state", slots)
	}
	b := &bank{dev: d, desc: append([]device.Weight(nil), ws...), slots: slots, ws: make([]weight, len(ws))}
	for i, w := range ws {
		if err := w.Check("cuda"); err != nil {
			b.release() //nolint:errcheck // the other error says it
			return nil, fmt.Errorf("weight %s: %w", w.Name, lost(err))
		}
		if !d.Supports(device.Linear, w.Format) {
			b.release() //nolint:errcheck // the other error says it
			return nil, fmt.Errorf("weight %s: device cuda keeps dense weights only, and in bf16 2:4 ones, not %v", w.Name, w.Format)
		}
		// The caller's mask may change later, this bank must not.
		w.Shape, w.Mask = w.Shape.Clone(), w.Mask.Clone()
		b.desc[i] = w
		b.ws[i] = weight{Weight: w, count: w.Shape.Len()}
	}
	if err := b.fill(); err != nil {
		b.release() //nolint:errcheck // the other error says it
		return nil, lost(err)
	}
	d.keepWays(ws)
	return b, nil
}

// room is what a weight takes of the card's memory: a list of pieces, each zeroed.
func (b *bank) room(w *weight) []pieceOf {
	n := w.padded()
	if b.bare(w) {
		w.kept = make([]float32, w.count)
	}
	var list []pieceOf
	add := func(of part, p *cu.Ptr, bytes int64, need bool) {
		if need {
			list = append(list, pieceOf{of, p, bytes})
		}
	}
	add(ofWeights, &w.v, 4*n, w.kept == nil)
	add(ofWeights, &w.half, 2*n, b.dev.precision == BF16)
	add(ofWeights, &w.base, 4*n, w.Adapted)
	add(ofGradients, &w.grad, 4*n, w.Train || w.Adapted)
	add(ofMasks, &w.mask, n, w.Mask != nil)
	if w.Train {
		w.state = make([]cu.Ptr, b.slots)
		for i := range w.state {
			add(ofState, &w.state[i], 4*n, true)
		}
	}
	return list
}

// padded is the elements a weight has in memory: products of wide values (exec.widen) read
// zeros behind the last row.
func (w *weight) padded() int64 {
	switch {
	case w.Matrix && !w.Conv:
		return int64(w.K()) * int64((w.N()+rowAlign-1)/rowAlign*rowAlign)
	case len(w.Shape) == 1:
		return (int64(w.count) + rowAlign - 1) / rowAlign * rowAlign
	}
	return int64(w.count)
}

// allot gives a weight its memory, zeroed, and uploads its mask.
func (b *bank) allot(w *weight, list []pieceOf) error {
	for _, m := range list {
		var err error
		if *m.p, err = b.dev.driver.Alloc(m.bytes); err != nil {
			return err
		}
		if err = b.dev.driver.Fill(*m.p, 0, m.bytes); err != nil {
			return err
		}
	}
	if w.mask == 0 {
		return nil
	}
	kept := make([]byte, w.count)
	for i := range kept {
		if w.Mask.Kept(i) {
			kept[w.place(i)] = 1
		}
	}
	return b.dev.driver.Upload(w.mask, kept)
}

// place is where element i of the logical order lies.
func (w *weight) place(i int) int {
	if !w.Conv {
		return i
	}
	c, hw := w.Shape[1], w.Shape[2]*w.Shape[3]
	n, rest := i/(c*hw), i%(c*hw)
	return n*c*hw + rest%hw*c + rest/hw
}

// Weights describes the weights.
func (b *bank) Weights() []device.Weight { return b.desc }

// Resident is the bytes of weights on the card: float32, their bf16 copies and bases, and the kept
// values that 2:4 products of open plans read.
func (b *bank) Resident() int64 {
	n := int64(0)
	for i := range b.ws {
		w := &b.ws[i]
		if w.v != 0 {
			n += 4 * int64(w.count)
		}
		if w.half != 0 {
			n += 2 * int64(w.count)
		}
		if w.base != 0 {
			n += 4 * int64(w.count)
		}
		for k := range w.packed() {
			n += k.bytes
		}
	}
	return n
}

// Close gives the memory back.
func (b *bank) Close() error {
	b.dev.mu.Lock()
	defer b.dev.mu.Unlock()
	return b.release()
}

func (b *bank) release() error {
	err := b.dev.driver.Sync()
	for i := range b.ws {
		w := &b.ws[i]
		for _, p := range append([]cu.Ptr{w.v, w.half, w.base, w.grad, w.mask}, w.state...) {
			if p != 0 {
				err = firstError(err, b.dev.driver.Release(p))
			}
		}
	}
	b.ws = nil
	return err
}

// Set copies x into weight i, zero at masked places.
func (b *bank) Set(i int, x []float32) error {
	b.dev.mu.Lock()
	defer b.dev.mu.Unlock()
	w, err := b.at(i, x)
	if err != nil {
		return err
	}
	w.stale()
	y := w.order(x)
	if w.kept != nil {
		return b.setBare(w, y)
	}
	if err := b.dev.driver.Upload(w.v, bytesOf(y)); err != nil {
		return lost(err)
	}
	if w.base != 0 {
		if err := b.dev.driver.Upload(w.base, bytesOf(y)); err != nil {
			return lost(err)
		}
	}
	if w.half == 0 {
		return nil
	}
	return b.dev.halve(w)
}

// halve makes a weight's bf16 copy anew.
func (d Device) halve(w *weight) error {
	f, err := d.function("halve")
	if err != nil {
		return err
	}
	n := int64(w.count)
	args := []unsafe.Pointer{unsafe.Pointer(&n), unsafe.Pointer(&w.v), unsafe.Pointer(&w.half)}
	if err := d.driver.Launch(f, [3]int{8 * d.info.SMs, 1, 1}, [3]int{256, 1, 1}, 0, args); err != nil {
		return lost(err)
	}
	return lost(d.driver.Sync())
}

// Get copies weight i into x.
func (b *bank) Get(i int, x []float32) error {
	b.dev.mu.Lock()
	defer b.dev.mu.Unlock()
	w, err := b.at(i, x)
	if err != nil {
		return err
	}
	if w.kept != nil {
		copy(x, w.kept)
		return nil
	}
	from := w.v
	if w.base != 0 {
		from = w.base
	}
	return b.fetch(w, from, x)
}

// trained is at for a weight with a gradient.
func (b *bank) trained(i int, x []float32) (*weight, error) {
	w, err := b.at(i, x)
	if err == nil && !w.Train {
		err = fmt.Errorf("weight %s does not train: it has no gradient", w.Name)
	}
	return w, err
}

// Grad copies the gradient of weight i into x, zero at masked places unless it is open.
func (b *bank) Grad(i int, x []float32) error {
	b.dev.mu.Lock()
	defer b.dev.mu.Unlock()
	w, err := b.trained(i, x)
	if err != nil {
		return err
	}
	if err := b.fetch(w, w.grad, x); err != nil {
		return err
	}
	if w.Mask != nil && !w.Open { // an update leaves it whole
		w.Mask.Apply(x)
	}
	return nil
}

// SetGrad copies x into the gradient of weight i, zero at masked places unless it is open.
func (b *bank) SetGrad(i int, x []float32) error {
	b.dev.mu.Lock()
	defer b.dev.mu.Unlock()
	w, err := b.trained(i, x)
	if err != nil {
		return err
	}
	mask := w.Mask
	if w.Open {
		mask = nil
	}
	return lost(b.dev.driver.Upload(w.grad, bytesOf(w.ordered(x, mask))))
}

// SetState copies x into a slot of optimiser state, zero at masked places.
func (b *bank) SetState(i, slot int, x []float32) error {
	b.dev.mu.Lock()
	defer b.dev.mu.Unlock()
	s, w, err := b.slot(i, slot, x)
	if err != nil {
		return err
	}
	return lost(b.dev.driver.Upload(s, bytesOf(w.order(x))))
}

// State copies a slot of optimiser state into x.
func (b *bank) State(i, slot int, x []float32) error {
	b.dev.mu.Lock()
	defer b.dev.mu.Unlock()
	s, w, err := b.slot(i, slot, x)
	if err != nil {
		return err
	}
	return b.fetch(w, s, x)
}

// order puts x into the device's order, zero at masked places.
func (w *weight) order(x []float32) []float32 { return w.ordered(x, w.Mask) }

// ordered is order, zero where mask drops.
func (w *weight) ordered(x []float32, mask *tensor.Mask) []float32 {
	switch {
	case !w.Conv && mask == nil:
		return x
	case !w.Conv:
		y := slices.Clone(x)
		mask.Apply(y)
		return y
	}
	y := make([]float32, len(x))
	for i, v := range x {
		if mask.Kept(i) {
			y[w.place(i)] = v
		}
	}
	return y
}

// fetch waits for the card and copies what lies at p into x, in logical order.
func (b *bank) fetch(w *weight, p cu.Ptr, x []float32) error {
	if err := b.dev.driver.Sync(); err != nil {
		return lost(err)
	}
	if !w.Conv {
		return lost(b.dev.driver.Download(bytesOf(x), p))
	}
	y := make([]float32, len(x))
	if err := b.dev.driver.Download(bytesOf(y), p); err != nil {
		return lost(err)
	}
	for i := range x {
		x[i] = y[w.place(i)]
	}
	return nil
}

func (b *bank) at(i int, x []float32) (*weight, error) {
	if i < 0 || i >= len(b.ws) {
		return nil, fmt.Errorf("no weight %d in a bank of %d", i, len(b.ws))
	}
	w := &b.ws[i]
	if len(x) != w.count {
		return nil, fmt.Errorf("weight %s: %d values for shape %v", w.Name, len(x), w.Shape)
	}
	return w, nil
}

func (b *bank) slot(i, slot int, x []float32) (cu.Ptr, *weight, error) {
	w, err := b.at(i, x)
	if err != nil {
		return 0, nil, err
	}
	if !w.Train {
		return 0, nil, fmt.Errorf("weight %s does not train: it has no optimiser state", w.Name)
	}
	if slot < 0 || slot >= b.slots {
		return 0, nil, fmt.Errorf("weight %s: no slot %d of optimiser state, the bank has %d", w.Name, slot, b.slots)
	}
	return w.state[slot], w, nil
}

// bytesOf is the memory of x.
func bytesOf[T any](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
}
