package devicetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
)

// tolerance bounds the error of every result, as a share of the largest value
// of that result. A float32 rounds to 6e-8; sums of the sizes used here, taken
// in another order than the reference, and three steps of training that start
// from slightly different weights, lose a factor of some ten to fifty. A wrong
// term, weight or sample is off by at least 1e-3.
const tolerance = 1e-5

// groupShare makes small results of a group count as large.
const groupShare = 0.1

// shareOf is that share for a result whose largest value is top. The gradient of a bias in
// front of a batch norm, say, or of one that all keys of an attention share, is exactly zero,
// and all that any device has to show for it is rounding of terms as large as the group's:
// that is what ref, which sums in float64, has for it as well.
func shareOf(top, group float64) float64 {
	if top <= tolerance*group {
		return 1
	}
	return groupShare
}

// weights is the group of the weights themselves. Devices of less precision are not asked how
// far off a weight is that began at zero, as a bias does: that is what its gradient is off by.
const weights = "weights"

// flips is how much more a gradient may be off on devices of less precision.
const flips = 6

// differ tells where two lists of results differ by more than limit, "" if nowhere. Where
// rounding carried moves a result further (rounding.go), by more than that; nil: no rounding.
func differ(got, want []result, limit float64, carried [][]float64) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d results, want %d", len(got), len(want))
	}
	groups := map[string]float64{}
	for _, w := range want {
		if w.group != "" {
			groups[w.group] = max(groups[w.group], largest(w.x))
		}
	}
	for i, w := range want {
		g := got[i]
		if g.name != w.name || len(g.x) != len(w.x) {
			return fmt.Sprintf("%s with %d values, want %s with %d", g.name, len(g.x), w.name, len(w.x))
		}
		moved := func(k int) float64 {
			if carried == nil {
				return 0
			}
			return carried[i][k]
		}
		if limit > tolerance {
			within := limit
			// Small nets: one flip is a large share of a gradient, and of the momentum, their sum.
			if strings.Contains(w.name, "gradient") || strings.HasPrefix(w.name, "state") {
				within *= flips
			}
			least := groupShare * groups[w.group]
			if carried != nil {
				off := w
				off.x = make([]float32, len(w.x))
				for k, v := range w.x {
					off.x[k] = v + float32(moved(k))
				}
				within = max(within, apart(off.x, w, least))
			}
			if d := apart(g.x, w, least); !(d <= within) && !strings.HasPrefix(w.name, "prediction") && !strings.HasPrefix(w.name, "correct") {
				return fmt.Sprintf("%s: off by %.1e of its norm", w.name, d)
			}
			continue
		}
		scale := max(largest(w.x), w.least, 1e-6)
		if w.group != weights {
			scale = max(scale, shareOf(largest(w.x), groups[w.group])*groups[w.group])
		}
		for k := range w.x {
			if d := math.Abs(float64(g.x[k]) - float64(w.x[k])); !(d <= max(w.slack()*limit*scale, moved(k))) {
				return fmt.Sprintf("%s: element %d of %d is %g, want %g (off by %.1e of %.3g)", w.name, k, len(w.x), g.x[k], w.x[k], d/scale, scale)
			}
		}
	}
	return ""
}

// apart is ‖got − want‖/‖want‖, for devices that round more than float32 does: there a
// value near the corner of a ReLU falls on the other side in some place of every case, and
// a tie may be decided otherwise, while a wrong term moves the whole.
func apart(got []float32, w result, least float64) float64 {
	d, n := 0.0, 0.0
	for k, v := range w.x {
		d += (float64(got[k]) - float64(v)) * (float64(got[k]) - float64(v))
		n += float64(v) * float64(v)
	}
	least = max(least, w.least, 1e-6)
	return math.Sqrt(d / max(n, least*least*float64(len(w.x))))
}

func largest(x []float32) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}

// sameBits tells where two lists of results are not equal bit by bit.
func sameBits(got, want []result) string {
	for i, w := range want {
		for k := range w.x {
			if a, b := math.Float32bits(got[i].x[k]), math.Float32bits(w.x[k]); a != b {
				return fmt.Sprintf("%s: element %d is %x (%g), before it was %x (%g)", w.name, k, a, got[i].x[k], b, w.x[k])
			}
		}
	}
	return ""
}

// against runs j on dev and on ref and compares. A value within rounding of the
// corner of a ReLU or of a tie in a maximum may fall on either side, and then
// whole gradients differ: that does not happen twice, so a difference counts
// when it shows with other numbers as well; at once where there is no corner. Devices of
// less precision often have some value near a corner: there it counts when
// it shows four times. prepare fills the model.
func against(t *testing.T, dev device.Device, j job, prepare func(seed uint64)) {
	t.Helper()
	threads := func(j job, got []result) { sameOnAllThreads(t, dev, j, got) }
	if d := compare(t, dev, newAnswers(j), prepare, 0, threads); d != "" {
		t.Error(d)
	}
}

// answers are what ref gives for a job with each seed's numbers, worked out once however
// often a device is compared with it.
type answers struct {
	job  job
	want map[uint64][]result     // by seed
	far  map[numbers][][]float64 // how far rounding moves these
}

type numbers struct {
	seed uint64
	unit float64
}

func newAnswers(j job) *answers {
	return &answers{j, map[uint64][]result{}, map[numbers][][]float64{}}
}

// of is what ref gives with the numbers of seed, which the model has been filled with.
func (a *answers) of(t testing.TB, seed uint64) []result {
	t.Helper()
	if a.want[seed] == nil {
		j := a.job
		j.seed = seed
		want := j.whole().record(t, ref.New())
		for i := range want {
			want[i].runs = j.micros
		}
		a.want[seed] = want
	}
	return a.want[seed]
}

// carried is how far rounding moves them.
func (a *answers) carried(t testing.TB, seed uint64, unit float64) [][]float64 {
	t.Helper()
	n := numbers{seed, unit}
	if a.far[n] == nil {
		j := a.job
		j.seed = seed
		a.far[n] = j.carried(t, ref.New(), unit, a.of(t, seed))
	}
	return a.far[n]
}

// compare is against with the numbers that follow seed from, and returns the difference. first,
// if not nil, sees what dev gave with the first of them.
// One that rounding explains (rounding.go) says nothing of dev, nor that it is right: other
// numbers are taken, and if rounding explains those of all, it is no difference.
func compare(t testing.TB, dev device.Device, a *answers, prepare func(seed uint64), from uint64, first func(job, []result)) string {
	t.Helper()
	j := a.job
	again := 1
	if limitOf(dev) > tolerance {
		again = 3
	}
	right, wrong := 0, 0
	for n := range uint64(most) {
		j.seed = from + n + 1
		prepare(j.seed)
		got := j.record(t, dev)
		if n == 0 && first != nil {
			first(j, got)
		}
		want := a.of(t, j.seed)
		d := differ(got, want, limitOf(dev), nil)
		switch {
		case d == "":
			if right++; !smooth(j) || right > 1 {
				return ""
			}
		case !j.ties && differ(got, want, limitOf(dev), a.carried(t, j.seed, unitOf(dev))) == "": // ties are exact
		default:
			if wrong++; wrong > again || smooth(j) {
				return d
			}
		}
	}
	return ""
}

// sameOnAllThreads runs j once more for each number of threads, on dev and its
// twins in turn, and compares with what it gave before, bit by bit.
func sameOnAllThreads(t testing.TB, dev device.Device, j job, want []result) {
	t.Helper()
	kin, mine := all(dev), j.threads
	for i, threads := range []int{4, 1, 3, 2} {
		if i > 1 && testing.Short() || threads == mine && len(kin) == 1 {
			continue
		}
		if i > 0 && dev.Name() == "ref" { // one thread, whatever it is told
			break
		}
		// The twins first: where there are any, each case meets one.
		j.threads = threads
		if d := sameBits(j.record(t, kin[(i+1)%len(kin)]), want); d != "" {
			t.Errorf("%d threads, after %d: %s", threads, mine, d)
		}
	}
}

// smooth reports whether nothing in the model has a corner, or its corners are
// met exactly.
func smooth(j job) bool { return j.ties || !slices.ContainsFunc(j.m.Nodes, corner) }

// corner reports whether the slope of an op jumps somewhere.
func corner(n graph.Node) bool {
	switch n.Op {
	case "relu", "hardswish", "maxpool", "hardsigmoid", "leakyrelu", "clip":
		return true
	case "elu":
		return n.Attrs.Alpha != 1
	}
	return false
}
