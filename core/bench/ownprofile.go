package bench

import (
	"fmt"
	"math"
	"regexp"
	"runtime"
	"strings"
	"time"

	"pare/core/energy"
	"pare/core/plan"
	"pare/core/tensor"
	"pare/hwprofiles"
)

// Profile is p, the profile used so far, with what was measured in place of what was
// known; source goes into every new figure.
func (m Machine) Profile(p hwprofiles.Profile, prices plan.Prices, name, source string) hwprofiles.Profile {
	own := p
	own.Name, own.Notes = name, fmt.Sprintf("%s; figures of another source are those of profile %s.", source, p.Name)
	own.Cores, own.Threads, own.RatesPerCPU = 0, m.CPUs, false
	if !p.Own() {
		own.Load = nil // of another machine: it must not pass for one taken here
	}
	if model := hwprofiles.CPUModel(); model != "" {
		own.Title, own.Match = fmt.Sprintf("%s, %d CPUs", model, m.CPUs), []string{"^" + regexp.QuoteMeta(model) + "$"}
	}
	round := func(x float64) float64 { return math.Round(10*x) / 10 }
	figure := func(x float64, what string) *hwprofiles.Figure {
		return &hwprofiles.Figure{Value: round(x), Source: source + ", " + what}
	}
	own.BandwidthGBs = figure(m.Bandwidth, fmt.Sprintf("%d CPUs copying memory, read and written", m.CPUs))
	own.Rates = map[string]hwprofiles.Rate{"f32": {Achievable: figure(m.All, fmt.Sprintf("product of 1024×1024×1024 on %d CPUs (one: %.0f)", m.CPUs, m.One))}}
	own.Sparse = nil
	for _, s := range []struct {
		pattern string
		format  tensor.Format
	}{{hwprofiles.Element, tensor.Single}, {hwprofiles.Block4x1, tensor.Block4}} {
		const stored = 0.1
		cost, from, ok := prices.Expect(s.format, stored)
		if !ok || from > 1 {
			own.Sparse = append(own.Sparse, hwprofiles.Sparse{Pattern: s.pattern, Source: prices.Source, Gain: "no gain here"})
			continue
		}
		own.Sparse = append(own.Sparse, hwprofiles.Sparse{
			Pattern: s.pattern, Kernel: true, Source: prices.Source,
			Efficiency: &hwprofiles.Figure{Value: min(1, math.Round(1000*stored/cost)/1000), Source: prices.Source + ": training step of a linear layer, 90 % zeros"},
			Gain:       fmt.Sprintf("90 %% zeros: a training step of a linear layer is %.1f times as fast; taken from %.0f %% zeros", 1/cost, 100*from),
		})
	}
	for _, s := range p.Sparse { // what needs no measuring: cuts are dense
		if s.Pattern != hwprofiles.Element && s.Pattern != hwprofiles.Block4x1 {
			own.Sparse = append(own.Sparse, s)
		}
	}
	return own
}

// LoadPoints measures watts at loads from none to all CPUs, {% of all CPUs, W};
// why says what is missing for that.
func LoadPoints(say func(string, ...any)) (points [][2]float64, why string) {
	n := runtime.GOMAXPROCS(0)
	m, err := energy.Open(energy.Options{Source: energy.SourceRAPL})
	if err != nil {
		return nil, strings.TrimPrefix(err.Error(), "energy source rapl: ")
	}
	defer m.Close() //nolint:errcheck // only read
	for _, busy := range loads(n) {
		say("measuring power with %g of %d CPUs busy …", busy, n)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() { busyCPUs(busy, stop); close(done) }()
		time.Sleep(500 * time.Millisecond) // clocks and temperature settle
		a := m.Edge()
		time.Sleep(1500 * time.Millisecond)
		b := m.Edge()
		r := m.Between(a, b)
		close(stop)
		<-done
		if r.UJ == nil {
			return nil, "the counter gave no figure: " + r.Note
		}
		points = append(points, [2]float64{100 * busy / float64(n), math.Round(float64(*r.UJ)/energy.Wall(a, b).Seconds()/1e4) / 100})
	}
	return points, ""
}

// loads are numbers of busy CPUs from none to all n, enough for a curve: whole ones, up to
// eight steps, and on one or two CPUs also parts of one.
func loads(n int) (busy []float64) {
	steps := min(n, 8)
	if n < 3 {
		steps = 4
	}
	for i := range steps + 1 {
		b := float64(i*n) / float64(steps)
		if n >= 3 {
			b = math.Floor(b)
		}
		busy = append(busy, b)
	}
	return busy
}
