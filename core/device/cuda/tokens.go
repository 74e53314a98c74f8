package cuda

import (
	"fmt"
	"math"
	"math/bits"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var tokenKernels = map[device.Kernel]build{
	device.Embed: embedding, device.EmbedD: embedD, device.Positions: positions, device.PositionsD: positionsD, device.Rope: rope,
	device.Segment: segment, device.SegmentD: segmentD, device.Token: token, device.TokenDX: tokenDX, device.Tokens: tokens,
	device.TokensDX: tokensDX, device.FirstD: firstD, device.MeanTokens: meanTokens, device.MeanTokensDX: meanTokensDX,
}

// embedding: y[rows][C] = w[id].
func embedding(b *builder, c *device.Call) error {
	ids, y, w := b.val(c.In[0]), b.val(c.Out[0]), b.weight(c.W[0])
	return b.rows("embed", y.rows, ids.ptr, w.v, y.ptr, y.C, ids.C)
}

// embedD: dw[id] = Σ dy over the tokens with that id, but for that of padding.
func embedD(b *builder, c *device.Call) error {
	pad := -1
	if c.S[0] == 1 {
		pad = int(c.S[1])
	}
	ids := b.val(c.In[0])
	return b.sumByID(c, ids.ptr, ids.C, b.val(c.In[1]), pad)
}

// positions: y = x + w[t].
func positions(b *builder, c *device.Call) error {
	x, y, w := b.val(c.In[0]), b.val(c.Out[0]), b.weight(c.W[0])
	return b.rows("positions", y.rows, x.ptr, w.v, y.ptr, y.C, b.x.p.Seq)
}

// positionsD: dw[t] = Σ dy over the samples.
func positionsD(b *builder, c *device.Call) error {
	dy, w := b.val(c.In[0]), b.weight(c.W[0])
	threads := w.N() * up(dy.C, 8)
	blocks := min(up(threads, 128), 64*b.x.dev.info.SMs)
	if err := b.kernel([]string{"positions_d"}, [3]int{blocks, 1, 1}, [3]int{128, 1, 1}, 0,
		int64(threads), dy.ptr, w.grad, b.n, b.x.p.Seq, dy.C, int(b.beta(c))); err != nil {
		return err
	}
	return b.gradient(c)
}

// rope turns pairs of channels by angles whose sines are computed here, in float64.
func rope(b *builder, c *device.Call) error {
	x, y, a, seq := b.val(c.In[0]), b.val(c.Out[0]), c.Attn, b.x.p.Seq
	table, err := b.table(fmt.Sprint("rope", a.Freq), func() []byte {
		t := make([][2]float32, 0, seq*len(a.Freq))
		for i := range seq {
			for _, f := range a.Freq {
				sin, cos := math.Sincos(float64(i) * f)
				t = append(t, [2]float32{float32(cos), float32(sin)})
			}
		}
		return bytesOf(t)
	})
	if err != nil {
		return err
	}
	return b.rows("rope", y.rows, x.ptr, y.ptr, table, seq, a.Heads, a.Dim/2, c.S[0])
}

// segment: y = x + w[s].
func segment(b *builder, c *device.Call) error {
	x, y, w := b.val(c.In[0]), b.val(c.Out[0]), b.weight(c.W[0])
	var ids cu.Ptr
	if len(c.In) > 1 {
		ids = b.val(c.In[1]).ptr
	}
	return b.rows("segment", y.rows, x.ptr, ids, w.v, y.ptr, y.C)
}

// segmentD: dw[s] = Σ dy over the tokens of segment s; all are of segment 0 without ids.
func segmentD(b *builder, c *device.Call) error {
	dy, w := b.val(c.In[0]), b.weight(c.W[0])
	if len(c.In) > 1 {
		ids := b.val(c.In[1])
		return b.sumByID(c, ids.ptr+4, ids.C, dy, -1)
	}
	if !b.adds(c) {
		if err := b.each("zero", w.count, w.grad); err != nil {
			return err
		}
	}
	if err := b.sumRows(dy.ptr, dy.rows, dy.C, dy.C, w.grad, b.adds(c)); err != nil {
		return err
	}
	return b.gradient(c)
}

// sumByID: dw[id] = Σ dy over the tokens with that id, that of token i at ids + i·stride
// floats; see kernels/embed_d.cu.
func (b *builder) sumByID(c *device.Call, ids cu.Ptr, stride int, dy value, pad int) error {
	const tile, chunk = 1024, 32
	w, n := b.weight(c.W[0]), dy.rows
	if !b.adds(c) {
		if err := b.each("zero", w.count, w.grad); err != nil {
			return err
		}
	}
	blocks, chunks := up(n, tile), up(n, chunk)
	ints := func(n int) int64 { return (4*int64(n) + 255) / 256 * 256 }
	at, err := b.scratch(4*ints(n) + ints(256*blocks) + 8*int64(chunks)*int64(dy.C))
	if err != nil {
		return err
	}
	room := func(bytes int64) cu.Ptr {
		p := at
		at += cu.Ptr(bytes)
		return p
	}
	keys, places := [2]cu.Ptr{room(ints(n)), room(ints(n))}, [2]cu.Ptr{room(ints(n)), room(ints(n))}
	counts, part := room(ints(256*blocks)), room(0)
	from, passes := ids, max(up(bits.Len(uint(w.N()-1)), 8), 1)
	for pass := range passes {
		k, p, now := keys[(pass+1)%2], places[(pass+1)%2], pass%2
		grid, block := [3]int{blocks, 1, 1}, [3]int{tile, 1, 1}
		if err := b.kernel([]string{"sort_count"}, grid, block, 0, from, stride, k, counts, n, 8*pass); err != nil {
			return err
		}
		if err := b.kernel([]string{"sort_scan"}, [3]int{1, 1, 1}, [3]int{1024, 1, 1}, 0, counts, 256*blocks); err != nil {
			return err
		}
		if err := b.kernel([]string{"sort_move"}, grid, block, 0, from, stride, k, p, counts, keys[now], places[now], n, 8*pass); err != nil {
			return err
		}
		from = 0 // later passes go on with what this one left
	}
	k, p := keys[(passes+1)%2], places[(passes+1)%2]
	grid, block := [3]int{up(chunks, 8), up(dy.C, 256), 1}, [3]int{256, 1, 1}
	if err := b.kernel([]string{"embed_chunks"}, grid, block, 0, k, p, dy.ptr, w.grad, part, n, dy.C, pad, int(b.beta(c))); err != nil {
		return err
	}
	if err := b.kernel([]string{"embed_merge"}, grid, block, 0, k, w.grad, part, n, dy.C, pad, int(b.beta(c))); err != nil {
		return err
	}
	return b.gradient(c)
}

// token: y of a sample is x of its token S[0].
func token(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.rows("token", y.rows, x.ptr, y.ptr, b.x.p.Seq, int(c.S[0]), y.C)
}

// tokenDX: dx is dy at that token, zero elsewhere.
func tokenDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	return b.rows("token_dx", dx.rows, dy.ptr, dx.ptr, b.x.p.Seq, int(c.S[0]), dx.C)
}

// tokens: the pixels of a sample as tokens, behind w if there is one.
func tokens(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	var w cu.Ptr
	if len(c.W) > 0 {
		w = b.weight(c.W[0]).v
	}
	return b.rows("tokens", y.rows, x.ptr, w, y.ptr, b.x.p.Seq, len(c.W), x.H*x.W, y.C)
}

// tokensDX: the pixels of dx are the tokens of dy from S[0] on.
func tokensDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	hw := dx.H * dx.W
	return b.rows("tokens_dx", dx.rows*hw, dy.ptr, dx.ptr, b.x.p.Seq, int(c.S[0]), hw, dx.C)
}

// firstD: dw = Σ dy over the first tokens of all sequences.
func firstD(b *builder, c *device.Call) error {
	dy, w := b.val(c.In[0]), b.weight(c.W[0])
	if err := b.sumRows(dy.ptr, b.n, dy.C, dy.C*b.x.p.Seq, w.grad, b.adds(c)); err != nil {
		return err
	}
	return b.gradient(c)
}

// meanTokens: y of a sample is the mean of x over its tokens.
func meanTokens(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.sumsOf("mean_tokens", y.rows, y.C, x.ptr, y.ptr, b.x.p.Seq, y.C)
}

// meanTokensDX: dx = dy/Seq.
func meanTokensDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	return b.rows("mean_tokens_dx", dx.rows, dy.ptr, dx.ptr, b.x.p.Seq, dx.C)
}
