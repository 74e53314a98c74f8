package cpu

import "pare/core/device"

// A gradient sums over the batch what each sample left in x and dy. Of two threads each
// has worked on the tiles of one half of it (see pool), and has their values in its own
// caches. So a gradient that is small beside x and dy is summed over each half by
// itself, and the halves are added when it is settled: what one thread fetches from the
// other is then the gradient and not the values, and nobody else holds a line of the values
// that it writes over in the next step. Where two processors share no cache, such a write
// takes 14 ns and more, a line that is read or changes hands 3 (PERFORMANCE.md).
//
// How the batch is cut depends on the plan alone: the number of threads changes no bit.

// leastHalf is the least number of tiles in half of a batch: a kernel of blocks of several
// rows does more once a block, whose share of a shorter sum one thread would feel.
func (w *weight) leastHalf() int {
	if w.lay == blocks && w.blk.r > 1 {
		return dwTiles / 2
	}
	return singleTiles
}

// halves is the number of parts of the batch that the gradient of w is summed over, 1 or 2, each
// of at least so many tiles. values is the number of floats it is made from. What is not in
// blocks is settled at once where it is whole, so there must be more to gain.
func (e *exec) halves(w *weight, least, values int) int {
	most := 16
	if w.lay == blocks {
		most = 4
	}
	if e.p.Tiles(e.p.Batch) < 2*least || values < most*len(w.v) {
		return 1
	}
	return 2
}

// cutInto makes the parts of a call that makes a gradient, cut for each of so many parts of
// the batch. One thread adds the second half of a block's sum to the first where the
// kernel sums the half in one go: the same bits, without a place for it.
func (e *exec) cutInto(c *call, halves int) {
	w := &e.b.ws[c.W[0]]
	c.parts, c.halves = halves*c.cut.ks*c.cut.ns, halves
	inOrder := e.threads == 1 && c.Kernel == device.LinearDW && w.lay == blocks && w.blk.r > 1 && e.p.Tiles(e.p.Batch) <= 2*dwTiles
	if halves > 1 && !inOrder {
		c.half = e.alloc("half of a gradient", len(w.v))
	}
}

// share is what one part of a call that makes a gradient sums over: all tiles or those of
// half of the batch.
type share struct {
	sums   []float32 // where the sum goes
	part   int       // of the parts that share the work of these tiles
	tiles  int       // none for the second half of one tile, whose sum means nothing
	first  int       // tile, the next is first + step
	step   int       // 1 or −1
	second bool
}

// shareOf is that of a part of c. The first half is taken from its end: hardware that sees
// kernels go from tile to tile fetches some more, which would be the other thread's.
func (e *exec) shareOf(c *call, part int) share {
	s := share{sums: e.b.ws[c.W[0]].g, part: part, tiles: e.tiles, step: 1}
	if c.halves < 2 {
		return s
	}
	s.tiles = (e.tiles + 1) / 2
	if n := c.parts / 2; part < n {
		s.first, s.step = s.tiles-1, -1
	} else {
		s.part, s.second, s.first, s.tiles = part-n, true, s.tiles, e.tiles-s.tiles
		if c.half != nil {
			s.sums = c.half
		}
	}
	return s
}

// from is the first of the tiles as they lie in memory.
func (s share) from() int { return min(s.first, s.first+s.step*(s.tiles-1)) }

// accOf is acc for a share, of which done tiles are summed.
func (e *exec) accOf(c *call, s share, done int) int {
	switch {
	case !s.second:
		return e.acc(c, done)
	case c.half == nil:
		return 1
	}
	return min(done, 1)
}

// addHalf adds the sum over the second half of the batch to that over the first, for
// elements from to to−1 of g.
func (e *exec) addHalf(c *call, g []float32, from, to int) {
	if c.half == nil || e.tiles < 2 {
		return
	}
	g, half := g[from:to], c.half[from:to]
	rows := len(g) / T * T
	addInto(g[:rows], half[:rows])
	for i := rows; i < len(g); i++ {
		g[i] += half[i]
	}
}

// fetchToWrite makes the caller's cache the owner of the lines of x, many at a time: a kernel
// that writes to lines which another thread has read or written waits for each of them.
func fetchToWrite(x []float32) {
	var kept [64]float32
	for len(x) > 0 {
		n := min(len(x), len(kept)*T)
		for i := 0; i < n; i += T {
			kept[i/T] = x[i]
		}
		for i := 0; i < n; i += T {
			x[i] = kept[i/T]
		}
		x = x[n:]
	}
}
