package cuda

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"pare/core/device/cuda/internal/cu"
)

// own24 makes products with 2:4 weights by kernels/sparse24.cu, on Hopper. It packs by itself,
// at the speed of memory.
type own24 struct {
	d Device
	m cu.Mapper
}

var _ cu.Sparse = (*own24)(nil)

// newOwn24 is nil for cards that have no such tensor cores.
func newOwn24(c *card) *own24 {
	m, ok := c.driver.(cu.Mapper)
	if !ok || !m.Maps() || c.info.Major != 9 || c.info.Minor != 0 {
		return nil
	}
	return &own24{Device{card: c, precision: BF16}, m}
}

// version24 goes into the choices of runs: bits depend on the kernel.
const version24 = "pare-2"

func (o *own24) Version() string { return version24 }

func (o *own24) Close() error { return nil }

// tile24 is how a block of the kernel cuts a product: outputs, rows, rows of the last tiles; rows of
// y that go at once, how many such parts are on their way, rows that the copy engine takes of one;
// steps that are brought ahead; and whether every other tile begins with the last inputs (1). What it
// takes of shared memory fits Hopper's 227 KiB.
type tile24 struct{ outs, rows, few, part, parts, box, stages, fro int }

var tiles24 = []tile24{{256, 208, 128, 48, 2, 16, 4, 0}, {128, 256, 128, 64, 1, 64, 5, 0}, {128, 128, 128, 128, 1, 128, 6, 0}}

const (
	blob24    = 4608 // bytes of a pack for 64 outputs × 64 inputs
	cluster24 = 2    // blocks beside each other along the outputs
	band24    = 8
)

func (t tile24) String() string { return fmt.Sprintf("%dx%d", t.outs, t.rows) }

// shared is the shared memory of a block, bytes: stages, y on its way, barriers, and 1023 to align.
func (t tile24) shared() int {
	w := (t.outs/64*blob24 + 1023) / 1024 * 1024
	return 1024 + t.stages*(t.rows*128+w) + t.outs*t.part*t.parts*2 + 256
}

// cycles is about how long a block works at a tile of so many rows, of steps of 64 inputs each: 128
// bytes of x and w a cycle are read from shared memory, 256 come there, and y goes at the end.
func (t tile24) cycles(p cu.Product, rows int) float64 {
	read, come := t.outs*(rows+36)/64, (t.rows*128/cluster24+t.outs/64*blob24)/256
	return float64((p.K+63)/64*(read+come) + 16*rows + 2000)
}

// cut is how many times t.rows rows a product is cut into, before rows of t.few, so that the
// slowest of so many clusters is done soonest; when that is; and the tiles of all.
func (t tile24) cut(p cu.Product, clusters int) (whole int, cycles float64, tiles int) {
	outs := (p.N + t.outs*cluster24 - 1) / (t.outs * cluster24)
	cycles = math.Inf(1)
	for w := (p.M + t.rows - 1) / t.rows; w >= 0; w-- {
		large, all := outs*w, outs*(w+(max(p.M-w*t.rows, 0)+t.few-1)/t.few)
		slowest := 0.
		for c := range min(clusters, all) {
			l, n := (large+clusters-1-c)/clusters, (all+clusters-1-c)/clusters
			slowest = max(slowest, float64(l)*t.cycles(p, t.rows)+float64(n-l)*t.cycles(p, t.few))
		}
		if slowest < cycles {
			whole, cycles, tiles = w, slowest, all
		}
	}
	return whole, cycles, tiles
}

// product24 is a product that is ready, and the arguments of its launches.
type product24 struct {
	p         cu.Product
	tile      tile24
	run, pack cu.Func
	grid      int

	x, y, c             cu.Map
	packed, bias        cu.Ptr
	rows, outs, ins     int32
	whole               int32 // times tile.rows
	alpha, beta         float32
	relu, down          int32
	w                   cu.Ptr
	runArgs, packedArgs []unsafe.Pointer
}

func (q *product24) Algo() string { return q.tile.String() }

// Prepare2of4 takes the tile that should be fastest, which needs no clock.
func (o *own24) Prepare2of4(p cu.Product) (cu.Prepared, cu.Packing, error) {
	best, least := tiles24[0], math.Inf(1)
	for _, t := range tiles24 {
		if _, n, _ := t.cut(p, o.d.info.SMs/cluster24); n < least {
			best, least = t, n
		}
	}
	return o.Prepare2of4With(p, best.String())
}

func (o *own24) Prepare2of4With(p cu.Product, algo string) (cu.Prepared, cu.Packing, error) {
	refuse := func(err error) (cu.Prepared, cu.Packing, error) {
		return nil, cu.Packing{}, fmt.Errorf("cuda: 2:4 product %v: %w: %w", p, cu.ErrUnsupported, err)
	}
	if err := p.Fits2of4(); err != nil {
		return refuse(err)
	}
	ld := p.N
	if p.TransB {
		ld = p.K
	}
	if p.LDB != 0 && p.LDB != ld {
		return refuse(fmt.Errorf("rows of the weight lie %d apart", p.LDB))
	}
	for _, t := range tiles24 {
		if t.String() == algo {
			return o.prepare(p, t)
		}
	}
	return refuse(fmt.Errorf("no tiles %q", algo))
}

// prepare is for a product that fits.
func (o *own24) prepare(p cu.Product, t tile24) (cu.Prepared, cu.Packing, error) {
	clusters := o.d.info.SMs / cluster24
	whole, _, tiles := t.cut(p, clusters)
	q := &product24{p: p, tile: t, rows: int32(p.M), outs: int32(p.N), ins: int32(p.K), whole: int32(whole), grid: min(clusters, tiles) * cluster24}
	if p.Epilogue == cu.ReLUBias {
		q.relu = 1
	}
	if !p.TransB {
		q.down = 1
	}
	var err error
	for name, f := range map[string]*cu.Func{"sparse24": &q.run, "sparse24_pack": &q.pack} {
		if *f, err = o.d.function(name, q.tile.defines()...); err != nil {
			return nil, cu.Packing{}, err
		}
	}
	q.runArgs = pointers(&q.x, &q.y, &q.c, &q.packed, &q.bias, &q.rows, &q.outs, &q.ins, &q.whole, &q.alpha, &q.beta, &q.relu)
	q.packedArgs = pointers(&q.packed, &q.w, &q.outs, &q.ins, &q.down)
	return q, cu.Packing{Bytes: int64(blocks24(p)) * blob24}, nil
}

func (t tile24) defines() []string {
	return strings.Fields(fmt.Sprintf("MI=%d TN=%d FEW=%d EN=%d YS=%d BOX=%d STAGES=%d CLUSTER=%d BAND=%d TO_AND_FRO=%d",
		t.outs/128, t.rows, t.few, t.part, t.parts, t.box, t.stages, cluster24, band24, t.fro))
}

// blocks24 is how many parts of 64 outputs × 64 inputs a pack has.
func blocks24(p cu.Product) int { return (p.N + 63) / 64 * ((p.K + 63) / 64) }

func pointers(to ...any) []unsafe.Pointer {
	var out []unsafe.Pointer
	for _, p := range to {
		switch p := p.(type) {
		case *cu.Map:
			out = append(out, unsafe.Pointer(p))
		case *cu.Ptr:
			out = append(out, unsafe.Pointer(p))
		case *int32:
			out = append(out, unsafe.Pointer(p))
		case *float32:
			out = append(out, unsafe.Pointer(p))
		}
	}
	return out
}

func (o *own24) Compress(pr cu.Prepared, w, packed, _ cu.Ptr) error {
	q, ok := pr.(*product24)
	if !ok {
		return fmt.Errorf("cuda: pack for a 2:4 product that was prepared elsewhere")
	}
	q.w, q.packed = w, packed
	return o.d.driver.Launch(q.pack, [3]int{blocks24(q.p), 1, 1}, [3]int{128, 1, 1}, 0, q.packedArgs)
}

func (o *own24) RunSparse(pr cu.Prepared, x, packed, c, y, bias cu.Ptr, alpha, beta float32) error {
	q, ok := pr.(*product24)
	if !ok {
		return fmt.Errorf("cuda: run of a 2:4 product that was prepared elsewhere")
	}
	p, t := q.p, q.tile
	lda, ldd := max(p.LDA, p.K), max(p.LDD, p.N)
	var err error
	if q.x, err = o.m.Map(x, p.M, p.K, lda, t.rows/cluster24); err != nil {
		return err
	}
	if q.y, err = o.m.Map(y, p.M, p.N, ldd, t.box); err != nil {
		return err
	}
	if q.c = q.y; c != y {
		if q.c, err = o.m.Map(c, p.M, p.N, ldd, t.box); err != nil {
			return err
		}
	}
	q.packed, q.bias, q.alpha, q.beta = packed, bias, alpha, beta
	return o.d.driver.Launch(q.run, [3]int{q.grid, 1, 1}, [3]int{3 * 128, 1, 1}, t.shared(), q.runArgs)
}

func (o *own24) Release(cu.Prepared) error { return nil }
