package cpu

// border says which windows of a convolution in blocks reach over the border of
// the image. These work on a copy with padding around it; the others, most of
// them, on the image itself. Of the copy only what they see is kept.
type border struct {
	g        *geometry
	oy0, oy1 int // rows of windows that lie inside from top to bottom
	ox0, ox1 int // columns of windows that lie inside from left to right
	// Of the padded image: whole rows are needed above top and from bottom on,
	// columns before left and from right on.
	top, bottom, left, right int
}

// paddedW and paddedH are the size of x with its padding.
func (g *geometry) paddedW() int { return g.w + g.PL + g.PR }
func (g *geometry) paddedH() int { return g.h + g.PT + g.PB }

// isPadded reports whether x has padding at all.
func (g *geometry) isPadded() bool { return g.PL+g.PR+g.PT+g.PB > 0 }

func newBorder(g *geometry) border {
	b := border{g: g}
	b.oy0, b.oy1, b.top, b.bottom = g.rows().border(g.paddedH())
	b.ox0, b.ox1, b.left, b.right = g.cols().border(g.paddedW())
	return b
}

// border is the range of outputs whose windows lie inside, where the windows
// before that range end in the padded input, and where those behind it start.
func (s span) border(padded int) (from, to, end, start int) {
	f0, t0 := s.outputs(0)
	f1, t1 := s.outputs(s.taps - 1)
	from, to, end, start = max(f0, f1), min(t0, t1), 0, padded
	if from >= to { // every window reaches over the border
		return 0, 0, padded, 0
	}
	if from > 0 {
		end = (from-1)*s.stride + s.taps
	}
	if to < s.out {
		start = to * s.stride
	}
	return from, to, end, start
}

// padded is the image of one tile with its padding. Rows are made just before and
// taken away just after the windows over them, while they are in the cache.
type padded struct {
	*border
	pad, image []float32
	made, done int // rows of the padded image
}

// each calls f for the parts of row y of the padded image that are needed: where
// they lie in pad, and where their pixels inside the image do, both in floats.
func (p *padded) each(y int, f func(from, to, inner, pixels, inImage int)) {
	g := p.g
	part := func(c0, c1 int) {
		if c0 >= c1 {
			return
		}
		i0, i1 := max(c0, g.PL), min(c1, g.PL+g.w)
		if iy := y - g.PT; iy < 0 || iy >= g.h || i0 >= i1 {
			i0, i1 = c0, c0
		}
		row, px := y*g.paddedW(), g.c*T
		f((row+c0)*px, (row+c1)*px, (row+i0)*px, (i1-i0)*px, ((y-g.PT)*g.w+i0-g.PL)*px)
	}
	if y < p.top || y >= p.bottom || p.left >= p.right {
		part(0, g.paddedW())
		return
	}
	part(0, p.left)
	part(p.right, g.paddedW())
}

// fill copies rows of the image, down to the last that the windows of row oy see.
func (p *padded) fill(oy int) {
	if !p.g.isPadded() {
		return
	}
	for ; p.made < oy*p.g.SH+p.g.KH; p.made++ {
		p.each(p.made, func(from, to, inner, pixels, inImage int) {
			clearAll(p.pad[from:inner])
			if pixels > 0 {
				copyAll(p.pad[inner:inner+pixels], p.image[inImage:])
			}
			clearAll(p.pad[inner+pixels : to])
		})
	}
}

// zero clears the rows that the windows of row oy are the first to see, of the
// image and of the padded one.
func (p *padded) zero(oy int) {
	for ; p.made < oy*p.g.SH+p.g.KH; p.made++ {
		p.zeroImage(p.made)
		if p.g.isPadded() {
			p.each(p.made, func(from, to, _, _, _ int) { clearAll(p.pad[from:to]) })
		}
	}
}

// zeroImage clears the row of the image under row y of the padded one.
func (p *padded) zeroImage(y int) {
	if iy := y - p.g.PT; iy >= 0 && iy < p.g.h {
		n := p.g.w * p.g.c * T
		clearAll(p.image[iy*n : (iy+1)*n])
	}
}

// drain adds the rows above end, which no further window sees, to the image.
func (p *padded) drain(end int) {
	if !p.g.isPadded() {
		return
	}
	for end = min(end, p.made); p.done < end; p.done++ {
		p.each(p.done, func(_, _, inner, pixels, inImage int) {
			if pixels > 0 {
				to := p.image[inImage : inImage+pixels]
				addAll(to, to, p.pad[inner:])
			}
		})
	}
}

// rest ends the image of a dx: its last rows, and those that no window saw.
func (p *padded) rest() {
	p.drain(p.made)
	for y := p.made; y < p.g.paddedH(); y++ {
		p.zeroImage(y)
	}
}

// strips calls f for as many rows of y at a time as one pass serves pixels.
func (p *padded) strips(w *weight, f func(oy, end int)) {
	n := mostTiles(w.blk.r)
	for oy := 0; oy < p.g.oh; oy += n {
		f(oy, min(oy+n, p.g.oh))
	}
}

// row runs pass for the windows of row oy of y, but for those that columns does.
func (p *padded) row(c *call, pass blockPass, y pointer, oy int) {
	g := p.g
	pass.xs, pass.ys = g.SW*g.c*rowBytes, g.n*rowBytes
	if oy < p.oy0 || oy >= p.oy1 || p.ox0 >= p.ox1 {
		p.onPad(c, pass, y, oy, 0, g.ow)
		return
	}
	pass.tiles, pass.off = p.ox1-p.ox0, c.off
	pass.x = ptr(p.image[((oy*g.SH-g.PT)*g.w+p.ox0*g.SW-g.PL)*g.c*T:])
	pass.y = at(y, (oy*g.ow+p.ox0)*pass.ys)
	pass.ahead = true
	if oy*g.SH-g.PT+g.KH < g.h {
		pass.xAhead, pass.xLines = g.KH*g.w*g.c*rowBytes, g.SW*g.c
	}
	pass.run()
}

// columns runs pass for the windows of rows oy to end−1 that reach over the left or
// the right border alone: the same one of all rows together.
func (p *padded) columns(c *call, pass blockPass, y pointer, oy, end int) {
	g := p.g
	oy, end = max(oy, p.oy0), min(end, p.oy1)
	if oy >= end || p.ox0 >= p.ox1 {
		return
	}
	pass.xs, pass.ys = g.SH*g.paddedW()*g.c*rowBytes, g.ow*g.n*rowBytes
	for ox := range g.ow {
		if ox < p.ox0 || ox >= p.ox1 {
			p.onPad(c, pass, y, oy, ox, end-oy)
		}
	}
}

// onPad runs pass for tiles windows of the padded image, from that of y's pixel
// (oy, ox) on.
func (p *padded) onPad(c *call, pass blockPass, y pointer, oy, ox, tiles int) {
	g := p.g
	pass.tiles, pass.off = tiles, c.offPad
	pass.x = ptr(p.pad[(oy*g.SH*g.paddedW()+ox*g.SW)*g.c*T:])
	pass.y = at(y, (oy*g.ow+ox)*g.n*rowBytes)
	pass.run()
}
