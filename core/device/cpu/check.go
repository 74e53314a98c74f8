package cpu

import (
	"errors"
	"fmt"
	"slices"

	"pare/core/device"
	"pare/core/tensor"
)

// verify tests all that kernels rely on, so that they need no tests of their
// own: that everything a call names exists, lies inside the slab and fits
// together, and that the kernel knows the formats of its weights.
func verify(p *device.Plan, b *bank) error {
	switch {
	case p == nil:
		return errors.New("no plan")
	case p.T != T || p.P != P:
		return fmt.Errorf("plan laid out for tiles of %d and panels of %d, not %d and %d: build it for this device", p.T, p.P, T, P)
	case p.Batch < 1 || p.Seq < 0 || p.Slab < 0 || p.Seq > 1<<30/p.Batch || p.Slab > 1<<40/max(p.Tiles(p.Batch), 1), p.Samples < 0, p.Samples > 1<<40/p.Batch:
		return fmt.Errorf("plan with a batch of %d samples and %d values for each tile", p.Batch, p.Slab)
	case p.Input < 0 || p.Input >= len(p.Vals) || p.Output >= len(p.Vals) || p.InGrad >= len(p.Vals):
		return fmt.Errorf("plan names input %d, output %d and input gradient %d of %d values", p.Input, p.Output, p.InGrad, len(p.Vals))
	}
	for _, v := range p.Vals {
		if err := (tensor.Shape{v.C, v.H, v.W}).Check(); err != nil {
			return fmt.Errorf("value %s: %w", v.Name, err)
		}
		slab := p.Slab
		if v.Sample {
			slab = p.Samples
		}
		if v.Off < 0 || v.Off+v.Size(T, P) > slab || v.Sample && p.Seq == 0 {
			return fmt.Errorf("value %s at %d is outside the slab of %d", v.Name, v.Off, slab)
		}
	}
	rule := false
	for _, r := range p.Regions {
		for i := range r.Calls {
			c := &r.Calls[i]
			if c.Node < 0 || c.Node >= len(p.Nodes) {
				return fmt.Errorf("%v: no node %d", c.Kernel, c.Node)
			}
			if err := errors.Join(verifyCall(p, b, r.Scope, c), verifyKind(p, &r, c)); err != nil {
				return fmt.Errorf("layer %s, kernel %v: %w", p.Nodes[c.Node], c.Kernel, err)
			}
			rule = rule || c.Update || c.Kernel == device.Update
		}
	}
	if rule && b.slots < p.Optim.Slots() {
		return fmt.Errorf("the optimiser needs %d slots of state, the bank has %d", p.Optim.Slots(), b.slots)
	}
	if rule && p.Optim.Kind != device.SGD && !(p.Optim.Eps > 0) {
		return fmt.Errorf("the optimiser has eps = %g, need a positive value", p.Optim.Eps)
	}
	return nil
}

func verifyCall(p *device.Plan, b *bank, s device.Scope, c *device.Call) error {
	if c.Kernel.Scope() != s {
		return errors.New("stands in a region of another scope")
	}
	for _, v := range slices.Concat(c.In, c.Out) {
		if v < 0 || v >= len(p.Vals) {
			return fmt.Errorf("no value %d", v)
		}
	}
	for _, w := range c.W {
		if w < 0 || w >= len(b.ws) {
			return fmt.Errorf("no weight %d", w)
		}
		if f := b.ws[w].Format; !(Device{}).Supports(c.Kernel, f) {
			return fmt.Errorf("not known to this device for weight %s in format %v", b.ws[w].Name, f)
		}
	}
	if !(Device{}).Supports(c.Kernel, tensor.Dense) {
		return errors.New("not known to this device")
	}
	want, ok := arguments[c.Kernel]
	if !ok || len(c.In) < want.in || len(c.Out) < want.out || len(c.W) < want.w {
		return fmt.Errorf("has %d inputs, %d outputs and %d weights, need %d, %d and %d", len(c.In), len(c.Out), len(c.W), want.in, want.out, want.w)
	}
	for i, v := range slices.Concat(c.In, c.Out) {
		if k := p.Vals[v].Kind; k != kindOf(c, i) {
			return fmt.Errorf("value %s is of kind %d, need %d", p.Vals[v].Name, k, kindOf(c, i))
		}
	}
	if c.Accum {
		adds := slices.Contains([]device.Kernel{device.LinearDW, device.EmbedD, device.PositionsD, device.SegmentD}, c.Kernel)
		if !adds || b.ws[c.W[0]].lay != panels {
			return errors.New("cannot add to the gradient of another layer")
		}
	}
	switch c.Kernel {
	case device.LinearDW, device.ConvDW:
		if b.ws[c.W[0]].lay == panels && len(c.In) < 3 {
			return errors.New("needs the transposed gradient")
		}
		fallthrough
	case device.BiasD, device.Update, device.EmbedD, device.PositionsD, device.PartD, device.SegmentD, device.FirstD,
		device.AdaptA, device.AdaptB:
		if w := &b.ws[c.W[0]]; !w.Train && !(w.Adapted && c.Kernel == device.LinearDW && !c.Update) {
			return fmt.Errorf("weight %s does not train", b.ws[c.W[0]].Name)
		}
	}
	return verifyShape(p, b, c)
}

// arguments is the least number of values and weights of each kernel.
var arguments = map[device.Kernel]struct{ in, out, w int }{
	device.Load: {0, 1, 0}, device.Linear: {1, 1, 1}, device.Conv: {1, 1, 1}, device.MaxPool: {1, 1, 0},
	device.AvgPool: {1, 1, 0}, device.ActFn: {1, 1, 0}, device.Add: {2, 1, 0}, device.Flatten: {1, 1, 0},
	device.Dropout: {1, 1, 0}, device.Softmax: {1, 1, 0}, device.NormStats: {1, 1, 0}, device.NormApply: {1, 1, 2},
	device.NormInfer: {1, 1, 4}, device.CrossEntropy: {1, 1, 0}, device.LinearDX: {1, 1, 1}, device.ConvDX: {1, 1, 1},
	device.Transpose: {1, 1, 0}, device.MaxPoolDX: {2, 1, 0}, device.AvgPoolDX: {1, 1, 0}, device.ActDX: {2, 1, 0},
	device.FlattenDX: {1, 1, 0}, device.DropoutDX: {1, 1, 0}, device.Accum: {1, 1, 0}, device.Copy: {1, 1, 0},
	device.NormDStats: {2, 1, 0}, device.NormDX: {2, 1, 1}, device.LinearDW: {2, 0, 1}, device.ConvDW: {2, 0, 1},
	device.BiasD: {1, 0, 1}, device.NormMerge: {1, 0, 2}, device.NormDMerge: {1, 0, 2}, device.Update: {0, 0, 1},
	device.LossMerge: {1, 0, 0}, device.Mul: {2, 1, 0}, device.LayerNorm: {1, 1, 1}, device.RMSNorm: {1, 1, 1},
	device.Embed: {1, 1, 1}, device.Positions: {1, 1, 1}, device.Rope: {1, 1, 0}, device.LayerNormDX: {3, 2, 1},
	device.RMSNormDX: {3, 2, 1}, device.Attention: {1, 1, 0}, device.AttentionDX: {4, 1, 0}, device.EmbedD: {2, 0, 1},
	device.PositionsD: {1, 0, 1}, device.PartD: {1, 0, 1}, device.Scale: {1, 1, 0},
	device.Adapt: {0, 0, 3}, device.AdaptA: {0, 0, 3}, device.AdaptB: {0, 0, 3},
	device.Gate: {2, 1, 0}, device.GateD: {2, 1, 0}, device.Concat: {1, 1, 0}, device.Slice: {1, 1, 0}, device.SliceDX: {1, 1, 0},
	device.Segment: {1, 1, 1}, device.SegmentD: {1, 0, 1},
	device.Token: {1, 1, 0}, device.MeanTokens: {1, 1, 0}, device.MeanTokensDX: {1, 1, 0}, device.TokenDX: {1, 1, 0}, device.Tokens: {1, 1, 0}, device.TokensDX: {1, 1, 0}, device.FirstD: {1, 0, 1},
}

// kindOf is the kind that value i of a call's inputs and outputs must have.
func kindOf(c *device.Call, i int) device.ValKind {
	switch c.Kernel {
	case device.LinearDW, device.ConvDW:
		if i == 2 {
			return device.ActTVal
		}
	case device.Transpose:
		return [2]device.ValKind{device.ActVal, device.ActTVal}[min(i, 1)]
	case device.NormStats, device.NormDStats, device.CrossEntropy:
		if i == len(c.In)+len(c.Out)-1 {
			return device.PartVal
		}
	case device.NormMerge, device.NormDMerge, device.LossMerge, device.PartD:
		return device.PartVal
	case device.LayerNormDX, device.RMSNormDX:
		if i == 4 {
			return device.PartVal
		}
	}
	return device.ActVal
}

// verifyShape tests that sizes fit together: kernels rely on it.
func verifyShape(p *device.Plan, b *bank, c *device.Call) error {
	val := func(l []int, i int) device.Val { return p.Vals[l[i]] }
	switch c.Kernel {
	case device.NormStats, device.NormApply, device.NormDStats, device.NormDX:
		if c.Stat < 0 || c.Stat >= len(p.Stats) || p.Stats[c.Stat] != val(c.In, 0).C {
			return fmt.Errorf("no statistic %d of %d channels", c.Stat, val(c.In, 0).C)
		}
	case device.NormMerge, device.NormDMerge:
		if c.Stat < 0 || c.Stat >= len(p.Stats) || 2*p.Stats[c.Stat] != val(c.In, 0).C {
			return fmt.Errorf("no statistic %d of %d values", c.Stat, val(c.In, 0).C)
		}
	}
	var x, y device.Val
	switch c.Kernel {
	case device.Linear, device.Conv:
		x, y = val(c.In, 0), val(c.Out, 0)
	case device.LinearDX, device.ConvDX:
		x, y = val(c.Out, 0), val(c.In, 0)
	case device.LinearDW, device.ConvDW:
		x, y = val(c.In, 0), val(c.In, 1)
	case device.MaxPool, device.AvgPool, device.MaxPoolDX:
		return verifyWindow(c.Win, val(c.In, 0), val(slices.Concat(c.In[1:], c.Out), 0))
	case device.AvgPoolDX:
		return verifyWindow(c.Win, val(c.Out, 0), val(c.In, 0))
	case device.BiasD:
		return verifyVectors(b, c.W, val(c.In, 0).C)
	case device.NormMerge, device.NormDMerge:
		return verifyVectors(b, c.W, val(c.In, 0).C/2)
	case device.NormStats:
		return verifyPart(val(c.Out, 0), 2*val(c.In, 0).C)
	case device.NormDStats:
		return errors.Join(verifySame(val(c.In, 0), val(c.In, 1)), verifyPart(val(c.Out, 0), 2*val(c.In, 0).C))
	case device.CrossEntropy:
		// dlogits, where there is one, has the shape of the logits.
		return errors.Join(verifySame(val(c.In, 0), val(append(c.In[:1:1], c.Out...), len(c.Out)-1)), verifyPart(val(c.Out, len(c.Out)-1), 2))
	case device.LossMerge:
		return verifyPart(val(c.In, 0), 2)
	case device.Flatten, device.FlattenDX:
		if a, b := val(c.In, 0), val(c.Out, 0); a.Size(T, P) != b.Size(T, P) {
			return fmt.Errorf("value %s has %d elements, %s has %d", a.Name, a.C*a.H*a.W, b.Name, b.C*b.H*b.W)
		}
		return nil
	case device.Load:
		if c.S[0] == 0 {
			return verifySame(val(c.Out, 0), p.Vals[p.Input])
		}
		return nil
	case device.Update:
		return nil
	case device.Adapt, device.AdaptA, device.AdaptB:
		return verifyAdapter(b, c)
	case device.LayerNorm, device.RMSNorm, device.LayerNormDX, device.RMSNormDX, device.PartD, device.Embed, device.EmbedD,
		device.Positions, device.PositionsD, device.Rope, device.Attention, device.AttentionDX:
		return verifyTokens(p, b, c)
	case device.Gate, device.GateD, device.Concat, device.Slice, device.SliceDX:
		return verifyChannelKernels(p, c)
	case device.Segment, device.SegmentD, device.Token, device.TokenDX, device.MeanTokens, device.MeanTokensDX, device.Tokens, device.TokensDX, device.FirstD:
		return verifyPlaces(p, b, c)
	default:
		first := val(slices.Concat(c.In, c.Out), 0)
		for _, v := range slices.Concat(c.In, c.Out) {
			if err := verifySame(first, p.Vals[v]); err != nil {
				return err
			}
		}
		return verifyVectors(b, c.W, first.C)
	}
	w := b.ws[c.W[0]]
	groups := 1
	if w.Conv {
		if err := verifyWindow(c.Win, x, y); err != nil {
			return err
		}
		if groups = w.Groups; c.Win.Groups != groups || c.Win.KH != w.Shape[2] || c.Win.KW != w.Shape[3] {
			return fmt.Errorf("weight %s is %v in %d groups, for window %+v", w.Name, w.Shape, groups, *c.Win)
		}
	}
	if !w.Matrix || w.Shape[0] != y.C || w.Shape[1]*groups != x.C {
		return fmt.Errorf("weight %s is %v between %d and %d channels", w.Name, w.Shape, x.C, y.C)
	}
	return verifyVectors(b, c.W[1:], y.C)
}

func verifySame(a, b device.Val) error {
	if a.C != b.C || a.H != b.H || a.W != b.W {
		return fmt.Errorf("value %s is %d×%d×%d, %s is %d×%d×%d: need equal shapes", a.Name, a.C, a.H, a.W, b.Name, b.C, b.H, b.W)
	}
	return nil
}

func verifyPart(v device.Val, n int) error {
	if v.C != n || v.H != 1 || v.W != 1 {
		return fmt.Errorf("part %s is %d×%d×%d, need %d values", v.Name, v.C, v.H, v.W, n)
	}
	return nil
}

func verifyWindow(g *device.Window, x, y device.Val) error {
	switch {
	case g == nil:
		return errors.New("has no window")
	case g.KH < 1 || g.KW < 1 || g.SH < 1 || g.SW < 1 || min(g.PT, g.PL, g.PB, g.PR) < 0 || max(g.PT, g.PB) >= g.KH || max(g.PL, g.PR) >= g.KW:
		return fmt.Errorf("window %+v: sizes and strides must be at least 1, padding at least 0 and smaller than the window", *g)
	}
	if oh, ow := g.Out(x.H, x.W); oh != y.H || ow != y.W || x.H+g.PT+g.PB < g.KH || x.W+g.PL+g.PR < g.KW {
		return fmt.Errorf("window %+v does not make %d×%d pixels of %d×%d", *g, y.H, y.W, x.H, x.W)
	}
	return nil
}

func verifyVectors(b *bank, ws []int, n int) error {
	for _, w := range ws {
		if !b.ws[w].Shape.Equal(tensor.Shape{n}) {
			return fmt.Errorf("weight %s is %v, need %d values", b.ws[w].Name, b.ws[w].Shape, n)
		}
	}
	return nil
}

// check tests a step against the plan.
func (e *exec) check(s *device.Step) error {
	size := func(v int) int { x := e.p.Vals[v]; return x.C * x.H * x.W }
	rows := func(v int) int { return s.Count() * e.p.Per(v) }
	if err := e.p.Check(s, size(e.p.Input)*e.p.Per(e.p.Input)); err != nil {
		return err
	}
	n := rows(e.p.Output)
	if e.p.Output >= 0 && s.Out != nil && len(s.Out) < n*size(e.p.Output) {
		return fmt.Errorf("Out has %d values, %d rows need %d", len(s.Out), n, n*size(e.p.Output))
	}
	if s.InGrad != nil && (e.p.InGrad < 0 || len(s.InGrad) < rows(e.p.InGrad)*size(e.p.InGrad)) {
		return fmt.Errorf("InGrad is asked for: the plan must be built with it, and there must be room for %d rows", n)
	}
	if e.loss == 0 && (s.Pred != nil || s.Losses != nil) || e.p.Output < 0 && s.Out != nil {
		return errors.New("a result is asked for that this plan does not make")
	}
	if s.Pred != nil && len(s.Pred) < n || s.Losses != nil && len(s.Losses) < n {
		return fmt.Errorf("Pred and Losses need room for %d rows", n)
	}
	for _, r := range e.p.Regions {
		for i := range r.Calls {
			c := &r.Calls[i]
			switch {
			case c.Kernel == device.Load && c.S[0] == 1 && len(s.OutGrad) < rows(c.Out[0])*size(c.Out[0]):
				return fmt.Errorf("OutGrad has %d values, %d rows need %d", len(s.OutGrad), rows(c.Out[0]), rows(c.Out[0])*size(c.Out[0]))
			case c.Kernel == device.NormStats && s.Count()*e.p.Vals[c.In[0]].H*e.p.Vals[c.In[0]].W < 2:
				return fmt.Errorf("layer %s: batch norm needs more than one value per channel to train, this batch has one sample of one pixel; use larger batches", e.p.Nodes[c.Node])
			}
		}
	}
	if e.rule && e.p.Optim.Kind != device.SGD && s.Index < 1 {
		return fmt.Errorf("step index %d: the first training step is 1", s.Index)
	}
	for _, t := range e.tables {
		if err := e.p.CheckIDs(s, t.channel, e.b.ws[t.w].n); err != nil {
			return fmt.Errorf("weight %s: %w", e.b.ws[t.w].Name, err)
		}
	}
	if e.loss == 0 {
		return nil
	}
	_, err := e.p.Labelled(s, e.loss)
	return err
}
