package ref

import "pare/core/device"

// maxPool: the largest value of each window; padding takes no part.
func maxPool(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	each(y, func(oy, ox, ch int) {
		y.x[y.at(oy, ox, ch)] = x.x[argMax(c.Win, x, oy, ox, ch)]
	})
}

// maxPoolDX: each dy goes to the first maximum of its window.
func maxPoolDX(e *exec, c *device.Call, i int) {
	x, dy, dx := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	sum := make([]float64, len(dx.x))
	each(dy, func(oy, ox, ch int) {
		sum[argMax(c.Win, x, oy, ox, ch)] += float64(dy.x[dy.at(oy, ox, ch)])
	})
	round(dx.x, sum)
}

// argMax is the index in x of the first maximum of a window, row by row. As in
// PyTorch a NaN wins, so that it stays visible.
func argMax(g *device.Window, x act, oy, ox, ch int) int {
	best := -1
	for _, pixel := range inside(g, x.Val, oy, ox) {
		j := pixel*x.C + ch
		if best < 0 || x.x[j] > x.x[best] || x.x[j] != x.x[j] {
			best = j
		}
	}
	return best
}

// avgPool: the mean of each window.
func avgPool(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	each(y, func(oy, ox, ch int) {
		sum := 0.0
		for _, pixel := range inside(c.Win, x.Val, oy, ox) {
			sum += float64(x.x[pixel*x.C+ch])
		}
		y.x[y.at(oy, ox, ch)] = float32(sum / divisor(c.Win, x.Val, oy, ox))
	})
}

// avgPoolDX: each dy is spread evenly over its window.
func avgPoolDX(e *exec, c *device.Call, i int) {
	dy, dx := e.val(c.In[0], i), e.val(c.Out[0], i)
	sum := make([]float64, len(dx.x))
	each(dy, func(oy, ox, ch int) {
		share := float64(dy.x[dy.at(oy, ox, ch)]) / divisor(c.Win, dx.Val, oy, ox)
		for _, pixel := range inside(c.Win, dx.Val, oy, ox) {
			sum[pixel*dx.C+ch] += share
		}
	})
	round(dx.x, sum)
}

// divisor of a mean: all of the window with CountPad, else what lies inside x.
func divisor(g *device.Window, x device.Val, oy, ox int) float64 {
	if g.CountPad {
		return float64(g.KH * g.KW)
	}
	n := 0
	for range inside(g, x, oy, ox) {
		n++
	}
	return float64(n)
}

// each calls f for every element of a.
func each(a act, f func(y, x, c int)) {
	for y := range a.H {
		for x := range a.W {
			for c := range a.C {
				f(y, x, c)
			}
		}
	}
}
