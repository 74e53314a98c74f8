package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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
func (b *builder) pairing(i int, s side, p cu.Product, x operands) (pairing, error) {
	d := b.x.dev
	if s == backward && !pairsDown(&b.x.b.ws[i]) {
		return pairing{why: "the mask is 2:4 along the inputs alone"}, nil
	}
	if err := pairsOf(p).Fits2of4(); err != nil {
		return pairing{why: err.Error()}, nil
	}
	lib, err := d.sparse()
	if err != nil {
		return pairing{}, err
	}
	moves := b.x.moves(i)
	what := "2:4 " + p.Key()
	if x.beta != 0 {
		what += " added"
	}
	if moves {
		what += " packed each run"
	}
	if d.always {
		what += " always"
	}
	return choose(d, what, func(choice string) (pairing, error) { return taken(lib, pairsOf(p), choice) }, func() (pairing, string, bool, error) {
		g, lasting, err := b.race(lib, i, p, x, moves)
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

// packedBy is between a choice's times and how the weight is packed.
const packedBy = ", packed "

// taken is the pairing of a choice.
func taken(lib cu.Sparse, p cu.Product, choice string) (g pairing, err error) {
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
	if version != lib.Version() {
		return pairing{}, fmt.Errorf("%w: it was made with cuSPARSELt %s, this is %s", cu.ErrUnsupported, version, lib.Version())
	}
	q, packing, err := lib.Prepare2of4With(p, g.algo)
	if err != nil {
		return pairing{}, err
	}
	g.used, g.lib, g.product, g.packing, g.table = true, lib, p, packing, g.packed == byTable
	return g, lib.Release(q)
}

// race times a product both ways on noise, and 2:4 of weight i that moves with both ways to
// pack it. lasting: it holds for other runs as well.
func (b *builder) race(lib cu.Sparse, i int, p cu.Product, x operands, moves bool) (g pairing, lasting bool, err error) {
	e, d := b.x, b.x.dev
	dense := func(why error) (pairing, bool, error) {
		switch {
		case errors.Is(why, cu.ErrOutOfMemory):
			return pairing{why: "memory to time it lacked"}, false, nil
		case refused(why):
			return pairing{why: whyNot(why)}, true, nil
		}
		return pairing{}, false, why
	}
	q, packing, err := lib.Prepare2of4(pairsOf(p))
	if err != nil {
		return dense(err)
	}
	defer func() { err = firstError(err, lib.Release(q)) }()
	of := e.products // of the run that is recorded, if one is
	e.products = map[product]bool{}
	defer func() { err = firstError(err, e.letGo(e.products)); e.products = of }()
	m := &work{dev: d}
	defer func() { err = firstError(err, m.free()) }()
	y, pack, temp, err := m.stage(p, &x, packing)
	if err != nil {
		return dense(err)
	}
	g = pairing{lib: lib, algo: q.Algo(), product: pairsOf(p), packing: packing}
	l := lesson{w: y.w, pack: pack, temp: temp}
	if moves {
		var r lessonRoom
		r.add(g.product, packing)
		err := m.lessonFor(r, &l)
		if err == nil {
			l.table, err = m.bare(tableBytes(packing))
		}
		if err != nil {
			return dense(err)
		}
		why, err := e.learn(lib, q, i, g.product, packing, l)
		if err != nil {
			return dense(err)
		}
		if g.table, g.packed = why == "", byTable; !g.table {
			g.packed = byLibrary + ": " + why
		}
	}
	n := 2 // dense, 2:4 packed by the library where it moves, and by table
	if g.table {
		n++
	}
	ways := make([][]launch, n)
	for i := range ways {
		t := newBuilder(e, b.mode)
		switch {
		case i == 0:
			err = t.productOnto(p, y.a, y.w, y.from, y.d, y.bias, y.aux, y.alpha, y.beta)
		case i == 1 && moves:
			t.do(func() error { return lib.Compress(q, y.w, pack, temp) })
		case i == 2:
			err = t.gather(packing, pack, l.table, y.w)
		}
		if err == nil && i > 0 {
			err = t.productOf24(lib, q, p, y, pack)
		}
		if err != nil {
			return pairing{}, false, err
		}
		ways[i] = t.out
	}
	if err := lib.Compress(q, y.w, pack, temp); err != nil {
		return dense(err)
	}
	ms, err := e.fastest(ways, p.Flops())
	if err != nil {
		return dense(err)
	}
	g.ms, g.dense = ms[1], ms[0]
	if g.table {
		if g.ms = ms[2]; ms[1] < ms[2] && !d.always {
			g.ms, g.table, g.packed = ms[1], false, byLibrary
		}
	}
	g.used = g.ms < gain*g.dense
	made, ok := q.(interface{ Makeshift() bool })
	return g, !ok || !made.Makeshift(), nil
}

// stage takes memory for all that a product reads and writes, with noise, and for packing
// its weight.
func (m *work) stage(p cu.Product, x *operands, packing cu.Packing) (y operands, pack, temp cu.Ptr, err error) {
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
		{&pack, true, packing.Bytes, noise}, {&temp, true, max(packing.Temp, 1), noise},
	} {
		if !t.need {
			continue
		}
		if *t.to, err = m.take(t.bytes, t.noise); err != nil {
			return y, 0, 0, err
		}
	}
	if y.from == 0 {
		y.from = y.d
	}
	return y, pack, temp, nil
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

// fastest times ways of doing the same, turn about, and returns the shortest time of each, ms.
func (e *exec) fastest(ways [][]launch, flops float64) (ms []float64, err error) {
	var at [2]cu.Event
	for i := range at {
		if at[i], err = e.dev.driver.Event(); err != nil {
			return nil, err
		}
		defer e.dev.driver.ReleaseEvent(at[i]) //nolint:errcheck // the card is as it was
	}
	repeats := int(min(max(2e11/flops, 2), 20))
	for round := range 5 { // the first loads the kernels
		for i, w := range ways {
			err := e.dev.driver.Record(at[0])
			for range repeats {
				err = firstError(err, e.launch(w))
			}
			if err = firstError(err, e.dev.driver.Record(at[1])); err != nil {
				return nil, err
			}
			t, err := e.dev.driver.Elapsed(at[0], at[1])
			if err != nil {
				return nil, err
			}
			one := float64(t) / float64(repeats)
			switch {
			case round == 0:
				ms = append(ms, math.Inf(1))
			case one < ms[i]:
				ms[i] = one
			}
		}
	}
	return ms, nil
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
