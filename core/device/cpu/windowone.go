package cpu

// Windows of one sample whose channels do not mix, 16 channels to a row: depthwise
// convolutions and pools.

// slide is a window that moves over x.
type slide struct {
	depthArgs
	g    *geometry
	x, y pointer
}

func newSlide(e *exec, c *call, t int) slide {
	g := &c.geo
	px := g.c * 4
	return slide{g: g, x: e.at(c.In[0], t), y: e.at(c.Out[0], t), depthArgs: depthArgs{
		n: over(g.c, P), relu: reluOf(c), xRow: g.w * px, xCol: px, xPixel: g.SW * px, yPixel: px,
	}}
}

// each calls f for runs of pixels of y that see the same taps of the window, the first of
// which are ky and kx.
func (s *slide) each(f func(ky, kx int)) {
	g := s.g
	in0, in1 := g.cols().outputs(0)
	from, to := g.cols().outputs(g.KW - 1)
	in0, in1 = max(in0, from), min(in1, to) // there the window is whole from left to right
	for oy := range g.oh {
		ky0, ky1, iy := g.rows().inside(oy)
		for ox := 0; ox < g.ow; ox += s.pixels {
			kx0, kx1, ix := g.cols().inside(ox)
			if s.pixels = 1; ox >= in0 && ox < in1 {
				s.pixels = in1 - ox
			}
			s.rows, s.cols = ky1-ky0, kx1-kx0
			s.depthArgs.x, s.depthArgs.y = at(s.x, (iy*g.w+ix)*g.c*4), at(s.y, (oy*g.ow+ox)*g.c*4)
			f(ky0, kx0)
		}
	}
}

// depthOne: y = f(w ⋆ x + b), each channel by itself.
func depthOne(e *exec, c *call, w *weight, l *local, t int, scale, shift []float32) {
	s, g := newSlide(e, c, t), &c.geo
	taps := depthWeights(w, g, l)
	if c.copied {
		x := l.pad[rounded(len(w.v))+P:]
		copyAll(x, e.floats(c.In[0], t))
		s.x = ptr(x)
	}
	for i := range g.KH * g.KW {
		for ch := range g.c {
			*floatAt(taps, i*g.c+ch) *= scale[ch]
		}
	}
	s.shift, s.wRow, s.wCol = ptr(shift), g.KW*g.c*4, g.c*4
	s.each(func(ky, kx int) {
		s.w = at(taps, ky*s.wRow+kx*s.wCol)
		s.run(overChannels)
	})
}

func maxPoolOne(e *exec, c *call, _ *local, t int) {
	s := newSlide(e, c, t)
	s.each(func(_, _ int) { s.run(largestOf) })
}

// meanTaps is the most taps that a mean sums in one go. Of larger windows the rows are
// summed one by one, as in avgPool.
const meanTaps = 16

func avgPoolOne(e *exec, c *call, l *local, t int) {
	s, scale, last := newSlide(e, c, t), l.one[:rounded(c.geo.c)], 0
	s.w = ptr(scale)
	s.each(func(_, _ int) {
		v := view{div: s.rows * s.cols}
		if s.g.CountPad {
			v.div = s.g.KH * s.g.KW
		}
		if v.div != last {
			v.share(scale)
			last = v.div
		}
		if s.rows*s.cols <= meanTaps {
			s.run(overChannels)
			return
		}
		a := s.depthArgs
		a.rows, a.pixels = 1, 1
		for p := range s.pixels {
			a.x, a.y, a.shift = at(s.depthArgs.x, p*s.xPixel), at(s.depthArgs.y, p*s.yPixel), nil
			for range s.rows {
				a.run(overChannels)
				a.x, a.shift = at(a.x, s.xRow), a.y
			}
		}
	})
}
