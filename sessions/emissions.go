package sessions

import (
	"runtime"
	"strings"

	"pare/core/energy"
	"pare/core/event"
	"pare/hwprofiles"
)

// Emissions are the bills of the session's stages as rows of an emissions.csv, in
// the order of the stages. Stages that never began have no row; energy that was
// not measured is left out of its row. What the log does not hold (location,
// memory) stays empty.
func (s *Session) Emissions() ([]energy.Emission, error) {
	bill, err := s.Bill()
	if err != nil {
		return nil, err
	}
	var rows []energy.Emission
	for stage := event.Baseline; stage <= event.Deploy; stage++ {
		c := bill.Stages[stage]
		if c.Last.IsZero() {
			continue
		}
		by := c.By
		if by == nil {
			by = &event.Started{}
		}
		boundary := strings.Join(c.Boundaries, then)
		r := energy.Emission{
			At: c.Last, Project: by.Model + " on " + by.Data, Run: s.ID, Stage: stage.String(), Epoch: energy.NoEpoch,
			Seconds: float64(c.WallUS) / 1e6, CPUModel: by.Machine, Tool: "pare " + by.Pare,
			Energy:   energy.Reading{UJ: c.Energy.UJ, Tier: energy.Tier(c.Energy.Tier), Source: c.Energy.Source, Boundary: boundary, Band: c.Energy.Band},
			Coverage: c.Energy.Coverage,
		}
		tier := r.Energy.Tier
		if !tier.Known() { // what the meter would have given
			tier = energy.Tier(by.Tier)
		}
		r.Process = tier == energy.TierE || !tier.Known() // all others see the whole machine
		r.Component = component(boundary)
		if c.Apart != nil {
			r.Apart = energy.Apart{CPU: c.Apart.CPU, GPU: c.Apart.GPU, Memory: c.Apart.Memory}
		}
		if by.Machine == hwprofiles.CPUModel() { // still the machine that ran it
			r.OS, r.CPUs = runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU()
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// then stands between the boundaries of two meters, one after the other.
const then = ", then "

// component names the part of the machine whose joules a boundary holds, empty
// when it holds several: they cannot be told apart afterwards.
func component(boundary string) string {
	if strings.Contains(boundary, " + ") || strings.Contains(boundary, then) {
		return ""
	}
	if strings.Contains(boundary, "CPU package") && !strings.Contains(boundary, "memory") {
		return "cpu"
	}
	return ""
}
