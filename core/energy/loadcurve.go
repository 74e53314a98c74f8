package energy

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"pare/hwprofiles"
)

// LoadPoint is one calibration point: the power of the boundary while the
// machine ran at one load.
type LoadPoint struct {
	Load float64 // share of all logical CPUs that is busy, 0 to 1
	W    float64 // watts, mean over the time at this load
}

// LoadCurve turns load into power on one machine. It is a model calibrated on
// that machine: tier D, never called measured.
//
// Power against load is concave at low load (shared parts of the chip wake up),
// convex where the clock rises, flat under the power limit. So no formula is
// taken: the curve is the monotone cubic through the points (Fritsch and Carlson
// 1980, with the slopes of Fritsch and Butland 1984), after points that fall with
// rising load were pooled (pool adjacent violators). Two points are not enough on
// real machines: straight lines from idle to full err by 11 to 57 % on the
// published tables.
type LoadCurve struct {
	x, y, m []float64 // load, W, slope in W per load
	band    float64
	source  string
}

// LoadBandFloor is the least band of a load curve, ± %. Of seven load tables of
// CodeCarbon's cpu_load_profiling, each calibrated on either half of its rows, nine
// in ten of the other rows lie within it (a test checks that): 30 s windows of a
// real load are not more reproducible, however many points there are.
const LoadBandFloor = 20.0

// minLoadPoints: with fewer, leaving one out leaves no curve to compare with.
const minLoadPoints = 4

// CalibrateLoad makes the curve of a machine from at least four points of
// different load. Source says where they come from ("rapl, 2026-11-25").
//
// Its band is the root mean square of what each inner point deviates from the
// curve through the others, at least LoadBandFloor. It is an honest figure for
// loads like those that were calibrated, on this machine.
func CalibrateLoad(points []LoadPoint, source string) (*LoadCurve, error) {
	if source == "" {
		return nil, fmt.Errorf("load curve: say where the points come from")
	}
	ps := slices.Clone(points)
	sort.SliceStable(ps, func(i, j int) bool { return ps[i].Load < ps[j].Load })
	for i, p := range ps {
		switch {
		case !(p.Load >= 0 && p.Load <= 1):
			return nil, fmt.Errorf("load curve: load %g: give a share of all CPUs from 0 to 1", p.Load)
		case !(p.W > 0 && p.W <= 1e5):
			return nil, fmt.Errorf("load curve: %g W at load %g: give watts above 0", p.W, p.Load)
		case i > 0 && p.Load-ps[i-1].Load < 1e-3:
			return nil, fmt.Errorf("load curve: load %g twice: give one point a load", p.Load)
		}
	}
	if len(ps) < minLoadPoints {
		return nil, fmt.Errorf("load curve: %d points, at least %d different loads are needed", len(ps), minLoadPoints)
	}
	c := fitLoad(ps)
	c.source = source
	sum, n := 0.0, 0
	for i := 1; i < len(ps)-1; i++ {
		rest := append(slices.Clone(ps[:i]), ps[i+1:]...)
		d := ps[i].W/fitLoad(rest).at(ps[i].Load) - 1
		sum, n = sum+d*d, n+1
	}
	c.band = math.Max(LoadBandFloor, 100*math.Sqrt(sum/float64(n)))
	return c, nil
}

// LoadCurveOf is the curve of a profile that was calibrated on this machine: a
// person's own one with a load curve. The published curve of a built-in profile is
// of another machine, so it makes no figure of tier D and is an error here.
func LoadCurveOf(p hwprofiles.Profile) (*LoadCurve, error) {
	switch {
	case p.Load == nil:
		return nil, fmt.Errorf("hardware profile %s has no load curve", p.Name)
	case !p.Own():
		return nil, fmt.Errorf("the load curve of hardware profile %s was taken on another machine", p.Name)
	}
	points := make([]LoadPoint, len(p.Load.Points))
	for i, q := range p.Load.Points {
		points[i] = LoadPoint{Load: q[0] / 100, W: q[1]}
	}
	c, err := CalibrateLoad(points, p.Load.Source)
	if err != nil {
		return nil, fmt.Errorf("hardware profile %s: %w", p.Name, err)
	}
	return c, nil
}

// fitLoad draws the curve through points sorted by load.
func fitLoad(ps []LoadPoint) *LoadCurve {
	c := &LoadCurve{x: make([]float64, len(ps)), y: make([]float64, len(ps))}
	for i, p := range ps {
		c.x[i], c.y[i] = p.Load, p.W
	}
	c.y = monotone(c.y, nil)
	c.m = slopes(c.x, c.y)
	return c
}

// monotone is the non-decreasing sequence nearest to y in least squares, with
// weights w (nil: equal), by pooling adjacent violators.
func monotone(y, w []float64) []float64 {
	type block struct {
		mean, weight float64
		n            int
	}
	var bs []block
	for i, v := range y {
		b := block{v, 1, 1}
		if w != nil {
			b.weight = w[i]
		}
		for len(bs) > 0 && bs[len(bs)-1].mean > b.mean {
			p := bs[len(bs)-1]
			bs = bs[:len(bs)-1]
			b = block{(p.mean*p.weight + b.mean*b.weight) / (p.weight + b.weight), p.weight + b.weight, p.n + b.n}
		}
		bs = append(bs, b)
	}
	out := make([]float64, 0, len(y))
	for _, b := range bs {
		for range b.n {
			out = append(out, b.mean)
		}
	}
	return out
}

// slopes of a monotone cubic through (x, y): weighted harmonic means inside,
// one-sided three-point formulas at the ends.
func slopes(x, y []float64) []float64 {
	n := len(x)
	h, d := make([]float64, n-1), make([]float64, n-1)
	for i := range h {
		h[i] = x[i+1] - x[i]
		d[i] = (y[i+1] - y[i]) / h[i]
	}
	m := make([]float64, n)
	if n == 2 {
		m[0], m[1] = d[0], d[0]
		return m
	}
	for i := 1; i < n-1; i++ {
		if d[i-1]*d[i] > 0 {
			a, b := 2*h[i]+h[i-1], h[i]+2*h[i-1]
			m[i] = (a + b) / (a/d[i-1] + b/d[i])
		}
	}
	m[0] = endSlope(h[0], h[1], d[0], d[1])
	m[n-1] = endSlope(h[n-2], h[n-3], d[n-2], d[n-3])
	return m
}

func endSlope(h0, h1, d0, d1 float64) float64 {
	v := ((2*h0+h1)*d0 - h0*d1) / (h0 + h1)
	switch {
	case v*d0 <= 0:
		return 0
	case math.Abs(v) > 3*math.Abs(d0):
		return 3 * d0
	}
	return v
}

// at evaluates the curve; outside of its points it is flat.
func (c *LoadCurve) at(load float64) float64 {
	n := len(c.x)
	switch {
	case load <= c.x[0]:
		return c.y[0]
	case load >= c.x[n-1]:
		return c.y[n-1]
	}
	i := sort.SearchFloat64s(c.x, load) - 1
	h := c.x[i+1] - c.x[i]
	t := (load - c.x[i]) / h
	u := 1 - t
	return (1+2*t)*u*u*c.y[i] + t*u*u*h*c.m[i] + t*t*(3-2*t)*c.y[i+1] - t*t*u*h*c.m[i+1]
}

// slackLoad is how far outside its points the curve may be asked: a load of
// 99.6 % is full load.
const slackLoad = 0.01

// Watts at a load (0 to 1, share of all logical CPUs). Not ok outside of the
// calibrated loads: the curve does not extrapolate.
func (c *LoadCurve) Watts(load float64) (w float64, ok bool) {
	if !(load >= c.x[0]-slackLoad && load <= c.x[len(c.x)-1]+slackLoad) {
		return 0, false
	}
	return c.at(load), true
}

// Band of every figure of the curve, ± %.
func (c *LoadCurve) Band() float64 { return c.band }

// Range of the calibrated loads, 0 to 1.
func (c *LoadCurve) Range() (lo, hi float64) { return c.x[0], c.x[len(c.x)-1] }

// Reading is the energy of a window of wallUS microseconds at a mean load:
// watts × time, tier D, with the band. Outside of the calibrated loads UJ is nil
// and Note says so. The mean must be of a steady load: power is not linear in
// load, so a window of half idle, half full is not a window at 50 %.
func (c *LoadCurve) Reading(load float64, wallUS int64, boundary string) Reading {
	r := Reading{Source: "load curve: " + c.source, Boundary: boundary, WallUS: wallUS}
	w, ok := c.Watts(load)
	if !ok {
		lo, hi := c.Range()
		r.Note = fmt.Sprintf("load %.1f %% is outside of the calibrated %.1f to %.1f %%", 100*load, 100*lo, 100*hi)
		return r
	}
	if wallUS <= 0 {
		r.Note = "an empty window"
		return r
	}
	uj := int64(math.Round(w * float64(wallUS)))
	r.UJ, r.Tier, r.Band, r.Coverage = &uj, TierD, c.band, 1
	return r
}

// String names the curve with its band: "11 loads from 0 to 100 %, D ±20 %
// (rapl, 2026-11-25)".
func (c *LoadCurve) String() string {
	lo, hi := c.Range()
	return fmt.Sprintf("%d loads from %.0f to %.0f %%, D ±%.0f %% (%s)", len(c.x), 100*lo, 100*hi, math.Ceil(c.band), c.source)
}
