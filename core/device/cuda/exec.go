package cuda

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/ref"
)

// scalars is struct Step of kernels/common.cuh.
type scalars struct {
	index        int64
	lr           float32
	labelled     int32
	bias1, bias2 float32
	first        int64
}

// result is what LossMerge leaves: struct Result of kernels/loss.cu.
type result struct {
	loss    float64 // mean over the rows in the loss
	correct int64
}

// stat is what the samples of a batch share in one batch norm: float32 [C] each.
type stat struct{ mean, rstd, dbeta, dgamma cu.Ptr }

// exec implements device.Exec.
type exec struct {
	dev    Device
	p      *device.Plan
	b      *bank
	at     []cu.Ptr  // of each value
	arena  [2]cu.Ptr // of values per token, or per sample without sequences; of values per sample beside these
	elem   []cu.Type // of each value
	wide   []int     // elements from row to row of the values that widen gives room, else 0
	memory []cu.Ptr  // to be released
	arenas []span    // filled with NaN before each run of a checked device
	room   span      // of scratch
	takes  need
	stats  []stat
	loss   int // classes of the CrossEntropy, 0 without one

	// What a run takes in and gives out, on the card and in page-locked memory. What
	// goes in is one piece, in this order.
	step, labels, x, outGrad, teacher cu.Ptr
	result, pred, losses, out         cu.Ptr
	into, from                        []byte
	ins                               inputs

	moved  map[int]bool       // weights that a run changes
	pairs  map[packed]pairing // of the largest batch, by what they would read
	paired []device.Paired    // the same, to be told
	packs  []packed           // in use
	tabled []packed           // of these, whose tables are, too

	tables   map[string]cu.Ptr // see builder.table
	products map[product]bool  // of the run that is recorded, see prepare
	used     int               // counts runs
	runs     map[mode]*run
	probing  bool
	times    []time.Duration
	closed   bool
}

// span is a piece of memory.
type span struct {
	p     cu.Ptr
	bytes int64
}

// inputs are the offsets of what goes in, bytes.
type inputs struct{ labels, x, outGrad, teacher, end int }

// mode is what a run's launches depend on: the number of samples and, of a part of an
// optimiser's step, whether its gradients add up and weights move.
type mode struct {
	n          int
	onto, hold bool
}

// modeOf is the mode of a step.
func modeOf(s *device.Step) mode { return mode{s.Count(), s.Micro.Onto, s.Micro.Hold} }

// run is what one mode takes.
type run struct {
	launches []launch
	out      []handout
	inGrad   []handout
	graph    cu.Graph
	warm     bool // ran once, so that all is loaded
	products map[product]bool
	packs    []packing
	used     int // exec.used when it ran last
}

// Compile checks the plan against the bank and takes the memory of its values. A plan
// that does not fit the card is an error here, before any step.
func (d Device) Compile(p *device.Plan, bk device.Bank, _ int) (device.Exec, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := bk.(*bank)
	if !ok {
		return nil, fmt.Errorf("compile for device cuda: the bank belongs to another device")
	}
	if err := ref.Verify(p, b.desc, b.slots, d); err != nil {
		return nil, fmt.Errorf("compile for device cuda: %w", err)
	}
	if err := b.exact(p); err != nil {
		return nil, fmt.Errorf("compile for device cuda: %w", lost(err))
	}
	e := newExec(d, p, b)
	d.plans++
	if err := e.allot(); err != nil {
		e.release() //nolint:errcheck // the other error says it
		return nil, fmt.Errorf("compile for device cuda: %w", lost(err))
	}
	return e, nil
}

func newExec(d Device, p *device.Plan, b *bank) *exec {
	return &exec{dev: d, p: p, b: b, tables: map[string]cu.Ptr{}, runs: map[mode]*run{}, moved: movedBy(p), pairs: map[packed]pairing{}}
}

// Run runs every call. Whatever can be wrong with a step is found before the first
// call, so such an error leaves the weights as they were.
func (e *exec) Run(s *device.Step) (device.Result, error) {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	if e.closed {
		return device.Result{}, fmt.Errorf("run on device cuda: the plan is closed")
	}
	if err := ref.Ready(e.p, e.b.desc, s); err != nil {
		return device.Result{}, fmt.Errorf("run on device cuda: %w", err)
	}
	r, err := e.do(s)
	if err != nil {
		return device.Result{}, fmt.Errorf("run on device cuda: %w", lost(err))
	}
	return r, nil
}

// lost marks an error after which nothing can be done on the card, for whoever asks
// device.ErrLost.
func lost(err error) error {
	if errors.Is(err, cu.ErrLost) {
		return fmt.Errorf("%w: %w", device.ErrLost, err)
	}
	return err
}

func (e *exec) do(s *device.Step) (device.Result, error) {
	r, err := e.runOf(modeOf(s))
	if err != nil {
		return device.Result{}, err
	}
	e.dev.choices.ran = true
	labelled, err := e.upload(s)
	if err != nil {
		return device.Result{}, err
	}
	if e.dev.checked {
		for _, a := range e.arenas {
			if err := e.dev.driver.Fill(a.p, 0xff, a.bytes); err != nil {
				return device.Result{}, err
			}
		}
	}
	if err := e.freshen(r); err != nil {
		return device.Result{}, err
	}
	if err := e.queue(r); err != nil {
		return device.Result{}, err
	}
	return e.download(s, r, labelled)
}

// queue queues the launches of a run: one by one when they are timed and the first
// time, later as a graph.
func (e *exec) queue(r *run) error {
	switch {
	case e.probing:
		return e.timed(r)
	case r.graph != 0:
		return e.dev.driver.RunGraph(r.graph)
	case !r.warm:
		r.warm = true
		return e.launch(r.launches)
	}
	g, err := e.dev.record(func() error { return e.launch(r.launches) })
	if err != nil {
		return err
	}
	r.graph = g
	return e.dev.driver.RunGraph(g)
}

// record makes a graph of what f queues, which is not run; 0 where it fails.
func (d Device) record(f func() error) (cu.Graph, error) {
	if err := d.driver.Capture(); err != nil {
		return 0, err
	}
	err := f()
	g, end := d.driver.EndCapture()
	if err != nil && end == nil {
		d.driver.ReleaseGraph(g) //nolint:errcheck // the other error says it
	}
	if err = firstError(err, end); err != nil {
		return 0, err
	}
	return g, nil
}

func (e *exec) launch(ls []launch) error {
	for i := range ls {
		if err := e.one(&ls[i]); err != nil {
			return err
		}
	}
	return nil
}

func (e *exec) one(l *launch) error {
	var err error
	if l.do != nil {
		err = l.do()
	} else {
		err = e.dev.driver.Launch(l.f, l.grid, l.block, l.shared, l.args)
	}
	if err != nil {
		c := e.callOf(l.call)
		return fmt.Errorf("layer %s, kernel %v: %w", e.p.Nodes[c.Node], c.Kernel, err)
	}
	return nil
}

// callOf is call i of all regions.
func (e *exec) callOf(i int) *device.Call {
	for _, r := range e.p.Regions {
		if i < len(r.Calls) {
			return &r.Calls[i]
		}
		i -= len(r.Calls)
	}
	return &device.Call{Node: len(e.p.Nodes) - 1}
}

// timed queues launches with an event between calls and adds up their times.
func (e *exec) timed(r *run) error {
	var events []cu.Event
	defer func() {
		for _, v := range events {
			_ = e.dev.driver.ReleaseEvent(v) // the card is as it was
		}
	}()
	mark := func() error {
		v, err := e.dev.driver.Event()
		if err != nil {
			return err
		}
		events = append(events, v)
		return e.dev.driver.Record(v)
	}
	var calls []int
	for i := range r.launches {
		l := &r.launches[i]
		if len(calls) == 0 || calls[len(calls)-1] != l.call {
			if err := mark(); err != nil {
				return err
			}
			calls = append(calls, l.call)
		}
		if err := e.one(l); err != nil {
			return err
		}
	}
	if err := mark(); err != nil {
		return err
	}
	for i, c := range calls {
		ms, err := e.dev.driver.Elapsed(events[i], events[i+1])
		if err != nil {
			return err
		}
		e.times[c] += time.Duration(float64(ms) * 1e6)
	}
	return nil
}

// mostRuns is how many modes keep their launches: an epoch has one, and another of its
// last batch. In parts a batch has up to six: parts of two sizes that are the first, the
// last, or neither.
const mostRuns = 8

func (e *exec) mostRuns() int {
	if e.p.Micros > 1 {
		return 2 * mostRuns
	}
	return mostRuns
}

// runOf is the run of a mode. The one that was used least recently makes room for a new
// one.
func (e *exec) runOf(m mode) (*run, error) {
	e.used++
	r := e.runs[m]
	if r == nil {
		if len(e.runs) == e.mostRuns() {
			var oldest mode
			for k, o := range e.runs {
				if of := e.runs[oldest]; of == nil || o.used < of.used {
					oldest = k
				}
			}
			if err := e.drop(oldest); err != nil {
				return nil, err
			}
		}
		var err error
		if r, err = e.record(m); err != nil {
			return nil, err
		}
		e.runs[m] = r
	}
	r.used = e.used
	return r, nil
}

// drop gives back what the run of a mode has.
func (e *exec) drop(m mode) error {
	r := e.runs[m]
	delete(e.runs, m)
	err := e.letGo(r.products)
	if r.graph != 0 {
		err = firstError(err, e.dev.driver.ReleaseGraph(r.graph))
	}
	return err
}

// record turns the plan's calls into launches for a mode.
func (e *exec) record(m mode) (r *run, err error) {
	e.products = map[product]bool{}
	defer func() {
		if err != nil {
			e.letGo(e.products) //nolint:errcheck // the other error says it
		}
	}()
	b := newBuilder(e, m)
	if err := b.all(); err != nil {
		return nil, err
	}
	if err := e.dev.settle(); err != nil {
		return nil, err
	}
	r = &run{launches: b.out, products: e.products, packs: b.packs}
	if r.out, err = b.handouts(e.p.Output); err != nil {
		return nil, err
	}
	if r.inGrad, err = b.handouts(e.p.InGrad); err != nil {
		return nil, err
	}
	return r, nil
}

// Probe switches the timing of calls and resets it.
func (e *exec) Probe(on bool) {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	e.probing = on
	clear(e.times)
}

// Times is the time of each call on the card since Probe(true).
func (e *exec) Times() []time.Duration {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	return slices.Clone(e.times)
}

// Close frees the plan's memory; the bank stays. Run fails afterwards.
func (e *exec) Close() error {
	e.dev.mu.Lock()
	defer e.dev.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.release()
}

func (e *exec) release() error {
	err := e.dev.driver.Sync()
	for m := range e.runs {
		err = firstError(err, e.drop(m))
	}
	for _, p := range e.memory {
		err = firstError(err, e.dev.driver.Release(p))
	}
	err = firstError(err, e.freePacks())
	for _, h := range [][]byte{e.into, e.from} {
		if h != nil {
			err = firstError(err, e.dev.driver.ReleaseHost(h))
		}
	}
	if e.dev.plans--; e.dev.plans == 0 {
		err = firstError(err, e.dev.trim())
	}
	e.memory, e.into, e.from, e.runs = nil, nil, nil, nil
	return err
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

const scalarBytes = int(unsafe.Sizeof(scalars{}))
