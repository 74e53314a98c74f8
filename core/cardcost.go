package core

import (
	"strings"

	"pare/core/device"
	"pare/core/tensor"
	"pare/hwprofiles"
)

// precisionOn is the element type that a run on a device, as recipes name it, computes in
// on hardware of that kind: f32, tf32 or bf16 on a card; "" on a processor, which has
// float32 alone.
func precisionOn(hw hwprofiles.Profile, named string) string {
	if hw.Kind != "gpu" {
		return ""
	}
	if p, ok := strings.CutPrefix(named, "cuda:"); ok {
		return p
	}
	return "f32"
}

// CardCosts are the plan's calls as a card runs a batch in a precision, call by call; of a
// batch in parts those of each. device.CostOf counts four bytes for every value; in bf16
// activations and the weights that products read have two, sums, gradients and the
// optimiser's state have four, and an update writes the weight's copy of two as well.
// Transposes are left out: a card's products take dy as it lies.
func CardCosts(p *device.Plan, ws []device.Weight, batch int, precision string) (l []hwprofiles.Cost) {
	parts := p.Parts(batch)
	for i, n := range parts {
		for _, c := range cardCosts(p, ws, n, precision, device.Micro{Onto: i > 0, Hold: i < len(parts)-1}) {
			if c != (hwprofiles.Cost{}) {
				l = append(l, c)
			}
		}
	}
	return l
}

// cardCosts are the costs of one run, a place for each call: empty of what a card leaves out
// or does along with another call.
func cardCosts(p *device.Plan, ws []device.Weight, batch int, precision string, m device.Micro) (l []hwprofiles.Cost) {
	none := make([]device.Weight, len(ws)) // to tell what of a cost is the weights'
	for i := range none {
		none[i] = ws[i]
		none[i].Shape = tensor.Shape{0, 0} // factors have two axes
	}
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			l = append(l, cardCost(p, ws, none, c, batch, precision, m))
		}
	}
	fuseCosts(p, l, batch, precision, m)
	return l
}

func cardCost(p *device.Plan, ws, none []device.Weight, c device.Call, batch int, precision string, m device.Micro) (h hwprofiles.Cost) {
	switch c.Kernel {
	case device.Transpose:
		return h
	case device.LinearDW, device.ConvDW:
		c.In = c.In[:2]
	}
	all, vals := device.CostIn(p, ws, &c, batch, m), device.CostIn(p, none, &c, batch, m)
	h = hwprofiles.Cost{MACs: all.MACs, Skipped: all.Skipped, Read: all.Read, Written: all.Written, Elem: precision}
	if c.Pairs {
		h.Pattern = hwprofiles.TwoFour
	}
	if precision == "f32" {
		return h
	}
	switch val := func(v int) int { return p.Vals[v].C }; c.Kernel { // on tensor cores
	case device.Linear, device.LinearDX:
		h.Edge = edge(val(c.In[0]), val(c.Out[0]))
	case device.LinearDW:
		h.Edge = edge(val(c.In[0]), val(c.In[1]))
	}
	if precision != "bf16" {
		return h
	}
	h.Read -= (vals.Read - partialSums(p, c.In, batch)) / 2
	h.Written -= (vals.Written - partialSums(p, c.Out, batch)) / 2
	switch c.Kernel {
	case device.Linear, device.LinearDX, device.Conv, device.ConvDX:
		h.Read -= (all.Read - vals.Read) / 2
		h.Written -= (all.Written - vals.Written) / 2 // of 2:4 weights, packed
	}
	if (c.Update || c.Kernel == device.Update) && !m.Hold {
		h.Written += 2 * int64(ws[c.W[0]].Stored())
	}
	return h
}

// edge is hwprofiles.Cost.Edge of a product with a weight of n × k on tensor cores.
func edge(n, k int) float64 {
	side := func(n int) float64 { return 1 / float64(max(n, leastSide)) }
	return max(0, edging*(side(n)+side(k)-2./edgeless))
}

// The rates of profiles are of products of 4096 cubed. With sides of 768 and 3072 they took
// 1.46 times as long on an H100, in GPT-2's forward pass and its inputs' gradients and in
// BERT-base's step, of Llama's 4096 and 11008 as long (core/device/cuda/PERFORMANCE.md). A
// side below that of a tile is memory's.
const edging, edgeless, leastSide = 370, 4096, 64

// partialSums are the bytes of those values that are sums of tiles, in float32 everywhere.
func partialSums(p *device.Plan, vals []int, batch int) (bytes int64) {
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
