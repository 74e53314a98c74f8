package data

// Some is a set of n samples of s, spread evenly over it, in their order; s itself where
// it has no more, or n is 0.
func (s *Set) Some(n int) *Set {
	of := s.N()
	if n <= 0 || n >= of {
		return s
	}
	per, f := len(s.Labels)/of, s.F()
	t := &Set{X: make([]float32, 0, n*f), Labels: make([]int32, 0, n*per), Shape: s.Shape}
	for i := range n {
		k := i * of / n
		t.X = append(t.X, s.X[k*f:(k+1)*f]...)
		t.Labels = append(t.Labels, s.Labels[k*per:(k+1)*per]...)
	}
	return t
}
