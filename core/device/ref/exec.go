package ref

import (
	"fmt"
	"math"
	"slices"
	"time"

	"pare/core/device"
)

// tileKernels work on sample i of the batch.
var tileKernels = map[device.Kernel]func(e *exec, c *device.Call, i int){
	device.Load: load, device.Linear: linear, device.Conv: conv, device.MaxPool: maxPool, device.AvgPool: avgPool,
	device.ActFn: actKernel, device.Add: add, device.Flatten: flatten, device.Dropout: dropout, device.Softmax: softmax,
	device.Mul: mul, device.LayerNorm: layerNorm, device.RMSNorm: layerNorm, device.Embed: embed,
	device.Positions: positions, device.Rope: rope, device.Scale: scale, device.Segment: segment,
	device.NormStats: normStats, device.NormApply: normApply, device.NormInfer: normInfer,
	device.CrossEntropy: crossEntropy,

	device.LinearDX: linearDX, device.ConvDX: convDX, device.Transpose: copyKernel, device.MaxPoolDX: maxPoolDX,
	device.AvgPoolDX: avgPoolDX, device.ActDX: actDX, device.FlattenDX: flattenDX, device.DropoutDX: dropout,
	device.Accum: accum, device.Copy: copyKernel, device.NormDStats: normDStats, device.NormDX: normDX,
	device.LayerNormDX: layerNormDX, device.RMSNormDX: layerNormDX,

	device.Gate: gate, device.GateD: gateD, device.Concat: concat, device.Slice: slice, device.SliceDX: sliceDX,
}

// batchKernels work on the whole batch.
var batchKernels = map[device.Kernel]func(e *exec, c *device.Call){
	device.LinearDW: linearDW, device.ConvDW: convDW, device.BiasD: biasD, device.NormMerge: normMerge,
	device.NormDMerge: normDMerge, device.Update: update, device.LossMerge: lossMerge,
	device.Attention: attention, device.AttentionDX: attentionDX, device.EmbedD: embedD, device.PositionsD: positionsD,
	device.PartD: partD, device.Adapt: adapt, device.AdaptA: adaptA, device.AdaptB: adaptB,
	device.SegmentD: segmentD, device.Token: token, device.MeanTokens: meanTokens, device.MeanTokensDX: meanTokensDX, device.TokenDX: tokenDX, device.Tokens: tokens,
	device.TokensDX: tokensDX, device.FirstD: firstD,
}

// exec implements device.Exec.
type exec struct {
	p     *device.Plan
	b     *bank
	slab  []float32 // [rows of a batch][Slab]
	alone []float32 // [samples of a batch][Samples], of a plan with sequences
	stats []stat
	loss  int // classes of the CrossEntropy, 0 without one

	probing bool
	times   []time.Duration

	// The run at hand.
	s        *device.Step
	n        int // rows that the call at hand works on: samples, or the tokens of all of them
	per      int // of these for each sample
	labelled int // rows in the loss
	res      device.Result
}

// Compile checks the plan against the bank. threads is ignored: ref is one
// goroutine.
func (Device) Compile(p *device.Plan, b device.Bank, _ int) (device.Exec, error) {
	bk, ok := b.(*bank)
	if !ok {
		return nil, fmt.Errorf("compile for device ref: the bank belongs to another device")
	}
	if err := Verify(p, bk.desc, bk.slots, Device{}); err != nil {
		return nil, fmt.Errorf("compile for device ref: %w", err)
	}
	e := &exec{p: p, b: bk, slab: make([]float32, p.Rows(p.Batch)*p.Slab), alone: make([]float32, p.Batch*p.Samples), stats: make([]stat, len(p.Stats))}
	for i, c := range p.Stats {
		e.stats[i] = stat{mean: make([]float32, c), rstd: make([]float32, c), dbeta: make([]float32, c), dgamma: make([]float32, c)}
	}
	calls := 0
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			calls++
			switch c.Kernel {
			case device.NormStats:
				x := p.Vals[c.In[0]]
				e.stats[c.Stat].pixels = x.H * x.W
			case device.CrossEntropy:
				e.loss = p.Vals[c.In[0]].C
			}
		}
	}
	e.times = make([]time.Duration, calls)
	return e, nil
}

// Run runs every region, sample by sample. Whatever can be wrong with a step is
// found before the first call, so an error leaves the weights as they were.
func (e *exec) Run(s *device.Step) (device.Result, error) {
	if e.slab == nil {
		return device.Result{}, fmt.Errorf("run on device ref: the plan is closed")
	}
	if err := Ready(e.p, e.b.desc, s); err != nil {
		return device.Result{}, fmt.Errorf("run on device ref: %w", err)
	}
	e.s, e.labelled = s, s.Count()*e.p.Per(e.p.Output)
	if e.loss > 0 {
		e.labelled, _ = e.p.Labelled(s, e.loss)
	}
	e.res = device.Result{N: e.labelled}
	e.poison()
	first := 0
	for _, r := range e.p.Regions {
		if r.Scope == device.Tile {
			e.on(r.Sample)
			for i := range e.n {
				for k := range r.Calls {
					e.timed(first+k, func() { tileKernels[r.Calls[k].Kernel](e, &r.Calls[k], i) })
				}
			}
		} else {
			for k := range r.Calls {
				e.on(ofSamples(e.p, &r.Calls[k]))
				e.timed(first+k, func() { batchKernels[r.Calls[k].Kernel](e, &r.Calls[k]) })
			}
		}
		first += len(r.Calls)
	}
	if s.Out != nil {
		e.store(s.Out, e.p.Output)
	}
	if s.InGrad != nil {
		e.store(s.InGrad, e.p.InGrad)
	}
	e.s = nil // the caller's data is not ours to keep
	return e.res, nil
}

// on says whether the next calls work on samples, in a plan with sequences.
func (e *exec) on(samples bool) {
	e.per = max(e.p.Seq, 1)
	if samples {
		e.per = 1
	}
	e.n = e.s.Count() * e.per
}

// ofSamples reports whether a call works on values of samples. What leads from one
// kind of values to the other counts as working on tokens.
func ofSamples(p *device.Plan, c *device.Call) bool {
	for _, v := range slices.Concat(c.In, c.Out) {
		if !p.Vals[v].Sample {
			return false
		}
	}
	return len(c.In)+len(c.Out) > 0
}

// poison fills all memory that calls hand on with NaN.
func (e *exec) poison() {
	nan := float32(math.NaN())
	for _, slab := range [][]float32{e.slab[:e.p.Rows(e.s.Count())*e.p.Slab], e.alone[:e.s.Count()*e.p.Samples]} {
		for i := range slab {
			slab[i] = nan
		}
	}
	for _, st := range e.stats {
		for _, x := range [][]float32{st.mean, st.rstd, st.dbeta, st.dgamma} {
			for i := range x {
				x[i] = nan
			}
		}
	}
}

func (e *exec) timed(call int, f func()) {
	if !e.probing {
		f()
		return
	}
	t := time.Now()
	f()
	e.times[call] += time.Since(t)
}

// Probe switches the timing of calls and resets it.
func (e *exec) Probe(on bool) {
	e.probing = on
	clear(e.times)
}

// Times is the time of each call since Probe(true).
func (e *exec) Times() []time.Duration { return slices.Clone(e.times) }

// Close frees the plan's memory; the bank stays. Run fails afterwards.
func (e *exec) Close() error {
	e.slab = nil
	return nil
}

// act is a value of one sample: [H][W][C] for activations, [C] for parts.
type act struct {
	device.Val
	x []float32
}

// at is the index of a value in memory, [H][W][C].
func (a act) at(y, x, c int) int { return (y*a.W+x)*a.C + c }

// logical is the index of a value in files and results, [C][H][W].
func (a act) logical(y, x, c int) int { return (c*a.H+y)*a.W + x }

// val is value v of row i: of sample i, or of token i of all of them.
func (e *exec) val(v, i int) act {
	return act{e.p.Vals[v], e.floats(v, i)}
}

// floats are val's.
func (e *exec) floats(v, i int) []float32 {
	a := &e.p.Vals[v]
	if a.Sample {
		from := i*e.p.Samples + a.Off
		return e.alone[from : from+a.Size(1, 1)]
	}
	from := i*e.p.Slab + a.Off
	return e.slab[from : from+a.Size(1, 1)]
}

func (e *exec) weight(w int) *weight { return &e.b.ws[w] }

// row is the row of Step.X, [C·H·W] of a sample or token, that row i of the batch
// comes from.
func (e *exec) row(i int) int {
	if e.s.Rows == nil {
		return i
	}
	return int(e.s.Rows[i/e.per])*e.per + i%e.per
}
