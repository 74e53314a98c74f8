package cuda

import (
	"fmt"
	"slices"

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
	case b.wide(t, wideForward):
		return b.attendWide(t, "wide_attend", t.Heads, wideForward, wideForward.rows()+4*wideForward.tile, t.perKey(), args)
	case b.wgmma(t):
		return b.attendMMA(t, "wgmma_attend", t.Heads, 64, 64+4*64, args)
	case b.mma(t):
		return b.attendMMA(t, "mma_attend", t.Heads, 128, 128+4*64, args)
	case b.tf32(t):
		return b.attendTF32(t, "tf32_attend", t.Heads, 1, args)
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
		// As much shared memory as lets two blocks of mma_ kernels share a multiprocessor.
		keys, block := 64, 128
		if t.Dim > 64 {
			keys, block = 32, 64
		}
		switch {
		case b.wide(t, wideDQ):
			err = b.attendWide(t, "wide_attend_dq", t.Heads, wideDQ, 2*wideDQ.rows()+5*wideDQ.tile, t.perKey(), q)
		case b.wgmma(t):
			err = b.attendMMA(t, "wgmma_attend_dq", t.Heads, 64, 2*64+4*64, q)
		default:
			err = b.attendMMA(t, "mma_attend_dq", t.Heads, 128, 2*128+4*keys, q)
		}
		if err != nil {
			return err
		}
		switch {
		case b.wide(t, wideDKV):
			return b.attendWide(t, "wide_attend_dkv", t.KVHeads, wideDKV, 2*wideDKV.rows()+4*wideDKV.tile, 2, kv)
		case b.wgmma(t):
			return b.attendMMA(t, "wgmma_attend_dkv", t.KVHeads, 64, 2*64+4*64, kv)
		}
		return b.attendMMA(t, "mma_attend_dkv", t.KVHeads, block, 2*block+4*64, kv)
	}
	sums, err := b.scratch(4 * int64(t.rows) * int64(t.Heads))
	if err != nil {
		return err
	}
	if err := b.each("attend_sums", t.rows*t.Heads, t.Dim, y, dy, sums); err != nil {
		return err
	}
	in := []any{t.q, t.qRow, t.k, t.v, t.kvRow, dy, lse, sums}
	q, kv := append(slices.Clone(in), d.q), append(slices.Clone(in), d.k, d.v)
	q, kv = append(q, t.shape()...), append(kv, t.shape()...)
	if b.tf32(t) {
		return firstError(b.attendTF32(t, "tf32_attend_dq", t.Heads, 2, q), b.attendTF32(t, "tf32_attend_dkv", t.KVHeads, 2, kv))
	}
	return firstError(b.attend(t, "attend_dq", t.Heads, 4, 1, q), b.attend(t, "attend_dkv", t.KVHeads, 4, 2, kv))
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

// mma says whether attention_mma.cu applies.
func (b *builder) mma(t attending) bool {
	return b.x.dev.precision == BF16 && b.x.dev.info.Major >= 8 && t.Dim%16 == 0 && t.Dim <= 128 && t.Scale > 0
}

// tf32 says whether attention_tf32.cu applies: older cards may lack the shared memory.
func (b *builder) tf32(t attending) bool {
	return b.x.dev.precision == TF32 && b.x.dev.info.Major >= 8 && t.Dim%16 == 0 && t.Dim <= 128 && t.Scale > 0 && sharedTF32(t.Dim, 2) <= b.x.dev.info.Shared
}

// rowsTF32 is ROWS of attention_tf32.cu.
func rowsTF32(dim int) int {
	if dim <= 64 {
		return 128
	}
	return 64
}

// sharedTF32 is the shared memory of a kernel of attention_tf32.cu, bytes: its own rows of some
// values, two tiles of 32 rows of two others, and two float32 of each of these.
func sharedTF32(dim, values int) int {
	return 4*(dim+4)*(values*rowsTF32(dim)+4*32) + 4*4*32
}

// attendTF32 appends a kernel of attention_tf32.cu.
func (b *builder) attendTF32(t attending, name string, heads, values int, args []any) error {
	return b.attendTiles(t, name, heads, 128, rowsTF32(t.Dim), sharedTF32(t.Dim, values), args)
}

// wgmma says whether attention_wgmma.cu applies.
func (b *builder) wgmma(t attending) bool {
	return b.mma(t) && b.x.dev.info.Major == 9 && t.Dim == 64
}

// wideTiling are the sizes of a kernel of attention_wide.cu: the warpgroups of a block, with 64
// rows each, and the rows of the tiles that stream by them. Without warpgroups the kernel is not
// used.
type wideTiling struct{ groups, tile int }

func (w wideTiling) rows() int { return 64 * w.groups }

// Those in use, the fastest of five sets on an H100 (PERFORMANCE.md).
var wideForward, wideDQ, wideDKV = wideTiling{1, 64}, wideTiling{1, 64}, wideTiling{1, 64}

// wide says whether a kernel of attention_wide.cu applies.
func (b *builder) wide(t attending, w wideTiling) bool {
	return b.mma(t) && b.x.dev.info.Major == 9 && t.Dim == 128 && w.groups > 0
}

// perKey is how many float32 a wide kernel keeps of each key of a tile: its id where there is padding.
func (t attending) perKey() int {
	if t.Pads {
		return 1
	}
	return 0
}

// attendMMA appends a kernel of these files: a block for each `rows` rows of a head, with
// room for some rows of a head's channels, and 1 KiB each for ids or statistics and for
// aligning it.
func (b *builder) attendMMA(t attending, name string, heads, rows, room int, args []any) error {
	return b.attendTiles(t, name, heads, 128, rows, room*(t.Dim+8)*2+2048, args) // LD of attention_mma.cu; the others' rows are shorter
}

// attendWide appends a kernel of attention_wide.cu, with room for some rows of a head's channels, for
// some float32 (ids or statistics) of each row of two tiles, and for aligning it: no more, so that
// two blocks of one warpgroup fit a multiprocessor.
func (b *builder) attendWide(t attending, name string, heads int, w wideTiling, room, floats int, args []any) error {
	return b.attendTiles(t, name, heads, 128*w.groups, w.rows(), 2*room*t.Dim+2*4*floats*w.tile+1024, args, fmt.Sprintf("GROUPS=%d", w.groups), fmt.Sprintf("TILE=%d", w.tile))
}

// attendTiles appends a kernel with a block for each `rows` rows of a head.
func (b *builder) attendTiles(t attending, name string, heads, threads, rows, shared int, args []any, defines ...string) error {
	flag := func(name string, on bool) string {
		if on {
			return name + "=1"
		}
		return name + "=0"
	}
	blocks := t.rows / t.seq * heads * ((t.seq + rows - 1) / rows)
	defines = append([]string{name, fmt.Sprintf("DIM=%d", t.Dim), flag("CAUSAL", t.Causal), flag("PADS", t.Pads)}, defines...)
	return b.kernel(defines, [3]int{blocks, 1, 1}, [3]int{threads, 1, 1}, shared, args...)
}
