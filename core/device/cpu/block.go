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
	// ahead says that tiles follow behind these: their y, and xLines of x for each
	// tile, which lie xAhead bytes on, are fetched on the way.
	ahead          bool
	xAhead, xLines int
}

// run does all tiles.
func (p blockPass) run() {
	for _, run := range p.w.blk.runs {
		p.over(run)
		p.acc = 1
	}
}

// over multiplies with the blocks of a run, a bounded number of them at a time.
func (p *blockPass) over(run []int32) {
	whole := p.w.n / p.w.blk.r
	for from := 0; from < whole; {
		to := from + 1
		for to < whole && run[to+1]-run[from] <= maxBlocks {
			to++
		}
		a := p.args(run, from, to)
		a.y, a.yStride = at(p.y, from*p.w.blk.r*rowBytes), p.ys
		if p.ahead {
			a.ahead, a.yAhead, a.xAhead = 1, 2*mostTiles(p.w.blk.r)*p.ys, p.xAhead
		}
		for left := p.tiles; ; {
			t := p.next(left)
			if p.ahead && from == 0 {
				a.xLines = (p.xLines*t + to - 1) / to
			}
			p.kernel(t, &a)
			if left -= t; left == 0 { // a pointer may not stand behind the last tile
				break
			}
			a.x, a.y = at(a.x, t*p.xs), at(a.y, t*p.ys)
		}
		from = to
	}
	if p.w.n > whole*p.w.blk.r {
		p.last(run, whole)
	}
}

// last multiplies with the last block row, which is not whole.
func (p *blockPass) last(run []int32, row int) {
	r := p.w.blk.r
	a := p.args(run, row, row+1)
	a.yStride = r * rowBytes
	for done := 0; done < p.tiles; {
		t := p.next(p.tiles - done)
		y := func(i int) []float32 { return rowsOf(at(p.y, (done+i)*p.ys+row*r*rowBytes), p.w.n-row*r) }
		all := p.scratch[:t*r*T]
		clear(all)
		for i := range t {
			copy(all[i*r*T:], y(i))
		}
		a.x, a.y = at(p.x, done*p.xs), ptr(all)
		p.kernel(t, &a)
		for i := range t {
			if !p.backward {
				copy(y(i), all[i*r*T:])
			}
		}
		done += t
	}
}

// next is how many of the tiles that are left the next call takes: about as many
// as each one after it.
func (p *blockPass) next(left int) int {
	most := mostTiles(p.w.blk.r)
	if left <= most {
		return left
	}
	calls := (left + most - 1) / most
	return (left + calls - 1) / calls
}

// args are those of block rows from to to−1, without y.
func (p *blockPass) args(run []int32, from, to int) blockArgs {
	first := run[from]
	return blockArgs{
		ptr: ptr(run[from:]), off: ptr(p.off[first:]), val: ptr(p.w.v[int(first)*p.w.blk.r:]),
		x: p.x, xStride: p.xs, rows: to - from, acc: p.acc,
	}
}

// kernel multiplies so many tiles with the block rows of a. A very long row comes
// in pieces.
func (p *blockPass) kernel(tiles int, a *blockArgs) {
	r, run := p.w.blk.r, unsafe.Slice((*int32)(a.ptr), 2)
	n := int(run[1] - run[0])
	if n <= maxBlocks {
		p.call(r, tiles, a)
		return
	}
	part := *a
	part.ptr = unsafe.Pointer(p.piece)
	for j := 0; j < n; j += maxBlocks {
		*p.piece = [2]int32{0, int32(min(maxBlocks, n-j))}
		part.off, part.val = at(a.off, j*4), at(a.val, j*r*4)
		p.call(r, tiles, &part)
		part.acc, part.ahead = 1, 0
	}
}

func (p *blockPass) call(r, tiles int, a *blockArgs) {
	switch {
	case !p.backward && r == 1:
		blockFwd1(tiles, a)
	case !p.backward && r == 4:
		blockFwd4(tiles, a)
	case !p.backward && r == 8:
		blockFwd8(tiles, a)
	case !p.backward:
		blockFwd16(tiles, a)
	case r == 1:
		blockDX1(tiles, a)
	case r == 4:
		blockDX4(tiles, a)
	case r == 8:
		blockDX8(tiles, a)
	default:
		blockDX16(tiles, a)
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

// blockDW: dw = dy·xᵀ at the blocks of one range of inputs and of outputs, over the batch
// or half of it.
func blockDW(e *exec, c *call, w *weight, part int) {
	s := e.shareOf(c, part)
	ki, ni := s.part%c.cut.ks, s.part/c.cut.ks
	rows, ranges := w.blk.rows(), len(w.blk.cuts)
	from, to := ni*rows/c.cut.ns, (ni+1)*rows/c.cut.ns
	if w.blk.r == 1 {
		singleLinearDW(e, c, w, s, &w.blk.cuts[ki], from, to)
		return
	}
	cut := kRange{w.blk.cuts[ki*ranges/c.cut.ks].from, w.blk.cuts[(ki+1)*ranges/c.cut.ks-1].to}
	x, dy := e.at(c.In[0], 0), e.at(c.In[1], 0)
	r := w.blk.r
	for row := from; row < to; row++ {
		j0, j1 := int(cut.from[row]), int(cut.to[row])
		if j0 == j1 {
			continue
		}
		for i := 0; i < s.tiles; i += dwTiles {
			t := s.first + i*s.step
			dwKernel(r, &blockDWArgs{
				off: ptr(w.blk.off[j0:]), dw: ptr(s.sums[j0*r:]), n: j1 - j0, acc: e.accOf(c, s, i),
				x: at(x, t*e.stride()), dy: at(dy, t*e.stride()+row*r*rowBytes),
				tiles: min(dwTiles, s.tiles-i), tiles2: 1, xStride: s.step * e.stride(), dyStride: s.step * e.stride(),
			})
		}
		w.clearBehind(s.sums, row, j0, j1)
		e.settle(c, w, j0*r, j1*r)
	}
}

// singleLinearDW is blockDW for single weights: a few tiles at a time for all
// rows, so that what of x they use stays in the first level of cache. The weights
// of a range of inputs lie side by side, row after row (cut.from is a run), so
// all of them are settled at once.
func singleLinearDW(e *exec, c *call, w *weight, s share, cut *kRange, from, to int) {
	for i := 0; i < s.tiles; i += singleTiles {
		t, stride := s.first+i*s.step, s.step*e.stride()
		for row := from; row < to; {
			stop := row + 1
			for stop < to && cut.to[stop]-cut.from[row] <= maxSteps {
				stop++
			}
			if j := int(cut.from[row]); int(cut.to[stop-1]) > j {
				singleDW(min(singleTiles, s.tiles-i), &singleDWArgs{
					ptr: ptr(cut.from[row:]), off: ptr(w.blk.off[j:]), dw: ptr(s.sums[j:]), rows: stop - row, acc: e.accOf(c, s, i),
					x: e.at(c.In[0], t), dy: at(e.at(c.In[1], t), row*rowBytes), xStride: stride, dyStride: stride,
				})
			}
			row = stop
		}
	}
	e.settle(c, w, int(cut.from[from]), int(cut.to[to-1]))
}

// clearBehind clears the gradient sums of blocks j0 to j1−1 of a block row where it
// lies behind the last output.
func (w *weight) clearBehind(sums []float32, row, j0, j1 int) {
	r := w.blk.r
	for q := w.n - row*r; q < r; q++ {
		for j := j0; j < j1; j++ {
			sums[j*r+q] = 0
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
