package cuda

import (
	"math/bits"

	"pare/core/device/cuda/internal/cu"
)

// sumRows appends to[c] = Σ x over rows, ld elements apart, added to what is there if accum
// is set: first the sums of parts of the rows, then theirs.
func (b *builder) sumRows(x cu.Ptr, rows, channels, ld int, to cu.Ptr, accum bool) error {
	lanes := lanesFor(channels)
	tiles := up(channels, 8*lanes)
	splits := max(min(8*b.x.dev.info.SMs/tiles, up(rows, 4*sumThreads/lanes), 1<<15), 1)
	part := to
	if direct := splits == 1 && !accum; !direct {
		var err error
		if part, err = b.scratch(4 * int64(splits) * int64(channels)); err != nil {
			return err
		}
	}
	err := b.kernel([]string{"sum_splits"}, [3]int{tiles, splits, 1}, [3]int{sumThreads, 1, 1}, 0, x, part, rows, channels, int64(ld), lanes)
	if err != nil || part == to {
		return err
	}
	return b.sumParts(part, to, splits, channels, channels, accum)
}

// sumParts appends to[c] = Σ part[p][c], parts ld elements apart.
func (b *builder) sumParts(part, to cu.Ptr, parts, channels, ld int, accum bool) error {
	add := 0
	if accum {
		add = 1
	}
	return b.kernel([]string{"sum_parts"}, [3]int{up(channels, 8), 1, 1}, [3]int{sumThreads, 1, 1}, 0, part, to, parts, channels, ld, add)
}

// sumsOf appends a kernel that sums over something for each of rows: see sum_rows in
// kernels/common.cuh. Its last arguments are lanes and rows.
func (b *builder) sumsOf(name string, rows, channels int, args ...any) error {
	lanes := lanesFor(channels)
	return b.kernel([]string{name}, [3]int{up(channels, 8*lanes), min(rows, 1<<15), 1}, [3]int{sumThreads, 1, 1}, 0, append(args, lanes, rows)...)
}

const sumThreads = 256 // of a block of kernels/sums.cu

// lanesFor is the number of threads that stand side by side over channels, eight each: a
// power of two up to a warp.
func lanesFor(channels int) int { return min(1<<bits.Len(uint(up(channels, 8)-1)), 32) }

// up is a/b, rounded up.
func up(a, b int) int { return (a + b - 1) / b }
