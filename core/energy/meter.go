package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"strings"
	"time"

	"pare/hwprofiles"
)

// Choices of Options.Source.
const (
	SourceAuto    = "auto"    // the best one available
	SourceRAPL    = "rapl"    // RAPL or an error
	SourceProfile = "profile" // the estimate, even where a counter exists
)

// Options of Open. The zero value is what a run uses.
type Options struct {
	Source string // SourceAuto (or empty), SourceRAPL, SourceProfile
	Root   string // where the RAPL zones are; DefaultRoot when empty
	// Profile turns CPU seconds into joules where no counter is read; nil takes
	// hwprofiles.Local().
	Profile *hwprofiles.Profile
	// Period between two readings of the counters; 100 ms when 0. At least 10 ms,
	// at most 10 s.
	Period time.Duration
	// MaxWatts is what no zone can really draw; 1000 when 0.
	MaxWatts float64
	// Stale is the time without movement after which a counter is called stale;
	// 5 s when 0.
	Stale time.Duration

	// What tests replace.
	files  sysfs
	now    func() int64 // monotonic ns
	sleep  func(time.Duration)
	cpu    func() (us int64, ok bool)
	manual bool // no goroutine: readings are taken when asked for
}

// Status is one row of what was found, for doctor and for the log.
type Status struct {
	Name string `json:"name"` // "rapl", "rapl package-0", "profile NAME"
	Path string `json:"path,omitempty"`
	Mode string `json:"mode,omitempty"` // permission bits of the file
	OK   bool   `json:"ok"`             // it can be read now
	Used bool   `json:"used"`           // it is part of this meter's figures
	Tier Tier   `json:"tier"`           // what it would give
	Why  string `json:"why,omitempty"`  // why not used, or what to know about it
	Fix  string `json:"fix,omitempty"`  // the exact command that would help
}

// Meter reads the energy of this process's machine. All methods may be called
// from any goroutine.
type Meter struct {
	profile hwprofiles.Profile
	busyW   float64 // 0: the profile gives none
	now     func() int64
	cpu     func() (int64, bool)
	rapl    *sampler // nil: not used
	scan    raplScan
	forced  bool
}

// Open finds the sources, takes the best and starts the sampler where there is
// a counter to read. A machine without any source is no error: Between then
// returns nil readings and Sources says why. With SourceRAPL a missing RAPL is an
// error that names the file and the fix.
func Open(o Options) (*Meter, error) {
	switch o.Source {
	case "":
		o.Source = SourceAuto
	case SourceAuto, SourceRAPL, SourceProfile:
	default:
		return nil, fmt.Errorf("energy source %q: use %s, %s or %s", o.Source, SourceAuto, SourceRAPL, SourceProfile)
	}
	if o.Period == 0 {
		o.Period = 100 * time.Millisecond
	}
	if o.Period < 10*time.Millisecond || o.Period > 10*time.Second {
		return nil, fmt.Errorf("energy sample period %v: use 10 ms to 10 s", o.Period)
	}
	if o.MaxWatts == 0 {
		o.MaxWatts = 1000
	}
	if !(o.MaxWatts >= 1 && o.MaxWatts <= 1e6) {
		return nil, fmt.Errorf("energy plausibility cap %g W: use 1 to 1e6", o.MaxWatts)
	}
	if o.Stale <= 0 {
		o.Stale = 5 * time.Second
	}
	if o.Root == "" {
		o.Root = DefaultRoot
	}
	if o.files == nil {
		o.files = osFiles{}
	}
	if o.now == nil {
		start := time.Now()
		o.now = func() int64 { return int64(time.Since(start)) }
	}
	if o.sleep == nil {
		o.sleep = time.Sleep
	}
	if o.cpu == nil {
		o.cpu = cpuMicros
	}
	m := &Meter{now: o.now, cpu: o.cpu, forced: o.Source == SourceProfile}
	if o.Profile != nil {
		m.profile = *o.Profile
	} else {
		m.profile = hwprofiles.Local()
	}
	if _, ok := o.cpu(); ok && m.profile.Kind == "cpu" && m.profile.BusyCoreW != nil && m.profile.BandPct != nil {
		m.busyW = m.profile.BusyCoreW.Value
	}
	m.scan = scanRAPL(o.files, o.Root, o.sleep)
	if o.Source == SourceRAPL && len(m.scan.used) == 0 {
		msg := m.scan.why
		if m.scan.fix != "" {
			msg += "; fix: " + m.scan.fix
		}
		return nil, fmt.Errorf("energy source rapl: %s", msg)
	}
	if len(m.scan.used) > 0 && !m.forced {
		m.rapl = startSampler(o, m.scan.used)
	}
	return m, nil
}

// Close stops the sampler after one last reading, so that the windows open until
// now can still be read. It is safe to call twice.
func (m *Meter) Close() error {
	if m.rapl == nil {
		return nil
	}
	return m.rapl.close()
}

// Tier of the readings this meter gives.
func (m *Meter) Tier() Tier {
	switch {
	case m.rapl != nil:
		return TierB
	case m.busyW > 0:
		return TierE
	}
	return TierNone
}

// Measured reports whether this meter's readings may be called measured.
func (m *Meter) Measured() bool { return m.Tier().Measured() }

// Source names the source in use, as Reading.Source does; "none" without one.
func (m *Meter) Source() string {
	switch m.Tier() {
	case TierB:
		return "rapl"
	case TierE:
		return "profile " + m.profile.Name
	}
	return "none"
}

// Profile is the hardware profile taken for this machine.
func (m *Meter) Profile() hwprofiles.Profile { return m.profile }

// Sources lists everything that was looked at, the best first, with what is the
// matter with it now. The row "rapl" sums up the zones that follow it.
func (m *Meter) Sources() []Status {
	zones := append([]Status(nil), m.scan.status...)
	sum := Status{Name: "rapl", OK: len(m.scan.used) > 0, Used: m.rapl != nil, Why: m.scan.why, Fix: m.scan.fix}
	if sum.OK {
		sum.Tier, sum.Why = TierB, m.scan.partial
		if m.forced {
			sum.Why = joinNotes("the profile was asked for", sum.Why)
		}
	}
	for i := range zones {
		zones[i].Used = zones[i].Used && m.rapl != nil
	}
	if m.rapl != nil {
		for path, t := range m.rapl.troubles() {
			for i := range zones {
				if zones[i].Path == path {
					zones[i].OK, zones[i].Why = t.readable, t.text
				}
			}
			sum.Why = joinNotes(sum.Why, t.text)
		}
	}
	prof := Status{Name: "profile " + m.profile.Name, Path: m.profile.File, OK: m.busyW > 0, Used: m.Tier() == TierE, Why: m.profile.Why}
	if prof.OK {
		prof.Tier = TierE
		if m.rapl != nil {
			prof.Why = joinNotes(prof.Why, "not needed: a counter is read")
		}
	} else {
		prof.Why = joinNotes(prof.Why, "no joules from it: "+m.noProfile())
	}
	return append(append([]Status{sum}, zones...), prof)
}

func (m *Meter) noProfile() string {
	if _, ok := m.cpu(); !ok {
		return "CPU seconds of a process are not available on " + runtime.GOOS
	}
	if m.profile.Kind != "cpu" {
		return "it describes no CPU"
	}
	return "it gives no busy_core_w with a band"
}

// Mark is a moment. It belongs to the Meter that made it.
type Mark struct {
	at   int64 // ns, the meter's clock
	cpu  int64 // CPU µs of the process
	snap *snapshot
}

// Mark notes the moment: clock, CPU time, newest counter sample. It takes one or
// two microseconds (most of them getrusage), no lock, and reads no counter.
func (m *Meter) Mark() Mark {
	var k Mark
	k.cpu, _ = m.cpu()
	if m.rapl == nil {
		k.at = m.now()
		return k
	}
	for range 4 { // again when a sample was published in between
		k.snap = m.rapl.latest.Load()
		k.at = m.now()
		if m.rapl.latest.Load() == k.snap {
			break
		}
	}
	return k
}

// Wall is the time between two marks.
func Wall(a, b Mark) time.Duration { return time.Duration(b.at - a.at) }

// Boundary says what the readings include.
func (m *Meter) Boundary() string {
	if m.rapl != nil {
		return m.rapl.boundary
	}
	b := "CPU time of this process"
	if m.profile.Boundary != "" {
		b += ", watts of " + m.profile.Boundary
	}
	return b
}

// Shortest is the least window that Between can measure.
func (m *Meter) Shortest() time.Duration {
	if m.rapl != nil {
		return 2 * time.Duration(m.rapl.period.Load())
	}
	return shortest
}

// CPUMicros is the CPU time (user and system, all threads) of this process
// between two marks, in µs; 0 where the system does not tell.
func CPUMicros(a, b Mark) int64 { return b.cpu - a.cpu }

// Between is the energy from mark a to mark b by the meter's source. It never
// switches the source: where that one has nothing to say, UJ is nil and Note says
// why.
func (m *Meter) Between(a, b Mark) Reading {
	if m.rapl == nil {
		return m.Estimate(a, b)
	}
	r := Reading{Source: "rapl", Boundary: m.rapl.boundary, WallUS: (b.at - a.at) / 1000}
	wall := b.at - a.at
	switch period := m.rapl.period.Load(); {
	case a.snap == nil || b.snap == nil:
		r.Note = "a mark is not of this meter"
		return r
	case wall < 2*period:
		r.Note = fmt.Sprintf("a window of %v is too short for RAPL: at least %v", time.Duration(wall), time.Duration(2*period))
		return r
	}
	eb := m.rapl.edge(b)
	ea := m.rapl.edge(a)
	r.Rejected, r.Wraps, r.Resets = eb.rejected-ea.rejected, eb.wraps-ea.wraps, eb.resets-ea.resets
	r.Coverage = min(1, float64(eb.covered-ea.covered)/(float64(wall)*float64(m.rapl.n)))
	if r.Coverage < 0.995 {
		r.Note = m.rapl.trouble()
		if r.Note == "" && !eb.sampled {
			r.Note = "the sampler did not answer in time: the window's end is missing"
		}
	}
	if eb.covered <= ea.covered {
		r.Coverage = 0
		r.Note = joinNotes("no valid sample in the window", r.Note)
		return r
	}
	uj := eb.uj - ea.uj
	r.UJ, r.Tier = &uj, TierB
	if uj > 0 {
		r.Band = 100 * (ea.slack + eb.slack) / float64(uj)
	}
	return r
}

// shortest is the least window of an estimate: the system tells CPU time in µs.
const shortest = 100 * time.Microsecond

// Estimate is the energy from mark a to mark b by the profile, tier E, whatever
// source the meter uses: CPU seconds of this process × busy_core_w.
func (m *Meter) Estimate(a, b Mark) Reading {
	r := Reading{
		Source: "profile " + m.profile.Name, Boundary: "CPU time of this process",
		WallUS: (b.at - a.at) / 1000,
	}
	switch {
	case m.busyW == 0:
		r.Source, r.Note = "none", joinNotes("no energy source on this machine", m.noProfile())
		return r
	case b.at-a.at < int64(shortest) || b.cpu < a.cpu:
		r.Note = fmt.Sprintf("a window of %v is too short for an estimate: at least %v", Wall(a, b), shortest)
		return r
	}
	if m.profile.Boundary != "" {
		r.Boundary += ", watts of " + m.profile.Boundary
	}
	// Round at the marks, not over the window: so windows add up exactly.
	uj := m.profileUJ(b.cpu) - m.profileUJ(a.cpu)
	r.UJ, r.Tier, r.Band, r.Coverage = &uj, TierE, m.profile.BandPct.Value, 1
	return r
}

// profileUJ is watts × µs = µJ.
func (m *Meter) profileUJ(cpuUS int64) int64 { return int64(math.Round(float64(cpuUS) * m.busyW)) }

func joinNotes(notes ...string) string {
	var s []string
	for _, n := range notes {
		if n != "" {
			s = append(s, n)
		}
	}
	return strings.Join(s, "; ")
}

// describe says what went wrong with a file in the words of the package.
func describe(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "vanished"
	case errors.Is(err, fs.ErrPermission):
		return "became unreadable (permission denied)"
	}
	return err.Error()
}
