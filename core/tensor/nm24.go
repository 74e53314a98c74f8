package tensor

// TwoInFour reports whether the mask of w[N][K] keeps exactly two of each four
// neighbouring inputs of an output. (At most two would be 2:4 as well; with fewer,
// other formats store less.)
func TwoInFour(m *Mask, n, k int) bool {
	if m == nil || m.N != n*k || k%4 != 0 {
		return false
	}
	for i := 0; i < m.N; i += 4 {
		kept := 0
		for j := range 4 {
			if m.Kept(i + j) {
				kept++
			}
		}
		if kept != 2 {
			return false
		}
	}
	return true
}
