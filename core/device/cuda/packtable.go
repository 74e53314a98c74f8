package cuda

import (
	"fmt"

	"pare/core/device/cuda/internal/cu"
)

// A weight that moves is packed in each run. cuSPARSELt finds out each time which values to
// keep, and takes much longer than the bytes do (PERFORMANCE.md). A bank's masks stay as
// they are, so where each piece of a pack comes from is learned once, from packs that the
// library makes of codes of places; kernels/pack.cu then makes the whole pack by that table.
// A table counts only if it gives the library's bytes for the weights as they are.

// mostCoded is how many values the codes of kernels/pack.cu tell apart.
const mostCoded = 1 << 28

// How a weight is packed that moves in each run.
const (
	byTable   = "by table"
	byLibrary = "by the library"
	byKernel  = "by a kernel"
)

// tableBytes is the table of a pack: 4 bytes for each 2.
func tableBytes(p cu.Packing) int64 { return 2 * p.Bytes }

// lesson is memory to learn a table with.
type lesson struct {
	w      cu.Ptr // the weight, as the product reads it
	pack   cu.Ptr // what the library makes of it
	table  cu.Ptr
	other  cu.Ptr // what the table makes of it
	temp   cu.Ptr
	differ cu.Ptr // int
}

// lessonRoom is what lessons, one after another, take beside packs and tables, bytes.
type lessonRoom struct{ w, other, temp int64 }

func (r *lessonRoom) add(p cu.Product, n cu.Packing) {
	r.w, r.other, r.temp = max(r.w, 2*int64(p.N)*int64(p.K)), max(r.other, n.Bytes), max(r.temp, n.Temp, 1)
}

func (r lessonRoom) sum() int64 {
	if r.w == 0 {
		return 0
	}
	return r.w + r.other + r.temp + 4
}

// learn makes the table of the pack of weight i, for product p that is ready as q. why says
// that there is none: the library has to pack. w and pack hold other weights afterwards.
func (e *exec) learn(lib cu.Sparse, q cu.Prepared, i int, p cu.Product, n cu.Packing, m lesson) (why string, err error) {
	w, values, pieces := &e.b.ws[i], p.N*p.K, int(n.Bytes/2)
	if values > mostCoded || n.Bytes%2 != 0 {
		return fmt.Sprintf("%d values in %d bytes are not learned", values, n.Bytes), nil
	}
	driver := e.dev.driver
	if err := firstError(driver.Fill(m.pack, 0, n.Bytes), driver.Fill(m.differ, 0, 4)); err != nil {
		return "", err
	}
	b := newBuilder(e, mode{})
	for pass := range 2 {
		if err := b.each("pack_codes", values, m.w, w.mask, int64(w.count), pass); err != nil {
			return "", err
		}
		b.do(func() error { return lib.Compress(q, m.w, m.pack, m.temp) })
		if err := b.each("pack_learn", pieces, m.table, m.pack, pass); err != nil {
			return "", err
		}
	}
	if err := b.each("pack_sample", values, m.w, w.half, w.mask, int64(w.count)); err != nil {
		return "", err
	}
	b.do(func() error { return lib.Compress(q, m.w, m.pack, m.temp) })
	if err := b.gather(n, m.other, m.table, m.w); err != nil {
		return "", err
	}
	if err := b.each("pack_differs", pieces, m.pack, m.other, m.differ); err != nil {
		return "", err
	}
	if err := e.launch(b.out); err != nil {
		return "", err
	}
	var differ [4]byte
	if err := firstError(driver.Download(differ[:], m.differ), driver.Sync()); err != nil {
		return "", err
	}
	if differ != [4]byte{} {
		return "a table learned from it gives other bytes", nil
	}
	return "", nil
}

// gather appends packing of w by a table.
func (b *builder) gather(n cu.Packing, pack, table, w cu.Ptr) error {
	return b.each("pack_gather", int(n.Bytes/2), pack, table, w)
}

// lessonFor takes what a lesson lacks beside pack and table.
func (m *work) lessonFor(r lessonRoom, l *lesson) error {
	for _, t := range []struct {
		to    *cu.Ptr
		bytes int64
	}{{&l.w, r.w}, {&l.other, r.other}, {&l.temp, r.temp}, {&l.differ, 4}} {
		if *t.to != 0 || r.w == 0 {
			continue
		}
		var err error
		if *t.to, err = m.bare(t.bytes); err != nil {
			return err
		}
	}
	return nil
}

// bare is memory with nothing in it.
func (m *work) bare(bytes int64) (cu.Ptr, error) {
	p, err := m.dev.driver.Alloc(bytes)
	if err == nil {
		m.memory = append(m.memory, p)
	}
	return p, err
}

// free gives back what was taken, once the card is done with it.
func (m *work) free() error {
	if len(m.memory) == 0 {
		return nil
	}
	err := m.dev.driver.Sync()
	for _, at := range m.memory {
		err = firstError(err, m.dev.driver.Release(at))
	}
	m.memory = nil
	return err
}

// takeTable takes and learns the table of a pack that the plan moves. Where that fails the
// library packs, and that is said. l has the memory for it.
func (e *exec) takeTable(key packed, g pairing, k *pack, l lesson) (err error) {
	if k.tabled++; k.table != 0 {
		return nil
	}
	if k.table, err = e.dev.driver.Alloc(tableBytes(g.packing)); err != nil {
		return err
	}
	q, _, err := g.lib.Prepare2of4With(g.product, g.algo)
	if err != nil {
		return err
	}
	l.pack, l.table = k.ptr, k.table
	why, err := e.learn(g.lib, q, key.w, g.product, g.packing, l)
	k.fresh = false
	if err = firstError(err, g.lib.Release(q)); err != nil || why == "" {
		return err
	}
	why = byLibrary + ": " + why
	e.dev.choices.say("weight %s is packed %s", e.b.ws[key.w].Name, why)
	for i := range e.paired {
		if p := &e.paired[i]; p.W == key.w && sideOf(p.Kernel) == key.side {
			p.Packed = why
		}
	}
	g.table = false
	e.pairs[key] = g
	e.takes.packs -= tableBytes(g.packing)
	e.tabled = e.tabled[:len(e.tabled)-1]
	return e.dropTable(key)
}

// dropTable gives back a share in a table.
func (e *exec) dropTable(key packed) error {
	k := *e.b.ws[key.w].slot(key.side, e.pairs[key])
	if k.tabled--; k.tabled > 0 {
		return nil
	}
	p := k.table
	k.table = 0
	return e.dev.driver.Release(p) // of 0 nothing
}
