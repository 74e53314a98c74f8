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

// Sizes of the blocks: a panel of B with gemmK steps fills most of the first
// level of cache, gemmM rows of A half of the second.
const (
	gemmK    = 384
	gemmM    = 256
	gemmRows = 16 // rows of a panel of A
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
	g.run(p, beta == 0)
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
	wide    int // columns of a panel of B: 64 bytes
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

// run cuts C into a part for each worker, who packs and multiplies on its own: what
// one has packed is in its own caches, and nobody waits for others in between. (With
// B packed together two workers of Zen 4 were 5 to 10 % slower.)
func (g *gemm[F]) run(p *pool, fresh bool) {
	blocks := (g.k + gemmK - 1) / gemmK
	kc := (g.k + blocks - 1) / blocks
	rows, cols := grid(p.threads(), (g.m+gemmRows-1)/gemmRows, (g.n+g.wide-1)/g.wide)
	wide := ((g.n+g.wide-1)/g.wide + cols - 1) / cols * g.wide // columns of a part
	high := ((g.m+gemmRows-1)/gemmRows + rows - 1) / rows * gemmRows
	mc := min(gemmM, high)
	each := wide*kc + mc*kc + gemmRows*g.wide
	room := scratchOf[F](rows * cols * each)
	defer scratch.Put(room)
	p.run(rows*cols, func(part, _ int) {
		local := room.of[part*each:][:each]
		packed, rest := local[:wide*kc], local[wide*kc:]
		i0, j0 := part/cols*high, part%cols*wide
		i1, j1 := min(i0+high, g.m), min(j0+wide, g.n)
		if j0 >= j1 {
			return
		}
		for k0 := 0; k0 < g.k; k0 += kc {
			k1 := min(k0+kc, g.k)
			g.packB(packed, j0, j1, k0, k1)
			for i := i0; i < i1; i += mc {
				g.block(rest, packed, i, min(i+mc, i1), j0, j1, k0, k1, fresh && k0 == 0)
			}
		}
	})
}

// leastPanels is the least width of a part, in panels, if there is another way to
// cut: A is packed once for each part in a row of them.
const leastPanels = 8

// grid cuts C, of so many panels of rows and of columns, for a number of workers:
// into columns first.
func grid(workers, rowPanels, colPanels int) (rows, cols int) {
	for cols = min(workers, colPanels); cols > 1; cols-- {
		if workers%cols == 0 && (colPanels/cols >= leastPanels || rowPanels < workers/cols) {
			break
		}
	}
	return min(workers/cols, rowPanels), cols
}

// packB packs columns j0 to j1−1 of rows k0 to k1−1 of B: each panel is [k][wide].
func (g *gemm[F]) packB(dst []F, j0, j1, k0, k1 int) {
	size := (k1 - k0) * g.wide
	for k := k0; k < k1; k++ {
		at := (k - k0) * g.wide
		j := j0
		if !g.b.Transposed {
			row := g.b.Data[k*g.b.Stride:][:g.n]
			for ; j+g.wide <= j1; j += g.wide {
				*(*[rowBytes]byte)(unsafe.Pointer(&dst[at])) = *(*[rowBytes]byte)(unsafe.Pointer(&row[j]))
				at += size
			}
		}
		for ; j < j1; j += g.wide {
			cols := min(g.wide, j1-j)
			row := dst[at:][:g.wide]
			for i := range cols {
				if g.b.Transposed {
					row[i] = g.b.Data[(j+i)*g.b.Stride+k]
				} else {
					row[i] = g.b.Data[k*g.b.Stride+j+i]
				}
			}
			clear(row[cols:])
			at += size
		}
	}
}

// packA writes rows from i on of columns k0 to k1−1 of alpha·A as [k][16].
func (g *gemm[F]) packA(dst []F, i, k0, k1 int) {
	rows := min(gemmRows, g.m-i)
	if x, ok := any(g.a.Data).([]float32); ok && !g.a.Transposed && rows == gemmRows {
		var from [T]unsafe.Pointer
		for r := range from {
			from[r] = ptr(x[(i+r)*g.a.Stride+k0:])
		}
		gather(&from, 0, ptr(dst), k1-k0, rowBytes)
	} else {
		for k := k0; k < k1; k++ {
			row := dst[(k-k0)*gemmRows:][:gemmRows]
			for r := range rows {
				at := (i+r)*g.a.Stride + k
				if g.a.Transposed {
					at = k*g.a.Stride + i + r
				}
				row[r] = g.a.Data[at]
			}
			clear(row[rows:])
		}
	}
	if g.alpha != 1 {
		for i := range dst[:(k1-k0)*gemmRows] {
			dst[i] *= g.alpha
		}
	}
}

// block computes rows i0 to i1−1 of columns j0 to j1−1 of C for steps k0 to k1−1. A
// panel of B stays in the first level of cache while those of A pass by.
func (g *gemm[F]) block(local, packedB []F, i0, i1, j0, j1, k0, k1 int, fresh bool) {
	steps := k1 - k0
	for i := i0; i < i1; i += gemmRows {
		g.packA(local[(i-i0)*steps:], i, k0, k1)
	}
	edge := local[len(local)-gemmRows*g.wide:]
	size := int(unsafe.Sizeof(g.alpha))
	for j := j0; j < j1; j += g.wide {
		for i := i0; i < i1; i += gemmRows {
			a := mulArgs{b: ptr(packedB[(j-j0)*steps:]), inner: steps, outer: 1, cStride: g.c.Stride * size, acc: 1}
			to := g.c.Data[i*g.c.Stride+j:]
			if fresh {
				a.acc = 0
			}
			rows, cols := min(gemmRows, i1-i), min(g.wide, j1-j)
			whole := rows == gemmRows && cols == g.wide
			if !whole {
				to, a.cStride, a.acc = edge, rowBytes, 0
			}
			row := 0
			for _, mr := range panelCuts {
				a.a = at(ptr(local[(i-i0)*steps:]), row*size)
				a.c = at(ptr(to), row*a.cStride)
				if size == 4 {
					mulC(mr, &a)
				} else {
					mulD(mr, &a)
				}
				row += mr
			}
			if whole {
				continue
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
	}
}
