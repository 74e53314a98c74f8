package core

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core/device"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/plan"
	"pare/hwprofiles"
)

// The ± % said with predictions that start from the baseline: what `pare bench predict`
// stays within. Few channels of a convolution take time that is not in its
// multiply-adds. Its sparse formats were priced with activations in the caches; in a
// net with a large batch the gradients of the packed weights take more, up to twice.
const (
	calibratedBand = 15
	convCutBand    = 30
	convMaskBand   = 50
)

// calibrated predicts for the machine on which the baseline ran: from the time that
// its dense model took, place by place. A place whose work stays keeps its time. A
// layer that gets a sparse format takes what the kernel chooser expects of it
// (plan.Prices). A place whose work shrinks or grows otherwise, by a cut, takes time in
// proportion to its multiply-adds, or to its bytes where it has none; and a place that
// is new, of a factor or an adapter, as its kernel does elsewhere. Time
// that is in no call, most of it workers waiting for the last one, counts with all.
type calibrated struct {
	times map[place]float64
	dense map[place]amount
}

// calibrate makes it for training steps or inferences of the dense model.
func (m measured) calibrate(dense work, step bool) calibrated {
	c := calibrated{times: map[place]float64{}, dense: amounts(dense, dense.dense())}
	total, sum := m.InferUS, 0.0
	if step {
		total = m.StepCPUUS
	}
	for _, x := range m.Calls {
		t := x.InferUS
		if step {
			t = x.StepUS
		}
		c.times[place{x.Node, x.Kernel}] += t
		sum += t
	}
	for p := range c.times { // probes say shares
		c.times[p] *= total / max(sum, 1e-9)
	}
	return c
}

// amounts are the work of calls added up by place: multiply-adds, bytes where a kernel
// has none.
func amounts(w work, costs []hwprofiles.Cost) map[place]amount {
	l := map[place]amount{}
	for i, c := range costs {
		a := l[w[i].at]
		l[w[i].at] = amount{a.macs + float64(c.MACs-c.Skipped) + w[i].handled(), a.bytes + float64(c.Read+c.Written-c.Spared)}
	}
	return l
}

type amount struct{ macs, bytes float64 }

// per is how much of b there is in a, 0 when b is nothing.
func (a amount) per(b amount) float64 {
	switch {
	case b.macs > 0:
		return a.macs / b.macs
	case b.bytes > 0:
		return a.bytes / b.bytes
	}
	return 0
}

// of is the time in µs of the model's work as it will be. scale are the shares of the
// dense time that layers with a sparse format take, by node; costs are those of now.
func (c calibrated) of(now work, costs []hwprofiles.Cost, scale map[string]float64) float64 {
	kernels, products := map[string]rate{}, rate{}
	for p, t := range c.times {
		k := kernels[p.kernel]
		k.us, k.macs, k.bytes = k.us+t, k.macs+c.dense[p].macs, k.bytes+c.dense[p].bytes
		kernels[p.kernel] = k
		if d := c.dense[p]; d.macs > 0 {
			products.us, products.macs = products.us+t, products.macs+d.macs
		}
	}
	us := 0.0
	for p, a := range amounts(now, costs) {
		t, had := c.times[p]
		d := c.dense[p]
		s, sparse := scale[p.node]
		k, known := kernels[p.kernel]
		if !known && a.macs > 0 { // of a masked layer's adapter
			k = products
		}
		if !sparse {
			s = 1
		}
		switch {
		case had && d != amount{}:
			us += t * a.per(d) * s
		case had:
			us += t * s
		default: // of a factor, which may have lost weights, too
			us += k.us * a.per(k.amount) * s
		}
	}
	return us
}

// rate is what a kernel took for an amount.
type rate struct {
	amount
	us float64
}

// measured is what a baseline took, as far as it holds for a prediction.
type measured struct{ *event.StepTimes }

// holds reports whether the times are of this very machine and model.
func (m measured) holds(model *graph.Model, dev device.Device, hw hwprofiles.Profile) bool {
	if m.StepTimes == nil || m.StepCPUUS <= 0 || dev.Name() != "cpu" || hw.Kind != "cpu" || m.Machine != hw.Name || hw.Name != hwprofiles.Local().Name {
		return false
	}
	nodes := map[string]bool{}
	for _, n := range model.Nodes {
		nodes[n.Name] = true
	}
	for _, l := range model.Layers() { // every layer was probed
		if !slices.ContainsFunc(m.Calls, func(c event.CallTime) bool { return c.Node == model.Nodes[l.Node].Name }) {
			return false
		}
	}
	return true
}

// formats is what the sparse formats of a model bring.
type formats struct {
	step, infer map[string]float64 // shares of the dense time, by node
	why         []string           // why layers with zeros get none
	band        float64            // ± % of the step
}

// formatsOf reads the kernel chooser's choices.
func formatsOf(m *graph.Model, cs []plan.Choice) formats {
	f := formats{step: map[string]float64{}, infer: map[string]float64{}, band: calibratedBand}
	for i, l := range m.Layers() {
		n := m.Nodes[l.Node]
		switch c := cs[i]; {
		case c.Cost != 1:
			f.step[n.Name], f.infer[n.Name] = c.Cost, c.Cost
			if n.Op == "conv2d" {
				f.band = convMaskBand
			} else if c.Format.Height() == 1 && m.Input().Seq == 0 { // no gain for one vector, see plan.InferPrices
				f.infer[n.Name] = 1
			}
		case m.Params[l.Param].Mask.Zeros() > 0:
			f.why = append(f.why, c.Name+": "+c.Why)
		}
	}
	return f
}

// unchanged is the share of a step that zeros leave as it is, and the kinds of work
// that are most of it.
func (m measured) unchanged(model *graph.Model, p *device.Plan) (share float64, text string) {
	class := map[place]plan.Class{}
	for _, r := range p.Regions {
		for i := range r.Calls {
			class[placeOf(p, &r.Calls[i])] = plan.ClassOf(model, &r.Calls[i])
		}
	}
	by, sum := map[plan.Class]float64{}, 0.0
	for _, c := range m.Calls {
		by[class[place{c.Node, c.Kernel}]] += c.StepUS
		sum += c.StepUS
	}
	if sum <= 0 {
		return 0, ""
	}
	var parts []plan.Class
	for c, t := range by {
		switch {
		case c == plan.ClassLinear || c == plan.ClassConv || c == "":
			continue
		case t/sum >= 0.02:
			parts = append(parts, c)
		}
		share += t / sum
	}
	slices.SortFunc(parts, func(a, b plan.Class) int { return int(math.Copysign(1, by[b]-by[a])) })
	var words []string
	for _, c := range parts {
		words = append(words, fmt.Sprintf("%s %.0f %%", c, 100*by[c]/sum))
	}
	return share, strings.Join(words, ", ")
}
