package bench

import (
	"pare/core"
	"pare/core/device"
	"pare/core/tensor"
	"pare/hwprofiles"
)

// Work is what a step's calls ask of a card by the Plan, and the time that a card's
// profile gives for it, call by call: the longer of arithmetic and memory.
type Work struct {
	MACs    int64    `json:"macs"`
	Bytes   int64    `json:"bytes"`
	Seconds *float64 `json:"predicted_s"` // null where no profile is known
	Note    string   `json:"note,omitempty"`
}

// workOf counts a plan's calls for a batch in a precision and predicts their time.
func workOf(p *device.Plan, ws []device.Weight, batch int, precision string, hw *hwprofiles.Profile) Work {
	costs := core.CardCosts(p, ws, batch, precision)
	var w Work
	for _, c := range costs {
		w.MACs += c.MACs
		w.Bytes += c.Read + c.Written
	}
	if hw != nil {
		e := hw.Estimate(costs)
		w.Seconds, w.Note = e.Seconds, e.Note
	}
	return w
}

// planner plans as for a card on any device: without transposed gradients.
type planner struct{ device.Device }

func (p planner) Supports(k device.Kernel, f tensor.Format) bool {
	return k != device.Transpose && p.Device.Supports(k, f)
}
