package cuda

import (
	"fmt"
	"math/bits"
	"os"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// Convolutions on the tensor cores: the launches of kernels/conv_mma.cu.

// divisor is struct Div: division of 0 ≤ n < 2³¹ by d as a product's upper half, shifted
// (Granlund and Montgomery 1994).
type divisor struct {
	d          int32
	mul, shift uint32
}

func divideBy(d int) divisor {
	if d <= 1 {
		return divisor{d: 1}
	}
	p := 31 + bits.Len32(uint32(d-1)) // 2^(p−31) ≥ d, so mul·d is above 2^p by less than 2^(p−31)
	return divisor{int32(d), uint32((uint64(1)<<p + uint64(d) - 1) / uint64(d)), uint32(p - 32)}
}

// convShape is struct Shape.
type convShape struct {
	rows, C, H, W, N, OH, OW, KH, KW, SH, SW, PT, PL int32
	c, n, kw, pixels, ow                             divisor
}

func shapeOf(g *device.Window, x, y value) convShape {
	return convShape{
		int32(x.rows), int32(x.C), int32(x.H), int32(x.W), int32(y.C), int32(y.H), int32(y.W), int32(g.KH), int32(g.KW), int32(g.SH), int32(g.SW), int32(g.PT), int32(g.PL),
		divideBy(x.C), divideBy(y.C), divideBy(g.KW), divideBy(y.H * y.W), divideBy(y.W),
	}
}

// phase is struct Phase.
type phase struct {
	ry, rx, u, v, height, width, across, taps int32
	w, pixels, tap                            divisor
}

// phasesOf are those of x, SH·SW of them, without the ones that no pixel has.
func phasesOf(g *device.Window, x value) []phase {
	var l []phase
	// first and count of the places of a line, n pixels behind so much padding, that are r modulo s.
	places := func(n, pad, s, r int) (int, int) {
		u := max(pad-r+s-1, 0) / s
		return u, max((n-1+pad-r+s)/s-u, 0)
	}
	for ry := range g.SH {
		for rx := range g.SW {
			u, h := places(x.H, g.PT, g.SH, ry)
			v, w := places(x.W, g.PL, g.SW, rx)
			if h*w == 0 {
				continue
			}
			down, across := max(g.KH-ry+g.SH-1, 0)/g.SH, max(g.KW-rx+g.SW-1, 0)/g.SW
			l = append(l, phase{
				int32(ry), int32(rx), int32(u), int32(v), int32(h), int32(w), int32(across), int32(down * across),
				divideBy(w), divideBy(h * w), divideBy(across),
			})
		}
	}
	return l
}

// convTiling is what conv_mma.cu is compiled for: WY×WX warps, NT pieces of 8 columns for
// each. speed is about what share of a full tile's arithmetic it reaches.
type convTiling struct {
	wy, wx, nt int
	speed      float64
}

var convTilings = []convTiling{{2, 4, 4, 1}, {2, 2, 4, 0.9}, {4, 1, 4, 0.6}, {4, 1, 2, 0.4}}

const (
	convLine   = 80 // LINE
	convStages = 4
)

func (t convTiling) rows() int { return 64 * t.wy }
func (t convTiling) cols() int { return 8 * t.nt * t.wx }

// tiles of a product's result.
func (t convTiling) tiles(rows, cols int) int { return ceil(rows, t.rows()) * ceil(cols, t.cols()) }

// bytes of shared memory: the tiles, along or across, and tables for the rows.
func (t convTiling) bytes(leftAcross, rightAcross bool, elem cu.Type) int {
	tile := func(across bool, n int) int {
		if across {
			return 64 * (n + 8)
		}
		return convLine * n
	}
	return convStages*(tile(leftAcross, t.rows())+tile(rightAcross, t.cols())) + 12*t.rows()
}

func ceil(a, b int) int { return (a + b - 1) / b }

// convDepth is DEPTH.
func convDepth(elem cu.Type) int { return 64 / elem.Bytes() }

// tilingFor takes the tiling whose largest share of a multiprocessor is done first.
func tilingFor(rows, cols, sms int) convTiling {
	best, least := convTiling{}, 0.0
	if s := os.Getenv("CONV_TILING"); s != "" {
		return convTilings[s[0]-'0']
	}
	for _, t := range convTilings {
		cost := float64(ceil(t.tiles(rows, cols), sms)*t.rows()*t.cols()) / t.speed
		if best.wy == 0 || cost < least {
			best, least = t, cost
		}
	}
	return best
}

// partsFor is into how many parts the pixels of a gradient of weights are cut: what the fullest multiprocessor has to do, and the parts written and read
// again, are weighed by a card's usual speeds.
func partsFor(t convTiling, tiles, chunks, count, depth, sms int) int {
	const flops, bytes = 2.5e12, 2e12 // of a multiprocessor, of the memory, a second
	chunk := 2 * float64(t.rows()*t.cols()*depth) / (flops * t.speed)
	parts, least := 0, 0.0
	for n := 1; n <= 1 || (n <= ceil(chunks, 8) && n*tiles <= 8*sms); n++ {
		cost := float64(ceil(n*tiles, sms)*ceil(chunks, n)) * chunk
		if n > 1 {
			cost += 8 * float64(n*count) / bytes
		}
		if parts == 0 || cost < least {
			parts, least = n, cost
		}
	}
	return parts
}

// tensor reports whether the tensor cores take a convolution of x to y: places in memory
// are counted in 31 bits, in a row of pixels in 15.
func (b *builder) tensor(g *device.Window, x, y value, w *weight) bool {
	const most, side = 1<<31 - 1<<16, 1 << 14
	return b.x.dev.precision != F32 && !b.x.dev.plain && b.x.dev.info.Major >= 8 && g.Groups == 1 &&
		max(x.count(), y.count(), w.count) < most && max(x.H, x.W, y.H, y.W, g.KH, g.KW, g.PT, g.PL) < side
}

// aligned is how many values that follow each other a copy may take where lines have n of
// them and begin at p.
func aligned(p cu.Ptr, n int, elem cu.Type) int {
	v := 16 / elem.Bytes()
	for v > 1 && (n%v != 0 || int(p)%(v*elem.Bytes()) != 0) {
		v /= 2
	}
	return v
}

// convMMA appends a kernel of conv_mma.cu.
func (b *builder) convMMA(name string, t convTiling, elem cu.Type, left, right, blocks int, leftAcross, rightAcross bool, args ...any) error {
	defines := []string{name, map[string]string{"mma_conv": "FORWARD", "mma_conv_dx": "DX", "mma_conv_dw": "DW"}[name]}
	if os.Getenv("CONV_NEAR") != "" {
		defines = append(defines, "NEAR")
	}
	for _, d := range []struct {
		name string
		v    int
	}{{"WY", t.wy}, {"WX", t.wx}, {"NT", t.nt}, {"VL", left}, {"VR", right}} {
		defines = append(defines, fmt.Sprintf("%s=%d", d.name, d.v))
	}
	return b.kernel(defines, [3]int{blocks, 1, 1}, [3]int{32 * t.wy * t.wx, 1, 1}, t.bytes(leftAcross, rightAcross, elem), args...)
}

func (b *builder) convForward(g *device.Window, x, y value, w, bias cu.Ptr) error {
	k := g.KH * g.KW * x.C
	t := tilingFor(y.rows*y.H*y.W, y.C, b.x.dev.info.SMs)
	return b.convMMA("mma_conv", t, x.elem, aligned(x.ptr, x.C, x.elem), aligned(w, k, x.elem), t.tiles(y.rows*y.H*y.W, y.C), false, false,
		x.ptr, w, bias, y.ptr, shapeOf(g, x, y))
}

func (b *builder) convBack(g *device.Window, dx, dy value, w cu.Ptr) error {
	phases := phasesOf(g, dx)
	list, err := b.table(fmt.Sprint("phases ", *g, dx.H, dx.W), func() []byte { return bytesOf(phases) })
	if err != nil {
		return err
	}
	most := 0
	for _, p := range phases {
		most = max(most, dx.rows*int(p.height*p.width))
	}
	t := tilingFor(most*len(phases), dx.C, b.x.dev.info.SMs)
	blocks := t.tiles(most, dx.C)
	return b.convMMA("mma_conv_dx", t, dx.elem, aligned(dy.ptr, dy.C, dx.elem), aligned(w, dx.C, dx.elem), len(phases)*blocks, false, true,
		dy.ptr, w, dx.ptr, list, blocks, shapeOf(g, dx, dy))
}

func (b *builder) convWeight(g *device.Window, x, dy value, w *weight, beta float32) error {
	k, sms, depth := g.KH*g.KW*x.C, b.x.dev.info.SMs, convDepth(x.elem)
	t := tilingFor(k, dy.C, sms)
	blocks := t.tiles(k, dy.C)
	pixels := dy.rows * dy.H * dy.W
	// Parts are those of the largest batch, whose scratch was counted.
	parts := partsFor(t, blocks, ceil(pixels/b.n*b.x.p.Batch, depth), w.count, depth, sms)
	each := ceil(ceil(pixels, depth), parts)
	parts = ceil(ceil(pixels, depth), each)
	to, factor := w.grad, beta
	if parts > 1 {
		var err error
		if to, err = b.scratch(4 * int64(parts) * int64(w.count)); err != nil {
			return err
		}
		factor = 0
	}
	err := b.convMMA("mma_conv_dw", t, x.elem, aligned(x.ptr, x.C, x.elem), aligned(dy.ptr, dy.C, x.elem), parts*blocks, true, true,
		x.ptr, dy.ptr, to, blocks, each, factor, shapeOf(g, x, dy))
	if err != nil || parts == 1 {
		return err
	}
	return b.convMerge(w, to, parts, beta)
}

// convMerge appends dw = Σ parts + beta·dw. Threads of a block share an element's parts
// where there are many.
func (b *builder) convMerge(w *weight, part cu.Ptr, parts int, beta float32) error {
	const threads = 256
	slices := 1
	for slices < 8 && slices*8 <= parts {
		slices *= 2
	}
	return b.kernel([]string{"conv_merge"}, [3]int{ceil(w.count, threads/slices), 1, 1}, [3]int{threads, 1, 1}, 0, w.count, part, w.grad, parts, slices, beta)
}
