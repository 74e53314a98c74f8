package ref

import (
	"fmt"

	"pare/core/device"
)

// segmentOf is the segment of the token in row i: the second channel of ids, 0
// without them.
func (e *exec) segmentOf(ids []int, i int) int {
	if len(ids) == 0 {
		return 0
	}
	return int(e.val(ids[0], i).x[1])
}

// segment: y = x + w[s].
func segment(e *exec, c *device.Call, i int) {
	x, y, w := e.val(c.In[0], i), e.val(c.Out[0], i), e.weight(c.W[0]).v
	s := e.segmentOf(c.In[1:], i)
	for j, v := range x.x {
		y.x[j] = v + w[s*x.C+j]
	}
}

// segmentD: dw[s] = Σ dy.
func segmentD(e *exec, c *device.Call) {
	w := e.weight(c.W[0])
	sum := make([]float64, len(w.v))
	for i := range e.n {
		dy, s := e.val(c.In[0], i), e.segmentOf(c.In[1:], i)
		for j, d := range dy.x {
			sum[s*dy.C+j] += float64(d)
		}
	}
	e.grad(c, w, sum)
}

// token: y of a sample is x of its token S[0].
func token(e *exec, c *device.Call) {
	for i := range e.s.Count() {
		copy(e.val(c.Out[0], i).x, e.val(c.In[0], i*e.p.Seq+int(c.S[0])).x)
	}
}

// tokenDX: dx is dy at that token.
func tokenDX(e *exec, c *device.Call) {
	for i := range e.n {
		dx := e.val(c.Out[0], i)
		clear(dx.x)
		if i%e.p.Seq == int(c.S[0]) {
			copy(dx.x, e.val(c.In[0], i/e.p.Seq).x)
		}
	}
}

// meanTokens: y of a sample is the mean of x over its tokens.
func meanTokens(e *exec, c *device.Call) {
	for i := range e.s.Count() {
		y := e.val(c.Out[0], i)
		sum := make([]float64, y.C)
		for t := range e.p.Seq {
			for j, v := range e.val(c.In[0], i*e.p.Seq+t).x {
				sum[j] += float64(v) / float64(e.p.Seq)
			}
		}
		round(y.x, sum)
	}
}

// meanTokensDX: dx = dy/Seq.
func meanTokensDX(e *exec, c *device.Call) {
	for i := range e.n {
		dx := e.val(c.Out[0], i)
		for j, d := range e.val(c.In[0], i/e.p.Seq).x {
			dx.x[j] = float32(float64(d) / float64(e.p.Seq))
		}
	}
}

// tokens: pixels of a sample, [H][W][C], as tokens, behind w if there is one.
func tokens(e *exec, c *device.Call) {
	for i := range e.n {
		y, t := e.val(c.Out[0], i), i%e.p.Seq-len(c.W)
		if t < 0 {
			copy(y.x, e.weight(c.W[0]).v)
			continue
		}
		copy(y.x, e.val(c.In[0], i/e.p.Seq).x[t*y.C:])
	}
}

// tokensDX: the pixels of dx are tokens of dy from S[0] on.
func tokensDX(e *exec, c *device.Call) {
	for i := range e.n {
		dy, t := e.val(c.In[0], i), i%e.p.Seq-int(c.S[0])
		if t >= 0 {
			copy(e.val(c.Out[0], i/e.p.Seq).x[t*dy.C:], dy.x)
		}
	}
}

// firstD: dw = Σ dy over the first tokens.
func firstD(e *exec, c *device.Call) {
	w := e.weight(c.W[0])
	sum := make([]float64, len(w.v))
	for i := 0; i < e.n; i += e.p.Seq {
		for j, d := range e.val(c.In[0], i).x {
			sum[j] += float64(d)
		}
	}
	e.grad(c, w, sum)
}

// placeShape tests the shapes of the kernels of this file.
func placeShape(p *device.Plan, ws []device.Weight, c *device.Call) error {
	val := func(l []int) device.Val { return p.Vals[l[0]] }
	between := func(tokens, samples device.Val) error {
		if tokens.Sample || !samples.Sample || tokens.C != samples.C {
			return fmt.Errorf("value %s of %d channels and %s of %d: need the same of tokens and of samples", tokens.Name, tokens.C, samples.Name, samples.C)
		}
		return vector(tokens)
	}
	pixels := func(tokens, samples device.Val, front float32) error {
		if n := samples.H * samples.W; front != 0 && front != 1 || n+int(front) != p.Seq {
			return fmt.Errorf("%d pixels behind %g tokens are not %d tokens", n, front, p.Seq)
		}
		return between(tokens, samples)
	}
	switch c.Kernel {
	case device.Token, device.TokenDX, device.MeanTokens, device.MeanTokensDX:
		at, x, y := c.S[0], val(c.In), val(c.Out)
		if c.Kernel == device.TokenDX || c.Kernel == device.MeanTokensDX {
			x, y = y, x
		}
		if !(at >= 0 && at < float32(p.Seq)) || at != float32(int(at)) {
			return fmt.Errorf("token %g of %d", at, p.Seq)
		}
		return first(between(x, y), vector(y))
	case device.Tokens:
		return first(pixels(val(c.Out), val(c.In), float32(len(c.W))), vectors(ws, c.W, val(c.In).C))
	case device.TokensDX:
		return pixels(val(c.In), val(c.Out), c.S[0])
	case device.FirstD:
		if p.Seq < 1 || val(c.In).Sample {
			return fmt.Errorf("needs a sequence")
		}
		return first(vector(val(c.In)), vectors(ws, c.W, val(c.In).C))
	}
	x, w, ids := val(c.In), ws[c.W[0]], c.In[1:]
	if p.Seq < 1 || x.Sample || len(w.Shape) != 2 || w.Shape[1] != x.C || w.Shape[0] > 1<<24 {
		return fmt.Errorf("weight %s is %v for sequences of %d channels", w.Name, w.Shape, x.C)
	}
	if len(ids) > 0 && (ids[0] != p.Input || p.Vals[ids[0]].C != 2) {
		return fmt.Errorf("takes segments from value %s: only the plan's input holds them", p.Vals[ids[0]].Name)
	}
	for _, v := range c.Out {
		if err := same(x, p.Vals[v]); err != nil {
			return err
		}
	}
	return vector(x)
}

// oneKind tests that a call works on values of tokens or on values of samples, and
// stands in a region of that kind. Some kernels lead from one to the other.
func oneKind(p *device.Plan, r *device.Region, c *device.Call) error {
	switch c.Kernel {
	case device.Token, device.TokenDX, device.MeanTokens, device.MeanTokensDX, device.Tokens, device.TokensDX:
		return nil
	}
	all := append(append([]int{}, c.In...), c.Out...)
	for _, v := range all {
		if p.Vals[v].Sample != p.Vals[all[0]].Sample {
			return fmt.Errorf("value %s is of samples or %s is: need both of one kind", p.Vals[all[0]].Name, p.Vals[v].Name)
		}
	}
	if r.Scope == device.Tile && len(all) > 0 && p.Vals[all[0]].Sample != r.Sample {
		return fmt.Errorf("value %s is not of the region's kind of tiles", p.Vals[all[0]].Name)
	}
	return nil
}
