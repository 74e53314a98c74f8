// Package device is the contract between plans and the hardware that runs
// them: kernel ids, calls, regions, plan data, cost, and the interfaces Device,
// Bank and Exec. It imports core/tensor only. A device knows kernels and bytes;
// it knows no gradients, no pruning and no files.
//
// # How a plan runs
//
// A Plan is a list of regions. In a region of scope Tile every worker takes a
// few batch tiles through all calls of the region; nothing waits in between. In
// a region of scope Task each call is cut into independent tasks over parts of
// its output (weight panels, blocks, channels). In a region of scope Serial one
// worker runs the calls in order. Barriers stand only between regions.
//
// Sums over the batch are taken in an order that the plan and the device fix, never
// in the order workers finish, so the number of threads never changes a bit.
//
// # Layout
//
// A device reports T, the number of samples in a batch tile, and P, the width
// of an output panel. Shapes in plans are logical; layouts are:
//
//	Act   value, one slab entry per tile   [H][W][C][T]
//	ActT  its transpose for dw             [H*W][⌈C/P⌉][T][P], zero padded
//	Part  partial sums of a tile           [C]
//	matrix weight w[N][K], dense           [⌈N/P⌉][K][P], zero padded
//	  (convolution: K runs over ky, kx, ci)
//	matrix weight, blocks R×1              [blocks][R], K as above
//	vector weight, grouped convolution     row-major
//
// All values of one tile lie in one slab, so a worker touches only its own
// memory inside a region, and values whose lifetimes do not overlap share it.
// Samples past the end of a batch (the last tile may be partly filled) hold
// zeros after Load and zeros as gradients after the loss; reductions over the
// batch leave them out.
//
// # Sequences
//
// In a plan with Seq > 0 a sample is a sequence of Seq tokens, and every value is
// per token: a row of a tile is a token. A sequence begins with a tile of its own,
// so a tile holds tokens of one sequence only; rows past its end are treated like
// samples past the end of a batch. Only attention looks at more than one token,
// in a region of its own.
//
// Such a plan may also hold values per sample (Val.Sample): images before they
// become a sequence, and what follows from one token of it. These lie in slabs of
// their own, Plan.Samples floats per tile of samples; regions of scope Tile work on
// one kind of tile, and only Token and Tokens (with their gradients) lead from one
// to the other.
//
// # Parts of a step
//
// A plan with Micros above 1 runs the samples of an optimiser's step in parts, one after
// the other (Step.Micro, RunParts): the first writes gradients, the others add to them, and
// the last one's calls with Update, and those that make a gradient from another one, do
// their work. So gradients lie in the bank from part to part, and values take the memory
// of one part. The loss and the masks of dropout are those of the whole batch; batch norm's
// statistics, and its running ones, are each part's.
//
// # Several ranks
//
// A plan made for several ranks (Ranks) has no optimiser's step. Each rank runs its share of a
// step's samples (Share, RunShare), on which loss, gradients and dropout depend as parts do;
// then the gradients in the banks become the sum of all ranks' (Grad, SetGrad), and a plan of
// updates alone moves the weights (plan.Moves). core/train does so where it is given ranks;
// what carries the sums from process to process is not here yet.
//
// # Names
//
// The same everywhere, in Go, assembly and docs: B batch, T tile, P panel, N
// outputs, K inputs of a product, C channels, H and W height and width; x, y
// values, dx, dy their gradients, w, b weights and bias, dw, db theirs.
package device
