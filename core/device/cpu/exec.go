package cpu

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unsafe"

	"pare/core/device"
)

// tileKernels work on tiles t0 to t1−1 of the batch.
var tileKernels = map[device.Kernel]func(e *exec, c *call, l *local, t0, t1 int){
	device.Load: load, device.Linear: linear, device.Conv: conv, device.MaxPool: maxPool, device.AvgPool: avgPool,
	device.ActFn: actKernel, device.Add: add, device.Flatten: flatten, device.Dropout: dropout, device.Softmax: softmax,
	device.NormStats: normStats, device.NormApply: normApply, device.NormInfer: normInfer,
	device.CrossEntropy: crossEntropy,

	device.LinearDX: linearDX, device.ConvDX: convDX, device.Transpose: transpose, device.MaxPoolDX: maxPoolDX,
	device.AvgPoolDX: avgPoolDX, device.ActDX: actDX, device.FlattenDX: flattenDX, device.DropoutDX: dropout,
	device.Accum: accum, device.Copy: copyKernel, device.NormDStats: normDStats, device.NormDX: normDX,

	device.Mul: mul, device.LayerNorm: layerNorm, device.RMSNorm: layerNorm, device.Embed: embed, device.Positions: positions,
	device.Rope: rope, device.Scale: scaleKernel, device.Segment: segment, device.LayerNormDX: layerNormDX, device.RMSNormDX: layerNormDX,

	device.Gate: gate, device.GateD: gateD, device.Concat: concat, device.Slice: slice, device.SliceDX: sliceDX,
}

// taskKernels compute one part of a result over the whole batch; call.parts
// says how many there are. Parts write to different memory and add up in an
// order of their own, so it does not matter who does which.
var taskKernels = map[device.Kernel]func(e *exec, c *call, l *local, part int){
	device.LinearDW: linearDW, device.ConvDW: convDW, device.BiasD: biasD, device.Update: update,
	device.Attention: attention, device.AttentionDX: attentionDX, device.EmbedD: embedD, device.PositionsD: positionsD,
	device.PartD: partD, device.Adapt: adapt, device.AdaptA: adaptA, device.AdaptB: adaptB,
	device.SegmentD: segmentD, device.Token: token, device.MeanTokens: meanTokens, device.MeanTokensDX: meanTokensDX, device.TokenDX: tokenDX, device.Tokens: tokens,
	device.TokensDX: tokensDX, device.FirstD: firstD,
}

// serialKernels work on the whole batch.
var serialKernels = map[device.Kernel]func(e *exec, c *call){
	device.NormMerge: normMerge, device.NormDMerge: normDMerge, device.LossMerge: lossMerge,
}

// maxGroup is the number of tiles a worker carries through a region side by
// side: dense weights that come from the outer caches then serve 64 samples.
// Weights of less than wideBytes stay in the inner ones from tile to tile.
const (
	maxGroup  = 4
	wideBytes = 256 << 10
)

// exec implements device.Exec: what all of a plan shares, and the tiles of one kind
// of rows. Of a plan with sequences these are tokens; samples is then another exec,
// for the tiles of samples. Kernels are handed the one that their call works on.
type exec struct {
	*common
	p       *device.Plan
	arena   []float32 // [tiles][Slab]
	lanes   []float32 // [laneRows][T], see markLanes
	marked  int       // valid lanes in lanes
	flat    bool      // values have no lanes, see flat.go
	per     int       // tiles of a sequence, 0 without sequences
	samples *exec

	n, tiles int // samples of the run at hand, and their tiles
}

// common is what the tiles of tokens and of samples share.
type common struct {
	guards
	b       *bank
	pool    *pool
	checked bool
	threads int
	apart   bool    // gaps with guard words lie between the values
	locals  []local // [workers]
	regions []region
	stats   []stat
	zeros   []float32 // a sample of zeros
	padded  int       // floats of the largest padded image
	one     int       // floats of the largest linear layer's vectors
	loss    int       // classes of the CrossEntropy, 0 without one
	rule    bool      // some call runs the optimiser
	attn    int       // floats of the largest attention's scratch
	adapt   int       // floats of the largest adapter's scratch
	tables  []lookup  // calls that look up ids
	angles  []*angles // of rotary positions

	probing bool
	calls   int
	task    func(task, worker int) // e.work, made once: a method value allocates

	// The run at hand.
	s        *device.Step
	labelled int // samples or tokens in the loss
	opt      [2]optimiser
	now      *region
	group    int
	res      device.Result
}

// lookup is a table and the channel of the input that holds its ids.
type lookup struct{ w, channel int }

// local is what belongs to one worker.
type local struct {
	buf   []float32
	one   []float32       // vectors of a linear layer, for plans of one sample
	attn  []float32       // scores, see attnWork
	adapt []float32       // panels of an adapted weight
	piece [2]int32        // of a long row of blocks
	pad   []float32       // an image with its padding, for convolutions in blocks
	sums  []float64       // [2C], C the most channels of a value
	times []time.Duration // [calls]
	_     [64]byte        // keep two workers apart
}

// region is a device.Region with its calls prepared.
type region struct {
	scope device.Scope
	on    *exec // whose tiles it works on, of scope Tile
	calls []call
	tasks []task
	own   int  // tasks at each end, see order
	wide  bool // some call takes groups of tiles
	// one is for runs of at most ones samples, where others take all of theirs at once.
	one  *region
	ones int
}

// task is one part of one call.
type task struct{ call, part int32 }

// call is a device.Call with what can be worked out before the first run.
type call struct {
	*device.Call
	on     *exec
	number int // in the plan
	// wide calls take a group of tiles at a time, others tile by tile.
	wide   bool
	parts  int
	later  bool // its gradient is settled in the next region
	by     *row // of a product fused with Scale: the factor, in all lanes
	tile   func(e *exec, c *call, l *local, t0, t1 int)
	part   func(e *exec, c *call, l *local, part int)
	serial func(e *exec, c *call)
	geo    geometry
	cut    cutting
	angles *angles // of Rope
	// Of a convolution in blocks: where the blocks lie in the image, and in one with
	// its padding.
	off, offPad []uint32
	border      border
	bands       []band    // of its dw
	halves      int       // of the batch: a gradient has a sum over each if there are 2
	half        []float32 // its sum over the second, see shareOf
	far         bool      // what dw reads comes from main memory, see fetch
	ones        int       // of a flat linear layer: the most samples that take tile, and not part
	copied      bool      // of a flat convolution: it works on a copy of x, with its padding unless each channel is by itself
}

// Run runs every region. Whatever can be wrong with a step is found before the
// first call, so an error leaves the weights as they were.
func (e *exec) Run(s *device.Step) (device.Result, error) {
	if e.pool == nil {
		return device.Result{}, fmt.Errorf("run on device cpu: the plan is closed")
	}
	if err := e.check(s); err != nil {
		return device.Result{}, fmt.Errorf("run on device cpu: %w", err)
	}
	e.s, e.labelled = s, s.Count()*e.p.Per(e.p.Output)
	if e.loss > 0 {
		e.labelled, _ = e.p.Labelled(s, e.loss)
	}
	e.res = device.Result{N: e.labelled}
	if e.rule {
		e.opt[0] = newOptimiser(e.p.Optim, s.LR, s.Index, false)
		e.opt[1] = newOptimiser(e.p.Optim, s.LR, s.Index, true)
	}
	for x := e; x != nil; x = x.samples {
		x.n = s.Count()
		x.tiles = x.slabs(x.n)
		x.markLanes()
	}
	if e.checked {
		e.poison()
	}
	for i := range e.regions {
		r := &e.regions[i]
		if e.n <= r.ones {
			r = r.one
		}
		if e.now, e.group = r, 1; r.wide {
			e.group = groupSize(r.on.tiles, e.pool.threads())
		}
		switch r.scope {
		case device.Tile:
			n := (r.on.tiles + e.group - 1) / e.group
			e.pool.run(n, n/2, e.task)
		case device.Task:
			e.pool.run(len(r.tasks), r.own, e.task)
		default:
			for k := range r.calls {
				c := &r.calls[k]
				start := e.clock()
				c.serial(c.on, c)
				e.stop(&e.locals[0], c, start)
			}
		}
	}
	if s.Out != nil {
		e.of(e.p.Output).store(s.Out, e.p.Output)
	}
	if s.InGrad != nil {
		e.of(e.p.InGrad).store(s.InGrad, e.p.InGrad)
	}
	e.s = nil // the caller's data is not ours to keep
	if e.checked {
		if err := errors.Join(e.guards.check(), e.b.guards.check(), e.checkGaps()); err != nil {
			return device.Result{}, fmt.Errorf("run on device cpu: %w", err)
		}
	}
	return e.res, nil
}

// of is the exec whose tiles hold value v.
func (e *exec) of(v int) *exec {
	if e.samples != nil && e.p.Vals[v].Sample {
		return e.samples
	}
	return e
}

// callOn is the exec whose tiles a call works on; that of tokens when it leads from
// one kind to the other.
func (e *exec) callOn(c *device.Call) *exec {
	x := (*exec)(nil)
	for _, vals := range [][]int{c.In, c.Out} {
		for _, v := range vals {
			if x = e.of(v); x == e {
				return e
			}
		}
	}
	if x == nil {
		return e
	}
	return x
}

// laneRows is the number of rows that only clears in one go.
const laneRows = 64

// markLanes sets all bits of the lanes that are valid in the last tile of the batch
// or of every sequence, if that is partly filled, and none of the others.
func (e *exec) markLanes() {
	valid := e.valid(e.tiles-1) % T
	if valid == e.marked {
		return
	}
	e.marked = valid
	for i := range e.lanes {
		e.lanes[i] = 0
		if i%T < valid {
			e.lanes[i] = math.Float32frombits(^uint32(0))
		}
	}
}

// groupSize is the number of tiles in a group: as many as there is use for, but
// no more than keeps all workers busy to the end.
func groupSize(tiles, threads int) int {
	best, least := 1, math.MaxInt
	for g := maxGroup; g >= 1; g-- { // the last group may be short
		rounds, rest := tiles/(g*threads), tiles%(g*threads)
		if most := rounds*g + min(rest, g); most < least {
			best, least = g, most
		}
	}
	return best
}

// work does task number i of the region at hand.
func (e *exec) work(i, worker int) {
	r, l := e.now, &e.locals[worker]
	if r.scope == device.Task {
		c := &r.calls[r.tasks[i].call]
		start := e.clock()
		c.part(c.on, c, l, int(r.tasks[i].part))
		e.stop(l, c, start)
		return
	}
	e = r.on
	t0, t1 := i*e.group, min((i+1)*e.group, e.tiles)
	for k := 0; k < len(r.calls); {
		if c := &r.calls[k]; c.wide {
			start := e.clock()
			c.tile(e, c, l, t0, t1)
			e.stop(l, c, start)
			k++
			continue
		}
		// Calls that gain nothing from a group carry each tile on while it is
		// in the cache.
		end := k
		for end < len(r.calls) && !r.calls[end].wide {
			end++
		}
		for t := t0; t < t1; t++ {
			for j := k; j < end; j++ {
				c := &r.calls[j]
				start := e.clock()
				c.tile(e, c, l, t, t+1)
				e.stop(l, c, start)
			}
		}
		k = end
	}
}

// clock and stop time a call while probing.
func (e *exec) clock() time.Time {
	if !e.probing {
		return time.Time{}
	}
	return time.Now()
}

func (e *exec) stop(l *local, c *call, start time.Time) {
	if e.probing {
		l.times[c.number] += time.Since(start)
	}
}

// Probe switches the timing of calls and resets it.
func (e *exec) Probe(on bool) {
	e.probing = on
	for i := range e.locals {
		clear(e.locals[i].times)
	}
}

// Times is the time of each call since Probe(true), summed over workers.
func (e *exec) Times() []time.Duration {
	sum := make([]time.Duration, e.calls)
	for _, l := range e.locals {
		for i, d := range l.times {
			sum[i] += d
		}
	}
	return sum
}

// Close ends the workers and frees the plan's memory; the bank stays. Run fails
// afterwards.
func (e *exec) Close() error {
	if e.pool != nil {
		e.pool.close()
		e.pool, e.arena = nil, nil
		if e.samples != nil {
			e.samples.arena = nil
		}
	}
	return nil
}

// slabs is the number of slabs of n samples: tiles, or the samples of flat values.
func (e *exec) slabs(n int) int {
	if e.flat {
		return n
	}
	return e.p.Tiles(n)
}

// at is the address of value v of tile t.
func (e *exec) at(v, t int) unsafe.Pointer {
	return unsafe.Pointer(&e.arena[t*e.p.Slab+e.p.Vals[v].Off])
}

// floats is value v of tile t.
func (e *exec) floats(v, t int) []float32 {
	x := e.p.Vals[v]
	from := t*e.p.Slab + x.Off
	if e.flat {
		return e.arena[from : from+flatSize(x)]
	}
	return e.arena[from : from+x.Size(T, P)]
}

// stride is the distance of tiles in bytes.
func (e *exec) stride() int { return e.p.Slab * 4 }

// valid is the number of samples in tile t, or of tokens of its sequence.
func (e *exec) valid(t int) int {
	if e.per > 0 {
		return min(T, e.p.Seq-t%e.per*T)
	}
	return min(T, e.n-t*T)
}

// place is the row of the batch that a valid lane of tile t holds, and source the
// row of Step.X it comes from: of samples, or of the tokens of all samples.
func (e *exec) place(t, lane int) int {
	if e.per > 0 {
		return t/e.per*e.p.Seq + t%e.per*T + lane
	}
	return t*T + lane
}

func (e *exec) source(t, lane int) int {
	i := e.place(t, lane)
	switch {
	case e.s.Rows == nil:
		return i
	case e.per > 0:
		return int(e.s.Rows[i/e.p.Seq])*e.p.Seq + i%e.p.Seq
	}
	return int(e.s.Rows[i])
}
