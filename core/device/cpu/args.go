package cpu

import "unsafe"

// Arguments of the kernels. Strides are in bytes, counts at least 1 unless
// said otherwise, flags 0 or 1. Pointers need no alignment; 64 bytes is fastest.

// mulArgs: C[m][16] (+)= Σ_o Σ_i A[m,i]·B[i][16] over o < outer, i < inner.
// Each round of o moves a by aOuter and b by bOuter. acc = 1 adds to C, acc = 0
// overwrites it. Of mulF and mulX, C = z + the sum with acc = 1 and a z that is not nil.
type mulArgs struct {
	a, b, c        unsafe.Pointer
	inner, outer   int
	aOuter, bOuter int
	acc            int
	cStride        int            // mulC and mulD only
	z              unsafe.Pointer // [m][16]
}

// pixelArgs is mulArgs with distances of the rows of A and C. With a scale and a shift,
// which are not nil then, C = f(C·scale + shift) over its columns; f is max(·, 0) with relu.
type pixelArgs struct {
	a, b, c          unsafe.Pointer
	inner, outer     int
	aOuter, bOuter   int
	acc              int
	aStride, cStride int
	scale, shift     unsafe.Pointer // [16]
	relu             int
}

// blockArgs describes rows of R×1 blocks against one tile or several.
type blockArgs struct {
	ptr  unsafe.Pointer // [rows+1]int32: blocks of row i are ptr[i] to ptr[i+1]; only differences count
	off  unsafe.Pointer // [blocks]uint32: distance of the block's row of x in bytes (64·k for a linear layer); first block of ptr[0]
	val  unsafe.Pointer // [blocks][R]float32, likewise
	x, y unsafe.Pointer // [·][16], [R·rows][16]
	rows int
	acc  int // blockFwd only: add to y

	xStride, yStride int // from tile to tile

	// What the next calls need is fetched into the cache on the way, where ahead is
	// 1: for each block row its y of tiles yAhead bytes on, and xLines lines of x,
	// side by side from xAhead bytes on. A hint, for AVX-512.
	ahead, yAhead, xAhead, xLines int
}

// blockPixelArgs describes rows of R×1 blocks against pixels that lie side by side, each
// with the window x: y[m][R·i+r] = f(scale·Σ_j val[j][r]·x[m][off[j]] + shift) over the
// blocks j of block row i; f is max(·, 0) with relu. Rows are written from the last on,
// each for all pixels, so that one may reach into the next pixel.
type blockPixelArgs struct {
	ptr, val         unsafe.Pointer // as in blockArgs
	off              unsafe.Pointer // [blocks]uint32: distance of the block's input in bytes
	x, y             unsafe.Pointer
	rows             int
	xStride, yStride int            // from pixel to pixel
	scale, shift     unsafe.Pointer // [R·rows]
	relu             int
}

// blockDWArgs describes the gradient of n blocks of one block row; n may be 0.
type blockDWArgs struct {
	off   unsafe.Pointer // [n]uint32, as in blockArgs
	dw    unsafe.Pointer // [n][R]float32
	x, dy unsafe.Pointer // [·][16], [R][16]
	n     int

	tiles, tiles2     int
	xStride, dyStride int // from tile to tile
	xSkip, dySkip     int // added behind the last of each run of tiles

	// The rows of dy that the next calls need, dyAhead bytes on, are fetched on the way
	// where it is not 0. A hint, for AVX-512.
	dyAhead int

	acc int
}

// singleDWArgs describes the gradient of rows of single weights. off must go on
// for spareOffs more elements, distances inside the buffer of x like the others.
type singleDWArgs struct {
	ptr   unsafe.Pointer // [rows+1]int32, as in blockArgs
	off   unsafe.Pointer // [weights+spareOffs]uint32, as in blockArgs
	dw    unsafe.Pointer // [weights]float32
	x, dy unsafe.Pointer // [·][16], [rows][16]
	rows  int
	acc   int

	xStride, dyStride int // from tile to tile
}

// singleTiles is the most tiles of a call of singleDW.
const singleTiles = 4

// laneMasks[n] has n lanes set; kernels know it by name.
//
//nolint:unused // the assembly knows it by name
var laneMasks = [4][4]uint32{{}, {1<<32 - 1}, {1<<32 - 1, 1<<32 - 1}, {1<<32 - 1, 1<<32 - 1, 1<<32 - 1}}

// rowArgs: n rows of 16 floats.
type rowArgs struct {
	dst, a, b unsafe.Pointer
	n         int
}

// maxArgs: n rows of 16 floats of one place of a window. top is the maximum of
// the window, rest the gradient that no place before this one has taken.
type maxArgs struct {
	dx, x, top, rest unsafe.Pointer
	n                int
}

// affineArgs: n rows of 16 floats with a scale and a shift each.
type affineArgs struct {
	dst, a, scale, shift unsafe.Pointer
	n                    int
}

// sumArgs: sums over n rows of tiles. b and bStride serve rowDots only.
type sumArgs struct {
	dst, a, b        unsafe.Pointer
	n, tiles         int
	aStride, bStride int
	acc              int
}

// gatherArgs: n values of each of 16 rows; n a multiple of 4.
type gatherArgs struct {
	rows   *[T]unsafe.Pointer
	dst    unsafe.Pointer
	n      int
	stride int // between the rows written to dst
}

// packArgs: n rows of a matrix, srcStride apart, of so many lines of 64 bytes.
type packArgs struct {
	src, dst              unsafe.Pointer
	n, lines              int
	srcStride             int
	dstStride, lineStride int // of rows, of the lines of a row
}

// sgdArgs: n weights w, gradients g (read only) and, with momentum, velocities
// v, zero before the first step. n may be 0.
type sgdArgs struct {
	w, g, v     unsafe.Pointer
	n           int
	lr, mom, wd float32
}

// adamArgs: n weights w, gradients g (read only), moments m and v, zero before
// the first step. n may be 0. The update is, in this order,
//
//	g += wd·w; w *= decay
//	m += beta1c·(g − m); v = beta2·v + beta2c·g²
//	w −= step·m / (√v·scale + eps)
//
// which is torch.optim.Adam (decay = 1) and AdamW (wd = 0, decay = 1 − lr·λ)
// for step = lr/(1−β1ᵗ) and scale = 1/√(1−β2ᵗ); see newOptimiser.
type adamArgs struct {
	w, g, m, v unsafe.Pointer
	n          int

	step, beta1c, beta2, beta2c, eps, scale, wd, decay float32
}

// peakArgs: rounds of fmaPeak.
type peakArgs struct{ n int }

// normArgs: n rows of 16 floats, each with its gamma, and rows for all of them:
// mean (two of normGrad) and rstd. A kernel uses what its comment names.
type normArgs struct {
	dst, a, b, gamma, mean, rstd unsafe.Pointer
	n                            int
}

// turnArgs: n rows of 16 floats of each half of a head.
type turnArgs struct {
	dst, dst2, a, b, cos, sin unsafe.Pointer
	n                         int
}

// pairArgs: n groups of four inputs of 16 outputs of a 2:4 weight, see pairs.
type pairArgs struct {
	val, ctl, x, y unsafe.Pointer
	n, acc         int
}

// pairShifts brings the two control bits of each lane of pairs to the lowest place;
// kernels know it by name.
//
//nolint:unused // the assembly knows it by name
var pairShifts = [P]uint32{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30}
