package cuda

import (
	"math"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var tokenKernels = map[device.Kernel]build{
	device.Embed: embedding, device.EmbedD: embeddingD, device.Positions: positions, device.PositionsD: positionsD, device.FirstD: positionsD,
	device.Segment: segment, device.SegmentD: segmentD, device.Rope: rope, device.Token: token, device.TokenDX: tokenDX,
	device.MeanTokens: meanTokens, device.MeanTokensDX: meanTokensDX, device.Tokens: tokens, device.TokensDX: tokensDX,
}

// embedding: y = w[id].
func embedding(b *builder, c *device.Call) error {
	ids, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("embed", y.count(), ids.ptr, ids.C, b.weight(c.W[0]).v, y.ptr, y.C)
}

// embeddingD: dw[id] = Σ dy. Which tokens have one id the run has sorted, see sortIDs.
func embeddingD(b *builder, c *device.Call) error {
	ids, dy, w := b.val(c.In[0]), b.val(c.In[1]), b.weight(c.W[0])
	if !c.Accum {
		b.do(func() error { return b.x.dev.Fill(w.grad, 0, 4*int64(w.count)) })
	}
	pad := -1
	if c.S[0] == 1 {
		pad = int(c.S[1])
	}
	wide := 32 * 16 / dy.elem.Bytes()
	if err := b.kernel([]string{"embed_d"}, [3]int{min(dy.rows, 8*b.x.dev.info.SMs), (dy.C + wide - 1) / wide, 1}, [3]int{256, 1, 1}, 0,
		ids.ptr, ids.C, dy.ptr, w.grad, b.x.order, b.x.firsts, b.step(), dy.C, pad, beta(c)); err != nil {
		return err
	}
	return b.gradient(c)
}

// positions: y = x + w[t].
func positions(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("positions", y.count(), x.ptr, b.weight(c.W[0]).v, y.ptr, y.C, b.x.p.Seq)
}

// positionsD: dw[t] = Σ dy over the sequences; of FirstD for the first token alone.
func positionsD(b *builder, c *device.Call) error {
	dy, w := b.val(c.In[0]), b.weight(c.W[0])
	if err := b.each("positions_d", w.count, dy.ptr, w.grad, dy.C, b.x.p.Seq, b.n, beta(c)); err != nil {
		return err
	}
	return b.gradient(c)
}

// segment: y = x + w[s].
func segment(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("segment", y.count(), x.ptr, b.segments(c), b.weight(c.W[0]).v, y.ptr, y.C)
}

// segments is the value that holds them, 0 for none.
func (b *builder) segments(c *device.Call) cu.Ptr {
	if len(c.In) < 2 {
		return 0
	}
	return b.val(c.In[1]).ptr
}

// segmentD: dw[s] = Σ dy over the tokens of segment s, by parts of the rows.
func segmentD(b *builder, c *device.Call) error {
	dy, w := b.val(c.In[0]), b.weight(c.W[0])
	parts := min((dy.rows+31)/32, 256)
	part, err := b.scratch(4 * int64(parts) * int64(w.count))
	if err != nil {
		return err
	}
	if err := b.kernel([]string{"segment_parts"}, [3]int{(dy.C + 127) / 128, parts, w.Shape[0]}, [3]int{128, 1, 1}, 0, dy.ptr, b.segments(c), part, dy.rows, dy.C); err != nil {
		return err
	}
	if err := b.each("segment_merge", w.count, part, w.grad, parts, beta(c)); err != nil {
		return err
	}
	return b.gradient(c)
}

// rope turns pairs of channels; the angles' cosines and sines are made here, in float64.
func rope(b *builder, c *device.Call) error {
	x, y, a := b.val(c.In[0]), b.val(c.Out[0]), c.Attn
	turn, err := b.turns(a)
	if err != nil {
		return err
	}
	return b.each("rope", x.count()/2, x.ptr, y.ptr, turn, a.Dim, b.x.p.Seq, x.C, c.S[0])
}

// turns is the table [Seq][Dim/2][2] of cosines and sines, on the card.
func (b *builder) turns(a *device.Attn) (cu.Ptr, error) {
	half := a.Dim / 2
	t := make([]float32, 0, 2*b.x.p.Seq*half)
	for s := range b.x.p.Seq {
		for k := range half {
			sin, cos := math.Sincos(float64(s) * a.Freq[k])
			t = append(t, float32(cos), float32(sin))
		}
	}
	p, err := b.x.take(4*int64(len(t)), false)
	if err != nil {
		return 0, err
	}
	return p, b.x.dev.Upload(p, bytesOf(t))
}

// token: y of a sample is token S[0] of x.
func token(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("token", y.count(), x.ptr, y.ptr, y.C, b.x.p.Seq, int(c.S[0]))
}

func tokenDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("token_dx", dx.count(), dy.ptr, dx.ptr, dx.C, b.x.p.Seq, int(c.S[0]))
}

// meanTokens: y of a sample is the mean of x over its tokens.
func meanTokens(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("mean_tokens", y.count(), x.ptr, y.ptr, y.C, b.x.p.Seq)
}

func meanTokensDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("mean_tokens_dx", dx.count(), dy.ptr, dx.ptr, dx.C, b.x.p.Seq)
}

// tokens makes the pixels of a sample tokens, behind a weight if there is one.
func tokens(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	var w cu.Ptr
	if len(c.W) > 0 {
		w = b.weight(c.W[0]).v
	}
	return b.each("tokens", y.count(), x.ptr, w, y.ptr, y.C, b.x.p.Seq, len(c.W))
}

func tokensDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("tokens_dx", dx.count(), dy.ptr, dx.ptr, dx.C, b.x.p.Seq, int(c.S[0]))
}
