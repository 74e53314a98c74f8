package sessions

import (
	"runtime"
	"strings"
	"time"

	"pare/core/energy"
	"pare/core/event"
	"pare/hwprofiles"
)

// Emissions are the bills of the session's stages as rows of an emissions.csv, in
// the order of the stages. Stages that never began have no row; energy that was
// not measured is left out of its row. What the log does not hold (location,
// memory) stays empty.
func (s *Session) Emissions() ([]energy.Emission, error) {
	st := new(event.State)
	var ended [event.Deploy + 1]time.Time
	var cost [event.Deploy + 1]event.StageCost
	err := s.each(func(e event.Event) {
		st.Apply(e)
		switch b := e.Body.(type) {
		case *event.StageCost:
			if b.Stage >= event.Baseline && b.Stage <= event.Deploy {
				ended[b.Stage], cost[b.Stage] = e.At, *b
			}
		case *event.Metric: // a stage that goes on, or was cut off
			if b.Stage >= event.Baseline && b.Stage <= event.Deploy && b.CPUUS > cost[b.Stage].CPUUS {
				ended[b.Stage] = e.At
				cost[b.Stage] = event.StageCost{Stage: b.Stage, CPUUS: b.CPUUS, WallUS: b.WallUS, Energy: b.Energy}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	started := st.Started
	var rows []energy.Emission
	for stage := event.Baseline; stage <= event.Deploy; stage++ {
		c := cost[stage]
		if ended[stage].IsZero() {
			continue
		}
		r := energy.Emission{
			At: ended[stage], Project: started.Model + " on " + started.Data, Run: s.ID, Stage: stage.String(), Epoch: energy.NoEpoch,
			Seconds: float64(c.WallUS) / 1e6, CPUModel: started.Machine, Tool: "pare " + started.Pare,
			Energy:   energy.Reading{UJ: c.Energy.UJ, Tier: energy.Tier(c.Energy.Tier), Source: c.Energy.Source, Boundary: started.Boundary, Band: c.Energy.Band},
			Coverage: c.Energy.Coverage,
		}
		r.Process = !r.Energy.Tier.Measured() && r.Energy.Tier != energy.TierD // these see the whole machine
		r.Component = component(started.Boundary)
		if started.Machine == hwprofiles.CPUModel() { // still the machine that ran it
			r.OS, r.CPUs = runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU()
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// component names the part of the machine whose joules a boundary holds, empty
// when it holds several: they cannot be told apart afterwards.
func component(boundary string) string {
	if strings.Contains(boundary, "CPU package") && !strings.Contains(boundary, "memory") {
		return "cpu"
	}
	return ""
}
