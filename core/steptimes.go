package core

import (
	"slices"
	"time"

	"pare/core/device"
	"pare/core/event"
	"pare/core/train"
)

// stepTimes measures where the time of the dense model goes, for the predictions of
// the next stage. What a step takes is the mean over the baseline's; its probed calls
// say what of it goes where. It works on a copy: probing moves weights.
func (r *run) stepTimes() error {
	t, err := r.copyTrainer()
	if err != nil {
		return err
	}
	defer t.Close()
	rows := r.firstBatch()
	out := make([]float32, r.model.Values[r.model.Output].Len())
	step := func() error {
		_, err := t.Step(r.set.Train, rows, 0, 1)
		return err
	}
	machine, _ := hardware(r.dev)
	e := &event.StepTimes{Step: r.loop.Step, Machine: machine, Device: r.r.Hardware.Device, Threads: r.threads(), Batch: len(rows)}
	if err := step(); err != nil { // to warm up
		return err
	}
	var probes [][]float64 // ns of each call in single steps
	var cpu, n float64
	from := r.meter.Edge()
	for begin := time.Now(); len(probes) == 0 || len(probes) < mostProbes && time.Since(begin) < probeTime; { // in turn: a drift of the machine hits both
		us, k, err := r.timed(step)
		if err != nil {
			return err
		}
		cpu, n = cpu+us*float64(k), n+float64(k)
		for range min(k, mostProbes/turns) {
			ns, err := t.ProbeCalls(r.set.Train, rows, 0, 1)
			if err != nil {
				return err
			}
			probes = append(probes, ns)
		}
	}
	steps := undisturbed(probes)
	e.StepCPUUS = cpu / n
	e.StepEnergy = joules(r.meter.Between(from, r.meter.Edge())).Part(1 / (n + float64(len(probes))))
	b, trained := r.bill.trained[event.Baseline], r.bill.steps[event.Baseline]
	spent := r.busy(b.CPUUS, b.WallUS)
	if trained > 0 && spent > 0 {
		// The last batch of an epoch may be smaller.
		full := float64(int64(len(rows))*r.perEpoch()) / float64(r.set.Train.N()) / float64(trained)
		e.Steps, e.StepCPUUS, e.StepEnergy = trained, float64(spent)*full, b.Energy.Part(full)
	}
	begin, m := time.Now(), 0
	for ; m == 0 || time.Since(begin) < window/4; m++ {
		if err := t.Infer(r.set.Val, m%r.set.Val.N(), out); err != nil {
			return err
		}
	}
	e.InferUS = float64(time.Since(begin).Nanoseconds()) / 1e3 / float64(m)
	probes = nil
	for range min(m, mostProbes) {
		ns, err := t.ProbeInfer(r.set.Val, 0, out, 1)
		if err != nil {
			return err
		}
		probes = append(probes, ns)
	}
	e.Calls = callTimes(t, steps, undisturbed(probes))
	r.times = e
	return r.emit(e)
}

// Steps are timed and probed in turn, at most mostProbes of them, for at most probeTime.
const (
	turns      = 5
	mostProbes = 50
	probeTime  = 3 * time.Second
)

// undisturbed are the lower quartiles of each column: whoever shares the machine makes
// calls longer, and the long ones more.
func undisturbed(rows [][]float64) []float64 {
	l := make([]float64, len(rows[0]))
	col := make([]float64, len(rows))
	for i := range l {
		for j, r := range rows {
			col[j] = r[i]
		}
		slices.Sort(col)
		l[i] = col[len(col)/4]
	}
	return l
}

// timed repeats a piece of work for part of a window and says what one takes in CPU
// time, and how often it ran.
func (r *run) timed(fn func() error) (cpuUS float64, n int, err error) {
	from, begin := r.meter.Mark(), time.Now()
	for ; n == 0 || time.Since(begin) < window/turns; n++ {
		if err := fn(); err != nil {
			return 0, n, err
		}
	}
	return float64(r.busyUS(from, r.meter.Mark())) / float64(n), n, nil
}

// callTimes adds the times of calls up by kernel and node, in the order of the plans.
func callTimes(t *train.Trainer, steps, infers []float64) []event.CallTime {
	at := map[place]int{}
	var l []event.CallTime
	add := func(p *device.Plan, ns []float64, field func(*event.CallTime) *float64) {
		i := 0
		for _, r := range p.Regions {
			for k := range r.Calls {
				x := placeOf(p, &r.Calls[k])
				j, ok := at[x]
				if !ok {
					j = len(l)
					at[x] = j
					l = append(l, event.CallTime{Node: x.node, Kernel: x.kernel})
				}
				*field(&l[j]) += ns[i] / 1e3
				i++
			}
		}
	}
	add(t.Plan, steps, func(c *event.CallTime) *float64 { return &c.StepUS })
	add(t.OnePlan, infers, func(c *event.CallTime) *float64 { return &c.InferUS })
	return l
}
