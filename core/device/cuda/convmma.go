package cuda

import (
	"fmt"
	"math/bits"

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
	rows, C, H, W, N, OH, OW, KH, KW, SH, SW, PT, PL, inputs, outputs, pairs, relu int32
	c, n, kw, pixels, ow                                                           divisor
}

// shapeOf is for operands of c and n channels. result is what a kernel writes, for pairs.
func shapeOf(g *device.Window, x, y, result value, c, n int) convShape {
	pairs := result.C%2 == 0 && int(result.ptr)%(2*result.elem.Bytes()) == 0
	return convShape{
		int32(x.rows), int32(c), int32(x.H), int32(x.W), int32(n), int32(y.H), int32(y.W), int32(g.KH), int32(g.KW), int32(g.SH), int32(g.SW), int32(g.PT), int32(g.PL),
		int32(x.C), int32(y.C), int32(is(pairs)), 0,
		divideBy(c), divideBy(n), divideBy(g.KW), divideBy(y.H * y.W), divideBy(y.W),
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

// convTiling is what conv_mma.cu is compiled for: WY×WX warps, MT×NT pieces for each,
// BLOCKS of them on a multiprocessor at once. speed is about what share of the first one's
// arithmetic it reached on an H100 (BenchmarkGPUConv).
type convTiling struct {
	wy, wx, mt, nt, blocks int
	speed                  float64
}

var convTilings = []convTiling{
	{2, 4, 4, 4, 2, 1}, {2, 2, 4, 4, 3, 0.9}, {2, 2, 2, 4, 4, 0.77}, {4, 1, 2, 4, 4, 0.55}, {4, 1, 2, 2, 4, 0.38}, {2, 1, 2, 2, 8, 0.32},
}

// A chunk is 64 bytes of terms, four of them are in shared memory: DEEP and STAGES.
const (
	convDeep   = 64
	convStages = 4
)

func (t convTiling) rows() int { return 16 * t.mt * t.wy }
func (t convTiling) cols() int { return 8 * t.nt * t.wx }

// tiles of a product's result.
func (t convTiling) tiles(rows, cols int) int { return ceil(rows, t.rows()) * ceil(cols, t.cols()) }

// bytes of shared memory: the tiles, along or across.
func (t convTiling) bytes(leftAcross, rightAcross bool) int {
	tile := func(across bool, n int) int {
		if across {
			return convDeep * (n + 8)
		}
		return (convDeep + 16) * n
	}
	return convStages * (tile(leftAcross, t.rows()) + tile(rightAcross, t.cols()))
}

func ceil(a, b int) int { return (a + b - 1) / b }

// convDepth is DEPTH.
func convDepth(elem cu.Type) int { return convDeep / elem.Bytes() }

// work is what the fullest multiprocessor has to do for so many tiles, in elements of a
// result at full speed. Few blocks at a time leave it waiting.
func (t convTiling) work(tiles, sms int) float64 {
	const wait = 0.5 // of a block's time, that others fill
	each := ceil(tiles, sms)
	alone := (1 + wait/float64(min(each, t.blocks))) / (1 + wait/float64(t.blocks))
	return float64(each*t.rows()*t.cols()) / t.speed * alone
}

// tilingFor takes the tiling that is done first.
func tilingFor(rows, cols, sms int) convTiling {
	best, least := convTiling{}, 0.0
	for _, t := range convTilings {
		if cost := t.work(t.tiles(rows, cols), sms); best.wy == 0 || cost < least {
			best, least = t, cost
		}
	}
	return best
}

// partsFor takes a tiling for a gradient of weights, and into how many parts its pixels are
// cut: more fill the card, but are written and read again.
func partsFor(rows, cols, pixels, count int, elem cu.Type, sms int) (best convTiling, parts int) {
	const bytes, flops = 2e12, 0.9e12 // of an H100's memory; of a multiprocessor in TF32, a second
	depth, least := convDepth(elem), 0.0
	chunks := ceil(pixels, depth)
	second := flops / 2 * float64(depth) / 16 // elements of a result, for one term
	for _, t := range convTilings {
		tiles := t.tiles(rows, cols)
		for n := 1; n == 1 || n <= ceil(chunks, 8) && n*tiles <= 8*sms; n++ {
			cost := t.work(n*tiles, sms) * float64(ceil(chunks, n)*depth) / second
			if n > 1 {
				cost += 8 * float64(n*count) / bytes
			}
			if parts == 0 || cost < least {
				best, parts, least = t, n, cost
			}
		}
	}
	return best, parts
}

// What the kernels count in 31 bits, places in memory, and in 15, those in a line of pixels.
var convPlaces = 1<<31 - 1<<16 // a variable for tests

const convSide = 1 << 14

// tensor reports whether the tensor cores take a convolution of x to y.
func (b *builder) tensor(g *device.Window, x, y value, w *weight) bool {
	return b.x.dev.precision != F32 && b.x.dev.SlowConv(g, x.Val, y.Val) == "" && w.count < convPlaces
}

// SlowConv says why a convolution of x to y runs on the processors of a card that is asked
// for less than float32, not on its tensor cores: several times as long. "": it does not.
func (d Device) SlowConv(g *device.Window, x, y device.Val) string {
	side := max(x.H, x.W, y.H, y.W, g.KH, g.KW, g.PT, g.PL)
	switch {
	case d.precision == F32 || plain(g):
		return "" // as all others in float32; a product
	case d.plain || d.info.Major < 8:
		return "this card has no tensor cores that pare's convolutions run on"
	case g.Groups > 1:
		return "in groups, which pare's convolutions on tensor cores do not know"
	case side >= convSide:
		return fmt.Sprintf("%d pixels in a line, pare's convolutions on tensor cores take less than %d", side, convSide)
	case max(x.C*x.H*x.W, y.C*y.H*y.W) >= convPlaces:
		return "a sample is too large for pare's convolutions on tensor cores"
	}
	return ""
}

// samples calls f with all samples of x and y, or piece by piece where the kernels cannot
// count the places of all; beta for the first is the caller's, then 1.
func (b *builder) samples(x, y value, beta float32, f func(x, y value, beta float32) error) error {
	most := (convPlaces - 1) / max(x.size(), y.size())
	for from := 0; from < x.rows; from += most {
		x, y, n := x, y, min(most, x.rows-from)
		for _, v := range []*value{&x, &y} {
			v.ptr += cu.Ptr(from * v.size() * v.elem.Bytes())
			v.rows = n
		}
		if err := f(x, y, beta); err != nil {
			return err
		}
		beta = 1
	}
	return nil
}

// convOperand is an operand of these kernels: its lines have `wide` channels, which copies
// take `take` at a time. Bytes at `from` in scratch, 0 for one that is read where it lies.
type convOperand struct {
	at         cu.Ptr
	lines, C   int
	wide, take int
	bytes      int64
}

// operandOf is for lines of C channels at p: copies are of 16 bytes, or 8 where that is a
// line, and begin at multiples of that. Channels that do not allow it are filled up.
func operandOf(p cu.Ptr, lines, c int, elem cu.Type) convOperand {
	bytes := 16
	if c*elem.Bytes() <= 8 {
		bytes = 8
	}
	take := bytes / elem.Bytes()
	o := convOperand{at: p, lines: lines, C: c, wide: ceil(c, take) * take, take: take}
	if o.wide != c || int(p)%bytes != 0 {
		o.bytes = int64(lines) * int64(o.wide*elem.Bytes())
	}
	return o
}

// convOperands fills operands up in scratch, behind what the call needs of it first, bytes.
func (b *builder) convOperands(first int64, l ...*convOperand) (cu.Ptr, error) {
	sum := first
	for _, o := range l {
		sum = (sum+255)&^255 + o.bytes
	}
	if sum == 0 {
		return 0, nil
	}
	room, err := b.scratch(sum)
	if err != nil {
		return 0, err
	}
	at := first
	for _, o := range l {
		at = (at + 255) &^ 255
		if o.bytes > 0 {
			to := room + cu.Ptr(at)
			if err := b.each("widen_channels", int(o.bytes/8), o.at, to, o.lines, o.C, o.wide); err != nil {
				return 0, err
			}
			o.at = to
		}
		at += o.bytes
	}
	return room, nil
}

// convMMA appends a kernel of conv_mma.cu.
func (b *builder) convMMA(name, define string, t convTiling, left, right convOperand, blocks int, leftAcross, rightAcross bool, args ...any) error {
	defines := []string{name, define}
	for _, d := range []struct {
		name string
		v    int
	}{
		{"WY", t.wy}, {"WX", t.wx}, {"MT", t.mt}, {"NT", t.nt}, {"BLOCKS", t.blocks}, {"DEEP", convDeep}, {"STAGES", convStages},
		{"VL", left.take}, {"VR", right.take},
	} {
		defines = append(defines, fmt.Sprintf("%s=%d", d.name, d.v))
	}
	return b.kernel(defines, [3]int{blocks, 1, 1}, [3]int{32 * t.wy * t.wx, 1, 1}, t.bytes(leftAcross, rightAcross), args...)
}

func (b *builder) convForward(g *device.Window, x, y value, w, bias cu.Ptr, relu bool) error {
	pixels, taps := y.rows*y.H*y.W, g.KH*g.KW
	left, right := operandOf(x.ptr, x.rows*x.H*x.W, x.C, x.elem), operandOf(w, y.C*taps, x.C, x.elem)
	if _, err := b.convOperands(0, &left, &right); err != nil {
		return err
	}
	t := tilingFor(pixels, y.C, b.x.dev.info.SMs)
	s := shapeOf(g, x, y, y, left.wide, y.C)
	s.relu = int32(is(relu))
	return b.convMMA("mma_conv", "FORWARD", t, left, right, t.tiles(pixels, y.C), false, false, left.at, right.at, bias, y.ptr, s)
}

func (b *builder) convBack(g *device.Window, dx, dy value, w cu.Ptr) error {
	phases := phasesOf(g, dx)
	list, err := b.table(fmt.Sprint("phases ", *g, dx.H, dx.W), func() []byte { return bytesOf(phases) })
	if err != nil {
		return err
	}
	left, right := operandOf(dy.ptr, dy.rows*dy.H*dy.W, dy.C, dy.elem), operandOf(w, dy.C*g.KH*g.KW, dx.C, dy.elem)
	if _, err := b.convOperands(0, &left, &right); err != nil {
		return err
	}
	most := 0
	for _, p := range phases {
		most = max(most, dx.rows*int(p.height*p.width))
	}
	t := tilingFor(most*len(phases), dx.C, b.x.dev.info.SMs)
	blocks := t.tiles(most, dx.C)
	return b.convMMA("mma_conv_dx", "DX", t, left, right, len(phases)*blocks, false, true,
		left.at, right.at, dx.ptr, list, blocks, shapeOf(g, dx, dy, dx, right.wide, left.wide))
}

func (b *builder) convWeight(g *device.Window, x, dy value, w *weight, beta float32) error {
	depth, pixels := convDepth(x.elem), dy.rows*dy.H*dy.W
	left, right := operandOf(x.ptr, x.rows*x.H*x.W, x.C, x.elem), operandOf(dy.ptr, pixels, dy.C, x.elem)
	k := g.KH * g.KW * left.wide
	// Parts are those of the largest batch, whose scratch was counted.
	t, parts := partsFor(k, dy.C, pixels/b.n*b.x.p.Batch, w.count, x.elem, b.x.dev.info.SMs)
	blocks := t.tiles(k, dy.C)
	chunks := ceil(pixels, depth)
	each := ceil(chunks, parts)
	parts = ceil(chunks, each)
	first := int64(0)
	if parts > 1 {
		first = 4 * int64(parts) * int64(w.count)
	}
	room, err := b.convOperands(first, &left, &right)
	if err != nil {
		return err
	}
	to, factor := w.grad, beta
	if parts > 1 {
		to, factor = room, 0
	}
	s := shapeOf(g, x, dy, x, left.wide, right.wide)
	if err := b.convMMA("mma_conv_dw", "DW", t, left, right, parts*blocks, true, true, left.at, right.at, to, blocks, each, factor, s); err != nil || parts == 1 {
		return err
	}
	return b.convMerge(w, to, parts, beta)
}

// convMerge appends dw = Σ parts + beta·dw. Threads of a block share an element's parts
// where there are many.
func (b *builder) convMerge(w *weight, part cu.Ptr, parts int, beta float32) error {
	const threads = 256
	slices := 1
	for slices < 32 && slices*8 <= parts {
		slices *= 2
	}
	return b.kernel([]string{"conv_merge"}, [3]int{ceil(w.count, threads/slices), 1, 1}, [3]int{threads, 1, 1}, 0, w.count, part, w.grad, parts, slices, beta)
}
