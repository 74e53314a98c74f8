package energy

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// NoEpoch is the epoch of a window that belongs to a stage but to no epoch
// (loading, validation, export).
const NoEpoch = -1

// Ledger adds up windows by stage and epoch. The zero value is empty and ready;
// a nil *Ledger may be read. It is plain JSON and may travel in a checkpoint.
// Windows given to it must not overlap, or joules would be billed twice. Not for
// use by several goroutines at once.
type Ledger struct {
	Rows []Row `json:"rows"` // in the order in which they were opened
}

// Row is the sum of the windows of one epoch of one stage.
type Row struct {
	Stage string `json:"stage"`
	Epoch int    `json:"epoch"`
	Sum
}

// Sum is the sum of some windows. Sums are integers, so their order never
// matters.
type Sum struct {
	UJ         *int64         `json:"uj"` // microjoules; nil: no window had any
	ByTier     map[Tier]int64 `json:"uj_by_tier,omitempty"`
	BandUJ     int64          `json:"band_uj"`    // sum of the windows' bands, µJ
	CPUUS      int64          `json:"cpu_us"`     // CPU time of the process, µs
	WallUS     int64          `json:"wall_us"`    // length of all windows, µs
	CoveredUS  int64          `json:"covered_us"` // of these, with valid samples
	Windows    int            `json:"windows"`
	Unmeasured int            `json:"unmeasured"` // windows without joules
	Rejected   int            `json:"rejected"`
	Wraps      int            `json:"wraps"`
	Resets     int            `json:"resets"`
	Sources    []string       `json:"sources,omitempty"`    // in order of first use
	Boundaries []string       `json:"boundaries,omitempty"` // in order of first use
}

// Add bills one window: reading r and the CPU time cpuUS (µs) of the process in
// it. Epoch is NoEpoch outside epochs. A reading without joules adds its length
// and CPU time, so that Coverage tells what is missing.
func (l *Ledger) Add(stage string, epoch int, r Reading, cpuUS int64) {
	w := Sum{CPUUS: cpuUS, WallUS: r.WallUS, Windows: 1, Rejected: r.Rejected, Wraps: r.Wraps, Resets: r.Resets}
	if r.UJ == nil || !r.Tier.Known() {
		w.Unmeasured = 1
	} else {
		uj := *r.UJ
		w.UJ, w.ByTier = &uj, r.byTier()
		w.BandUJ = int64(math.Round(float64(uj) * r.Band / 100))
		w.CoveredUS = int64(math.Round(float64(r.WallUS) * r.Coverage))
		w.Sources, w.Boundaries = []string{r.Source}, []string{r.Boundary}
	}
	i := slices.IndexFunc(l.Rows, func(x Row) bool { return x.Stage == stage && x.Epoch == epoch })
	if i < 0 {
		i = len(l.Rows)
		l.Rows = append(l.Rows, Row{Stage: stage, Epoch: epoch})
	}
	l.Rows[i].add(w)
}

// byTier is the reading's joules by the tier of the part they belong to.
func (r Reading) byTier() map[Tier]int64 {
	by, sum := map[Tier]int64{}, int64(0)
	for _, p := range r.Parts {
		if p.UJ != nil && p.Tier.Known() {
			by[p.Tier] += *p.UJ
			sum += *p.UJ
		}
	}
	if sum != *r.UJ || len(by) == 0 { // no parts, or one that contains the others
		return map[Tier]int64{r.Tier: *r.UJ}
	}
	return by
}

func (s *Sum) add(o Sum) {
	if o.UJ != nil {
		uj := *o.UJ
		if s.UJ != nil {
			uj += *s.UJ
		}
		s.UJ = &uj
		by := make(map[Tier]int64, len(s.ByTier)+1) // never write into a map someone else holds
		for t, v := range s.ByTier {
			by[t] = v
		}
		for t, v := range o.ByTier {
			by[t] += v
		}
		s.ByTier = by
	}
	s.BandUJ += o.BandUJ
	s.CPUUS += o.CPUUS
	s.WallUS += o.WallUS
	s.CoveredUS += o.CoveredUS
	s.Windows += o.Windows
	s.Unmeasured += o.Unmeasured
	s.Rejected += o.Rejected
	s.Wraps += o.Wraps
	s.Resets += o.Resets
	s.Sources = union(s.Sources, o.Sources)
	s.Boundaries = union(s.Boundaries, o.Boundaries)
}

func union(a, b []string) []string {
	out := slices.Clip(a)
	for _, x := range b {
		if x != "" && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// Total of all windows.
func (l *Ledger) Total() Sum { return l.sum(func(Row) bool { return true }) }

// Stage total.
func (l *Ledger) Stage(stage string) Sum {
	return l.sum(func(r Row) bool { return r.Stage == stage })
}

// Epoch of a stage.
func (l *Ledger) Epoch(stage string, epoch int) Sum {
	return l.sum(func(r Row) bool { return r.Stage == stage && r.Epoch == epoch })
}

// Stages in the order in which they were first billed.
func (l *Ledger) Stages() []string {
	var out []string
	if l != nil {
		for _, r := range l.Rows {
			out = union(out, []string{r.Stage})
		}
	}
	return out
}

func (l *Ledger) sum(in func(Row) bool) Sum {
	var s Sum
	if l == nil {
		return s
	}
	for _, r := range l.Rows {
		if in(r) {
			s.add(r.Sum)
		}
	}
	return s
}

// Clone is an independent copy.
func (l *Ledger) Clone() *Ledger {
	c := &Ledger{}
	if l != nil {
		for _, r := range l.Rows {
			n := Row{Stage: r.Stage, Epoch: r.Epoch}
			n.add(r.Sum)
			c.Rows = append(c.Rows, n)
		}
	}
	return c
}

// Worst is the worst tier among the joules of the sum; TierNone without any.
func (s Sum) Worst() Tier {
	w := TierNone
	for t := range s.ByTier {
		w = w.Worse(t)
	}
	return w
}

// Share is the share (0 to 1) of the sum's joules known by tier t; 0 without
// joules.
func (s Sum) Share(t Tier) float64 {
	if s.UJ == nil || *s.UJ == 0 {
		return 0
	}
	return float64(s.ByTier[t]) / float64(*s.UJ)
}

// Coverage is the share (0 to 1) of the windows' time with valid samples; 0
// without windows.
func (s Sum) Coverage() float64 {
	if s.WallUS <= 0 {
		return 0
	}
	return min(1, float64(s.CoveredUS)/float64(s.WallUS))
}

// Reading is the sum as a reading, with the worst tier, for Format. Bands are
// added as if all windows erred the same way.
func (s Sum) Reading() Reading {
	r := Reading{
		Tier: s.Worst(), Coverage: s.Coverage(), Rejected: s.Rejected, Wraps: s.Wraps, Resets: s.Resets, WallUS: s.WallUS,
		Source: join(s.Sources), Boundary: join(s.Boundaries),
	}
	if s.UJ != nil {
		uj := *s.UJ
		r.UJ = &uj
		if uj > 0 {
			r.Band = 100 * float64(s.BandUJ) / float64(uj)
		}
	}
	return r
}

func join(ss []string) string {
	out := ""
	for i, s := range ss {
		if i > 0 {
			out += " + "
		}
		out += s
	}
	return out
}

// UnmarshalJSON reads a ledger and refuses one that cannot have been written by
// Add: negative amounts, joules without tiers, a row twice.
func (l *Ledger) UnmarshalJSON(data []byte) error {
	type plain Ledger
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("energy ledger: %w", err)
	}
	type key struct {
		stage string
		epoch int
	}
	seen := map[key]bool{}
	total := int64(0)
	for i, r := range p.Rows {
		if err := r.Sum.check(); err != nil {
			return fmt.Errorf("energy ledger: row %d (stage %q, epoch %d): %w", i, r.Stage, r.Epoch, err)
		}
		if r.UJ != nil {
			if *r.UJ > math.MaxInt64-total {
				return fmt.Errorf("energy ledger: row %d: the joules do not fit 64 bits", i)
			}
			total += *r.UJ
		}
		k := key{r.Stage, r.Epoch}
		if seen[k] {
			return fmt.Errorf("energy ledger: row %d: stage %q, epoch %d stands there twice", i, r.Stage, r.Epoch)
		}
		seen[k] = true
	}
	*l = Ledger(p)
	return nil
}

func (s Sum) check() error {
	for _, v := range []int64{s.BandUJ, s.CPUUS, s.WallUS, s.CoveredUS, int64(s.Windows), int64(s.Unmeasured), int64(s.Rejected), int64(s.Wraps), int64(s.Resets)} {
		if v < 0 {
			return fmt.Errorf("negative amount %d", v)
		}
	}
	var sum int64
	for t, v := range s.ByTier {
		switch {
		case !t.Known():
			return fmt.Errorf("unknown tier %q", t)
		case v < 0 || v > math.MaxInt64-sum:
			return fmt.Errorf("tier %s: %d µJ is out of range", t, v)
		}
		sum += v
	}
	switch {
	case s.UJ == nil && len(s.ByTier) > 0:
		return fmt.Errorf("joules by tier, but no total")
	case s.UJ != nil && len(s.ByTier) == 0:
		return fmt.Errorf("joules without a tier")
	case s.UJ != nil && *s.UJ != sum:
		return fmt.Errorf("%d µJ in total, but the tiers add up to %d", *s.UJ, sum)
	}
	return nil
}
