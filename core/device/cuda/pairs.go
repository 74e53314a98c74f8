package cuda

import (
	"fmt"
	"iter"
	"strings"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/tensor"
)

// Products of 2:4 weights leave out two of each four inputs where cuSPARSELt or a kernel of ours
// (own24.go) does that faster than the dense product (pairgate.go): forward, and back to the inputs where the
// mask is 2:4 along the outputs as well. They read a copy of the kept values, a pack for
// each side. A plan that moves a weight packs it in each run, before the first product that
// reads the pack; other plans do when the weight has moved since.

// side is what a pack is for.
type side int

const (
	forward  side = iota // y = x·wᵀ
	backward             // dx = dy·w
)

// pack is the kept values of a weight on the card. The plans that use it share it.
type pack struct {
	ptr   cu.Ptr
	bytes int64
	users int
	fresh bool // it holds the weight as it is

	table  cu.Ptr // where each of its pieces comes from, 0: not learned
	tabled int    // plans that use it
}

// sideOf is the side of a kernel's products.
func sideOf(k device.Kernel) side {
	if k == device.LinearDX {
		return backward
	}
	return forward
}

// packed names a pack.
type packed struct {
	w    int
	side side
}

// packing is a pack that a run reads and does not make.
type packing struct {
	*pack
	lib     cu.Sparse
	q       cu.Prepared
	w, temp cu.Ptr
}

// kind says how a pack lies: as cuSPARSELt has it, or as kernels/sparse24.cu.
type kind int

const (
	theirs kind = iota
	ours
)

// slot is where the pack lies that a product reads.
func (w *weight) slot(s side, g pairing) **pack {
	if _, ok := g.lib.(*own24); ok {
		return &w.packs[s][ours]
	}
	return &w.packs[s][theirs]
}

// packed are the packs of a weight.
func (w *weight) packed() iter.Seq[*pack] {
	return func(yield func(*pack) bool) {
		for _, both := range w.packs {
			for _, k := range both {
				if k != nil && !yield(k) {
					return
				}
			}
		}
	}
}

// stale notes that the weight has moved.
func (w *weight) stale() {
	for k := range w.packed() {
		k.fresh = false
	}
}

// moves reports whether a run of the plan changes weight i.
func (e *exec) moves(i int) bool { return e.moved[i] || e.b.ws[i].Adapted }

// movedBy are the weights that a plan's updates change.
func movedBy(p *device.Plan) map[int]bool {
	moved := map[int]bool{}
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if c.Update || c.Kernel == device.Update {
				moved[c.W[0]] = true
			}
		}
	}
	return moved
}

// weighted appends the product of a linear layer with its weight, d = alpha·a·w + beta·from
// and what follows, 2:4 where that was chosen.
func (b *builder) weighted(c *device.Call, s side, p cu.Product, a, w, from, d, bias, aux cu.Ptr, alpha, beta float32) error {
	i, e := c.W[0], b.x
	x := operands{a, w, from, d, bias, aux, alpha, beta}
	wt := &e.b.ws[i]
	if wt.Format != tensor.NM24 {
		return b.productOnto(p, a, w, from, d, bias, aux, alpha, beta)
	}
	key := packed{i, s}
	g, ok := e.pairs[key]
	if b.count != nil && !ok {
		var err error
		if g, err = b.pairing(i, s, p, x, nil); err != nil {
			return err
		}
		e.pairs[key], c.Pairs = g, g.used
		e.paired = append(e.paired, device.Paired{W: i, Kernel: c.Kernel, Used: g.used, MS: g.ms, Dense: g.dense, Packed: g.packed, Why: g.why})
	}
	if g.used && b.count == nil { // of fewer samples than the plan's the sizes may not fit, or it may not pay
		var err error
		of := g.lib // the plan's pack is as this one has it
		if g, err = b.pairing(i, s, p, x, nil); err == nil && g.used && g.lib != of {
			g, err = b.pairing(i, s, p, x, of)
		}
		if err != nil {
			return err
		}
	}
	if !g.used {
		return b.productOnto(p, a, w, from, d, bias, aux, alpha, beta)
	}
	temp, err := b.scratch(max(g.packing.Temp, 1))
	if err != nil || b.count != nil {
		return err
	}
	q, err := e.hold(product{pairsOf(p), g.lib}, func() (cu.Prepared, error) {
		q, _, err := g.lib.Prepare2of4With(pairsOf(p), g.algo)
		return q, err
	})
	if err != nil {
		return err
	}
	k := *wt.slot(s, g)
	switch {
	case !e.moves(i):
		b.packs = append(b.packs, packing{k, g.lib, q, w, temp})
	case !b.packed[key]:
		b.packed[key] = true
		if g.table && k.table != 0 {
			if err := b.gather(g.packing, k.ptr, k.table, w); err != nil {
				return err
			}
			break
		}
		b.do(func() error { return g.lib.Compress(q, w, k.ptr, temp) })
	}
	return b.productOf24(g.lib, q, p, x, k.ptr)
}

// operands of a product.
type operands struct {
	a, w, from, d, bias, aux cu.Ptr
	alpha, beta              float32
}

// pairsOf is the 2:4 product for a dense one: cuSPARSELt adds a bias and takes ReLU; GELU
// and its gradient are left to kernels of ours.
func pairsOf(p cu.Product) cu.Product {
	p.TF32 = false
	switch p.Epilogue {
	case cu.GELUAux, cu.GELUBias:
		p.Epilogue = cu.Bias
	case cu.DGELU:
		p.Epilogue, p.BiasType = cu.None, cu.F32
	}
	return p
}

// productOf24 appends a 2:4 product and what its library has no epilogue for.
func (b *builder) productOf24(lib cu.Sparse, q cu.Prepared, p cu.Product, x operands, pack cu.Ptr) error {
	to := x.d
	if p.Epilogue == cu.GELUAux { // which gets what GELU is taken of
		to = x.aux
	}
	from := x.from
	if from == x.d {
		from = to
	}
	b.do(func() error { return lib.RunSparse(q, x.a, pack, from, to, x.bias, x.alpha, x.beta) })
	switch p.Epilogue {
	case cu.GELUAux, cu.GELUBias:
		return b.each("act", p.M*p.N, to, x.d, int(device.GELUTanh), float32(0), float32(0))
	case cu.DGELU:
		return b.each("act_dx", p.M*p.N, x.aux, x.d, x.d, int(device.GELUTanh), float32(0), float32(0))
	}
	return nil
}

// packBytes is what the packs take that no other plan of the bank has yet.
func (e *exec) packBytes() int64 {
	n := int64(0)
	for key, g := range e.pairs {
		if !g.used {
			continue
		}
		k := *e.b.ws[key.w].slot(key.side, g)
		if k == nil {
			n += g.packing.Bytes
		}
		if g.table && (k == nil || k.table == 0) {
			n += tableBytes(g.packing)
		}
	}
	return n
}

// lessons is what learning their tables takes for a while.
func (e *exec) lessons() lessonRoom {
	var r lessonRoom
	for key, g := range e.pairs {
		if k := *e.b.ws[key.w].slot(key.side, g); g.used && g.table && (k == nil || k.table == 0) {
			r.add(g.product, g.packing)
		}
	}
	return r
}

// takePacks takes the memory of the packs, or a share in it.
func (e *exec) takePacks() (err error) {
	m, l := &work{dev: e.dev}, lesson{}
	defer func() { err = firstError(err, m.free()) }()
	if err := m.lessonFor(e.lessons(), &l); err != nil {
		return err
	}
	for key, g := range e.pairs {
		if !g.used {
			continue
		}
		at := e.b.ws[key.w].slot(key.side, g)
		if *at == nil {
			p, err := e.dev.driver.Alloc(g.packing.Bytes)
			if err != nil {
				return err
			}
			*at = &pack{ptr: p, bytes: g.packing.Bytes}
		}
		(*at).users++
		e.packs = append(e.packs, key)
		if !g.table {
			continue
		}
		e.tabled = append(e.tabled, key)
		if err := e.takeTable(key, g, *at, l); err != nil {
			return err
		}
	}
	return nil
}

// freePacks gives them back.
func (e *exec) freePacks() error {
	var err error
	for _, key := range e.tabled {
		err = firstError(err, e.dropTable(key))
	}
	e.tabled = nil
	for _, key := range e.packs {
		at := e.b.ws[key.w].slot(key.side, e.pairs[key])
		if (*at).users--; (*at).users == 0 {
			err = firstError(err, e.dev.driver.Release((*at).ptr))
			*at = nil
		}
	}
	e.packs = nil
	return err
}

// freshen packs what a run reads, where the weight has moved since it was packed, and notes
// what the run is going to move.
func (e *exec) freshen(r *run) error {
	for _, k := range r.packs {
		if k.fresh {
			continue
		}
		if err := k.lib.Compress(k.q, k.w, k.ptr, k.temp); err != nil {
			return err
		}
		k.fresh = true
	}
	for i := range e.b.ws {
		if e.moves(i) {
			e.b.ws[i].stale()
		}
	}
	return nil
}

// Pairs tells what the gates of the plan measured.
func (e *exec) Pairs() []device.Paired {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	return append([]device.Paired(nil), e.paired...)
}

var _ device.Pairer = (*exec)(nil)

// whyNot is why no library takes a product, in a line that a run can keep.
func whyNot(err error) string {
	return fmt.Sprintf("2:4 is refused: %.300s", strings.Join(strings.Fields(err.Error()), " "))
}
