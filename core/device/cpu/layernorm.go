package cpu

import (
	"math"
	"unsafe"

	"pare/core/device"
)

// downTotal adds up n rows, lane by lane, in float64: in float32 no more than
// sumRows at a time, as beyond that rounding would show. With centre it adds the
// squares of their distance from it.
func downTotal(x unsafe.Pointer, n int, centre *row) (total [T]float64) {
	var part row
	for i := 0; i < n; i += sumRows {
		a := rowArgs{dst: unsafe.Pointer(&part), a: at(x, i*rowBytes), b: unsafe.Pointer(centre), n: min(n-i, sumRows)}
		if centre == nil {
			downSums(&a)
		} else {
			downSquares(&a)
		}
		for lane, v := range part {
			total[lane] += float64(v)
		}
	}
	return total
}

// hat writes x̂ = (x − mean)·rstd of n rows.
func hat(dst, x unsafe.Pointer, mean, rstd *row, n int) {
	for i := 0; i < n; i += maxRows {
		hatRows(&normArgs{dst: at(dst, i*rowBytes), a: at(x, i*rowBytes), mean: unsafe.Pointer(mean), rstd: unsafe.Pointer(rstd), n: min(n-i, maxRows)})
	}
}

// layerNorm: y = x̂·gamma + beta over the channels of each lane; the mean is 0 for
// RMSNorm.
func layerNorm(e *exec, c *call, _ *local, t0, t1 int) {
	n := e.p.Vals[c.In[0]].C
	gamma, beta := e.b.ws[c.W[0]].v, e.zeros
	if len(c.W) > 1 {
		beta = e.b.ws[c.W[1]].v
	}
	for t := t0; t < t1; t++ {
		x, y := e.at(c.In[0], t), e.floats(c.Out[0], t)
		var mean, rstd row
		if c.Kernel == device.LayerNorm {
			for lane, s := range downTotal(x, n, nil) {
				mean[lane] = float32(s / float64(n))
			}
		}
		for lane, s := range downTotal(x, n, &mean) {
			rstd[lane] = float32(1 / math.Sqrt(s/float64(n)+float64(c.S[0])))
		}
		hat(ptr(y), x, &mean, &rstd, n)
		affine(y, y, gamma[:n], beta[:n])
		if len(c.Out) > 1 {
			stat := e.at(c.Out[1], t)
			*rowAt(stat, 0), *rowAt(stat, 1) = mean, rstd
		}
	}
}

// layerNormDX: g = gamma·dy, dx = rstd·(g − mean g − x̂·mean(g·x̂)), without the
// first mean for RMSNorm. part = Σ dy·x̂ over the lanes, and Σ dy behind it for
// LayerNorm; past the end dy is zero.
func layerNormDX(e *exec, c *call, l *local, t0, t1 int) {
	n, gamma := e.p.Vals[c.In[0]].C, ptr(e.b.ws[c.W[0]].v)
	xhat := ptr(l.buf)
	for t := t0; t < t1; t++ {
		stat, dy, dx, part := e.at(c.In[1], t), e.at(c.In[2], t), e.at(c.Out[0], t), e.at(c.Out[1], t)
		mean, rstd := rowAt(stat, 0), rowAt(stat, 1)
		hat(xhat, e.at(c.In[0], t), mean, rstd, n)
		var sums, means [2]row
		for i := 0; i < n; i += sumRows {
			a := normArgs{dst: unsafe.Pointer(&sums), a: at(dy, i*rowBytes), b: at(xhat, i*rowBytes), gamma: at(gamma, i*4), n: min(n-i, sumRows)}
			normSums(&a)
			for lane := range T {
				means[0][lane] += sums[0][lane] / float32(n)
				means[1][lane] += sums[1][lane] / float32(n)
			}
		}
		if c.Kernel == device.RMSNormDX {
			means[0] = row{}
		}
		for i := 0; i < n; i += maxRows {
			rows := min(n-i, maxRows)
			s := sumArgs{dst: at(part, i*4), a: at(dy, i*rowBytes), b: at(xhat, i*rowBytes), n: rows, tiles: 1}
			rowDots(&s)
			if c.Kernel == device.LayerNormDX {
				s.dst = at(part, (n+i)*4)
				rowSums(&s)
			}
			normGrad(&normArgs{dst: at(dx, i*rowBytes), a: s.a, b: s.b, gamma: at(gamma, i*4), mean: unsafe.Pointer(&means), rstd: unsafe.Pointer(rstd), n: rows})
		}
	}
}

// partChannels is the number of channels of a task of partD.
const partChannels = 64

// partD adds up the parts of all tiles, for one range of channels.
func partD(e *exec, c *call, _ *local, part int) {
	w, from := &e.b.ws[c.W[0]], int(c.S[0])
	n0 := part * partChannels
	n1 := min(len(w.v), n0+partChannels)
	var sum [partChannels]float64
	for t := range e.tiles {
		for i, v := range e.floats(c.In[0], t)[from+n0 : from+n1] {
			sum[i] += float64(v)
		}
	}
	for i, g := range w.g[n0:n1] {
		if e.adds(c) {
			sum[i] += float64(g)
		}
		w.g[n0+i] = float32(sum[i])
	}
	e.settle(c, w, n0, n1)
}
