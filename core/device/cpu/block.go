package cpu

import "unsafe"

// Products with a weight in 4×1 blocks. When the number of outputs is no
// multiple of four, the last row of blocks works on a copy of four rows in
// scratch memory: there is no room for the missing ones in a tile.

// blockForward: y = w·x.
func blockForward(w *weight, x, y unsafe.Pointer, l *local) {
	whole := w.n / blockRows
	blockSpan(w, true, 0, whole, x, y)
	if rest := w.n % blockRows; rest > 0 {
		last := l.buf[:blockRows*T]
		blockSpan(w, true, whole, whole+1, x, ptr(last))
		copy(unsafe.Slice((*float32)(at(y, whole*blockRows*rowBytes)), rest*T), last)
	}
}

// blockDX: dx[k] = wᵀ·dy.
func blockDX(w *weight, dy, dx unsafe.Pointer, l *local) {
	clear(unsafe.Slice((*float32)(dx), w.k*T))
	whole := w.n / blockRows
	blockSpan(w, false, 0, whole, dx, dy)
	if rest := w.n % blockRows; rest > 0 {
		last := l.buf[:blockRows*T]
		clear(last)
		copy(last, unsafe.Slice((*float32)(at(dy, whole*blockRows*rowBytes)), rest*T))
		blockSpan(w, false, whole, whole+1, dx, ptr(last))
	}
}

// blockSpan multiplies with block rows from to to−1, a bounded number of blocks
// at a time. x is the address of input 0, y of the first output of row from.
func blockSpan(w *weight, forward bool, from, to int, x, y unsafe.Pointer) {
	kernel := func(a *blockArgs) {
		if forward {
			blockFwd4(a)
		} else {
			blockDX4(a)
		}
	}
	for row := from; row < to; {
		end := row + 1
		for end < to && w.blk.Ptr[end+1]-w.blk.Ptr[row] <= maxSteps {
			end++
		}
		first, n := int(w.blk.Ptr[row]), int(w.blk.Ptr[end]-w.blk.Ptr[row])
		a := blockArgs{
			ptr: ptr(w.blk.Ptr[row:]), off: ptr(w.off[first:]), val: ptr(w.v[first*blockRows:]),
			x: x, y: at(y, (row-from)*blockRows*rowBytes), rows: end - row,
		}
		if n <= maxSteps {
			kernel(&a)
			row = end
			continue
		}
		for j := 0; j < n; j += maxSteps { // one very long row
			piece := [2]int32{0, int32(min(maxSteps, n-j))}
			a.ptr, a.off, a.val = unsafe.Pointer(&piece), ptr(w.off[first+j:]), ptr(w.v[(first+j)*blockRows:])
			kernel(&a)
			a.acc = 1
		}
		row = end
	}
}

// blockDW: dw = dy·xᵀ at the blocks of one range of inputs, for block rows from
// to to−1.
func blockDW(e *exec, c *call, w *weight, r *kRange, from, to int) {
	x, dy := e.at(c.In[0], 0), e.at(c.In[1], 0)
	for row := from; row < to; row++ {
		j0, j1 := int(r.from[row]), int(r.to[row])
		if j0 == j1 {
			continue
		}
		for t := 0; t < e.tiles; t += dwTiles {
			blockDW4(&blockDWArgs{
				off: ptr(w.off[j0:]), dw: ptr(w.g[j0*blockRows:]), n: j1 - j0, acc: min(t, 1),
				x: at(x, t*e.stride()), dy: at(dy, t*e.stride()+row*blockRows*rowBytes),
				tiles: min(dwTiles, e.tiles-t), tiles2: 1, xStride: e.stride(), dyStride: e.stride(),
			})
		}
		// Whatever lay behind the last output is no gradient.
		for r := w.n - row*blockRows; r < blockRows; r++ {
			for j := j0; j < j1; j++ {
				w.g[j*blockRows+r] = 0
			}
		}
		e.settle(c, w, j0*blockRows, j1*blockRows)
	}
}
