package bench

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"pare/core/device"
	"pare/core/energy"
	"pare/hwprofiles"
)

// CardMeasured is what MeasureCard found. Watts are 0 where no counter told them.
type CardMeasured struct {
	Name, UUID string
	Elem       string // element type that products were measured in, as in hwprofiles
	Source     string // of the joules, and their tier
	Tier       string
	IdleW      float64        // without work, with this process on the card
	Products   []ProductPoint // by size
	Bandwidth  float64        // GB/s, read and written by copies
	TwoFour    float64        // times as fast as dense at the largest size, 0: not measured
	TwoFourMJ  float64        // its joules over dense's, 0: not measured
	TwoFourBy  string         // what made it
	WhyTwoFour string         // why not
}

// ProductPoint is one product of N×N×N.
type ProductPoint struct {
	N      int
	US     float64 // time of one, mean
	MJ     float64 // mJ of one; 0: not measured
	Watts  float64
	Rounds int // how many were made
}

// fitted are the sizes that a profile's figures come from; the others check it.
var fitted = [2]int{1024, 4096}

// MeasureCard measures products of 1024 to 8192 in the device's precision, copies, and
// 2:4, each for window, in turns with nothing else: a few windows in all.
func MeasureCard(dev device.Device, elem string, window time.Duration, say func(string, ...any)) (*CardMeasured, error) {
	w, ok := dev.(device.Worker)
	if !ok {
		return nil, errors.New("this measures a card: give --device cuda, cuda:tf32 or cuda:bf16")
	}
	meter, err := energy.Open(energy.Options{GPU: energy.GPUAuto, Card: w.UUID()})
	if err != nil {
		return nil, err
	}
	defer meter.Close() //nolint:errcheck // only read
	m := &CardMeasured{Name: w.Model(), UUID: w.UUID(), Elem: elem}
	say("measuring %s at rest …", m.Name)
	from := meter.Edge()
	time.Sleep(max(window, min(meter.Shortest(), energy.IdleLength)))
	r := meter.Between(from, meter.Edge())
	if g, ok := cardPart(r); ok {
		m.note(g)
		m.IdleW = meanWatts(g)
	} else {
		say("no joules of the card: %s", cmp.Or(g.Note, "no source reads its power"))
	}
	for _, n := range []int{1024, 2048, 4096, 8192} {
		say("measuring products of %d×%d×%d in %s …", n, n, n, elem)
		p, g, err := measureWork(func() (device.Work, error) { return w.Product(n, false) }, meter, window)
		if err != nil {
			return nil, err
		}
		p.N = n
		m.note(g)
		m.Products = append(m.Products, p)
	}
	const bytes = 1 << 28 // well above caches
	say("measuring copies …")
	p, _, err := measureWork(func() (device.Work, error) { return w.Copies(bytes) }, meter, window)
	if err != nil {
		return nil, err
	}
	m.Bandwidth = 2 * bytes / p.US / 1e3
	if elem != "bf16" {
		m.WhyTwoFour = "2:4 is measured in bf16"
		return m, nil
	}
	dense := m.Products[len(m.Products)-1]
	say("measuring 2:4 …")
	open := func() (device.Work, error) {
		x, err := w.Product(dense.N, true)
		if err == nil {
			m.TwoFourBy = x.By()
		}
		return x, err
	}
	if p, _, err = measureWork(open, meter, window); err != nil {
		if errors.Is(err, device.ErrLost) {
			return nil, err
		}
		m.WhyTwoFour = err.Error()
		return m, nil
	}
	m.TwoFour = dense.US / p.US
	if dense.MJ > 0 {
		m.TwoFourMJ = p.MJ / dense.MJ
	}
	return m, nil
}

// measureWork does work for a window, after a quarter of one in which the card's clocks
// and temperature settle.
func measureWork(open func() (device.Work, error), meter *energy.Meter, window time.Duration) (p ProductPoint, g energy.Reading, err error) {
	w, err := open()
	if err != nil {
		return p, g, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for begin := time.Now(); time.Since(begin) < window/4; {
		if _, err := w.Run(); err != nil {
			return p, g, err
		}
	}
	from, begin := meter.Edge(), time.Now()
	for p.Rounds == 0 || time.Since(begin) < window {
		n, err := w.Run()
		if err != nil {
			return p, g, err
		}
		p.Rounds += n
	}
	took := time.Since(begin)
	to := meter.Edge()
	p.US = float64(took.Nanoseconds()) / 1e3 / float64(p.Rounds)
	var ok bool
	if g, ok = cardPart(meter.Between(from, to)); ok {
		p.Watts = meanWatts(g)
		p.MJ = p.Watts * p.US / 1e3
	}
	return p, g, nil
}

// cardPart is what the card's own source says of a window, and whether it says
// anything: never the joules of the CPU or of the machine.
func cardPart(r energy.Reading) (energy.Reading, bool) {
	g := r.Find("gpu")
	if g.Part != "gpu" && !strings.HasPrefix(g.Source, "nv") { // a reading without parts is found as it is
		return energy.Reading{Note: r.Note}, false
	}
	return g, g.Measured() && g.Coverage >= 0.9
}

// meanWatts is the mean power while the reading was covered.
func meanWatts(g energy.Reading) float64 {
	return float64(*g.UJ) / (float64(g.WallUS) * g.Coverage)
}

// note keeps where the joules come from, the worst tier.
func (m *CardMeasured) note(g energy.Reading) {
	if g.Measured() {
		m.Source, m.Tier = g.Source, string(energy.Tier(m.Tier).Worse(g.Tier))
	}
}

// Profile is p with what was measured in place of what was known; source goes into every
// new figure. Rate and cost of a call come from products of 1024 and 4096 alone:
// 2n³/rate + call. Where the larger product took no longer, neither can be told.
func (m CardMeasured) Profile(p hwprofiles.Profile, name, source string) (hwprofiles.Profile, error) {
	a, b := m.at(fitted[0]), m.at(fitted[1])
	if a.US <= 0 || b.US <= a.US {
		return p, fmt.Errorf("products of %d and %d cubed took %.2f and %.2f µs, which gives no rate: end what else runs on the card and measure again", fitted[0], fitted[1], a.US, b.US)
	}
	own := p
	own.Name, own.Kind, own.Title, own.Match = name, "gpu", m.Name, []string{"^" + regexp.QuoteMeta(m.Name) + "$"}
	own.Notes = fmt.Sprintf("%s; figures of another source are those of profile %s.", source, p.Name)
	if p.Name == "" {
		own.Notes = source + "; no profile describes this card."
	}
	figure := func(x float64, digits int, what string) *hwprofiles.Figure {
		s := math.Pow(10, float64(digits))
		return &hwprofiles.Figure{Value: math.Round(x*s) / s, Source: source + ", " + what}
	}
	what := fmt.Sprintf("%s products of %d and %d cubed, in a graph", m.Elem, a.N, b.N)
	fa, fb := 2*cube(a.N), 2*cube(b.N)
	rate := (fb - fa) / (b.US - a.US) // FLOP/µs
	call := max(0, b.US-fb/rate)
	own.Rates = map[string]hwprofiles.Rate{}
	for e, r := range p.Rates {
		own.Rates[e] = r
	}
	own.Rates[m.Elem] = hwprofiles.Rate{Peak: p.Rates[m.Elem].Peak, Achievable: figure(rate/1e3, 0, what)}
	own.CallUS = figure(call, 2, "what they take beside 2n^3 / rate")
	own.BandwidthGBs = figure(m.Bandwidth, 0, "copies of 256 MiB, read and written")
	if a.Watts > 0 && b.Watts > 0 {
		own.Boundary = "the whole card, by its own counter"
		own.FullW = figure((a.Watts+b.Watts)/2, 0, m.Source+" counter, "+what)
		if own.BandPct == nil {
			own.BandPct = &hwprofiles.Figure{Value: 40, Source: "a model from rates and power is +-30 % at best", Assumed: true}
		}
	}
	if m.IdleW > 0 {
		own.IdleW = figure(m.IdleW, 1, m.Source+" counter, at rest with a process on the card")
	}
	if m.TwoFour > 0 {
		own.Sparse = nil
		for _, s := range p.Sparse {
			if s.Pattern != hwprofiles.TwoFour {
				own.Sparse = append(own.Sparse, s)
			}
		}
		n := m.Products[len(m.Products)-1].N
		joules := ""
		if m.TwoFourMJ > 0 {
			joules = fmt.Sprintf(" with %.2f of the joules", m.TwoFourMJ)
		}
		own.Sparse = append(own.Sparse, hwprofiles.Sparse{
			Pattern: hwprofiles.TwoFour, Kernel: true, Source: source + ", " + m.TwoFourBy,
			Efficiency: figure(m.TwoFour/2, 3, fmt.Sprintf("2:4 against dense at %d cubed", n)),
			Gain:       fmt.Sprintf("a product of %d cubed is %.2f times as fast%s; small ones gain less or lose", n, m.TwoFour, joules),
		})
	}
	return own, nil
}

// Check is how far profile p is off at the sizes that it was not fitted on: signed, in %
// of what was measured. MJ is NaN where no joules were measured.
type Check struct {
	N      int
	US, MJ float64
}

// Check compares a profile with the products.
func (m CardMeasured) Check(p hwprofiles.Profile) []Check {
	var cs []Check
	for _, x := range m.Products {
		if x.N == fitted[0] || x.N == fitted[1] {
			continue
		}
		n, bytes := int64(x.N), int64(4)
		if m.Elem == "bf16" {
			bytes = 2
		}
		e := p.Estimate([]hwprofiles.Cost{{MACs: n * n * n, Read: 2 * bytes * n * n, Written: bytes * n * n, Elem: m.Elem}})
		c := Check{N: x.N, US: math.NaN(), MJ: math.NaN()}
		if e.Seconds != nil {
			c.US = 100 * (*e.Seconds*1e6/x.US - 1)
		}
		if e.Joules != nil && x.MJ > 0 {
			c.MJ = 100 * (*e.Joules*1e3/x.MJ - 1)
		}
		cs = append(cs, c)
	}
	return cs
}

func (m CardMeasured) at(n int) ProductPoint {
	for _, p := range m.Products {
		if p.N == n {
			return p
		}
	}
	return ProductPoint{}
}

func cube(n int) float64 { return float64(n) * float64(n) * float64(n) }
