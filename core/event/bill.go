package event

import "strings"

// Plus adds two bills; the stage is c's. Joules that one of them lacks count as time
// that is not covered, so Coverage tells what is missing; without joules in either
// there are none in the sum. Coverage is weighted by wall time, and not known when it
// is not known of joules that were added. The worse tier and the wider band stand.
func (c StageCost) Plus(o StageCost) StageCost {
	switch {
	case c.Energy.UJ == nil:
		c.Apart = o.Apart
	case o.Energy.UJ != nil:
		c.Apart = c.Apart.plus(o.Apart)
	}
	c.Energy = c.Energy.plus(o.Energy, c.WallUS, o.WallUS)
	c.CPUUS, c.WallUS = c.CPUUS+o.CPUUS, c.WallUS+o.WallUS
	return c
}

// Apart are joules by what drew them, µJ; nil: not known apart.
type Apart struct {
	CPU    *int64 `json:"cpu_uj,omitempty"`
	GPU    *int64 `json:"gpu_uj,omitempty"`
	Memory *int64 `json:"memory_uj,omitempty"`
}

// plus is what both know, summed.
func (a *Apart) plus(o *Apart) *Apart {
	if a == nil || o == nil {
		return nil
	}
	add := func(x, y *int64) *int64 {
		if x == nil || y == nil {
			return nil
		}
		s := *x + *y
		return &s
	}
	return &Apart{add(a.CPU, o.CPU), add(a.GPU, o.GPU), add(a.Memory, o.Memory)}
}

// plus adds o, spent in oUS microseconds, to j, spent in jUS.
func (j Joules) plus(o Joules, jUS, oUS int64) Joules {
	if j.UJ == nil && o.UJ == nil {
		return Joules{}
	}
	sum, covered, known := int64(0), 0.0, true
	for _, x := range []struct {
		Joules
		us int64
	}{{j, jUS}, {o, oUS}} {
		switch {
		case x.UJ == nil:
		case x.Coverage == nil:
			sum, known = sum+*x.UJ, false
		default:
			sum, covered = sum+*x.UJ, covered+*x.Coverage*float64(x.us)
		}
	}
	j.UJ, j.Coverage = &sum, nil
	if all := jUS + oUS; known && all > 0 {
		share := min(max(covered/float64(all), 0), 1)
		j.Coverage = &share
	}
	j.Tier, j.Band = max(j.Tier, o.Tier), max(j.Band, o.Band) // E comes after A
	switch {
	case j.Source == "":
		j.Source = o.Source
	case !strings.Contains(j.Source, o.Source):
		j.Source += ", then " + o.Source
	}
	j.Rejected, j.Wraps, j.Resets = j.Rejected+o.Rejected, j.Wraps+o.Wraps, j.Resets+o.Resets
	return j
}
