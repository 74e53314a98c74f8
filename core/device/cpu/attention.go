package cpu

import (
	"math"
	"unsafe"

	"pare/core/device"
)

// Attention works on a tile of queries at a time: lanes are queries, rows are keys
// or channels. With the layout of activations, a tile of keys or values is read by
// the product kernels as it lies:
//
//	s[key][query]  = Σ_d k[d][key]·q[d][query]     mulF, a = k
//	y[d][query]    = Σ_key v[d][key]·p[key][query] mulX, a = v
//
// Nothing of the size tokens × tokens is kept: a worker holds the scores of 16
// queries, and the gradient computes them again from lse, the logarithm of the
// softmax's denominator (Dao et al., FlashAttention, 2022).

// masked is the score of a key that a query must not see; its exponential is 0.
const masked = -1e30

// noKey are the scores of a key that is left out for all queries.
var noKey row

// keyed is the number of inputs of attention that hold queries, keys and values.
func (c *call) keyed() int {
	in := len(c.In)
	if c.Attn.Pads {
		in--
	}
	if c.Kernel == device.AttentionDX {
		in -= 3
	}
	return in
}

// masks: row i is added to the scores of key i of the tile that holds the queries
// too, where queries see no later key.
var masks [T]row

func init() {
	for key := range masks {
		for query := range key {
			masks[key][query] = masked
		}
	}
	for i := range noKey {
		noKey[i] = masked
	}
}

// heads are the values that one query head works with, by the first row of each.
type heads struct{ q, k, v headRows }

// headRows are the rows of one head in value v, from byte off of a tile on.
type headRows struct{ v, off int }

// headAt is the address of the head's first row in tile t.
func (e *exec) headAt(h headRows, t int) unsafe.Pointer { return at(e.at(h.v, t), h.off) }

// headsOf names the rows of query head n in three values, or in one that holds all.
func headsOf(a *device.Attn, vals []int, n int) heads {
	size, kv := a.Dim*rowBytes, n/(a.Heads/a.KVHeads)
	if len(vals) == 3 {
		return heads{headRows{vals[0], n * size}, headRows{vals[1], kv * size}, headRows{vals[2], kv * size}}
	}
	return heads{headRows{vals[0], n * size}, headRows{vals[0], (a.Heads + kv) * size}, headRows{vals[0], (a.Heads + a.KVHeads + kv) * size}}
}

// attnRoom is the scratch of a worker for attention: scores, their gradient and a
// transpose [keys][T], a tile of queries [Dim][T].
func (e *exec) attnRoom(a *device.Attn) int { return 3*e.per*T*T + a.Dim*T }

// attnWork is that scratch cut up.
type attnWork struct{ s, ds, t, q []float32 }

func (e *exec) attnWork(a *device.Attn, l *local) attnWork {
	n := e.per * T * T
	return attnWork{l.attn[:n], l.attn[n : 2*n], l.attn[2*n : 3*n], l.attn[3*n : 3*n+a.Dim*T]}
}

// scores writes scale·q·kᵀ of the queries in tile t of a sequence that begins with
// tile first, and masked where there is no key or it is left out, and returns them,
// [keys][T].
func (e *exec) scores(c *call, h heads, w attnWork, first, t int) []float32 {
	a, tiles := c.Attn, e.per
	if a.Causal {
		tiles = t - first + 1
	}
	var scale row
	for lane := range scale {
		scale[lane] = a.Scale
	}
	scaleRows(&rowArgs{dst: ptr(w.q), a: e.headAt(h.q, t), b: unsafe.Pointer(&scale), n: a.Dim})
	for kt := range tiles {
		s := w.s[kt*T*T : (kt+1)*T*T]
		keys := e.valid(first + kt)
		e.mulKeys(s, e.headAt(h.k, first+kt), w.q, keys, a.Dim)
		for i := keys * T; i < T*T; i++ {
			s[i] = masked
		}
		if a.Pads {
			for i, id := range rowAt(e.at(c.In[len(c.In)-1], first+kt), 0)[:keys] {
				if id == a.Pad {
					*(*row)(s[i*T:]) = noKey
				}
			}
		}
		if a.Causal && kt == tiles-1 {
			addRows(&rowArgs{dst: ptr(s), a: ptr(s), b: unsafe.Pointer(&masks), n: T})
		}
	}
	return w.s[:tiles*T*T]
}

// mulKeys: dst[key][query] = Σ_d k[d][key]·q[d][query] for some keys of a tile.
func (e *exec) mulKeys(dst []float32, k unsafe.Pointer, q []float32, keys, dim int) {
	a := mulArgs{b: ptr(q), inner: dim, outer: 1}
	m := 0
	for _, mr := range cuts[keys] {
		a.a, a.c = at(k, m*4), ptr(dst[m*T:])
		mulF(mr, &a)
		m += mr
	}
}

// mulRowsBy: dst[d][16] (+)= Σ_i x[d][i]·b[i][16], where x goes on from tile to tile
// and i runs over the rows of b.
func (e *exec) mulRowsBy(dst, x unsafe.Pointer, b []float32, dim, acc int) {
	a := mulArgs{inner: T, outer: len(b) / (T * T), aOuter: e.stride(), bOuter: T * rowBytes, b: ptr(b), acc: acc}
	for d := 0; d < dim; {
		mr := run(dim - d)
		a.a, a.c = at(x, d*rowBytes), at(dst, d*rowBytes)
		productX(mr, &a)
		d += mr
	}
}

// expAll: x = e^(x − by), by being one row.
func expAll(x []float32, by *row) {
	for i := 0; i < len(x); i += maxActRows * T {
		expRows(&rowArgs{dst: ptr(x[i:]), a: ptr(x[i:]), b: unsafe.Pointer(by), n: min((len(x)-i)/T, maxActRows)})
	}
}

// attention: y = softmax(scale·q·kᵀ)·v, one head of one sequence.
func attention(e *exec, c *call, l *local, part int) {
	a := c.Attn
	first, n := part/a.Heads*e.per, part%a.Heads
	if first >= e.tiles {
		return
	}
	h, w := headsOf(a, c.In[:c.keyed()], n), e.attnWork(a, l)
	y := headRows{c.Out[0], n * a.Dim * rowBytes}
	for t := first; t < first+e.per; t++ {
		p := e.scores(c, h, w, first, t)
		top := downTop(p)
		expAll(p, &top)
		sum := downTotal(ptr(p), len(p)/T, nil)
		var scale row
		for lane, s := range sum {
			if top[lane] > masked/2 { // else no key is left: zeros
				scale[lane] = float32(1 / s)
			}
		}
		dst := e.headAt(y, t)
		e.mulRowsBy(dst, e.headAt(h.v, first), p, a.Dim, 0)
		scaleRows(&rowArgs{dst: dst, a: dst, b: unsafe.Pointer(&scale), n: a.Dim})
		if len(c.Out) > 1 {
			lse := rowAt(e.at(c.Out[1], t), n)
			for lane, s := range sum {
				if lse[lane] = 0; top[lane] > masked/2 { // 0 makes every e^(masked − lse) zero
					lse[lane] = float32(float64(top[lane]) + math.Log(s))
				}
			}
		}
	}
}

// attentionDX, for the query heads that share one head of keys and values, in one
// sequence:
//
//	p = e^(s − lse)    dp = v·dy    ds = p·(dp − Σ_d dy·y)
//	dq = scale·k·ds    dk = scale·q·dsᵀ    dv = dy·pᵀ
func attentionDX(e *exec, c *call, l *local, part int) {
	a := c.Attn
	first, kv, group := part/a.KVHeads*e.per, part%a.KVHeads, a.Heads/a.KVHeads
	if first >= e.tiles {
		return
	}
	in, w := c.keyed(), e.attnWork(a, l)
	yv, lseV, dyV := c.In[in], c.In[in+1], c.In[in+2]
	d := headsOf(a, c.Out, kv*group)
	for t := first; t < first+e.per; t++ {
		clear(unsafe.Slice((*float32)(e.headAt(d.k, t)), a.Dim*T))
		clear(unsafe.Slice((*float32)(e.headAt(d.v, t)), a.Dim*T))
	}
	var scale row
	for lane := range scale {
		scale[lane] = a.Scale
	}
	for n := kv * group; n < (kv+1)*group; n++ {
		h, off := headsOf(a, c.In[:in], n), n*a.Dim*rowBytes
		d.q = headsOf(a, c.Out, n).q
		for t := first; t < first+e.per; t++ {
			y, dy := at(e.at(yv, t), off), at(e.at(dyV, t), off)
			p := e.scores(c, h, w, first, t)
			expAll(p, rowAt(e.at(lseV, t), n))
			e.gather(d.v, first, dy, p, w.t, a.Dim)

			ds := w.ds[:len(p)]
			for kt := range len(p) / (T * T) {
				e.mulKeys(ds[kt*T*T:(kt+1)*T*T], e.headAt(h.v, first+kt), unsafe.Slice((*float32)(dy), a.Dim*T), T, a.Dim)
			}
			var all row
			dots(&all, dy, y, w.t, a.Dim)
			for i := 0; i < len(p); i += maxRows * T {
				gateRows(&normArgs{dst: ptr(ds[i:]), a: ptr(p[i:]), b: ptr(ds[i:]), mean: unsafe.Pointer(&all), n: min((len(p)-i)/T, maxRows)})
			}
			dq := e.headAt(d.q, t)
			e.mulRowsBy(dq, e.headAt(h.k, first), ds, a.Dim, 0)
			scaleRows(&rowArgs{dst: dq, a: dq, b: unsafe.Pointer(&scale), n: a.Dim})
			e.gather(d.k, first, ptr(w.q), ds, w.t, a.Dim) // w.q has the scale in it
		}
	}
}

// gather adds x·sᵀ to the tiles of h: dst[d][key] += Σ_query x[d][query]·s[key][query].
// Past the end of a sequence x or s is zero.
func (e *exec) gather(h headRows, first int, x unsafe.Pointer, s, buf []float32, dim int) {
	n := len(s) / (T * T)
	transposeAll(ptr(buf), ptr(s), n)
	for kt := range n {
		e.mulRowsBy(e.headAt(h, first+kt), x, buf[kt*T*T:(kt+1)*T*T], dim, 1)
	}
}

// dots: dst = Σ_d a[d]·b[d], lane by lane.
func dots(dst *row, a, b unsafe.Pointer, buf []float32, n int) {
	*dst = row{}
	for i := 0; i < n; i += T {
		rows := min(n-i, T)
		mulRows(&rowArgs{dst: ptr(buf), a: at(a, i*rowBytes), b: at(b, i*rowBytes), n: rows})
		var part row
		downSums(&rowArgs{dst: unsafe.Pointer(&part), a: ptr(buf), n: rows})
		addRows(&rowArgs{dst: unsafe.Pointer(dst), a: unsafe.Pointer(dst), b: unsafe.Pointer(&part), n: 1})
	}
}
