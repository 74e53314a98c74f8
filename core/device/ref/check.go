package ref

import (
	"errors"
	"fmt"
	"strings"

	"pare/core/device"
	"pare/core/tensor"
)

// What a call of each kernel carries, one letter for each value and weight.
// Values: a activation, t transposed activation, p part. Weights: m matrix of a
// linear layer, c of a convolution, v vector. Capitals may be absent, + stands for any
// number more.
var args = map[device.Kernel]struct{ in, out, w string }{
	device.Load:         {"", "a", ""},
	device.Linear:       {"a", "a", "mV"},
	device.Conv:         {"a", "a", "cV"},
	device.MaxPool:      {"a", "a", ""},
	device.AvgPool:      {"a", "a", ""},
	device.ActFn:        {"a", "a", ""},
	device.Add:          {"aa", "a", ""},
	device.Flatten:      {"a", "a", ""},
	device.Dropout:      {"a", "a", ""},
	device.Softmax:      {"a", "a", ""},
	device.NormStats:    {"a", "p", ""},
	device.NormApply:    {"a", "a", "vv"},
	device.NormInfer:    {"a", "a", "vvvv"},
	device.CrossEntropy: {"aA", "Ap", ""},
	device.LinearDX:     {"a", "a", "m"},
	device.ConvDX:       {"a", "a", "c"},
	device.Transpose:    {"a", "t", ""},
	device.MaxPoolDX:    {"aa", "a", ""},
	device.AvgPoolDX:    {"a", "a", ""},
	device.ActDX:        {"aa", "a", ""},
	device.FlattenDX:    {"a", "a", ""},
	device.DropoutDX:    {"a", "a", ""},
	device.Accum:        {"a", "a", ""},
	device.Copy:         {"a", "a", ""},
	device.NormDStats:   {"aa", "p", ""},
	device.NormDX:       {"aa", "a", "v"},
	device.LinearDW:     {"aaT", "", "m"},
	device.ConvDW:       {"aaT", "", "c"},
	device.BiasD:        {"a", "", "v"},
	device.NormMerge:    {"p", "", "vv"},
	device.NormDMerge:   {"p", "", "vv"},
	device.Update:       {"", "", "*"},
	device.LossMerge:    {"p", "", ""},
	device.Mul:          {"aa", "a", ""},
	device.LayerNorm:    {"a", "aA", "vV"},
	device.RMSNorm:      {"a", "aA", "v"},
	device.Embed:        {"a", "a", "m"},
	device.Positions:    {"a", "a", "m"},
	device.Rope:         {"a", "a", ""},
	device.LayerNormDX:  {"aaa", "ap", "v"},
	device.RMSNormDX:    {"aaa", "ap", "v"},
	device.Attention:    {"aAAA", "aA", ""},
	device.AttentionDX:  {"aAAaaaA", "aAA", ""},
	device.EmbedD:       {"aa", "", "m"},
	device.PositionsD:   {"a", "", "m"},
	device.PartD:        {"p", "", "v"},
	device.Scale:        {"a", "a", ""},
	device.Adapt:        {"", "", "mmm"},
	device.AdaptA:       {"", "", "mmm"},
	device.AdaptB:       {"", "", "mmm"},
	device.Gate:         {"aa", "a", ""},
	device.GateD:        {"aa", "a", ""},
	device.Concat:       {"a+", "a", ""},
	device.Slice:        {"a", "a", ""},
	device.SliceDX:      {"a", "a", ""},
	device.Segment:      {"aA", "a", "m"},
	device.SegmentD:     {"aA", "", "m"},
	device.MeanTokens:   {"a", "a", ""},
	device.MeanTokensDX: {"a", "a", ""},
	device.Token:        {"a", "a", ""},
	device.TokenDX:      {"a", "a", ""},
	device.Tokens:       {"a", "a", "V"},
	device.TokensDX:     {"a", "a", ""},
	device.FirstD:       {"a", "", "v"},
}

// Verify tests all that kernels rely on, so that they need no tests of their
// own: whatever passes runs without a panic. dev is the device that the plan is for: it
// must be one that keeps the shapes of ref.
func Verify(p *device.Plan, ws []device.Weight, slots int, dev device.Device) error {
	if p == nil {
		return errors.New("no plan")
	}
	t, panel := dev.Tile(), dev.Panel()
	switch {
	case p.T != t || p.P != panel:
		return fmt.Errorf("plan laid out for tiles of %d and panels of %d, not %d and %d: build it for this device", p.T, p.P, t, panel)
	case p.Batch < 1 || p.Seq < 0 || p.Slab < 0 || p.Seq > 1<<30/p.Batch || p.Slab > 1<<40/p.Rows(p.Batch), p.Samples < 0, p.Samples > 1<<40/p.Batch:
		return fmt.Errorf("plan with a batch of %d samples and %d values for each", p.Batch, p.Slab)
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
		if v.Off < 0 || v.Off+v.Size(t, panel) > slab || v.Sample && p.Seq == 0 {
			return fmt.Errorf("value %s at %d is outside the slab of %d", v.Name, v.Off, slab)
		}
	}
	stats := map[int]int{} // statistic → pixels of its NormStats
	for _, r := range p.Regions {
		for i := range r.Calls {
			c := &r.Calls[i]
			if c.Node < 0 || c.Node >= len(p.Nodes) {
				return fmt.Errorf("%v: no node %d", c.Kernel, c.Node)
			}
			err := checkArgs(p, ws, c)
			if err == nil && c.Kernel.Scope() != r.Scope {
				err = fmt.Errorf("stands in a region of another scope")
			}
			if err == nil {
				err = oneKind(p, &r, c)
			}
			if err == nil {
				err = checkShapes(p, ws, c)
			}
			if err == nil {
				err = checkStat(p, c, stats)
			}
			if err == nil && (c.Update || c.Kernel == device.Update) && slots < p.Optim.Slots() {
				err = fmt.Errorf("the optimiser needs %d slots of state, the bank has %d", p.Optim.Slots(), slots)
			}
			if err != nil {
				return fmt.Errorf("layer %s, kernel %v: %w", p.Nodes[c.Node], c.Kernel, err)
			}
		}
	}
	return nil
}

// checkArgs tests the number and kinds of what a call carries.
func checkArgs(p *device.Plan, ws []device.Weight, c *device.Call) error {
	want, ok := args[c.Kernel]
	if !ok {
		return fmt.Errorf("not known to this device")
	}
	if !fits(c.In, want.in, len(p.Vals), func(l rune, i int) bool { return isKind(p.Vals[i], l) }) {
		return fmt.Errorf("reads values %v, want kinds %q", c.In, want.in)
	}
	if !fits(c.Out, want.out, len(p.Vals), func(l rune, i int) bool { return isKind(p.Vals[i], l) }) {
		return fmt.Errorf("writes values %v, want kinds %q", c.Out, want.out)
	}
	if !fits(c.W, want.w, len(ws), func(l rune, i int) bool { return isWeight(ws[i], l) }) {
		return fmt.Errorf("takes weights %v, want kinds %q", c.W, want.w)
	}
	for _, o := range c.Out {
		for _, i := range c.In {
			a, b := p.Vals[i], p.Vals[o]
			if a.Sample == b.Sample && a.Off < b.Off+b.Size(p.T, p.P) && b.Off < a.Off+a.Size(p.T, p.P) {
				return fmt.Errorf("value %s is written over %s, which it is made from", b.Name, a.Name)
			}
		}
	}
	switch c.Kernel {
	case device.LinearDW, device.ConvDW, device.BiasD, device.Update, device.EmbedD, device.PositionsD, device.PartD,
		device.SegmentD, device.FirstD, device.AdaptA, device.AdaptB:
		if !ws[c.W[0]].Train && !(ws[c.W[0]].Adapted && c.Kernel == device.LinearDW && !c.Update) {
			return fmt.Errorf("weight %s does not train", ws[c.W[0]].Name)
		}
	}
	if c.Act > device.Affine {
		return fmt.Errorf("activation %d is not known to this device", c.Act)
	}
	return nil
}

// fits matches indices against letters; a capital may be left out.
func fits(idx []int, letters string, limit int, is func(l rune, i int) bool) bool {
	if more, ok := strings.CutSuffix(letters, "+"); ok && len(more) > 0 {
		letters = more + strings.Repeat(more[len(more)-1:], max(0, len(idx)-len(more)))
	}
	n, optional := 0, 0
	for _, l := range letters {
		if l >= 'A' && l <= 'Z' {
			optional++
		}
	}
	missing := len(letters) - len(idx)
	if missing < 0 || missing > optional {
		return false
	}
	for _, l := range letters {
		capital := l >= 'A' && l <= 'Z'
		if capital && missing > 0 {
			missing--
			continue
		}
		if capital {
			l += 'a' - 'A'
		}
		if idx[n] < 0 || idx[n] >= limit || !is(l, idx[n]) {
			return false
		}
		n++
	}
	return true
}

func isKind(v device.Val, l rune) bool {
	switch l {
	case 'a':
		return v.Kind == device.ActVal
	case 't':
		return v.Kind == device.ActTVal
	}
	return v.Kind == device.PartVal
}

func isWeight(w device.Weight, l rune) bool {
	switch l {
	case 'm':
		return w.Matrix && !w.Conv
	case 'c':
		return w.Matrix && w.Conv
	case 'v':
		return !w.Matrix
	}
	return true
}

// checkStat tests the batch statistic of the Norm kernels: it exists, has the
// value's channels, and NormStats of one shape fills it before others use it.
func checkStat(p *device.Plan, c *device.Call, seen map[int]int) error {
	var channels int
	switch c.Kernel {
	case device.NormStats, device.NormApply, device.NormDStats, device.NormDX:
		channels = p.Vals[c.In[0]].C
	case device.NormMerge, device.NormDMerge:
		channels = p.Vals[c.In[0]].C / 2
	default:
		return nil
	}
	if c.Stat < 0 || c.Stat >= len(p.Stats) || p.Stats[c.Stat] != channels {
		return fmt.Errorf("no statistic %d of %d channels", c.Stat, channels)
	}
	x := p.Vals[c.In[0]]
	pixels, ok := seen[c.Stat]
	switch {
	case c.Kernel == device.NormStats && ok:
		return fmt.Errorf("statistic %d is filled twice", c.Stat)
	case c.Kernel == device.NormStats:
		seen[c.Stat] = x.H * x.W
	case !ok:
		return fmt.Errorf("statistic %d is used before it is filled", c.Stat)
	case x.Kind == device.ActVal && pixels != x.H*x.W:
		return fmt.Errorf("statistic %d was taken over %d pixels, the value has %d", c.Stat, pixels, x.H*x.W)
	}
	return nil
}
