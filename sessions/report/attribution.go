package report

import (
	"fmt"

	"pare/core/event"
)

// attribution is the table of where a training step's time goes.
type attribution struct {
	Note string
	Rows []attributionRow
}

type attributionRow struct{ Class, Dense, Now, DenseEnergy, NowEnergy string }

func newAttribution(st *event.State) attribution {
	a := st.Attribution
	if a == nil || len(a.Rows) == 0 {
		return attribution{}
	}
	v := attribution{Note: fmt.Sprintf("Shares of the %s of a training step, probed over %s of each model, batch %d. Joules: %s; the time of a call says nothing of its power. Those of sparsify are shared out between the dense and the pared step by the zeros of each epoch. An activation that runs inside its layer, and an optimiser's step behind a weight's gradient, count with the layer.", st.Started.Clock().Name, plural(a.Steps, "step"), a.Batch, short(a.Text))}
	share := func(x float64) string {
		if x > 0 && x < 0.0005 {
			return "<0.1 %"
		}
		return percent(x)
	}
	for _, r := range a.Rows {
		v.Rows = append(v.Rows, attributionRow{short(r.Class), share(r.ShareDense), share(r.ShareNow), joules(r.DenseEnergy), joules(r.NowEnergy)})
	}
	return v
}
