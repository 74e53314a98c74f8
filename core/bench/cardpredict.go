package bench

import (
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
	costs := cardCosts(p, ws, batch, precision)
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

// cardCosts are the Plan's costs on a card. device.CostOf counts four bytes for every
// value; in bf16 activations and the weights that products read have two, sums, gradients
// and the optimiser's state have four, and an update writes the weight's copy of two as
// well. Transposes are left out: a card's products take dy as it lies. Of a batch in parts
// the calls of each are listed.
func cardCosts(p *device.Plan, ws []device.Weight, batch int, precision string) (l []hwprofiles.Cost) {
	parts := p.Parts(batch)
	for i, n := range parts {
		l = append(l, partCosts(p, ws, n, precision, device.Micro{Onto: i > 0, Hold: i < len(parts)-1})...)
	}
	return l
}

// partCosts are the costs of one run.
func partCosts(p *device.Plan, ws []device.Weight, batch int, precision string, m device.Micro) []hwprofiles.Cost {
	none := make([]device.Weight, len(ws)) // to tell what of a cost is the weights'
	for i := range none {
		none[i] = ws[i]
		none[i].Shape = tensor.Shape{0, 0} // factors have two axes
	}
	parts := func(vals []int) (bytes int64) {
		for _, v := range vals {
			if x := p.Vals[v]; x.Kind == device.PartVal {
				tiles := p.Tiles(batch)
				if x.Sample {
					tiles = p.OfSamples().Tiles(batch)
				}
				bytes += 4 * int64(x.C) * int64(tiles)
			}
		}
		return bytes
	}
	var l []hwprofiles.Cost
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			switch c.Kernel {
			case device.Transpose:
				continue
			case device.LinearDW, device.ConvDW:
				c.In = c.In[:2]
			}
			all, vals := device.CostIn(p, ws, &c, batch, m), device.CostIn(p, none, &c, batch, m)
			h := hwprofiles.Cost{MACs: all.MACs, Skipped: all.Skipped, Read: all.Read, Written: all.Written, Elem: precision}
			if c.Pairs {
				h.Pattern = hwprofiles.TwoFour
			}
			if precision == "bf16" {
				h.Read -= (vals.Read - parts(c.In)) / 2
				h.Written -= (vals.Written - parts(c.Out)) / 2
				switch c.Kernel {
				case device.Linear, device.LinearDX, device.Conv, device.ConvDX:
					h.Read -= (all.Read - vals.Read) / 2
					h.Written -= (all.Written - vals.Written) / 2 // of 2:4 weights, packed
				}
				if (c.Update || c.Kernel == device.Update) && !m.Hold {
					h.Written += 2 * int64(ws[c.W[0]].Stored())
				}
			}
			l = append(l, h)
		}
	}
	return l
}

// planner plans as for a card on any device: without transposed gradients.
type planner struct{ device.Device }

func (p planner) Supports(k device.Kernel, f tensor.Format) bool {
	return k != device.Transpose && p.Device.Supports(k, f)
}
