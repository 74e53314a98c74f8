// Package cpu runs plans on the processor: generated AVX-512 and AVX2
// micro-kernels, NEON ones for the products on arm64, plain Go elsewhere, and a
// pool of workers. It may import core/device and core/tensor, nothing above them.
//
// # Layout of the kernels
//
// Activations of a batch tile are [feature][T], one 64-byte row per feature, so
// every kernel works on whole rows of 16 floats and needs no packing. Dense
// weights are panels [⌈N/P⌉][K][P]; gradients for dw are transposed to
// [panel][T][P]. Forward, dx, dw and direct convolution are then one product,
// C[m][16] (+)= Σ A[m,k]·B[k][16], with A read in one of two ways (mulF, mulX).
// A row is one AVX-512 register, two of AVX2 or four of NEON; the layout is the same for all
// instruction sets.
//
// Grouped convolutions, which share nothing between outputs, keep their weights
// row-major and work row by row.
//
// A plan of one sample or of a few images, whose tile would leave most of its 16 lanes
// empty, keeps images as [H][W][C] and vectors as they are, with 16 outputs or channels
// in the place of the lanes, if all its calls know that: flat.go says which. Others run
// in tiles.
//
// # How a plan runs
//
// Compile makes an arena of one slab per batch tile and a pool of workers. In a
// region of scope Tile a task is a group of tiles: one where all weights stay in
// the inner caches, up to maxGroup where they do not, so that each weight
// fetched serves all of them. In a region of scope Task the parts of all calls
// wait in one queue; each part sums over tiles in an order of its own and, where the
// call says so, takes the optimiser's step while its gradient is in the cache.
// Nothing depends on who does what when, so the number of workers never changes
// a bit, and a run allocates nothing.
//
// Of two workers each keeps to one half of the batch from region to region and from step
// to step, where its caches have it (pool), and gradients that are small beside the values
// they are made from are summed over each half by itself (halves.go): what one worker
// writes is rarely what the other has read.
//
// Calls that follow each other are one pass where nobody else reads what lies between
// (fuse.go): norms, activations, the factor and the sum behind a product. The gradient of a
// matrix of few outputs or inputs, such as an adapter's, reads dy as it lies (narrow.go).
//
// Lanes past the end of a batch hold finite numbers and, in gradients, zeros:
// sums over whole tiles need no masks but where statistics are taken (NormStats)
// and where a gradient does not start from dy (NormDX).
//
// # arm64
//
// The NEON kernels were tested under qemu-user only, for want of such a machine:
//
//	GOARCH=arm64 CGO_ENABLED=0 go test -tags static -exec qemu-aarch64 -short ./core/device/cpu ./core/plan/devicetest
//
// They hold the bits of one instruction set like the others; their speed is
// unknown. Training measures what formats cost there as elsewhere (plan.Calibrate);
// models that only run take the prices of Zen 4 (plan.InferPrices).
//
// # Bounds
//
// Assembly cannot be preempted, and a goroutine that cannot be preempted holds
// up the garbage collector and with it the screen. Callers therefore cut their
// work so that one call takes at most about 100 µs: maxSteps, maxBlocks, maxRows
// and maxFloats, and maxMoved where the runtime copies and clears. BenchmarkBound
// times the longest call of each kernel, BenchmarkGCPause what the collector sees,
// and TestStops which part of that is the engine's.
//
//go:generate go run ./internal/gen
package cpu

// Sizes of the layout.
const (
	T = 16 // samples in a batch tile
	P = 16 // outputs in a weight panel
)

// rowBytes is the distance of rows of a tile, of a panel and of C.
const rowBytes = 64

// Most work of one kernel call, about 100 µs when everything comes from main
// memory and far less from the cache.
const (
	maxSteps   = 1 << 14      // k-steps of a product, or blocks of one tile, each at most 2 lines
	pixelSteps = maxSteps / 2 // k-steps or blocks of pixels, which may all lie in the same sets of the cache
	maxBlocks  = 1 << 11      // blocks of up to 4 tiles
	maxRows    = 1 << 13      // rows of 16 floats
	maxFloats  = 1 << 15      // weights of an optimiser's step
)
