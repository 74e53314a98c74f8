package cpu

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"time"

	"pare/core/device"
)

// Compile checks the plan against the bank and makes room for a batch. threads
// below 1 means one for each processor Go may use.
func (d Device) Compile(p *device.Plan, b device.Bank, threads int) (device.Exec, error) {
	bk, ok := b.(*bank)
	if !ok {
		return nil, fmt.Errorf("compile for device cpu: the bank belongs to another device")
	}
	if err := verify(p, bk); err != nil {
		return nil, fmt.Errorf("compile for device cpu: %w", err)
	}
	if d.apart {
		p = separate(p)
	}
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	e := &exec{p: p, common: &common{b: bk, threads: threads, checked: d.checked, apart: d.apart, guards: guards{on: d.checked}}}
	if p.Seq > 0 {
		e.per = p.Tiles(1)
		if p.Samples > 0 {
			e.samples = &exec{p: p.OfSamples(), common: e.common}
		}
	}
	e.flat = p.Batch <= few(p, bk)
	e.task = e.work
	for _, c := range p.Stats {
		e.stats = append(e.stats, newStat(c))
	}
	for i := range p.Regions {
		r := &p.Regions[i]
		e.regions = append(e.regions, e.prepare(r)...)
		e.calls += len(r.Calls)
	}
	need := int64(0)
	for x := e; x != nil; x = x.samples {
		need += 4 * int64(x.slabs(p.Batch)) * int64(x.p.Slab)
	}
	if have := memory(); have > 0 && need > have {
		fit := max(T, have/2/(4*max(1, int64(p.Slab)))*T)
		if e.per > 0 {
			fit = max(1, have/2*int64(p.Batch)/need)
		}
		return nil, fmt.Errorf("compile for device cpu: a batch of %d samples needs %.1f GiB, this machine has %.1f: take batches of at most %d", p.Batch, gib(need), gib(have), fit)
	}
	// The last row of blocks may look at up to 15 rows behind dy.
	for x := e; x != nil; x = x.samples {
		x.arena = e.alloc("the batch's values", x.slabs(p.Batch)*x.p.Slab+(P-1)*T)
		x.lanes = e.alloc("lanes", laneRows*T)
	}
	sample, rows := 0, 0
	for _, v := range p.Vals {
		if v.Kind == device.ActVal {
			sample, rows = max(sample, v.C*v.H*v.W), max(rows, v.C)
		}
	}
	e.zeros = e.alloc("zeros", sample)
	e.locals = make([]local, threads)
	for i := range e.locals {
		e.locals[i] = local{pad: e.alloc("padded image", e.padded), one: e.alloc("vectors", e.one), attn: e.alloc("scores", e.attn), adapt: e.alloc("adapters", e.adapt), buf: e.alloc("scratch", localRows(rows)*T), sums: make([]float64, 2*rows), times: make([]time.Duration, e.calls)}
	}
	e.pool = newPool(threads)
	return e, nil
}

func gib(bytes int64) float64 { return float64(bytes) / (1 << 30) }

// localRows is the scratch a worker needs for values of c channels.
func localRows(c int) int { return 2*c + (4*c+T-1)/T + 2*P }

// prepare works out a region: several if it has calls for all samples at once, and one
// behind it if gradients are settled later.
func (e *exec) prepare(r *device.Region) (before []region) {
	out, after := region{scope: r.Scope, on: e}, region{scope: device.Task, on: e}
	if r.Sample && e.samples != nil {
		out.on = e.samples
	}
	var calls []int // without the transposed gradients that nobody reads
	for k, c := range r.Calls {
		if c.Kernel != device.Transpose || e.reads(c.Out[0]) {
			calls = append(calls, k)
		}
	}
	for i := 0; i < len(calls); i++ {
		c := call{Call: &r.Calls[calls[i]], number: e.calls + calls[i]}
		for i+1 < len(calls) {
			both, ok := e.fuse(c.Call, &r.Calls[calls[i+1]])
			if !ok {
				break
			}
			c.Call = both
			i++
		}
		c.on = e.callOn(c.Call)
		c.tile, c.part, c.serial = tileKernels[c.Kernel], taskKernels[c.Kernel], serialKernels[c.Kernel]
		c.on.prepareCall(&c)
		if c.on.flat {
			c.tile = flatTiles[c.Kernel]
			c.on.prepareOne(&c)
		}
		if r.Scope == device.Tile && c.part != nil {
			if len(out.calls) > 0 {
				before = append(before, out)
			}
			all := region{scope: device.Task, on: out.on, ones: c.ones, one: &region{scope: r.Scope, on: out.on, calls: []call{c}}}
			all.add(c)
			before, out = append(before, all), region{scope: r.Scope, on: out.on}
			continue
		}
		out.wide = out.wide || c.wide
		if s, ok := c.settleLater(e); ok {
			after.add(s)
		}
		out.add(c)
	}
	out.order()
	if len(after.calls) > 0 {
		after.order()
		return append(before, out, after)
	}
	return append(before, out)
}

// add takes in a call with its tasks.
func (r *region) add(c call) {
	for i := range c.parts {
		r.tasks = append(r.tasks, task{int32(len(r.calls)), int32(i)})
	}
	r.calls = append(r.calls, c)
}

// order puts the first half of each call's parts in front and the second, backwards, behind: a
// call's parts are in the order of the batch or of the weights, and of two workers each starts
// at one end, which is its own, and does the calls in their order. The last ones, of the first
// layers, leave the values in its cache that the next step writes over first.
func (r *region) order() {
	half := func(t task) int { return cmp.Compare(2*int(t.part)+1, r.calls[t.call].parts) }
	slices.SortStableFunc(r.tasks, func(a, b task) int {
		c := cmp.Compare(half(a), half(b))
		if c == 0 && half(a) > 0 {
			c = cmp.Or(cmp.Compare(b.call, a.call), cmp.Compare(b.part, a.part))
		}
		return c
	})
	for r.own = 0; r.own < len(r.tasks) && half(r.tasks[r.own]) < 0; r.own++ {
	}
}

// reads reports whether some call needs the transposed value v: dw of packed and
// narrow weights and of grouped convolutions works from dy as it is.
func (e *exec) reads(v int) bool {
	for _, r := range e.p.Regions {
		for _, c := range r.Calls {
			if slices.Contains(c.In, v) && (len(c.W) == 0 || e.b.ws[c.W[0]].readsDYT()) {
				return true
			}
		}
	}
	return false
}

// prepareCall works out what call c does in each run.
func (e *exec) prepareCall(c *call) {
	val := func(i int) device.Val { return e.p.Vals[i] }
	switch c.Kernel {
	case device.Linear, device.LinearDX:
		w := &e.b.ws[c.W[0]]
		if c.Kernel == device.LinearDX {
			e.b.mirror(w)
		} else if e.single() {
			e.b.fill(w)
			c.tile, e.one = linearOne, max(e.one, w.flatWeight().oneRoom())
		}
		if c.S[0] != 0 { // fused with Scale
			c.by = fill(c.S[0])
		}
		c.wide = w.lay == panels && len(w.v)*4 >= wideBytes || w.lay == blocks && mostTiles(w.blk.r) > 1
	case device.LinearDW:
		w, rows := &e.b.ws[c.W[0]], e.p.Rows(e.p.Batch)
		if w.lay == panels && w.Narrow() {
			long, _, _ := w.sides()
			c.parts = over(long, dwRange)
			break
		}
		halves := e.halves(w, w.leastHalf(), rows*(w.n+w.k))
		c.cut = cutDW(w, rows, halves)
		e.cutInto(c, halves)
	case device.Conv:
		c.geo = newGeometry(c.Win, val(c.In[0]), val(c.Out[0]))
		e.prepareConvBlocks(c)
	case device.ConvDX:
		c.geo = newGeometry(c.Win, val(c.Out[0]), val(c.In[0]))
		e.prepareConvBlocks(c)
	case device.AvgPoolDX:
		c.geo = newGeometry(c.Win, val(c.Out[0]), val(c.In[0]))
	case device.MaxPool, device.AvgPool:
		c.geo = newGeometry(c.Win, val(c.In[0]), val(c.Out[0]))
	case device.MaxPoolDX:
		c.geo = newGeometry(c.Win, val(c.In[0]), val(c.In[1]))
	case device.ConvDW:
		w := &e.b.ws[c.W[0]]
		c.geo = newGeometry(c.Win, val(c.In[0]), val(c.In[1]))
		e.prepareConvBlocks(c)
		if w.lay == rowMajor {
			c.parts = min(c.geo.n, 16)
			if c.geo.isDepthwise() {
				c.parts = min(c.parts, (c.geo.n+depthChannels-1)/depthChannels)
			}
			break
		}
		if w.lay == blocks {
			var halves int
			c.cut, halves = e.cutBlocks(w, &c.geo)
			e.cutInto(c, halves)
			break
		}
		c.cut = cutConvDW(w, &c.geo)
		c.parts = c.cut.ks * c.cut.ns
	case device.NormStats:
		v := val(c.In[0])
		e.stats[c.Stat].pixels = v.H * v.W
	case device.BiasD:
		v, tiles := val(c.In[0]), e.p.Rows(e.p.Batch)/T
		halves := e.halves(&e.b.ws[c.W[0]], 1, v.Size(T, P)*tiles)
		c.cut = cutting{ks: 1, ns: max(1, min(v.C/T, v.Size(T, P)*tiles>>18))}
		e.cutInto(c, halves)
	case device.Update:
		c.parts = (len(e.b.ws[c.W[0]].v) + maxFloats - 1) / maxFloats
	case device.CrossEntropy:
		e.loss = val(c.In[0]).C
	case device.Attention:
		c.parts, e.attn = e.p.Batch*c.Attn.Heads, max(e.attn, e.attnRoom(c.Attn))
	case device.AttentionDX:
		c.parts, e.attn = e.p.Batch*c.Attn.KVHeads, max(e.attn, e.attnRoom(c.Attn))
	case device.PartD:
		c.parts = (len(e.b.ws[c.W[0]].v) + partChannels - 1) / partChannels
	case device.EmbedD:
		v := val(c.In[1])
		c.parts = max(1, min(v.C/T, v.C*e.p.Rows(e.p.Batch)>>16))
	case device.Adapt, device.AdaptA, device.AdaptB:
		e.prepareAdapter(c)
	case device.PositionsD:
		c.parts = (e.b.ws[c.W[0]].n + P - 1) / P
	case device.Embed:
		e.tables = append(e.tables, lookup{c.W[0], 0})
	case device.Segment:
		if len(c.In) > 1 {
			e.tables = append(e.tables, lookup{c.W[0], 1})
		}
	case device.SegmentD:
		c.parts = max(1, val(c.In[0]).C/T)
	case device.Token, device.MeanTokens, device.TokensDX:
		c.parts = e.p.OfSamples().Tiles(e.p.Batch)
	case device.TokenDX, device.MeanTokensDX, device.Tokens:
		c.parts = e.p.Batch
	case device.FirstD:
		c.parts = 1
	case device.Rope:
		c.angles = e.anglesOf(c.Call)
	}
	e.rule = e.rule || c.Update || c.Kernel == device.Update
}
