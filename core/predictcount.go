package core

import (
	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
	"pare/hwprofiles"
)

// counted is what one call of a dense plan asks of a machine, and what of it goes
// with the prunable weight it works on.
type counted struct {
	cost    hwprofiles.Cost
	weights int64 // bytes of the prunable weight, its gradient and optimiser state
	values  int64 // of the prunable weight; 0 when the call has none
	at      place
	rows    float64 // products of vectors: samples, tokens or pixels of a layer's call; 0 of others
	n, k    float64 // outputs and inputs of the layer
	conv    bool
	narrow  bool // of few outputs or inputs, see device.Weight.Narrow
}

// handled is what a product of vectors with n × k weights takes beside the
// multiply-adds, in these.
func (c counted) handled() float64 {
	h := handling * (c.n + c.k)
	switch {
	case c.conv:
		h += pixel
	case c.narrow:
		h = touching * (c.n + c.k)
	}
	return c.rows * h
}

// Small layers do not shrink with their weights alone: handling is what reading an input
// or writing an output takes, pixel what a pixel of a convolution does, in multiply-adds.
// From the cuts of lenet-300-100, lenet-5 and resnet-8 by `pare bench predict` on Zen 4.
const handling, pixel = 8, 200

// Narrow products, of an adapter say, are nearly all reading and writing; what takes time
// around other layers is not around these: bias, activation, and where each thing that is made
// is brought to. From adapters and factors of gpt-nano by
// `pare bench predict --lowrank` on Zen 4.
const touching = 3

// place is where a call stands: a kernel at a node of the model, by names, which
// outlive rewrites.
type place struct{ node, kernel string }

func placeOf(p *device.Plan, c *device.Call) place {
	return place{p.Nodes[c.Node], c.Kernel.String()}
}

// work is a plan's calls.
type work []counted

// count makes the plan and counts its calls with dense weights: as a card runs them in a
// precision, as the processor does where that is "".
func count(m *graph.Model, dev device.Device, precision string, o plan.Options, pruned map[int]bool) (work, error) {
	p, err := plan.Build(m, dev, o)
	if err != nil {
		return nil, err
	}
	ws := plan.Weights(m, nil)
	for _, r := range p.Regions { // who works from dy as it is does so without the weight, too
		for i := range r.Calls {
			if c := &r.Calls[i]; (c.Kernel == device.LinearDW || c.Kernel == device.ConvDW) && !ws[c.W[0]].NeedsDYT() {
				c.In = c.In[:2]
			}
		}
	}
	// Counting once more without the prunable weights tells what they bring along.
	without := append([]device.Weight(nil), ws...)
	for i := range without {
		if pruned[i] {
			without[i].Shape = tensor.Shape{0}
		}
	}
	parts, rest := costsOn(p, ws, o.Batch, precision), costsOn(p, without, o.Batch, precision)
	var w work
	for i := range parts {
		w = append(w, countPart(p, ws, parts[i], rest[i], precision, pruned)...)
	}
	return w, nil
}

// countPart is one run of the plan from the costs of its calls, with all weights and
// without the pruned ones.
func countPart(p *device.Plan, ws []device.Weight, all, rest []hwprofiles.Cost, precision string, pruned map[int]bool) (w work) {
	i := 0
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			k, l := all[i], rest[i]
			i++
			if k == (hwprofiles.Cost{}) { // devices leave it out
				continue
			}
			n := counted{cost: hwprofiles.Cost{MACs: k.MACs, Read: k.Read, Written: k.Written, Elem: precision, Edge: k.Edge}, weights: k.Read + k.Written - l.Read - l.Written, at: placeOf(p, &c)}
			if len(c.W) > 0 && pruned[c.W[0]] {
				n.values = int64(ws[c.W[0]].Shape.Len())
			}
			switch c.Kernel {
			case device.Linear, device.LinearDX, device.LinearDW, device.Conv, device.ConvDX, device.ConvDW:
				s := ws[c.W[0]].Shape
				n.n, n.k = float64(s[0]), float64(s[1:].Len())
				n.rows, n.conv, n.narrow = float64(k.MACs)/(n.n*n.k), ws[c.W[0]].Conv, ws[c.W[0]].Narrow()
			}
			w = append(w, n)
		}
	}
	return w
}

// costsOn are the costs of every call of a batch: on a card those of each part, since each
// launches every call anew; on a processor all parts added up.
func costsOn(p *device.Plan, ws []device.Weight, batch int, precision string) (l [][]hwprofiles.Cost) {
	if precision == "" {
		var sum []hwprofiles.Cost
		for _, c := range plan.Costs(p, ws, batch) {
			sum = append(sum, hwprofiles.Cost{MACs: c.MACs, Read: c.Read, Written: c.Written})
		}
		return append(l, sum)
	}
	parts := p.Parts(batch)
	for i, n := range parts {
		l = append(l, cardCosts(p, ws, n, precision, device.Micro{Onto: i > 0, Hold: i < len(parts)-1}))
	}
	return l
}

// dense are the costs as they are.
func (w work) dense() []hwprofiles.Cost { return w.pared(0, "") }

// pared are the costs with a share of each prunable weight gone, in a pattern of
// the profiles. Activations count as dense: what whole neurons save there comes on
// top.
func (w work) pared(share float64, pattern string) []hwprofiles.Cost {
	out := make([]hwprofiles.Cost, len(w))
	for i, c := range w {
		h := c.cost
		if share > 0 && c.values > 0 {
			h.Pattern = pattern
			h.Spared = int64(share * float64(c.weights))
			if h.MACs > 0 {
				h.Skipped = int64(share * float64(h.MACs))
				h.Spared -= int64((1 - share) * float64(c.values) * placeBytes(pattern))
			}
		}
		out[i] = h
	}
	return out
}

// placeBytes says how many bytes a kept weight takes to say where it is: four a
// block in pare's formats (device.CostOf), two bits a value in 2:4.
func placeBytes(pattern string) float64 {
	switch pattern {
	case hwprofiles.Element:
		return 4
	case hwprofiles.Block4x1:
		return 1
	case hwprofiles.TwoFour:
		return 0.25
	}
	return 0
}
