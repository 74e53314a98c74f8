package cuda

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"pare/core/device/cuda/internal/cu"
)

// pairing is how a product of a 2:4 weight runs, and why.
type pairing struct {
	used      bool // 2:4
	lib       cu.Sparse
	algo      string
	product   cu.Product
	packing   cu.Packing
	table     bool    // packed by a table, in each run
	packed    string  // how, where it is in each run
	ms, dense float64 // 2:4 and dense, 0: not measured
	why       string  // it was not
}

// gain is how long a 2:4 product may take of the dense one's time to be taken.
const gain = 0.98

// pairing chooses for a product between dense and 2:4: by what the run or this machine knows,
// else by time, with packing where the weight moves in each run. What does not fit is dense.
// With `only` no other library is asked.
func (b *builder) pairing(i int, s side, p cu.Product, x operands, only cu.Sparse) (pairing, error) {
	d := b.x.dev
	if s == backward && !pairsDown(&b.x.b.ws[i]) {
		return pairing{why: "the mask is 2:4 along the inputs alone"}, nil
	}
	if err := pairsOf(p).Fits2of4(); err != nil {
		return pairing{why: err.Error()}, nil
	}
	libs, kept, missing := d.ways()
	switch {
	case len(kept) == 0 && missing == nil:
		return pairing{why: "nothing ran 2:4 products when this run chose"}, nil
	case len(kept) == 0:
		return pairing{}, missing
	}
	moves := b.x.moves(i)
	what := pairsKey + p.Key()
	if x.beta != 0 {
		what += " added"
	}
	if moves {
		what += " packed each run"
	}
	if only != nil {
		libs = []cu.Sparse{only}
	}
	own := slices.Contains(kept, version24)
	if only != nil {
		_, own = only.(*own24)
	}
	switch with := what + " or " + version24; {
	case only != nil && own:
		what += " by " + version24
	case only == nil && (d.choices.knows(with) || own && !d.choices.knows(what)):
		what = with // else there were no kernels of ours when the run chose, or are none here
	}
	if d.always {
		what += " always"
	}
	if missing != nil && !d.choices.knows(what) {
		return pairing{}, missing
	}
	return choose(d, what, func(choice string) (pairing, error) { return taken(libs, pairsOf(p), choice) }, func() (pairing, string, bool, error) {
		g, lasting, err := b.race(libs, i, p, x, moves)
		if d.always && g.algo != "" {
			g.used = true
		}
		return g, g.choice(), lasting && !d.always, err
	})
}

// choice is the pairing as a run keeps it.
func (g pairing) choice() string {
	packed := ""
	if g.packed != "" {
		packed = packedBy + g.packed
	}
	switch {
	case g.used:
		return fmt.Sprintf("2:4 %s %s %.4f %.4f", g.lib.Version(), g.algo, g.ms, g.dense) + packed
	case g.ms > 0:
		return fmt.Sprintf("dense %.4f %.4f", g.ms, g.dense) + packed
	}
	return "dense: " + g.why
}

// pairsKey is before what a choice between dense and 2:4 is for.
const pairsKey = "2:4 "

// packedBy is between a choice's times and how the weight is packed.
const packedBy = ", packed "

// libraries are what can run 2:4 products here, cuSPARSELt and kernels of ours; if none can, why
// cuSPARSELt does not.
func (d Device) libraries() (all []cu.Sparse, err error) {
	if !d.always || d.byKind == theirs {
		var lib cu.Sparse
		if lib, err = d.sparse(); err == nil {
			all = append(all, lib)
		}
	}
	if o := d.own(); o != nil && (!d.always || d.byKind == ours) {
		all = append(all, o)
	}
	return all, err
}

// taken is the pairing of a choice.
func taken(libs []cu.Sparse, p cu.Product, choice string) (g pairing, err error) {
	if why, ok := strings.CutPrefix(choice, "dense: "); ok {
		return pairing{why: why}, nil
	}
	choice, g.packed, _ = strings.Cut(choice, packedBy)
	if n, _ := fmt.Sscanf(choice, "dense %f %f", &g.ms, &g.dense); n == 2 {
		return g, nil
	}
	var version string
	if n, _ := fmt.Sscanf(choice, "2:4 %s %s %f %f", &version, &g.algo, &g.ms, &g.dense); n != 4 {
		return pairing{}, fmt.Errorf("%w: %q is no choice between dense and 2:4", cu.ErrUnsupported, choice)
	}
	var lib cu.Sparse
	var here []string
	for _, l := range libs {
		if here = append(here, l.Version()); l.Version() == version {
			lib = l
		}
	}
	if lib == nil {
		return pairing{}, fmt.Errorf("%w: it was made with 2:4 products of version %s, here are %s", cu.ErrUnsupported, version, cmp.Or(strings.Join(here, " and "), noWays))
	}
	q, packing, err := lib.Prepare2of4With(p, g.algo)
	if err != nil {
		return pairing{}, err
	}
	g.used, g.lib, g.product, g.packing, g.table = true, lib, p, packing, g.packed == byTable
	return g, lib.Release(q)
}

// racer is one of the ways to run a product 2:4, with what it is timed on.
type racer struct {
	pairing
	q          cu.Prepared
	pack, temp cu.Ptr
	learned    cu.Ptr // the table, 0: the library packs
	packs      bool   // in each run
}

// race times a product dense and in all ways 2:4 on noise, with packing where weight i moves.
// lasting: it holds for other runs as well.
func (b *builder) race(libs []cu.Sparse, i int, p cu.Product, x operands, moves bool) (g pairing, lasting bool, err error) {
	e := b.x
	dense := func(why error) (pairing, bool, error) {
		switch {
		case errors.Is(why, cu.ErrOutOfMemory):
			return pairing{why: "memory to time it lacked"}, false, nil
		case refused(why):
			return pairing{why: whyNot(why)}, true, nil
		}
		return pairing{}, false, why
	}
	of := e.products // of the run that is recorded, if one is
	e.products = map[product]bool{}
	defer func() { err = firstError(err, e.letGo(e.products)); e.products = of }()
	m := &work{dev: b.x.dev}
	defer func() { err = firstError(err, m.free()) }()
	y, err := m.stage(p, &x)
	if err != nil {
		return dense(err)
	}
	var all []racer
	var why error // of the libraries that refuse
	lasting = true
	for _, lib := range libs {
		q, packing, e := lib.Prepare2of4(pairsOf(p))
		if e == nil {
			defer func() { err = firstError(err, lib.Release(q)) }()
			made, ok := q.(interface{ Makeshift() bool })
			lasting = lasting && (!ok || !made.Makeshift())
			var ways []racer
			if ways, e = b.racers(m, i, racer{pairing: pairing{lib: lib, algo: q.Algo(), product: pairsOf(p), packing: packing}, q: q}, y, moves); e == nil {
				all = append(all, ways...)
			}
		}
		if e != nil && !refused(e) {
			return dense(e)
		}
		why = errors.Join(why, e)
	}
	if len(all) == 0 {
		return dense(why)
	}
	if why != nil {
		b.x.dev.choices.say("products of 2:4 weights are chosen without one of the ways to run them: %s", whyNot(why))
	}
	ways := make([][]launch, 1+len(all))
	t := newBuilder(e, b.mode)
	if err := t.productOnto(p, y.a, y.w, y.from, y.d, y.bias, y.aux, y.alpha, y.beta); err != nil {
		return pairing{}, false, err
	}
	ways[0] = t.out
	for n, r := range all {
		if ways[1+n], err = b.way(r, p, y); err != nil {
			return pairing{}, false, err
		}
	}
	ms, err := e.fastest(ways, p.Flops())
	if err != nil {
		return dense(err)
	}
	best := 0
	for n := range all {
		if ms[1+n] <= ms[1+best] {
			best = n
		}
	}
	if b.x.dev.always { // the last way to pack
		best = len(all) - 1
	}
	g = all[best].pairing
	g.ms, g.dense = ms[1+best], ms[0]
	g.used = g.ms < gain*g.dense
	return g, lasting, nil
}

// racers are the ways to pack weight i for a product by one library, with memory for them: where
// it moves, by the library and by a table of cuSPARSELt's pack. The pack holds the weight.
func (b *builder) racers(m *work, i int, r racer, y operands, moves bool) ([]racer, error) {
	var err error
	if r.pack, err = m.take(r.packing.Bytes, noiseOf(cu.BF16)); err != nil {
		return nil, err
	}
	if r.temp, err = m.bare(max(r.packing.Temp, 1)); err != nil {
		return nil, err
	}
	all := []racer{r}
	if _, own := r.lib.(*own24); moves && own {
		all[0].packs, all[0].packed = true, byKernel
	} else if moves {
		l := lesson{w: y.w, pack: r.pack, temp: r.temp}
		var room lessonRoom
		room.add(r.product, r.packing)
		if err := m.lessonFor(room, &l); err != nil {
			return nil, err
		}
		if l.table, err = m.bare(tableBytes(r.packing)); err != nil {
			return nil, err
		}
		why, err := b.x.learn(r.lib, r.q, i, r.product, r.packing, l)
		if err != nil {
			return nil, err
		}
		all[0].packs, all[0].packed = true, byLibrary
		if why != "" {
			all[0].packed += ": " + why
		} else {
			t := r
			t.packs, t.table, t.packed, t.learned = true, true, byTable, l.table
			all = append(all, t)
		}
	}
	return all, r.lib.Compress(r.q, y.w, r.pack, r.temp)
}

// way are the launches of a product 2:4, with packing where that is in each run.
func (b *builder) way(r racer, p cu.Product, y operands) ([]launch, error) {
	t := newBuilder(b.x, b.mode)
	switch {
	case r.learned != 0:
		if err := t.gather(r.packing, r.pack, r.learned, y.w); err != nil {
			return nil, err
		}
	case r.packs:
		t.do(func() error { return r.lib.Compress(r.q, y.w, r.pack, r.temp) })
	}
	err := t.productOf24(r.lib, r.q, p, y, r.pack)
	return t.out, err
}

// stage takes memory for all that a product reads and writes, with noise.
func (m *work) stage(p cu.Product, x *operands) (y operands, err error) {
	y = operands{alpha: x.alpha, beta: x.beta}
	rows := func(n, width, ld int) int64 { return 2 * int64(n) * int64(max(width, ld)) }
	width, n := p.K, p.N // of a row of w as it lies, and their number
	if !p.TransB {
		width, n = p.N, p.K
	}
	noise, out := noiseOf(cu.BF16), rows(p.M, p.N, p.LDD)
	for _, t := range []struct {
		to    *cu.Ptr
		need  bool
		bytes int64
		noise []byte
	}{
		{&y.a, true, rows(p.M, p.K, p.LDA), noise}, {&y.w, true, 2 * int64(n) * int64(width), pairNoise(width)},
		{&y.d, true, out, noise}, {&y.from, x.from != x.d, out, noise}, {&y.aux, x.aux != 0, out, noise}, {&y.bias, x.bias != 0, 2 * int64(p.N), noise},
	} {
		if !t.need {
			continue
		}
		if *t.to, err = m.take(t.bytes, t.noise); err != nil {
			return y, err
		}
	}
	if y.from == 0 {
		y.from = y.d
	}
	return y, nil
}

// pairNoise is four rows of noise that are 2:4 along both axes.
func pairNoise(width int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	h := make([]uint16, 4*width)
	for i := range h {
		if v := uint16(math.Float32bits(2*r.Float32()-1) >> 16); (i/width+i%width)%4 < 2 {
			h[i] = v
		}
	}
	return bytesOf(h)
}

// fastest is Device.fastest of launches.
func (e *exec) fastest(ways [][]launch, flops float64) (ms []float64, err error) {
	var all []func() error
	for _, w := range ways {
		all = append(all, func() error { return e.launch(w) })
	}
	return e.dev.fastest(all, flops)
}

// fastest times ways of doing the same by the card's clock, turn about, and returns the shortest
// time of each, ms. They run as in steps, from graphs: of small products the card would wait for
// the processor otherwise.
func (d Device) fastest(ways []func() error, flops float64) (ms []float64, err error) {
	var at [2]cu.Event
	for i := range at {
		if at[i], err = d.driver.Event(); err != nil {
			return nil, err
		}
		defer d.driver.ReleaseEvent(at[i]) //nolint:errcheck // the card is as it was
	}
	repeats := int(min(max(2e11/flops, 2), 20))
	graphs := make([]cu.Graph, len(ways))
	for i, w := range ways {
		if graphs[i], err = d.graph(repeats, w); err != nil {
			return nil, err
		}
		defer d.driver.ReleaseGraph(graphs[i]) //nolint:errcheck // the card is as it was
		ms = append(ms, math.Inf(1))
	}
	for range 4 {
		for i, g := range graphs {
			if err := firstError(d.driver.Record(at[0]), firstError(d.driver.RunGraph(g), d.driver.Record(at[1]))); err != nil {
				return nil, err
			}
			t, err := d.driver.Elapsed(at[0], at[1])
			if err != nil {
				return nil, err
			}
			ms[i] = min(ms[i], float64(t)/float64(repeats))
		}
	}
	return ms, nil
}

// graph records n times what f queues, after once that runs and loads its kernels.
func (d Device) graph(n int, f func() error) (cu.Graph, error) {
	if err := firstError(f(), d.driver.Sync()); err != nil {
		return 0, err
	}
	return d.record(func() (err error) {
		for range n {
			err = firstError(err, f())
		}
		return err
	})
}

// pairsDown reports whether a mask keeps at most two of each four outputs of every input.
func pairsDown(w *weight) bool {
	n, k := w.N(), w.K()
	word := func(row, col int) uint64 {
		if row >= n {
			return 0
		}
		return w.Mask.Word(row*k + col)
	}
	for row := 0; row < n; row += 4 {
		for col := 0; col < k; col += 64 {
			a, b, c, d := word(row, col), word(row+1, col), word(row+2, col), word(row+3, col)
			three := a&b&(c|d) | c&d&(a|b)
			if left := k - col; left < 64 {
				three &= 1<<left - 1
			}
			if three != 0 {
				return false
			}
		}
	}
	return true
}
