package cuda

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// need is what a plan takes of the card's memory, bytes.
type need struct {
	values  int64 // activations, their gradients, statistics
	buffers int64 // what goes in and out
	scratch int64 // what kernels leave for each other
	tables  int64 // angles of Rope, lists of updates
	packs   int64 // kept values of 2:4 weights, and tables to pack them by
	learn   int64 // to learn these, before all but the packs is taken
	work    int64 // the work space of products, which the first plan on a card takes for all
}

func (n need) sum() int64 { return n.values + n.buffers + n.scratch + n.tables + n.packs + n.work }

// most is the most that is taken at any time.
func (n need) most() int64 { return max(n.sum(), n.packs+n.learn+n.work) }

func (n need) String() string {
	packs := ""
	if n.packs > 0 {
		packs = ", kept values of 2:4 weights and tables to pack them " + size(n.packs)
	}
	if n.most() > n.sum() {
		packs += ", before the rest is taken to learn these tables " + size(n.learn)
	}
	return fmt.Sprintf("%s: values %s, buffers %s, scratch of kernels %s, tables %s%s, work space of products %s",
		size(n.sum()), size(n.values), size(n.buffers), size(n.scratch), size(n.tables), packs, size(n.work))
}

// piece is memory that a plan takes when it is compiled.
type piece struct {
	to     *cu.Ptr
	bytes  int64
	poison bool // filled with NaN before each run of a checked device
}

// nowhere is an address in place of memory that is only counted.
const nowhere cu.Ptr = 1 << 48

// reserve is what is left to the driver, which loads kernels and keeps graphs in the card's
// memory: 256 MiB, of a small card less.
func (c *card) reserve() int64 { return min(256<<20, c.info.Memory/64) }

// allot takes the memory of a plan, for its largest batch. It counts all that the plan is
// going to take first: one that does not fit takes nothing.
func (e *exec) allot() error {
	pieces, err := e.measure()
	if err != nil {
		return err
	}
	free, err := e.dev.driver.Free()
	if err != nil {
		return err
	}
	if e.takes.most() > free-e.dev.reserve() {
		return e.tooLarge(free, nil)
	}
	if err := e.obtain(pieces); err != nil {
		if errors.Is(err, cu.ErrOutOfMemory) { // somebody else was faster, or memory is in pieces
			return e.tooLarge(free, err)
		}
		return err
	}
	return nil
}

// obtain takes the pieces, and the scratch.
func (e *exec) obtain(pieces []piece) error {
	err := e.takePacks()
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if *p.to, err = e.take(p.bytes, p.poison); err != nil {
			return err
		}
	}
	e.settleValues()
	if e.takes.scratch > 0 {
		p, err := e.take(e.takes.scratch, true)
		if err != nil {
			return err
		}
		e.room = span{p, e.takes.scratch}
	}
	if e.into, err = e.dev.driver.Host(e.ins.end); err != nil {
		return err
	}
	e.from, err = e.dev.driver.Host(16)
	return err
}

// measure lays the plan's memory out and counts it, without taking any: it builds the
// launches of the largest batch at made-up addresses.
func (e *exec) measure() ([]piece, error) {
	e.at, e.elem = make([]cu.Ptr, len(e.p.Vals)), e.types()
	calls := 0
	for _, r := range e.p.Regions {
		for _, c := range r.Calls {
			if calls++; c.Kernel == device.CrossEntropy {
				e.loss = e.p.Vals[c.In[0]].C
			}
		}
	}
	e.times = make([]time.Duration, calls)
	e.wide = e.widen()
	values := e.valuePieces()
	buffers := e.bufferPieces()
	at := nowhere
	for _, p := range append(values, buffers...) {
		*p.to = at
		at += cu.Ptr(p.bytes+511) &^ 255
	}
	e.settleValues()
	var n need
	for _, m := range e.largest() {
		b := newBuilder(e, m)
		b.count = &n
		if err := b.all(); err != nil {
			return nil, err
		}
	}
	clear(e.tables)
	n.packs, n.learn = e.packBytes(), e.lessons().sum()
	for _, p := range values {
		n.values += p.bytes
	}
	for _, p := range buffers {
		n.buffers += p.bytes
	}
	e.takes = n
	return append(values, buffers...), nil
}

// largest are the modes of the largest batch.
func (e *exec) largest() []mode {
	m := []mode{{n: e.p.Batch}}
	if e.p.Micros > 1 {
		m = append(m, mode{e.p.Batch, false, true}, mode{e.p.Batch, true, true}, mode{e.p.Batch, true, false})
	}
	return m
}

// valuePieces are the arenas of tokens and of samples, the values beside them and the
// statistics.
func (e *exec) valuePieces() []piece {
	p, act := e.p, int64(e.dev.elem().Bytes())
	var l []piece
	add := func(to *cu.Ptr, bytes int64) {
		if bytes > 0 {
			l = append(l, piece{to, bytes, true})
		}
	}
	add(&e.arena[0], act*int64(p.Slab)*int64(e.tiles(p.Batch, false)))
	if p.Seq > 0 {
		add(&e.arena[1], act*int64(p.Samples)*int64(e.tiles(p.Batch, true)))
	}
	for i := range p.Vals {
		add(&e.at[i], e.beside(i))
	}
	e.stats = make([]stat, len(p.Stats))
	for i, c := range p.Stats {
		s := &e.stats[i]
		for _, q := range []*cu.Ptr{&s.mean, &s.rstd, &s.dbeta, &s.dgamma} {
			add(q, 4*int64(c))
		}
	}
	return l
}

// settleValues says where the values in the arenas are, once these have their place.
func (e *exec) settleValues() {
	act := int64(e.dev.elem().Bytes())
	for i, v := range e.p.Vals {
		if e.beside(i) > 0 {
			continue
		}
		from := e.arena[0]
		if v.Sample {
			from = e.arena[1]
		}
		e.at[i] = from + cu.Ptr(act*int64(v.Off)*int64(e.tiles(e.p.Batch, v.Sample)))
	}
	e.labels, e.x = e.step+cu.Ptr(e.ins.labels), e.step+cu.Ptr(e.ins.x)
	e.outGrad, e.teacher = e.step+cu.Ptr(e.ins.outGrad), e.step+cu.Ptr(e.ins.teacher)
}

// bufferPieces are what goes in and out.
func (e *exec) bufferPieces() []piece {
	p := e.p
	rows := func(v int) int { return p.Batch * p.Per(v) }
	floats := func(v int) int {
		if v < 0 {
			return 0
		}
		return rows(v) * e.value(v, 0).size()
	}
	grad, teacher := -1, -1
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if c.Kernel == device.Load && c.S[0] == 1 {
				grad = c.Out[0]
			}
			if c.Kernel == device.Load && c.S[0] == 2 {
				teacher = c.Out[0]
			}
		}
	}
	const align = 256
	up := func(n int) int { return (n + align - 1) / align * align }
	in := &e.ins
	in.labels = up(scalarBytes)
	in.x = up(in.labels + 4*rows(p.Output))
	in.outGrad = up(in.x + 4*floats(p.Input))
	in.teacher = up(in.outGrad + 4*floats(grad))
	in.end = in.teacher + 4*floats(teacher)
	out := 0
	for _, v := range []int{p.Output, p.InGrad} {
		if v >= 0 {
			out = max(out, 4*min(floats(v), outRows(e.value(v, 0))*e.value(v, 0).size()))
		}
	}
	var l []piece
	for _, o := range []struct {
		p *cu.Ptr
		n int
	}{{&e.step, in.end}, {&e.result, 16}, {&e.pred, 4 * rows(p.Output)}, {&e.losses, 4 * rows(p.Output)}, {&e.out, out}} {
		if o.n > 0 {
			l = append(l, piece{to: o.p, bytes: int64(o.n)})
		}
	}
	return l
}

// tooLarge is the error of a plan that does not fit, with the batch that would.
func (e *exec) tooLarge(free int64, cause error) error {
	room := free - e.dev.reserve()
	fits := 0
	if cause == nil {
		fits = sort.Search(e.p.Batch, func(less int) bool { // from large to small
			q := *e.p
			q.Batch = e.p.Batch - less
			x := newExec(e.dev, &q, e.b)
			x.pairs = e.pairs
			_, err := x.measure()
			return err == nil && x.takes.most() <= room
		})
		fits = e.p.Batch - fits
	}
	way := fmt.Sprintf("use a batch of at most %d", fits)
	switch {
	case cause != nil:
		way = "use a smaller batch, or end what else is on the card"
	case fits == 0:
		way = "not even one sample fits in that: use a smaller model or shorter samples, or end what else is on the card"
	}
	what := "a batch"
	if e.p.Micros > 1 {
		what = "a part of a batch,"
		way = strings.Replace(way, "use a batch of", "use parts of", 1)
	}
	err := fmt.Errorf("%w: %s of %d samples takes %v; of %s on %s %s are free, %s of them for the driver: %s",
		device.ErrMemory, what, e.p.Batch, e.takes, size(e.dev.info.Memory), e.dev.info.Name, size(free), size(e.dev.reserve()), way)
	if cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}

// take allocates memory that release gives back.
func (e *exec) take(bytes int64, poison bool) (cu.Ptr, error) {
	if bytes == 0 {
		return 0, nil
	}
	p, err := e.dev.driver.Alloc(bytes)
	if err != nil {
		return 0, err
	}
	e.memory = append(e.memory, p)
	if poison {
		e.arenas = append(e.arenas, span{p, bytes})
	}
	return p, nil
}

// Takes is the memory of the card that the plan takes, bytes; that of the work space, which
// all plans share, is not in it.
func (e *exec) Takes() int64 { return e.takes.sum() - e.takes.work }

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
