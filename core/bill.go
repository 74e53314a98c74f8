package core

import (
	"time"

	"pare/core/device"
	"pare/core/energy"
	"pare/core/event"
)

// since is replaced by tests.
var since = time.Since

// bill keeps what every stage has cost so far: CPU time, wall time, energy.
// Waiting for a person is not billed.
type bill struct {
	cost    [event.Deploy + 1]event.StageCost
	base    event.StageCost // the current stage's bill when billing last began
	stage   event.Stage
	mark    energy.Mark
	begin   time.Time
	running bool
	epoch   epochBill
	trained [event.Deploy + 1]event.StageCost // of these, training steps of whole epochs
	steps   [event.Deploy + 1]int64           // that these were
	sparse  []sparseSteps                     // of sparsify, by epoch
	short   shortEpochs
}

// sparseSteps are the steps of an epoch and the share of zeros they had.
type sparseSteps struct {
	steps int64
	zeros float64
}

// epochBill is the epoch being billed.
type epochBill struct {
	mark  energy.Mark
	begin time.Time
	steps int64             // taken so far, those of a rollback included
	work  device.Cost       // of these steps
	past  []event.StageCost // pieces before the pauses
	brief bool              // the last piece was too short for the meter
}

// add counts a training step on n samples.
func (e *epochBill) add(r *run, n int) {
	e.steps++
	e.work = e.work.Add(r.t.StepCost(n))
}

// piece is what was spent since billing last began.
func (e *epochBill) piece(r *run) event.StageCost {
	now := r.meter.Edge()
	c := event.StageCost{CPUUS: energy.CPUMicros(e.mark, now), WallUS: time.Since(e.begin).Microseconds()}
	x := r.meter.Between(e.mark, now)
	c.Energy, e.brief = joules(x), x.TooShort()
	return c
}

// spent is the bill of one epoch of the baseline, for the last-points analysis.
type spent struct {
	Acc   float64 `json:"acc"`
	CPUUS int64   `json:"cpu_us"` // on a card the clock's: run.busy
	UJ    *int64  `json:"uj"`
}

// restore takes over a stage's bill from the log: what was spent stays billed.
func (b *bill) restore(c event.StageCost) {
	if s := c.Stage; s >= event.Baseline && s <= event.Deploy {
		b.cost[s] = c
	}
}

// restoreMetric takes over a bill that a metric brought further than the last
// StageCost.
func (b *bill) restoreMetric(m event.Metric) {
	if s := m.Stage; s >= event.Baseline && s <= event.Deploy && m.CPUUS > b.cost[s].CPUUS {
		b.cost[s] = event.StageCost{Stage: s, CPUUS: m.CPUUS, WallUS: m.WallUS, Energy: m.Energy}
	}
}

// train adds an epoch's training steps.
func (b *bill) train(e *event.EpochCost) {
	if s := e.Stage; s >= event.Baseline && s <= event.Deploy {
		b.steps[s] += e.Steps
		if s == event.Sparsify {
			b.sparse = append(b.sparse, sparseSteps{e.Steps, e.Zeros})
		}
		b.trained[s] = b.trained[s].Plus(event.StageCost{CPUUS: e.CPUUS, WallUS: e.WallUS, Energy: e.Energy.Part(float64(max(e.Over, 1)))})
	}
}

// tick brings the current stage's bill up to now. The window always starts where
// billing began, not at the last tick: a counter needs long windows.
func (b *bill) tick(r *run) {
	if !b.running {
		return
	}
	if b.stage != r.loop.Stage {
		b.resume(r)
	}
	now := r.meter.Mark()
	b.put(now, r.meter.Between(b.mark, now))
}

// show is a tick for those who watch: it waits for no source, so the joules are those up
// to its newest reading.
func (b *bill) show(r *run) {
	if b.running && b.stage == r.loop.Stage {
		b.put(r.meter.SoFar(b.mark))
		return
	}
	b.tick(r)
}

func (b *bill) put(now energy.Mark, x energy.Reading) {
	c := b.base.Plus(event.StageCost{
		CPUUS: energy.CPUMicros(b.mark, now), WallUS: since(b.begin).Microseconds(), Energy: joules(x), Apart: apart(x),
	})
	c.Stage = b.stage
	b.cost[b.stage] = c
}

// apart is what the meter tells apart of a reading, nil if nothing.
func apart(x energy.Reading) *event.Apart {
	if a := x.Apart(); a != (energy.Apart{}) {
		return &event.Apart{CPU: a.CPU, GPU: a.GPU, Memory: a.Memory}
	}
	return nil
}

// hold stops billing while the run waits; resume starts it again.
func (b *bill) hold(r *run) {
	b.tick(r)
	if b.running {
		b.epoch.past = append(b.epoch.past, b.epoch.piece(r))
		r.metric.past(r)
	}
	b.running = false
}

func (b *bill) resume(r *run) {
	b.stage = r.loop.Stage
	b.base = b.cost[b.stage]
	b.mark, b.begin = r.meter.Edge(), time.Now()
	if !b.running { // the epoch goes on here
		b.epoch.mark, b.epoch.begin = b.mark, b.begin
		r.metric.mark, r.metric.begin = b.mark, b.begin
	}
	b.running = true
}

// startEpoch begins the bill of an epoch (or of any other piece of work).
func (r *run) startEpoch() {
	if !r.bill.running {
		r.bill.resume(r)
	}
	r.bill.epoch = epochBill{mark: r.meter.Edge(), begin: time.Now()}
}

// billEpoch tells what the epoch's training steps cost.
func (r *run) billEpoch(stage event.Stage, epoch int) (*event.EpochCost, error) {
	e := r.bill.epoch
	c := e.piece(r)
	for _, p := range e.past {
		c = c.Plus(p)
	}
	r.bill.tick(r)
	b := &event.EpochCost{
		Stage: stage, Epoch: epoch, Step: r.loop.Step, Steps: e.steps,
		CPUUS: c.CPUUS, WallUS: c.WallUS, Energy: c.Energy, Zeros: r.zeros(),
		MACs: e.work.MACs, Skipped: e.work.Skipped,
	}
	r.shortEpoch(b, e.brief)
	r.bill.train(b)
	return b, r.emit(b)
}

// shortEpochs are epochs in a row that were too short for the counter.
type shortEpochs struct {
	stage  event.Stage // that all of them are of
	n      int
	mark   energy.Mark // at the start of the first
	busyUS int64       // of their training steps: run.busy
}

// shortEpoch gives joules to epochs in a row that are each too short for the counter:
// to the last of them their mean, once the window over all of them, with what lies
// between, is long enough. Of that window they get the share of their CPU time, on a card of the clock's.
func (r *run) shortEpoch(b *event.EpochCost, brief bool) {
	g := &r.bill.short
	if b.Energy.UJ != nil || !r.meter.Measured() || !brief || len(r.bill.epoch.past) > 0 {
		*g = shortEpochs{}
		return
	}
	if g.n == 0 || g.stage != b.Stage { // joules are never those of another stage's epochs
		*g = shortEpochs{stage: b.Stage, mark: r.bill.epoch.mark}
	}
	g.n++
	g.busyUS += r.busy(b.CPUUS, b.WallUS)
	now := r.meter.Mark()
	all, whole := r.busyUS(g.mark, now), joules(r.meter.Between(g.mark, now))
	if b.Short = whole.UJ == nil || all < g.busyUS; b.Short {
		if len(r.meter.Lost()) > 0 { // it is not for being short: the warning says it
			b.Short, *g = false, shortEpochs{}
		}
		return
	}
	b.Energy, b.Over = whole.Part(float64(g.busyUS)/float64(all)/float64(g.n)), g.n
	*g = shortEpochs{}
}

// billStage tells what a stage has cost so far, evaluations and probes
// included.
func (r *run) billStage(s event.Stage) error {
	r.bill.tick(r)
	c := r.bill.cost[s]
	c.Stage = s
	return r.emit(&c)
}

// metricWindow gathers the steps between two metric events.
type metricWindow struct {
	mark    energy.Mark
	begin   time.Time
	cpuUS   int64 // before the pauses
	wallUS  int64
	steps   int64
	loss    float64
	correct int
	samples int
	lr      float64
}

// every is the shortest time between two metric events: ten a second at most.
const every = 100 * time.Millisecond

func (w *metricWindow) reset(r *run) {
	*w = metricWindow{mark: r.meter.Mark(), begin: time.Now()}
}

// past puts aside what was spent before a pause.
func (w *metricWindow) past(r *run) {
	w.cpuUS += r.busyUS(w.mark, r.meter.Mark())
	w.wallUS += time.Since(w.begin).Microseconds()
}

// add takes one step's result and tells a metric when it is time.
func (w *metricWindow) add(r *run, c course, res device.Result, lr float64) error {
	w.steps++
	w.loss += res.Loss
	w.correct += res.Correct
	w.samples += res.N
	w.lr = lr
	if time.Since(w.begin) < every {
		return nil
	}
	return w.flush(r, c)
}

// flush tells the metric of the steps gathered so far.
func (w *metricWindow) flush(r *run, c course) error {
	if w.steps == 0 {
		return nil
	}
	r.bill.show(r)
	now, n, total := r.meter.Mark(), float64(w.steps), c.steps()
	target := 0.0
	if c.stage == event.Sparsify {
		target = r.loop.Share
	}
	cost := r.bill.cost[c.stage]
	m := &event.Metric{
		Stage: c.stage, Epoch: int((r.loop.Step-1)/r.perEpoch()) + 1, Epochs: int((total + r.perEpoch() - 1) / r.perEpoch()), Step: r.loop.Step, Steps: total,
		Loss: finite(w.loss / n), Acc: float64(w.correct) / float64(max(w.samples, 1)), LR: w.lr, Zeros: r.zeros(), Target: target,
		CPUUS: cost.CPUUS, WallUS: cost.WallUS, Energy: cost.Energy,
		StepCPU: float64(w.cpuUS+r.busyUS(w.mark, now)) / n, StepWall: float64(w.wallUS+time.Since(w.begin).Microseconds()) / n,
	}
	w.reset(r)
	return r.emit(m)
}
