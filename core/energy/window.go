package energy

import (
	"fmt"
	"math"
	"time"
)

// Mark is a moment. It belongs to the Meter that made it.
type Mark struct {
	at    int64 // ns, the meter's clock
	cpu   int64 // CPU µs of the process
	snaps [maxParts]*snapshot
	soft  bool // the newest sample will do
}

// Mark notes the moment: clock, CPU time, newest sample of each part. It takes
// one or two microseconds (most of them getrusage), no lock, and reads no counter.
func (m *Meter) Mark() Mark {
	var k Mark
	k.cpu, _ = m.cpu()
	if len(m.parts) == 0 {
		k.at = m.now()
		return k
	}
	for range 4 { // again when a sample was published in between
		for i, p := range m.parts {
			k.snaps[i] = p.latest.Load()
		}
		k.at = m.now()
		same := true
		for i, p := range m.parts {
			same = same && p.latest.Load() == k.snaps[i]
		}
		if same {
			break
		}
	}
	return k
}

// Wall is the time between two marks.
func Wall(a, b Mark) time.Duration { return time.Duration(b.at - a.at) }

// CPUMicros is the CPU time (user and system, all threads) of this process
// between two marks, in µs; 0 where the system does not tell.
func CPUMicros(a, b Mark) int64 { return b.cpu - a.cpu }

// Edge is a Mark that has the sources read about now, by their own goroutines: the
// joules of a window between two edges are sharp, however seldom a slow source is read
// else. For edges of what is compared, a few a second at most: a counter that is costly to
// read and has power beside it (NVML) is read for at most 1 % of a core, two edges a second
// or so, and power tells what was spent since; any other source is read at every edge.
func (m *Meter) Edge() Mark {
	k := m.Mark()
	for _, p := range m.parts {
		p.ask()
	}
	return k
}

// shortest is the least window of an estimate: the system tells CPU time in µs.
const shortest = 100 * time.Microsecond

// Shortest is the least window between two edges that Between can measure.
func (m *Meter) Shortest() time.Duration {
	d := int64(0)
	for _, p := range m.parts {
		d = max(d, p.shortest())
	}
	if m.wall != nil {
		d = max(d, m.wall.shortest())
	}
	if d == 0 {
		return shortest
	}
	return time.Duration(d)
}

// Window is the least window between two edges in which old readings of a source can
// make at most a share of the joules, say 0.1.
func (m *Meter) Window(share float64) time.Duration {
	d := m.Shortest()
	for _, p := range m.parts {
		d = max(d, time.Duration(float64(2*p.lag)/share))
	}
	return d
}

// Between is the energy from mark a to mark b by the meter's sources. It never
// switches the source: where one has nothing to say, its UJ is nil and Note says
// why. With several parts the reading is their sum, with the worst of their tiers,
// and Parts holds each.
func (m *Meter) Between(a, b Mark) Reading {
	parts := m.readings(a, b)
	if len(parts) == 1 {
		r := parts[0]
		r.Part = ""
		return r
	}
	return combine(parts)
}

// SoFar is the energy from mark a to the newest sample of each source: unlike Between it
// waits for no reading, so that one who works can ask often. It lacks what was spent since
// then: a period, or where a driver notes the course of power what lies between two
// collections (2.1 s on an H100, at most 2.6 s); WallUS ends there. It also returns the Mark of now.
func (m *Meter) SoFar(a Mark) (Mark, Reading) {
	b := m.Mark()
	b.soft = true
	for i, p := range m.parts {
		// A window that is long enough has its first figure now, not when it is collected.
		if sn := b.snaps[i]; !p.manual && sn.at < a.at+p.shortest() && b.at-a.at >= p.shortest() {
			p.wake()
		}
	}
	return b, m.Between(a, b)
}

// readings are those of all parts, whole machine first; at least one.
func (m *Meter) readings(a, b Mark) []Reading {
	var rs []Reading
	if m.wall != nil {
		rs = append(rs, m.wall.between(a.at, b.at))
	}
	for i, p := range m.parts {
		rs = append(rs, p.between(a, b, i))
	}
	if m.rapl == nil && m.load == nil && (m.busyW > 0 && !m.cardAlone || len(rs) == 0) {
		e := m.Estimate(a, b)
		e.Part, e.short = "cpu", e.UJ == nil && m.busyW > 0
		rs = append(rs, e)
	}
	return rs
}

// between is one part's reading.
func (p *part) between(a, b Mark, i int) Reading {
	if sn := b.snaps[i]; b.soft && sn != nil {
		b.at = min(b.at, sn.at)
	}
	wall := b.at - a.at
	r := Reading{Part: p.name, Source: p.source, Boundary: p.boundary, WallUS: wall / 1000, contains: p.contains}
	switch least := p.shortest(); {
	case a.snaps[i] == nil || b.snaps[i] == nil:
		r.Note, r.short = "a mark is not of this meter", true
		return r
	case wall < least:
		r.Note, r.short = fmt.Sprintf("a window of %v is too short for %s: at least %v", time.Duration(wall), p.title(), time.Duration(least)), true
		return r
	}
	eb := edge{point: b.snaps[i].point, sampled: true}
	if !b.soft {
		eb = p.edge(b.snaps[i], b.at)
	}
	ea := p.edge(a.snaps[i], a.at)
	d := eb.since(ea.tally)
	r.fill(d, wall*int64(p.n), p.tier())
	if r.Coverage < 0.995 {
		r.Note = joinNotes(r.Note, p.trouble())
		if r.Note == "" && !eb.sampled {
			r.Note = "the sampler did not answer in time: the window's end is missing"
		}
	}
	if r.UJ != nil && (*r.UJ > 0 || d.unsure() > 0) {
		// At either edge the power's course within the sample is unknown, and what was
		// read may have been old.
		slack := ea.slack + eb.slack + d.unsure()
		if slack > float64(*r.UJ) {
			r.UJ, r.Tier, r.Coverage, r.short = nil, TierNone, 0, true
			r.Note = fmt.Sprintf("a window of %v lies between two readings of %s", time.Duration(wall), p.title())
			return r
		}
		// An old reading lacks what was drawn since: at the edges that may be more than at other times.
		mean := float64(*r.UJ) / float64(wall) * 1000
		old := float64(p.old) / 1000 * (max(ea.power, mean) + max(eb.power, mean))
		r.Band = p.band + 100*(slack+old)/float64(*r.UJ)
	}
	r.by = p.apart(r, ea, eb)
	for j := range eb.each {
		if ea.each == nil || p.name == "cpu" {
			break // packages are not told apart
		}
		in := p.inputs[j]
		q := Reading{Part: in.label, Source: p.source, Boundary: in.path, WallUS: r.WallUS}
		q.fill(eb.each[j].since(ea.each[j]), wall, in.tier)
		q.Band = r.Band
		r.Parts = append(r.Parts, q)
	}
	return r
}

// apart tells RAPL's packages and memory apart, and cards.
func (p *part) apart(r Reading, a, b edge) (by Apart) {
	switch {
	case r.UJ == nil || p.contains:
	case p.name == "gpu":
		by.GPU = r.UJ
	case p.source == "rapl":
		cpu, memory := *r.UJ, int64(0)
		for j := range b.each {
			if p.inputs[j].ram && a.each != nil {
				memory += b.each[j].since(a.each[j]).uj
				by.Memory = &memory
			}
		}
		cpu -= memory
		by.CPU = &cpu
	}
	return by
}

// title is the source in a sentence.
func (p *part) title() string {
	if p.source == "rapl" {
		return "RAPL"
	}
	return p.source
}

// fill takes over what was added up in a window; length is its length (ns) times
// the inputs.
func (r *Reading) fill(d tally, length int64, t Tier) {
	r.Rejected, r.Wraps, r.Resets = d.rejected, d.wraps, d.resets
	if d.covered <= 0 {
		r.Note = "no valid sample in the window"
		return
	}
	r.Coverage = min(1, float64(d.covered)/float64(length))
	r.UJ, r.Tier = &d.uj, t
}

// combine adds parts up. One that contains the others stands alone. A part that
// was lost leaves the joules of the others, without coverage; a window too short
// for one of them has no sum.
func combine(parts []Reading) Reading {
	for _, p := range parts {
		if p.contains {
			p.Part, p.Parts = "", parts
			return p
		}
	}
	sum := Reading{Coverage: 1, WallUS: parts[0].WallUS, Parts: parts}
	var uj int64
	var sources, boundaries, notes []string
	known, short, band := false, false, 0.0
	for _, p := range parts {
		sum.Rejected, sum.Wraps, sum.Resets = sum.Rejected+p.Rejected, sum.Wraps+p.Wraps, sum.Resets+p.Resets
		sum.Coverage = min(sum.Coverage, p.Coverage)
		sources, boundaries = append(sources, p.Source), append(boundaries, p.Boundary)
		short = short || p.short
		if p.Note != "" {
			notes = append(notes, p.Part+": "+p.Note)
		}
		if p.UJ == nil {
			continue
		}
		known = true
		uj += *p.UJ
		sum.by = sum.by.plus(p.by)
		band += float64(*p.UJ) * p.Band
		sum.Tier = sum.Tier.Worse(p.Tier)
	}
	sum.Source, sum.Boundary, sum.Note = join(sources), join(boundaries), joinNotes(notes...)
	if !known || short {
		sum.Tier, sum.Coverage, sum.short, sum.by = TierNone, 0, short, Apart{}
		return sum
	}
	sum.UJ = &uj
	if uj > 0 {
		sum.Band = band / float64(uj)
	}
	return sum
}

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
