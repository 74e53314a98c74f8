package cpu

import "unsafe"

// Products with a weight in blocks, for a linear layer or for one pixel of a
// convolution after the other. A pass serves several tiles (or pixels) at once.
// When the number of outputs is no multiple of the blocks' height, the last
// block row works on a copy in scratch memory: there is no room for the missing
// outputs in a tile.

// blockPass is what forward and dx do with one weight: x and y of the first
// tile, the distances to the next ones and how many there are.
type blockPass struct {
	w        *weight
	off      []uint32 // of the blocks
	x, y     unsafe.Pointer
	xs, ys   int // bytes
	tiles    int
	scratch  []float32
	piece    *[2]int32 // scratch, too
	backward bool
	acc      int // forward: add to y
}

// run does all tiles.
func (p blockPass) run() {
	most := mostTiles(p.w.blk.r)
	for passes := (p.tiles + most - 1) / most; passes > 0; passes-- {
		n := (p.tiles + passes - 1) / passes // as even as can be
		q := p
		q.tiles = n
		for _, run := range p.w.blk.runs {
			q.over(run)
			q.acc = 1
		}
		p.tiles -= n
		if p.tiles > 0 { // a pointer may not stand behind the last tile
			p.x, p.y = at(p.x, n*p.xs), at(p.y, n*p.ys)
		}
	}
}

// over multiplies with the blocks of a run.
func (p *blockPass) over(run []int32) {
	r := p.w.blk.r
	whole := p.w.n / r
	p.span(run, 0, whole, p.y, p.ys)
	rest := p.w.n % r
	if rest == 0 {
		return
	}
	last := p.scratch[:p.tiles*r*T]
	for t := range p.tiles {
		y := unsafe.Slice((*float32)(at(p.y, t*p.ys+whole*r*rowBytes)), rest*T)
		mine := last[t*r*T : (t+1)*r*T]
		clear(mine)
		copy(mine, y)
	}
	p.span(run, whole, whole+1, ptr(last), r*rowBytes)
	if p.backward {
		return
	}
	for t := range p.tiles {
		copy(unsafe.Slice((*float32)(at(p.y, t*p.ys+whole*r*rowBytes)), rest*T), last[t*r*T:])
	}
}

// span multiplies with block rows from to to−1, a bounded number of blocks at a
// time. y is the address of the first output of row from.
func (p *blockPass) span(run []int32, from, to int, y unsafe.Pointer, ys int) {
	r := p.w.blk.r
	for row := from; row < to; {
		end := row + 1
		for end < to && run[end+1]-run[row] <= maxBlocks {
			end++
		}
		first, n := int(run[row]), int(run[end]-run[row])
		a := blockArgs{
			ptr: ptr(run[row:]), off: ptr(p.off[first:]), val: ptr(p.w.v[first*r:]), x: p.x, xStride: p.xs, yStride: ys,
			y: at(y, (row-from)*r*rowBytes), rows: end - row, acc: p.acc,
		}
		if n <= maxBlocks {
			p.kernel(r, &a)
			row = end
			continue
		}
		for j := 0; j < n; j += maxBlocks { // one very long row
			*p.piece = [2]int32{0, int32(min(maxBlocks, n-j))}
			a.ptr, a.off, a.val = unsafe.Pointer(p.piece), ptr(p.off[first+j:]), ptr(p.w.v[(first+j)*r:])
			p.kernel(r, &a)
			a.acc = 1
		}
		row = end
	}
}

func (p *blockPass) kernel(r int, a *blockArgs) {
	switch {
	case !p.backward && r == 1:
		blockFwd1(p.tiles, a)
	case !p.backward && r == 4:
		blockFwd4(p.tiles, a)
	case !p.backward && r == 8:
		blockFwd8(p.tiles, a)
	case !p.backward:
		blockFwd16(p.tiles, a)
	case r == 1:
		blockDX1(p.tiles, a)
	case r == 4:
		blockDX4(p.tiles, a)
	case r == 8:
		blockDX8(p.tiles, a)
	default:
		blockDX16(p.tiles, a)
	}
}

// blockForward: y = w·x for tiles t0 to t1−1 of a linear layer.
func blockForward(e *exec, w *weight, c *call, l *local, t0, t1 int) {
	blockPass{
		w: w, off: w.blk.off, x: e.at(c.In[0], t0), y: e.at(c.Out[0], t0), xs: e.stride(), ys: e.stride(), tiles: t1 - t0,
		scratch: l.buf, piece: &l.piece,
	}.run()
}

// blockLinearDX: dx = wᵀ·dy for tiles t0 to t1−1.
func blockLinearDX(e *exec, w *weight, c *call, l *local, t0, t1 int) {
	dy, dx := e.at(c.In[0], t0), e.at(c.Out[0], t0)
	p := blockPass{w: w, off: w.blk.off, x: dx, y: dy, xs: e.stride(), ys: e.stride(), tiles: t1 - t0, scratch: l.buf, piece: &l.piece, backward: true}
	if b := w.blk.back; b != nil {
		p.w, p.off, p.x, p.y, p.backward = &b.w, b.w.blk.off, dy, dx, false
	} else {
		for t := t0; t < t1; t++ {
			clearAll(rowsOf(e.at(c.Out[0], t), w.k))
		}
	}
	p.run()
}

// blockDW: dw = dy·xᵀ at the blocks of one range of inputs, for block rows from
// to to−1.
func blockDW(e *exec, c *call, w *weight, cut *kRange, from, to int) {
	if w.blk.r == 1 {
		singleLinearDW(e, c, w, cut, from, to)
		return
	}
	x, dy := e.at(c.In[0], 0), e.at(c.In[1], 0)
	r := w.blk.r
	for row := from; row < to; row++ {
		j0, j1 := int(cut.from[row]), int(cut.to[row])
		if j0 == j1 {
			continue
		}
		for t := 0; t < e.tiles; t += dwTiles {
			dwKernel(r, &blockDWArgs{
				off: ptr(w.blk.off[j0:]), dw: ptr(w.g[j0*r:]), n: j1 - j0, acc: e.acc(c, t),
				x: at(x, t*e.stride()), dy: at(dy, t*e.stride()+row*r*rowBytes),
				tiles: min(dwTiles, e.tiles-t), tiles2: 1, xStride: e.stride(), dyStride: e.stride(),
			})
		}
		w.clearBehind(row, j0, j1)
		e.settle(c, w, j0*r, j1*r)
	}
}

// singleLinearDW is blockDW for single weights: a few tiles at a time for all
// rows, so that what of x they use stays in the first level of cache. The weights
// of a range of inputs lie side by side, row after row (cut.from is a run), so
// all of them are settled at once.
func singleLinearDW(e *exec, c *call, w *weight, cut *kRange, from, to int) {
	for t := 0; t < e.tiles; t += singleTiles {
		for row := from; row < to; {
			stop := row + 1
			for stop < to && cut.to[stop]-cut.from[row] <= maxSteps {
				stop++
			}
			if j := int(cut.from[row]); int(cut.to[stop-1]) > j {
				singleDW(min(singleTiles, e.tiles-t), &singleDWArgs{
					ptr: ptr(cut.from[row:]), off: ptr(w.blk.off[j:]), dw: ptr(w.g[j:]), rows: stop - row, acc: e.acc(c, t),
					x: e.at(c.In[0], t), dy: at(e.at(c.In[1], t), row*rowBytes), xStride: e.stride(), dyStride: e.stride(),
				})
			}
			row = stop
		}
	}
	e.settle(c, w, int(cut.from[from]), int(cut.to[to-1]))
}

// clearBehind clears the gradient of blocks j0 to j1−1 of a block row where it
// lies behind the last output.
func (w *weight) clearBehind(row, j0, j1 int) {
	r := w.blk.r
	for q := w.n - row*r; q < r; q++ {
		for j := j0; j < j1; j++ {
			w.g[j*r+q] = 0
		}
	}
}

func dwKernel(r int, a *blockDWArgs) {
	switch r {
	case 1:
		blockDW1(a)
	case 4:
		blockDW4(a)
	case 8:
		blockDW8(a)
	default:
		blockDW16(a)
	}
}
