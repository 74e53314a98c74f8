package energy

import (
	"slices"
	"strings"
)

// chosen are the parts that make up the figure: the one that contains the others,
// or all.
func (m *Meter) chosen() []*part {
	for _, p := range m.parts {
		if p.contains {
			return []*part{p}
		}
	}
	return m.parts
}

// estimates reports whether the profile is part of the figure.
func (m *Meter) estimates() bool {
	if m.wall != nil || m.rapl != nil || m.load != nil || m.busyW == 0 || m.cardAlone {
		return false
	}
	return !slices.ContainsFunc(m.parts, func(p *part) bool { return p.contains })
}

// Tier of the readings this meter gives: the worst of the parts added up.
func (m *Meter) Tier() Tier {
	if m.wall != nil {
		return TierA
	}
	t := TierNone
	for _, p := range m.chosen() {
		t = t.Worse(p.tier())
	}
	if m.estimates() {
		t = t.Worse(TierE)
	}
	return t
}

// Measured reports whether this meter's readings may be called measured.
func (m *Meter) Measured() bool { return m.Tier().Measured() }

// Source names the sources in use, as Reading.Source does; "none" without one.
func (m *Meter) Source() string {
	if m.wall != nil {
		return m.wall.source()
	}
	var names []string
	for _, p := range m.chosen() {
		names = append(names, p.source)
	}
	if m.estimates() {
		names = append(names, "profile "+m.profile.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return join(names)
}

// Boundary says what the readings include.
func (m *Meter) Boundary() string {
	if m.wall != nil {
		return m.wall.boundary()
	}
	var bs []string
	for _, p := range m.chosen() {
		bs = append(bs, p.boundary)
	}
	if m.estimates() || len(bs) == 0 {
		b := ofProcess
		if m.profile.Boundary != "" {
			b += ", watts of " + m.profile.Boundary
		}
		bs = append(bs, b)
	}
	if m.cardAlone && m.rapl == nil && m.load == nil {
		return join(bs) + "; the CPU beside it is not measured"
	}
	return join(bs)
}

// Sources lists everything that was looked at, with what is the matter with it
// now: a PARE_ENERGY that a run refuses, the wall meter, whole machines, GPUs, RAPL, the load curve, the profile. The rows "rapl",
// "nvml" and "nvidia-smi" sum up those that follow them.
func (m *Meter) Sources() []Status {
	var rows []Status
	if m.asked != nil {
		rows = append(rows, *m.asked)
	}
	rows = append(rows, m.wallNow())
	rows = append(rows, m.machine.status...)
	rows = append(rows, m.gpus.status...)
	rows = append(rows, m.raplRows()...)
	rows = append(rows, m.loadRow(), m.profileRow())
	for _, p := range m.parts {
		for path, t := range p.troubles() {
			for i := range rows {
				if rows[i].Path == path && p.name != "cpu" {
					rows[i].OK, rows[i].Why = t.readable, joinNotes(t.text, rows[i].Why)
				}
			}
		}
	}
	return rows
}

func (m *Meter) raplRows() []Status {
	zones := append([]Status(nil), m.scan.status...)
	sum := Status{Name: "rapl", OK: len(m.scan.used) > 0, Used: m.rapl != nil, Why: m.scan.why, Fix: m.scan.fix}
	if sum.OK {
		sum.Tier, sum.Why = TierB, m.scan.partial
		switch {
		case m.forced:
			sum.Why = joinNotes("the profile was asked for", sum.Why)
		case m.load != nil:
			sum.Why = joinNotes("the load curve was asked for", sum.Why)
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
	return append([]Status{sum}, zones...)
}

func (m *Meter) profileRow() Status {
	prof := Status{Name: "profile " + m.profile.Name, Path: m.profile.File, OK: m.busyW > 0, Used: m.estimates(), Why: m.profile.Why}
	switch {
	case !prof.OK:
		prof.Why = joinNotes(prof.Why, "no joules from it: "+m.noProfile())
		return prof
	case m.rapl != nil:
		prof.Why = joinNotes(prof.Why, "not needed: a counter is read")
	case m.load != nil:
		prof.Why = joinNotes(prof.Why, "not needed: the load curve is nearer")
	case !prof.Used:
		prof.Why = joinNotes(prof.Why, "not needed: the whole machine is measured")
	}
	prof.Tier = TierE
	return prof
}

// join names several sources, or boundaries, as one.
func join(ss []string) string { return strings.Join(ss, " + ") }

// union is a and what b has besides, without empty names.
func union(a, b []string) []string {
	out := slices.Clip(a)
	for _, x := range b {
		if x != "" && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}
