package cpu

// A mask in memory: one bit an element, in the order the values lie in, 16 to a
// word. Gradients pass by once a step; a mask as wide as they are would cost a
// masked dense layer a tenth of its time (Zen 4, 784-300-100-10).

// bitOf is the bit of each lane of a row, for the assembly.
//
//nolint:unused // the assembly knows it by name
var bitOf = [T]uint32{1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15}

// newBits is a mask over n elements that keeps none.
func newBits(n int) []uint16 { return make([]uint16, (n+T-1)/T) }

// maskRows clears elements from to from+len(x)−1 of a tensor where keep has no bit;
// x holds them.
func maskRows(x []float32, keep []uint16, from int) {
	one := func(n int) {
		for i := range n {
			if keep[(from+i)/T]>>((from+i)%T)&1 == 0 {
				x[i] = 0
			}
		}
		x, from = x[n:], from+n
	}
	if from%T > 0 {
		one(min(T-from%T, len(x)))
	}
	for len(x) >= T {
		n := min(len(x)/T, maxRows)
		maskBits(&rowArgs{dst: ptr(x), a: ptr(x), b: ptr(keep[from/T:]), n: n})
		x, from = x[n*T:], from+n*T
	}
	one(len(x))
}

func maskBitsGo(p *rowArgs) {
	for i := range p.n {
		dst, a, bits := rowAt(p.dst, i), rowAt(p.a, i), *(*uint16)(at(p.b, 2*i))
		for j := range dst {
			if dst[j] = a[j]; bits>>j&1 == 0 {
				dst[j] = 0
			}
		}
	}
}
