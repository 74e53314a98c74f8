package energy

import (
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pare/core/energy/internal/nvml"
)

// TestNVMLCounterAgainstPower checks on a real machine that NVML's energy counter
// agrees within 3 % with the integral of its instantaneous power (field 186), and
// that the Meter gives the counter's joules. It makes no load: run it once idle
// and once while something else works. PARE_NVML_SECONDS is the window's length
// (10 without it). As a binary for another machine:
//
//	CGO_ENABLED=0 go test -c -o energy.test ./core/energy
//	PARE_NVML_SECONDS=60 ./energy.test -test.v -test.run NVMLCounterAgainstPower
func TestNVMLCounterAgainstPower(t *testing.T) {
	api, err := nvml.Open()
	if err != nil {
		t.Skipf("no NVML here: %v", err)
	}
	defer api.Close()
	window := 10 * time.Second
	if s := os.Getenv("PARE_NVML_SECONDS"); s != "" {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v >= 1 && v <= 3600) {
			t.Fatalf("PARE_NVML_SECONDS=%s: use 1 to 3600", s)
		}
		window = time.Duration(v * float64(time.Second))
	} else if testing.Short() {
		t.Skip("ten seconds")
	}
	driver, _ := api.Driver()
	cards, err := listCards(api)
	if err != nil || len(cards) == 0 {
		t.Skipf("no card: %v", err)
	}
	t.Logf("driver %s, %d cards, window %v", driver, len(cards), window)
	t0 := time.Now()
	m, err := Open(Options{GPU: GPUNVML})
	t.Logf("Open took %v", time.Since(t0).Round(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, s := range m.Sources() {
		t.Logf("  %s: ok %v, used %v, tier %q, %s; %s", s.Name, s.OK, s.Used, s.Tier, s.Value, s.Why)
	}
	for _, c := range cards {
		t.Run(c.label, func(t *testing.T) { checkCard(t, c, window, m) })
	}
}

func checkCard(t *testing.T, c card, window time.Duration, m *Meter) {
	start := time.Now()
	now := func() int64 { return int64(time.Since(start)) }
	t.Logf("%s, %s, limit at most %.0f W, MIG %v", c.name, c.uuid, c.maxW, c.mig)
	cost := func(name string, call func() (uint64, error)) bool {
		var v uint64
		cpu0, _ := cpuMicros()
		t0 := time.Now()
		const n = 50
		for range n {
			var err error
			if v, err = call(); err != nil {
				t.Logf("%s: %v", name, err)
				return false
			}
		}
		cpu1, _ := cpuMicros()
		t.Logf("%s: %d (mJ or mW), %v a call, of these %d µs CPU", name, int64(v), (time.Since(t0) / n).Round(time.Microsecond), (cpu1-cpu0)/n)
		return true
	}
	instant := field(c.dev, nvml.PowerInstant, nvml.GPU)
	haveEnergy := cost("energy counter", c.dev.Energy)
	havePower := cost("field 186, instantaneous power", instant)
	cost("field 83, energy", field(c.dev, nvml.TotalEnergy, nvml.GPU))
	cost("field 83, energy, module scope", field(c.dev, nvml.TotalEnergy, nvml.Module))
	cost("field 186, module scope", field(c.dev, nvml.PowerInstant, nvml.Module))
	cost("field 185, average power", field(c.dev, nvml.PowerAverage, nvml.GPU))
	cost("nvmlDeviceGetPowerUsage", func() (uint64, error) { v, err := c.dev.Power(); return uint64(v), err })
	if !haveEnergy || !havePower {
		t.Skip("this card lacks one of the two")
	}
	// From one step of the counter to another, so that its edges are sharp.
	var energySteps, powerSteps []float64 // ms
	var e0, last, lastPower uint64
	var at0, lastAt, lastPowerAt int64
	g := &integrator{capW: c.cap(Options{MaxWatts: 1000})}
	var a, b Mark
	way, noted, read := newCourse(Options{now: now, utc: time.Now}, c.dev), &integrator{capW: g.capW}, []watt{}
	var all []watt // what the driver noted
	for {
		if way != nil && now()-way.tried > int64(time.Second) {
			way.collect(now)
			all = later(all, way.fresh)
		}
		at := now()
		e, err := c.dev.Energy()
		if err != nil {
			t.Fatal(err)
		}
		p, err := scaled(instant)
		if err != nil {
			t.Fatal(err)
		}
		if p != lastPower {
			if lastPowerAt > 0 {
				powerSteps = append(powerSteps, float64(at-lastPowerAt)/1e6)
			}
			lastPower, lastPowerAt = p, at
		}
		read = append(read, watt{at, p})
		moved := last != 0 && e != last
		if moved && lastAt > 0 {
			energySteps = append(energySteps, float64(at-lastAt)/1e6)
		}
		if moved {
			lastAt = at
			if at0 == 0 {
				at0, e0, a = at, e, m.Mark()
				g.anchor(p, at)
				noted.anchor(p, at)
			}
		}
		last = e
		if at0 > 0 && at > at0 {
			g.feed(p, at)
		}
		if moved && at0 > 0 && at-at0 >= int64(window) {
			b = m.Mark()
			break
		}
		if at > int64(window)+int64(30*time.Second) {
			t.Fatal("the counter does not move")
		}
		time.Sleep(5 * time.Millisecond)
	}
	secs := float64(lastAt-at0) / 1e9
	counter, integral := float64(last-e0)/1000, float64(g.uj)/1e6
	median := func(x []float64) float64 {
		if len(x) == 0 {
			return math.NaN()
		}
		slices.Sort(x)
		return x[len(x)/2]
	}
	off := 100 * (integral/counter - 1)
	t.Logf("counter moves every %.0f ms, instantaneous power every %.0f ms (medians)", median(energySteps), median(powerSteps))
	t.Logf("window %.3f s: counter %.3f J (%.2f W), integral of field 186 %.3f J (%.2f W): %+.2f %%; %d samples skipped",
		secs, counter, counter/secs, integral, integral/secs, off, g.rejected)
	if way != nil {
		time.Sleep(200 * time.Millisecond)
		way.collect(now)
		all = later(all, way.fresh)
		for _, w := range all {
			if w.at > at0 && w.at <= lastAt {
				noted.feed(w.uw, w.at)
			}
		}
		span := float64(noted.lastAt-at0) / 1e9
		of := 100 * (float64(noted.uj)/1e6/span/(counter/secs) - 1)
		t.Logf("the driver's %d samples over %.3f s: %.3f J (%.2f W): %+.2f %%; they keep %v; nearest to field 186 when shifted by %v",
			len(all), span, float64(noted.uj)/1e6, float64(noted.uj)/1e6/span, of, time.Duration(way.keep), shift(all, read))
		if span > 8 && math.Abs(of) > 3 {
			t.Errorf("counter and the driver's samples differ by %+.2f %%, more than 3 %%", of)
		}
	}
	r := m.Between(a, b).Find("gpu")
	for _, p := range r.Parts {
		if p.Boundary == c.uuid {
			r = p
		}
	}
	t.Logf("meter: %s, source %s, coverage %.3f, band ±%.1f %%", Format(r), r.Source, r.Coverage, r.Band)
	if math.Abs(off) > 3 {
		t.Errorf("counter and integral differ by %+.2f %%, more than 3 %%", off)
	}
	if r.UJ == nil {
		t.Errorf("the meter measured nothing: %s", r.Note)
	} else if d := math.Abs(float64(*r.UJ)/1e6 - counter); d > 0.01*counter+float64(*r.UJ)/1e6*r.Band/100 {
		t.Errorf("the meter says %.3f J, the counter %.3f J", float64(*r.UJ)/1e6, counter)
	}
}

// later appends the samples that come after the last: a collecting that came too soon leaves
// the ones before it where they are.
func later(all, fresh []watt) []watt {
	for _, w := range fresh {
		if len(all) == 0 || w.at > all[len(all)-1].at {
			all = append(all, w)
		}
	}
	return all
}

// shift is by how much later a series has to be for it to be nearest to another.
func shift(a, b []watt) time.Duration {
	best, found := math.Inf(1), int64(0)
	for by := int64(-1500e6); by <= 1500e6; by += 10e6 {
		sum, n, j := 0.0, 0, 0
		for _, w := range a {
			for j < len(b) && b[j].at < w.at+by {
				j++
			}
			if j < len(b) && w.at+by > b[0].at {
				d := float64(b[j].uw)/1e6 - float64(w.uw)/1e6
				sum, n = sum+d*d, n+1
			}
		}
		if n > len(a)/2 && sum/float64(n) < best {
			best, found = sum/float64(n), by
		}
	}
	return time.Duration(found)
}

// TestNVMLSamplingCost lets the meter sample the cards of a real machine for a minute and asks
// what that took of a core: less than 0.1 %, with waking the process up for it, by the CPU
// time of the process, which does nothing else; and of it what reading and keeping the books
// took, by the clock of the thread that does it. In virtual machines waking up takes 60 to
// 200 µs, and is most of it. What is left of the difference is noise of the machine: the
// process is woken by itself as often without the meter before and after.
func TestNVMLSamplingCost(t *testing.T) {
	if testing.Short() {
		t.Skip("three minutes")
	}
	api, err := nvml.Open()
	if err != nil {
		t.Skipf("no NVML here: %v", err)
	}
	clock := threadClock()
	if clock == nil {
		t.Skip("no clock of a thread on this system")
	}
	const length = time.Minute
	const every = 100 * time.Millisecond
	woken := func() (share, wakes float64) {
		time.Sleep(2 * time.Second) // what was done before settles
		cpu0, wakes0, t0 := mustCPU(t), switches(), time.Now()
		for time.Since(t0) < length {
			time.Sleep(every)
		}
		over := time.Since(t0)
		return float64(mustCPU(t)-cpu0) / float64(over.Microseconds()), float64(switches()-wakes0) / over.Seconds()
	}
	before, wakesBefore := woken()
	counted := &countedNVML{API: api, clock: clock, calls: map[string]asked{}}
	m, err := Open(Options{GPU: GPUNVML, threadCPU: clock, nvml: func() (nvml.API, error) { return counted, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // closed below where it matters
	a := m.Mark()
	time.Sleep(3 * time.Second)
	s := m.parts[0]
	spent, round, point, t0 := s.spent.Load(), s.rounds.Load(), s.points.Load(), time.Now()
	counted.since()
	all, wakes := woken()
	took, n, points, over, calls := s.spent.Load()-spent, s.rounds.Load()-round, s.points.Load()-point, time.Since(t0), counted.since()
	r := m.Between(a, m.Mark()).Find("gpu")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	share := float64(took) / float64(over)
	t.Logf("reading every %v (%d readings in %v, %d points of the ledger): %.3f %% of a core for reading, %.0f µs each; %s, source %s, coverage %.3f, band ±%.1f %%",
		time.Duration(s.period.Load()), n, over.Round(time.Second), points, 100*share, float64(took)/float64(max(n, 1))/1e3, Format(r), r.Source, r.Coverage, r.Band)
	t.Logf("of that: %s", calls)
	after, wakesAfter := woken()
	bare := (before + after) / 2
	t.Logf("the process, woken by itself and the meter: %.3f %%, %.1f wakes/s; as often by itself alone: %.3f %% before, %.3f %% after, %.1f and %.1f wakes/s: %.3f %% for the meter",
		100*all, wakes, 100*before, 100*after, wakesBefore, wakesAfter, 100*(all-bare))
	if all-bare > 0.001 || share > 0.001 {
		t.Errorf("sampling costs %.3f %% of a core, %.3f %% for reading: more than 0.1 %%", 100*(all-bare), 100*share)
	}
	if hz := float64(points) / over.Seconds(); hz < 9.5 {
		t.Errorf("%.1f points a second: ten were asked for", hz)
	}
	if r.UJ == nil || r.Coverage < 0.995 {
		t.Errorf("%+v", r)
	}
}

func mustCPU(t *testing.T) int64 {
	t.Helper()
	us, ok := cpuMicros()
	if !ok {
		t.Skip("no CPU time on this system")
	}
	return us
}
