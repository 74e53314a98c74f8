package cpu

// The runtime copies and clears in assembly, too, which holds up the garbage
// collector like a kernel of ours: a tile of 64 channels of 112×112 pixels is
// 51 MB. What may be large is moved piece by piece. A piece is a call that is not
// inlined: its prologue is where a goroutine that is asked to stop does so, as
// the signal for it lands inside of the assembly again and again.

// maxMoved is the number of floats of a piece, 256 KiB.
const maxMoved = 1 << 16

// clearAll is clear.
func clearAll(x []float32) {
	for len(x) > 0 {
		n := min(len(x), maxMoved)
		clearPiece(x[:n])
		x = x[n:]
	}
}

// copyAll is copy.
func copyAll(to, from []float32) {
	from = from[:min(len(from), len(to))]
	for len(from) > 0 {
		n := min(len(from), maxMoved)
		copyPiece(to[:n], from[:n])
		to, from = to[n:], from[n:]
	}
}

//go:noinline
func clearPiece(x []float32) { clear(x) }

//go:noinline
func copyPiece(to, from []float32) { copy(to, from) }
