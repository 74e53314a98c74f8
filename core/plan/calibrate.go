package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/tensor"
)

// CalibrationVersion is raised when kernels or this file change so much that
// prices measured before are wrong: kept ones are then measured again.
const CalibrationVersion = 2

// sample is a layer that is timed to learn what formats cost: n outputs of c
// inputs, or of c channels in a window of win × win with image × image pixels.
type sample struct {
	n, c, win, image int
	batch            int           // enough for the weights to be read from the caches they live in
	budget           time.Duration // of all turns, half as much again on a busy machine; one round however long
}

// sizes are the two samples of a kind of layer.
type sizes struct{ large, small sample }

// The samples. The budgets are under half a second together. A step takes 3 ms at
// most on Zen 4, so that some find the processor to themselves even when it is
// busy. (There, prices per stored value are much the same for all sizes; the fixed
// part grows with smallness, from 0.01 to 0.2.)
var (
	linearSizes = sizes{
		large: sample{n: 300, c: 784, batch: 64, budget: 100 * time.Millisecond},
		small: sample{n: 64, c: 128, batch: 64, budget: 30 * time.Millisecond},
	}
	convSizes = sizes{
		large: sample{n: 64, c: 32, win: 3, image: 14, batch: 16, budget: 220 * time.Millisecond},
		small: sample{n: 16, c: 3, win: 3, image: 32, batch: 16, budget: 80 * time.Millisecond},
	}
)

// shares are the shares of stored values that samples are timed with.
var shares = [2]float64{0.5, 0.1}

// mostRounds bounds the turns of samples that take next to no time.
const mostRounds = 200

// k is the number of inputs of one output.
func (s sample) k() int { return s.c * max(s.win*s.win, 1) }

func (s sample) smallness() float64 { return smallness(s.n, s.k()) }

// Calibrate measures what the formats cost on dev with one thread, in about half a
// second: training steps of the samples in each format and at both shares take
// turns, and the shortest turn of each counts, which other processes disturb
// least. source goes into the result.
func Calibrate(dev device.Device, source string) (Prices, error) {
	p := Prices{Source: source}
	for _, x := range []struct {
		kernel device.Kernel
		sample sample
		to     *map[string][2]float64
	}{
		{device.Linear, linearSizes.large, &p.Linear}, {device.Linear, linearSizes.small, &p.LinearSmall},
		{device.Conv, convSizes.large, &p.Conv}, {device.Conv, convSizes.small, &p.ConvSmall},
	} {
		l, err := x.sample.prices(dev, x.kernel)
		if err != nil {
			return Prices{}, fmt.Errorf("calibrate %v on device %s: %w", x.kernel, dev.Name(), err)
		}
		*x.to = l
	}
	return p, p.Check()
}

// prices times the sample in all formats.
func (s sample) prices(dev device.Device, kernel device.Kernel) (map[string][2]float64, error) {
	dense, err := s.open(dev, tensor.Dense, 1)
	if err != nil {
		return nil, err
	}
	turns := []*turn{dense}
	defer func() {
		for _, t := range turns {
			t.ex.Close() //nolint:errcheck // nothing left to do with it
		}
	}()
	var formats []tensor.Format
	for _, f := range tensor.Blocks {
		if !dev.Supports(kernel, f) {
			continue
		}
		formats = append(formats, f)
		for _, share := range shares {
			t, err := s.open(dev, f, share)
			if err != nil {
				return nil, err
			}
			turns = append(turns, t)
		}
	}
	more := func(rounds int, spent time.Duration) bool {
		unsure := slices.ContainsFunc(turns, func(t *turn) bool { return !t.sure() })
		return rounds == 0 || rounds < mostRounds && (spent < s.budget || unsure && spent < s.budget*3/2)
	}
	for i, begin := 0, time.Now(); more(i, time.Since(begin)); i++ {
		for k, t := range turns {
			if k == len(turns)/2 { // all prices hang on the dense time
				if err := dense.take(); err != nil {
					return nil, err
				}
			}
			if err := t.take(); err != nil {
				return nil, err
			}
		}
	}
	l := map[string][2]float64{}
	for i, f := range formats {
		many, few := turns[1+2*i], turns[2+2*i]
		if dense.least <= 0 || many.least <= 0 || few.least <= 0 {
			return nil, fmt.Errorf("%v: the clock is too coarse to time a step of %v", f, dense.least)
		}
		ratio := func(t *turn) float64 { return t.least.Seconds() / dense.least.Seconds() }
		l[f.String()] = line(many.share, ratio(many), few.share, ratio(few))
	}
	return l, nil
}

// line is the price through two points, share of the values and of the dense
// time, rounded to three digits. Neither part is negative: where the points say
// so, noise does, and the line lies above them instead.
func line(s1, y1, s2, y2 float64) [2]float64 {
	perStored := (y1 - y2) / (s1 - s2)
	fixed := y2 - perStored*s2
	switch {
	case perStored < 0:
		fixed, perStored = max(y1, y2), 0
	case fixed < 0:
		fixed, perStored = 0, max(y1/s1, y2/s2)
	}
	round := func(x float64) float64 { return math.Round(1000*x) / 1000 }
	return [2]float64{round(fixed), round(perStored)}
}

// turn is a sample in one format, ready to be timed.
type turn struct {
	ex    device.Exec
	plan  *device.Plan
	step  device.Step
	share float64       // of the values, that the kernels compute with
	least time.Duration // of a step, so far
	next  time.Duration // the least of the others
}

// open compiles a training step of the sample with a random mask that keeps that
// share of the blocks.
func (s sample) open(dev device.Device, f tensor.Format, share float64) (*turn, error) {
	r := rand.New(rand.NewPCG(1, 2))
	m, err := s.model()
	if err != nil {
		return nil, err
	}
	t := &turn{share: 1}
	var choice []Choice
	if f != tensor.Dense {
		w := &m.Params[0]
		w.Mask = keepBlocks(r, s.n, s.k(), f.Height(), share)
		t.share = storedShare(*w, f) * padding(f, s.n)
		choice = []Choice{{Param: 0, Format: f}}
	}
	ws, rule := Weights(m, choice), device.Optim{Momentum: 0.9}
	if t.plan, err = Build(m, dev, Options{Mode: Train, Batch: s.batch, Optim: rule, InGrad: true}); err != nil {
		return nil, err
	}
	if t.ex, err = device.Alone(dev, t.plan, ws, rule.Slots(), 1, func(i int) []float32 { return noise(r, ws[i].Shape.Len(), 1/float32(s.k())) }); err != nil {
		return nil, err
	}
	t.step = device.Step{X: noise(r, s.batch*m.Input().Len(), 1), Labels: make([]int32, s.batch), N: s.batch, LR: 1e-6, Index: 1}
	return t, nil
}

// model is the sample as a model of one layer.
func (s sample) model() (*graph.Model, error) {
	b := &graph.Net{M: graph.New("calibration", s.c, max(s.image, 1), max(s.image, 1))}
	if s.win == 0 {
		b.Linear("layer", 0, s.n)
	} else {
		b.Op("pool", "globalavgpool", b.Conv("layer", 0, s.n, s.win, 1, s.win/2, 1, true))
	}
	return b.M, b.Err
}

// take runs two steps, since the first finds the caches full of another turn's
// data, and keeps the time of the layer's calls in one step if it is the least.
func (t *turn) take() error {
	for range 2 {
		if err := t.run(); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) run() error {
	t.ex.Probe(true)
	if _, err := t.ex.Run(&t.step); err != nil {
		return err
	}
	times, i, sum := t.ex.Times(), 0, time.Duration(0)
	for _, r := range t.plan.Regions {
		for _, c := range r.Calls {
			if c.Node == 0 { // forward, dx, dw with its update; what else there is costs all formats the same
				sum += times[i]
			}
			i++
		}
	}
	switch {
	case t.least == 0 || sum < t.least:
		t.least, t.next = sum, t.least
	case t.next == 0 || sum < t.next:
		t.next = sum
	}
	return nil
}

// sure reports whether the least time has been seen twice, within 2 %: on a busy
// machine that may take more than the budget.
func (t *turn) sure() bool { return t.next > 0 && t.next-t.least <= t.least/50 }

// keepBlocks is a mask over n × k weights that keeps a share of the blocks of h
// outputs × 1 input, at random places.
func keepBlocks(r *rand.Rand, n, k, h int, share float64) *tensor.Mask {
	m := tensor.NewMask(n * k)
	blocks := (n + h - 1) / h * k
	drop := blocks - int(math.Round(share*float64(blocks)))
	for _, b := range r.Perm(blocks)[:drop] {
		for i := b / k * h; i < min(b/k*h+h, n); i++ {
			m.Drop(i*k + b%k)
		}
	}
	return m
}

// noise is n values between −scale and scale.
func noise(r *rand.Rand, n int, scale float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = scale * (2*r.Float32() - 1)
	}
	return x
}
