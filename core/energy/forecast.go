package energy

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Forecast is what the next points of accuracy are expected to cost, beyond what
// was spent already. All costs are in the unit of the trace.
type Forecast struct {
	Points float64  `json:"points"`
	Target float64  `json:"target"` // accuracy, points
	More   *float64 `json:"more"`   // nil: by the likeliest curve it never comes
	Lo     *float64 `json:"lo"`     // 95 % interval
	Hi     *float64 `json:"hi"`     // nil: no upper limit, the data allow that it never comes
	Total  float64  `json:"total"`  // spent so far
	Note   string   `json:"note,omitempty"`
	fitted bool     // the three costs come from a fit
}

// forecastRows is the least number of rows that a curve with three constants and
// an interval needs.
const forecastRows = 5

// NextPoints forecasts the cost of the next points (0.5, say) of a run.
//
// Model: acc = A − B·cost^−c, the power law of learning curves (Hestness et al.
// 2017), fitted to the rows from an eighth of the total cost on by least squares.
// The 95 % interval is of the profile likelihood: it spans the costs with which
// the residuals are not significantly larger than without that condition. Where a
// curve that never reaches the target fits as well, the interval has no upper end.
// The model knows nothing of a learning rate that will fall: the interval tells
// what going on as before costs.
func NextPoints(t Trace, lower bool, points float64) Forecast {
	x, y := t.curve(sign(lower))
	f := Forecast{Points: points}
	n := len(x)
	if n == 0 || x[n-1] <= 0 {
		f.Note = "nothing was spent"
		return f
	}
	f.Total = x[n-1]
	target := y[n-1] + points
	f.Target = sign(lower) * target
	var fx, fy []float64
	different := 0
	for _, p := range t.Points {
		if p.Cost >= f.Total/8 && p.Cost > 0 {
			if len(fx) == 0 || fx[len(fx)-1] != p.Cost/f.Total {
				different++
			}
			fx, fy = append(fx, p.Cost/f.Total), append(fy, sign(lower)*p.Acc)
		}
	}
	if different < forecastRows {
		f.Note = fmt.Sprintf("no forecast: rows at %d different costs after the first eighth of the cost, at least %d are needed", different, forecastRows)
		return f
	}
	fx, fy = thin(fx, fy, 500)
	lo, hi := fy[0], fy[0]
	for _, v := range fy {
		lo, hi = math.Min(lo, v), math.Max(hi, v)
	}
	if hi-lo < 1e-9 {
		f.Note = "no forecast: the metric does not move"
		return f
	}
	f.fit(fx, fy, target, 1e-12*(hi-lo)*(hi-lo))
	return f
}

// thin takes means of neighbouring rows until at most n are left.
func thin(x, y []float64, n int) (tx, ty []float64) {
	k := (len(x) + n - 1) / n
	for i := 0; i < len(x); i += k {
		end := min(i+k, len(x))
		sx, sy := 0.0, 0.0
		for j := i; j < end; j++ {
			sx, sy = sx+x[j], sy+y[j]
		}
		tx, ty = append(tx, sx/float64(end-i)), append(ty, sy/float64(end-i))
	}
	return tx, ty
}

// fit fills in the costs. x is the cost over the cost so far. Each power c and
// each cost at which the target would be reached leaves one free constant, B, by
// A = target + B·at^−c: so the likelihood of the cost itself is profiled. tiny is
// added to the residuals so that noise-free rows work too.
func (f *Forecast) fit(x, y []float64, target, tiny float64) {
	const nc, nat = 120, 240
	least, bestAt := math.Inf(1), math.Inf(1)
	rss := make([]float64, nat+1) // by cost of the target; the last is "never, but nearly"
	for i := range rss {
		rss[i] = math.Inf(1)
	}
	never := math.Inf(1) // least residuals of a curve that levels off below the target
	at := func(i int) float64 {
		if i == nat {
			return math.Inf(1)
		}
		return 1 + 1e-3*math.Pow(1e9, float64(i)/(nat-1)) // 1.001 to a million
	}
	z := make([]float64, len(x))
	for i := range nc {
		c := 0.02 * math.Pow(400, float64(i)/(nc-1))
		var mz, my float64
		for k, v := range x {
			z[k] = math.Pow(v, -c)
			mz, my = mz+z[k], my+y[k]
		}
		n := float64(len(x))
		mz, my = mz/n, my/n
		var szz, szy, syy float64
		for k := range z {
			szz, szy, syy = szz+(z[k]-mz)*(z[k]-mz), szy+(z[k]-mz)*(y[k]-my), syy+(y[k]-my)*(y[k]-my)
		}
		b := math.Max(0, -szy/szz)
		a := my + b*mz
		free := math.Max(0, syy+2*b*szy+b*b*szz)
		if free < least {
			least, bestAt = free, math.Inf(1)
			if a > target {
				bestAt = math.Max(1, math.Pow(b/(a-target), 1/c))
			}
		}
		if a <= target {
			never = math.Min(never, free)
		}
		// The sums about any u = at^−c follow from those about the means.
		for k := range rss {
			u := math.Pow(at(k), -c)
			dz, dy := mz-u, my-target
			num, den := szy+n*dz*dy, szz+n*dz*dz
			beta := math.Max(0, -num/den)
			rss[k] = math.Min(rss[k], math.Max(0, syy+n*dy*dy+2*beta*num+beta*beta*den))
		}
	}
	if bestAt <= 1 {
		// Not "nothing more": the rows have levelled off as no power law does.
		f.Note = "no forecast: the curve that fits the rows best has the next points already, the rows do not"
		return
	}
	nu := float64(len(x) - 3)
	limit := least*(1+f95(nu)/nu) + tiny
	first, last := bestAt, bestAt
	for k, v := range rss {
		if v <= limit {
			first, last = math.Min(first, at(k)), math.Max(last, at(k))
		}
	}
	if never <= limit {
		last = math.Inf(1)
	}
	more := func(at float64) *float64 {
		if math.IsInf(at, 0) || math.IsNaN(at) || at >= 1e6 {
			return nil
		}
		v := (at - 1) * f.Total
		return &v
	}
	f.More, f.Lo, f.Hi, f.fitted = more(bestAt), more(first), more(last), true
	if f.Lo == nil {
		f.Note = "every curve that fits the rows levels off below the target"
	}
}

// f95 is the 95 % quantile of F(1, nu): what the residuals of a true value exceed
// the least ones by in 5 % of the cases, times nu. It is Student's t squared, whose
// two tails are the regularised incomplete beta function (Abramowitz and Stegun
// 26.7.1).
func f95(nu float64) float64 {
	x := mathext.InvRegIncBeta(nu/2, 0.5, 0.05)
	return nu * (1 - x) / x
}

// Known reports whether there is a forecast; Note says why not.
func (f Forecast) Known() bool { return f.fitted }

// StopAdvice is a sentence for the person; nothing acts on it. Stop is set when
// the forecast says that the next points cost more than a quarter of everything
// spent so far, at the lower end of its interval.
type StopAdvice struct {
	Stop bool   `json:"stop"`
	Text string `json:"text"`
}

// stopShare: from this share of everything spent so far on, the next points are
// called expensive.
const stopShare = 0.25

// Advice on a forecast.
func (f Forecast) Advice() StopAdvice {
	p := fmt.Sprintf("the next %g points", f.Points)
	if f.Points == 0.5 {
		p = "the next half point"
	}
	switch {
	case !f.Known():
		return StopAdvice{Text: "no advice: " + f.Note}
	case f.Lo == nil:
		return StopAdvice{true, "consider stopping: the curve has levelled off, " + p + " may never come"}
	case *f.Lo >= stopShare*f.Total:
		return StopAdvice{true, fmt.Sprintf("consider stopping: %s should cost at least %.0f %% of everything spent so far", p, 100**f.Lo/f.Total)}
	case f.Hi == nil:
		return StopAdvice{Text: fmt.Sprintf("undecided: %s may cost %.0f %% of everything spent so far, or never come", p, 100**f.Lo/f.Total)}
	}
	return StopAdvice{Text: fmt.Sprintf("going on pays: %s should cost %.0f to %.0f %% of everything spent so far", p, 100**f.Lo/f.Total, 100**f.Hi/f.Total)}
}
