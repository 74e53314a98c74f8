package cuda

import (
	"fmt"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var attentionKernels = map[device.Kernel]build{
	device.Attention: attention, device.AttentionDX: attentionDX,
}

// qkv are the queries, keys and values of a call (or their gradients), in three values
// or side by side in one: where the first head begins, and the elements of a row.
type qkv struct {
	q, k, v     cu.Ptr
	qRow, kvRow int
}

// qkv finds them in vals, three values or one.
func (b *builder) qkv(a *device.Attn, vals []int) qkv {
	q := b.val(vals[0])
	if len(vals) == 3 {
		return qkv{q.ptr, b.val(vals[1]).ptr, b.val(vals[2]).ptr, q.C, a.KVHeads * a.Dim}
	}
	head := cu.Ptr(a.Dim * q.elem.Bytes())
	k := q.ptr + cu.Ptr(a.Heads)*head
	return qkv{q.ptr, k, k + cu.Ptr(a.KVHeads)*head, q.C, q.C}
}

// attending is what the kernels of a call of attention share.
type attending struct {
	*device.Attn
	qkv
	rest   []int  // inputs behind queries, keys and values, without ids
	ids    cu.Ptr // 0 without padding
	idsRow int
	rows   int
	seq    int
}

func (b *builder) attending(c *device.Call) attending {
	t := attending{Attn: c.Attn, seq: b.x.p.Seq}
	in := c.In
	if c.Attn.Pads {
		ids := b.val(in[len(in)-1])
		t.ids, t.idsRow = ids.ptr, ids.C
		in = in[:len(in)-1]
	}
	keyed := len(in)
	if c.Kernel == device.AttentionDX {
		keyed -= 3
	}
	t.qkv, t.rest = b.qkv(c.Attn, in[:keyed]), in[keyed:]
	t.rows = b.val(in[0]).rows
	return t
}

// shape are the last arguments of every kernel.
func (t attending) shape() []any {
	causal := 0
	if t.Causal {
		causal = 1
	}
	return []any{t.ids, t.idsRow, t.Pad, t.seq, t.Heads, t.KVHeads, causal, t.Scale}
}

// attention: y = softmax(scale·q·kᵀ)·v.
func attention(b *builder, c *device.Call) error {
	t := b.attending(c)
	lse := cu.Ptr(0)
	if len(c.Out) > 1 {
		lse = b.val(c.Out[1]).ptr
	}
	args := append([]any{t.q, t.qRow, t.k, t.v, t.kvRow, b.val(c.Out[0]).ptr, lse}, t.shape()...)
	switch {
	case b.wgmma(t):
		block := t.Dim // 64 queries for each warpgroup: QROWS of attention_wgmma.cu
		return b.attendMMA(t, "wgmma_attend", t.Heads, 2*block, block, block+4*64, args)
	case b.mma(t):
		return b.attendMMA(t, "mma_attend", t.Heads, 128, 128, 128+4*64, args)
	}
	return b.attend(t, "attend", t.Heads, 3, 1, args)
}

// attentionDX: dq, dk, dv from the scores computed once more, by two kernels: one block
// for each tile of queries, then one for each tile of keys. That is two products more
// than one kernel that adds to dq from all sides, and the same bits each time.
func attentionDX(b *builder, c *device.Call) error {
	t := b.attending(c)
	d := b.qkv(c.Attn, c.Out)
	y, lse, dy := b.val(t.rest[0]).ptr, b.val(t.rest[1]).ptr, b.val(t.rest[2]).ptr
	if b.mma(t) {
		stats, err := b.scratch(8 * int64(t.rows) * int64(t.Heads))
		if err != nil {
			return err
		}
		q := append([]any{t.q, t.qRow, t.k, t.v, t.kvRow, y, lse, dy, stats, d.q}, t.shape()...)
		kv := append([]any{t.q, t.qRow, t.k, t.v, t.kvRow, dy, stats, d.k, d.v}, t.shape()...)
		if b.wgmma(t) && t.Dim == 64 {
			if err := b.attendMMA(t, "wgmma_attend_dq", t.Heads, 128, 64, 2*64+4*64, q); err != nil {
				return err
			}
			return b.attendMMA(t, "wgmma_attend_dkv", t.KVHeads, 128, 64, 2*64+4*64, kv)
		}
		// As much shared memory as lets two blocks share a multiprocessor.
		keys, block := 64, 128
		if t.Dim > 64 {
			keys, block = 32, 64
		}
		if err := b.attendMMA(t, "mma_attend_dq", t.Heads, 128, 128, 2*128+4*keys, q); err != nil {
			return err
		}
		return b.attendMMA(t, "mma_attend_dkv", t.KVHeads, 128, block, 2*block+4*64, kv)
	}
	sums, err := b.scratch(4 * int64(t.rows) * int64(t.Heads))
	if err != nil {
		return err
	}
	if err := b.each("attend_sums", t.rows*t.Heads, t.Dim, y, dy, sums); err != nil {
		return err
	}
	in := []any{t.q, t.qRow, t.k, t.v, t.kvRow, dy, lse, sums}
	if err := b.attend(t, "attend_dq", t.Heads, 4, 1, append(append(in, d.q), t.shape()...)); err != nil {
		return err
	}
	return b.attend(t, "attend_dkv", t.KVHeads, 4, 2, append(append(in, d.k, d.v), t.shape()...))
}

// attend appends a kernel of attention.cu: a block for each tile of rows of a head, with
// room for some tiles of rows and some of scores.
func (b *builder) attend(t attending, name string, heads, tiles, scores int, args []any) error {
	tile, shared := 64, 0
	for ; ; tile /= 2 {
		shared = 4 * (tiles*(tile*(t.Dim|1)+16) + scores*tile*(tile+1)) // AREA and Grid of attention.cu
		if shared <= b.x.dev.info.Shared {
			break
		}
		if tile == 16 {
			return fmt.Errorf("attention with heads of %d channels: this card's shared memory (%d bytes) is too small", t.Dim, b.x.dev.info.Shared)
		}
	}
	blocks := t.rows / t.seq * heads * ((t.seq + tile - 1) / tile)
	defines := []string{name, fmt.Sprintf("DIM=%d", t.Dim), fmt.Sprintf("TILE=%d", tile)}
	return b.kernel(defines, [3]int{blocks, 1, 1}, [3]int{256, 1, 1}, shared, args...)
}

// mma says whether attention_mma.cu applies, wgmma whether attention_wgmma.cu does.
func (b *builder) mma(t attending) bool {
	return b.x.dev.precision == BF16 && b.x.dev.info.Major >= 8 && t.Dim%16 == 0 && t.Dim <= 128 && t.Scale > 0
}

// wgmma says whether attention_wgmma.cu applies. Its forward kernel for heads of 128
// channels stays out until its final form has been run on a card.
func (b *builder) wgmma(t attending) bool {
	return b.mma(t) && b.x.dev.info.Major == 9 && t.Dim == 64
}

// attendMMA appends a kernel of these files: a block for each `rows` rows of a head, with
// room for some rows of a head's channels, and 1 KiB each for ids or statistics and for
// aligning it.
func (b *builder) attendMMA(t attending, name string, heads, threads, rows, room int, args []any) error {
	flag := func(name string, on bool) string {
		if on {
			return name + "=1"
		}
		return name + "=0"
	}
	shared := room*(t.Dim+8)*2 + 2048 // LD of attention_mma.cu; the other's rows are shorter
	blocks := t.rows / t.seq * heads * ((t.seq + rows - 1) / rows)
	defines := []string{name, fmt.Sprintf("DIM=%d", t.Dim), flag("CAUSAL", t.Causal), flag("PADS", t.Pads)}
	return b.kernel(defines, [3]int{blocks, 1, 1}, [3]int{threads, 1, 1}, shared, args...)
}
