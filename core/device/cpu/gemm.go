package cpu

import (
	"fmt"
	"slices"
	"sync"
	"unsafe"
)

// Products of matrices in rows, for what the tiles of a plan do not fit: both
// operands are packed into panels first. This is how OpenBLAS and BLIS do it (Van
// Zee and van de Geijn 2015), with the kernels that the layers use.

// Sizes of the blocks. C is read and written once for each block of steps, which
// costs more than a panel that comes from the second level of cache instead of the
// first, so blocks are long: a strip of B with gemmK steps fills a quarter of that
// level. What is packed of A at a time, gemmA elements, stays in the third.
const (
	gemmK     = 1024    // steps of a block
	gemmM     = 1024    // rows of A packed at a time
	gemmA     = 1 << 21 // elements of A packed at a time
	gemmStrip = 4       // panels of a strip of B
	gemmRows  = 16      // rows of a panel of A
)

// panelCuts cuts the 16 rows of a panel of A for mulC and mulD.
var panelCuts []int

// Matrix is a matrix in rows: element (i, j) at Data[i·Stride + j], or at
// [j·Stride + i] when it is given transposed.
type Matrix[F float32 | float64] struct {
	Data       []F
	Stride     int
	Transposed bool
}

// Gemm computes C = alpha·A·B + beta·C for A [m, k], B [k, n] and C [m, n] with
// that many threads. C must not be transposed nor overlap the others. When beta is
// 0, C is not read. The result does not depend on the number of threads.
func Gemm[F float32 | float64](threads, m, n, k int, alpha F, a, b Matrix[F], beta F, c Matrix[F]) error {
	switch {
	case m < 0 || n < 0 || k < 0 || c.Transposed:
		return fmt.Errorf("gemm: product of %d×%d×%d into a matrix transposed %t", m, n, k, c.Transposed)
	case !a.holds(m, k):
		return fmt.Errorf("gemm: A is no %d×%d matrix: %d values, stride %d", m, k, len(a.Data), a.Stride)
	case !b.holds(k, n):
		return fmt.Errorf("gemm: B is no %d×%d matrix: %d values, stride %d", k, n, len(b.Data), b.Stride)
	case !c.holds(m, n):
		return fmt.Errorf("gemm: C is no %d×%d matrix: %d values, stride %d", m, n, len(c.Data), c.Stride)
	case m == 0 || n == 0:
		return nil
	}
	g := gemm[F]{m: m, n: n, k: k, alpha: alpha, a: a, b: b, c: c, wide: int(rowBytes / unsafe.Sizeof(alpha))}
	g.scale(beta)
	if k == 0 || alpha == 0 {
		return nil
	}
	if 2*m*n*k < 1<<20 {
		threads = 1
	}
	p := workers(max(threads, 1))
	g.fresh = beta == 0
	g.run(p)
	idle.Lock()
	idle.pools = append(idle.pools, p)
	idle.Unlock()
	return nil
}

// idle are the pools of workers of products that have ended: starting goroutines
// takes longer than a small product. There are never more of them than products
// that ran at the same time.
var idle struct {
	sync.Mutex
	pools []*pool
}

// workers takes an idle pool of that many threads or starts one.
func workers(threads int) *pool {
	idle.Lock()
	defer idle.Unlock()
	for i, p := range idle.pools {
		if p.threads() == threads {
			idle.pools = slices.Delete(idle.pools, i, i+1)
			return p
		}
	}
	return newPool(threads)
}

// buffer is memory that products use one after the other.
type buffer[F float32 | float64] struct{ of []F }

// scratchOf returns at least n floats that hold anything.
func scratchOf[F float32 | float64](n int) *buffer[F] {
	if b, ok := scratch.Get().(*buffer[F]); ok && len(b.of) >= n {
		return b
	}
	return &buffer[F]{allocOf[F](n)}
}

var scratch sync.Pool

func (x *Matrix[F]) holds(rows, cols int) bool {
	if x.Transposed {
		rows, cols = cols, rows
	}
	return rows == 0 || cols == 0 || x.Stride >= cols && len(x.Data) >= (rows-1)*x.Stride+cols
}

// gemm is one product.
type gemm[F float32 | float64] struct {
	m, n, k int
	alpha   F
	a, b, c Matrix[F]
	wide    int  // columns of a panel of B: 64 bytes
	fresh   bool // C holds nothing yet
	kc      int  // steps of a block
}

// scale multiplies C by beta; 0 is left to the first product, unless there is
// none.
func (g *gemm[F]) scale(beta F) {
	if beta == 1 || beta == 0 && g.k > 0 && g.alpha != 0 {
		return
	}
	for i := range g.m {
		row := g.c.Data[i*g.c.Stride:][:g.n]
		for j := range row {
			if beta == 0 { // also where C holds NaN
				row[j] = 0
			} else {
				row[j] *= beta
			}
		}
	}
}

// over is x/y rounded up.
func over(x, y int) int { return (x + y - 1) / y }

// run packs some rows and steps of A at a time, all workers together, who then take
// strips of C: each packs its strip of B and multiplies. Strips are narrow, so that
// one who is disturbed takes fewer, and nobody waits but at the end.
func (g *gemm[F]) run(p *pool) {
	g.kc = over(g.k, over(g.k, gemmK))
	high := min(over(g.m, gemmRows)*gemmRows, gemmM)
	deep := g.kc * min(max(gemmA/(high*g.kc), 1), over(g.k, g.kc))
	strips, parts := g.cut(p.threads(), high/gemmRows)
	panels := over(over(g.n, g.wide), strips) // of the widest strip
	each := panels*g.wide*g.kc + gemmRows*g.wide
	room := scratchOf[F](high*deep + p.threads()*each)
	defer scratch.Put(room)
	packed, locals := room.of[:high*deep], room.of[high*deep:]
	for i0 := 0; i0 < g.m; i0 += high {
		for k0 := 0; k0 < g.k; k0 += deep {
			now := &chunk[F]{packed: packed, i0: i0, i1: min(i0+high, g.m), k0: k0, k1: min(k0+deep, g.k)}
			p.run(over(now.i1-i0, gemmRows), 0, func(panel, _ int) { g.packA(now, panel) })
			p.run(strips*parts, 0, func(task, worker int) {
				g.strip(now, locals[worker*each:][:each], task/parts, strips, task%parts, parts)
			})
		}
	}
}

// chunk is a part of A that is packed: blocks of steps, of panels of rows, of
// [steps][16].
type chunk[F float32 | float64] struct {
	packed         []F
	i0, i1, k0, k1 int
}

// panel is rows i to i+15 of the steps k0 to k1−1, a block.
func (c *chunk[F]) panel(i, k0, k1 int) []F {
	rows := over(c.i1-c.i0, gemmRows) * gemmRows
	return c.packed[rows*(k0-c.k0)+(i-c.i0)*(k1-k0):][:gemmRows*(k1-k0)]
}

// cut says into how many strips C is cut and each of them into how many parts. B is
// packed once for each part, so there is more than one only where C is narrow.
func (g *gemm[F]) cut(workers, rowPanels int) (strips, parts int) {
	panels := over(g.n, g.wide)
	strips = min(over(over(panels, gemmStrip), workers)*workers, panels)
	if workers > 1 && strips < 2*workers {
		parts = min(over(2*workers, strips), rowPanels)
	}
	return strips, max(parts, 1)
}

// strip multiplies a chunk of A with one strip of B, or a part of that chunk's rows.
func (g *gemm[F]) strip(c *chunk[F], local []F, strip, strips, part, parts int) {
	panels, rowPanels := over(g.n, g.wide), over(c.i1-c.i0, gemmRows)
	j0, j1 := strip*panels/strips*g.wide, min((strip+1)*panels/strips*g.wide, g.n)
	i0, i1 := c.i0+part*rowPanels/parts*gemmRows, min(c.i0+(part+1)*rowPanels/parts*gemmRows, c.i1)
	b, edge := local[:len(local)-gemmRows*g.wide], local[len(local)-gemmRows*g.wide:]
	for k0 := c.k0; k0 < c.k1; k0 += g.kc {
		k1 := min(k0+g.kc, c.k1)
		g.b.pack(b, !g.b.Transposed, j0, j1, k0, k1, g.wide)
		for i := i0; i < i1; i += gemmRows {
			for j := j0; j < j1; j += g.wide {
				g.tile(c.panel(i, k0, k1), b[(j-j0)*(k1-k0):], edge, i, j, k1-k0, g.fresh && k0 == 0)
			}
		}
	}
}

// tile computes 16 rows of a panel's columns of C from packed panels.
func (g *gemm[F]) tile(a, b, edge []F, i, j, steps int, fresh bool) {
	size := int(unsafe.Sizeof(g.alpha))
	args := mulArgs{b: ptr(b), inner: steps, outer: 1, cStride: g.c.Stride * size, acc: 1}
	to := g.c.Data[i*g.c.Stride+j:]
	if fresh {
		args.acc = 0
	}
	rows, cols := min(gemmRows, g.m-i), min(g.wide, g.n-j)
	whole := rows == gemmRows && cols == g.wide
	if !whole {
		to, args.cStride, args.acc = edge, rowBytes, 0
	}
	row := 0
	for _, mr := range panelCuts {
		args.a = at(ptr(a), row*size)
		args.c = at(ptr(to), row*args.cStride)
		if size == 4 {
			mulC(mr, &args)
		} else {
			mulD(mr, &args)
		}
		row += mr
	}
	if whole {
		return
	}
	for r := range rows {
		dst := g.c.Data[(i+r)*g.c.Stride+j:][:cols]
		for q := range dst {
			if fresh {
				dst[q] = edge[r*g.wide+q]
			} else {
				dst[q] += edge[r*g.wide+q]
			}
		}
	}
}

// packA packs a panel of alpha·A in a chunk.
func (g *gemm[F]) packA(c *chunk[F], panel int) {
	i := c.i0 + panel*gemmRows
	for k0 := c.k0; k0 < c.k1; k0 += g.kc {
		k1 := min(k0+g.kc, c.k1)
		to := c.panel(i, k0, k1)
		g.a.pack(to, g.a.Transposed, i, min(i+gemmRows, g.m), k0, k1, gemmRows)
		if g.alpha != 1 {
			for q := range to {
				to[q] *= g.alpha
			}
		}
	}
}

// pack writes lines i0 to i1−1 of steps k0 to k1−1 as panels of [k][wide], zero where
// there are fewer lines than that. Lines lie beside each other (element k of line i is
// at [k·Stride + i]) or behind each other ([i·Stride + k]).
func (x *Matrix[F]) pack(dst []F, beside bool, i0, i1, k0, k1, wide int) {
	steps, size := k1-k0, int(unsafe.Sizeof(F(0)))
	i := i0
	if whole := (i1 - i0) / wide * wide; beside && whole > 0 {
		a := packArgs{srcStride: x.Stride * size, dstStride: wide * size, lineStride: rowBytes}
		a.lines = whole * size / rowBytes
		if wide*size == rowBytes {
			a.lineStride *= steps
		}
		most := max(maxRows/a.lines, 1)
		for k := 0; k < steps; k += most {
			a.src, a.dst, a.n = ptr(x.Data[(k0+k)*x.Stride+i0:]), ptr(dst[k*wide:]), min(steps-k, most)
			packRows(&a)
		}
		i += whole
	}
	for ; i < i1; i += wide {
		x.packPanel(dst[(i-i0)*steps:], beside, i, min(i+wide, i1), k0, k1, wide)
	}
}

// packPanel is pack for one panel.
func (x *Matrix[F]) packPanel(dst []F, beside bool, i0, i1, k0, k1, wide int) {
	lines := i1 - i0
	if beside {
		for k := k0; k < k1; k++ {
			to := dst[(k-k0)*wide:][:wide]
			clear(to[copy(to, x.Data[k*x.Stride+i0:][:lines]):])
		}
		return
	}
	if y, ok := any(x.Data).([]float32); ok && lines == T {
		var from [T]unsafe.Pointer
		for r := range from {
			from[r] = ptr(y[(i0+r)*x.Stride+k0:])
		}
		gather(&from, 0, ptr(dst), k1-k0, rowBytes)
		return
	}
	for k := k0; k < k1; k++ {
		to := dst[(k-k0)*wide:][:wide]
		for r := range lines {
			to[r] = x.Data[(i0+r)*x.Stride+k]
		}
		clear(to[lines:])
	}
}
