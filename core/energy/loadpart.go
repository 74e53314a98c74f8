package energy

import (
	"fmt"
	"math"
	"time"
)

const (
	// loadTicks is the least number of ticks that tell a load.
	loadTicks = 5
	// loadEvery is how often the load must be read: power is not linear in load, so
	// the mean over a longer stretch says less.
	loadEvery = time.Second
	// loadGap is the longest stretch that one mean load stands for.
	loadGap = 3 * loadEvery
	// statSize holds any first line of /proc/stat; statWhole the file of any machine.
	statSize, statWhole = 512, 1 << 20
)

// loadGauge turns the machine's load into energy by a calibrated curve: for each
// stretch between two readings watts(mean load of the stretch) × its length. It adds
// up stretches instead of taking the mean load of a window, as power is not linear
// in load.
type loadGauge struct {
	curve *LoadCurve
	least int64 // ns: shorter stretches tell no load, as ticks are coarse

	last   uint64 // packed ticks
	lastAt int64
	hold   float64 // W of the last stretch; 0: none yet
	sum    float64 // µJ of all stretches
	told   int64   // ns of all stretches

	tally // what was told to the outside: never falls
}

func (g *loadGauge) anchor(v uint64, at int64) { g.last, g.lastAt = v, at }

// feed takes packed ticks. A reading that comes too early (somebody asked for a
// fresh one) holds the last power; the next stretch puts that right.
func (g *loadGauge) feed(v uint64, at int64) {
	dt := at - g.lastAt
	busy, total, ok := ticksSince(g.last, v)
	switch {
	case !ok || dt > int64(loadGap): // a counter fell, or nobody looked for long
		if !ok {
			g.rejected++
		}
		g.hold = 0
		g.anchor(v, at)
		return
	case dt < g.least || total < loadTicks:
		g.tell(g.sum+g.hold*float64(dt)/1e3, g.told, dt)
		return
	}
	// The load is known to a tick at either end; the curve's own ends are no sharper.
	w, ok := g.curve.near(min(float64(busy)/float64(total), 1), slackLoad+2/float64(total))
	g.anchor(v, at)
	if g.hold = w; !ok {
		g.rejected++
		return
	}
	g.sum += w * float64(dt) / 1e3 // W·ns = 10⁻³ µJ
	g.told += dt
	g.tell(g.sum, g.told, 0)
}

// tell brings the outside up to uj; extra ns are covered only if a power is held.
func (g *loadGauge) tell(uj float64, covered, extra int64) {
	if g.hold > 0 {
		covered += extra
	}
	g.uj, g.covered = max(g.uj, int64(math.Round(uj))), max(g.covered, covered)
}

func (g *loadGauge) total() tally            { return g.tally }
func (g *loadGauge) standing() time.Duration { return 0 }
func (g *loadGauge) every() time.Duration    { return loadEvery }
func (g *loadGauge) most() float64           { return math.Inf(1) }

// near is Watts with another slack: how far outside its points the curve may be
// asked.
func (c *LoadCurve) near(load, slack float64) (w float64, ok bool) {
	if !(load >= c.x[0]-slack && load <= c.x[len(c.x)-1]+slack) {
		return 0, false
	}
	return c.at(load), true
}

// loadScan is the outcome of looking for a load curve and the machine's load.
type loadScan struct {
	input            *input // nil: not usable
	source, boundary string
	why, fix         string // why not
	curve            *LoadCurve
}

// scanLoad looks whether the profile holds a load curve taken on this machine, and
// whether the machine tells its load.
func scanLoad(o Options, m *Meter) loadScan {
	p := m.profile
	s := loadScan{source: "load curve " + p.Name, boundary: p.Boundary}
	if s.boundary == "" {
		s.boundary = "CPU as calibrated"
	}
	s.boundary += ", by the machine's load, all processes"
	var err error
	if s.curve, err = LoadCurveOf(p); err != nil {
		s.why, s.fix = err.Error(), "pare hw calibrate, where a counter can be read (as root), takes one that serves without"
		return s
	}
	whole := make([]byte, statWhole)
	n, err := o.files.read(procStat, whole)
	if err == nil {
		_, err = parseTicks(whole[:n])
	}
	switch cpus := countCPUs(whole[:n]); {
	case err != nil:
		s.why = fmt.Sprintf("the machine's load is not known: %s: %v", procStat, oneLine(err))
		return s
	case p.Threads > 0 && cpus != p.Threads: // a container shows the host's
		s.why = fmt.Sprintf("the curve was taken on %d CPUs, %s shows %d", p.Threads, procStat, cpus)
		return s
	}
	buf := make([]byte, statSize) // the sampler's alone
	s.input = &input{
		gauge: &loadGauge{curve: s.curve, least: int64(o.Period) / 2}, label: s.source, path: procStat, tier: TierD, band: s.curve.Band(),
		read: func() (uint64, error) { return readTicks(o.files, buf) },
	}
	if s.input.value, err = s.input.read(); err != nil {
		s.input, s.why = nil, err.Error()
		return s
	}
	s.input.found = o.now()
	return s
}

// loadRow is doctor's row.
func (m *Meter) loadRow() Status {
	s := Status{Name: m.loads.source, Path: procStat, OK: m.loads.input != nil, Used: m.load != nil, Why: m.loads.why, Fix: m.loads.fix}
	if !s.OK {
		return s
	}
	s.Tier, s.Value = TierD, m.loads.curve.String()
	switch {
	case m.load != nil:
		if t, bad := m.load.troubles()[procStat]; bad {
			s.OK, s.Why = t.readable, joinNotes(t.text, s.Why)
		}
	case m.rapl != nil:
		s.Why = "not needed: a counter is read"
	case m.forced:
		s.Why = "the profile was asked for"
	default:
		s.Why = "not needed: the whole machine is measured"
	}
	return s
}
