package cpu

import "unsafe"

// Arguments of the kernels of norms, which see n channels of some pixels: rows
// of 16 floats, pixels stride bytes apart.

// momentArgs: mean[i] = scale·Σ a, and with d = a − mean[i]: sum[i] = Σ d,
// square[i] = Σ d², all over the pixels and over the lanes that are set in lanes.
type momentArgs struct {
	a, lanes          unsafe.Pointer // [pixels][n][16]; [16], all-ones or zero words
	mean, sum, square unsafe.Pointer // [n]
	n, pixels, stride int
	scale             float32
}

// gradArgs: sum[i] += dy, dot[i] += dy·(x − mean[i]) over the pixels, lane by lane.
// gradSumsReLU first makes dy of dz, where y > 0.
type gradArgs struct {
	x, dy, y, dz      unsafe.Pointer // [pixels][n][16]
	mean              unsafe.Pointer // [n]
	sum, dot          unsafe.Pointer // [n][16]
	n, pixels, stride int
}

// channelArgs: dst = a·scale[i] + b·factor[i] + shift[i]; of affineAll and
// affineReLU without b.
type channelArgs struct {
	dst, a, b            unsafe.Pointer // [pixels][n][16]
	scale, factor, shift unsafe.Pointer // [n]
	n, pixels, stride    int
}
