package prune

// pattern is a mask pattern: units of rows outputs × 1 input of W[N][K] go
// together. Unit (nb, j) with index nb·K + j holds the elements
// W[nb·rows … min(nb·rows+rows, N)−1][j]; for a convolution j runs over
// (ci, ky, kx). These are the blocks of tensor.Block. The last block row is
// smaller when N is no multiple of rows.
//
// Other patterns have a function that makes their units, and one that says why a
// layer is not for them.
type pattern struct {
	Word
	rows int
	text string
	rate func(s *Spec, l *layer) units
	fits func(l *layer) error
}

var patterns = []pattern{
	{Word{"element", "single weights: the most accurate; our kernels skip them from about 60 % zeros"}, 1, "single weights", nil, nil},
	{Word{"block4x1", "blocks of 4 outputs × 1 input: our kernels skip them from about 25 % zeros"}, 4, "4×1 blocks", nil, nil},
	{Word{"block8x1", "blocks of 8 outputs × 1 input: a little faster than 4×1, coarser"}, 8, "8×1 blocks", nil, nil},
	{Word{"block16x1", "blocks of 16 outputs × 1 input: the fastest for one sample at a time, the coarsest"}, 16, "16×1 blocks", nil, nil},
	{Word{"2:4", "of each 4 inputs at most 2 stay: what GPUs skip with a kernel of their own; the target is 50 %"}, 0, "2:4", ratePairs, fitsPairs},
	{Word{"2:4-both", "2:4 along inputs and outputs, in tiles of 4×4: the gradient of the inputs is 2:4 too"}, 0, "2:4 both ways", rateTiles, fitsTiles},
}

// patternOf finds a row; nil for patterns that cut.
func patternOf(name string) *pattern {
	for i := range patterns {
		if patterns[i].Name == name {
			return &patterns[i]
		}
	}
	return nil
}

// units is a layer cut up by a pattern and rated: each unit is what goes at a time.
type units struct {
	l     *layer
	score []float32 // per unit
	kept  []uint8   // elements of the unit that are not masked yet
	// each calls f for the elements that go with unit u.
	each func(u int, f func(e int))
}

// rate makes the units of a layer.
func rate(s *Spec, l *layer, p *pattern) units {
	if p.rate != nil {
		return p.rate(s, l)
	}
	sc := scoreOf(s.Score)
	n := (l.n + p.rows - 1) / p.rows * l.k
	// span is the first element of unit u and the number of its elements, l.k apart.
	span := func(u int) (at, size int) {
		row := u / l.k * p.rows
		return row*l.k + u%l.k, min(p.rows, l.n-row)
	}
	x := units{l: l, score: make([]float32, n), kept: make([]uint8, n)}
	x.each = func(u int, f func(e int)) {
		at, size := span(u)
		for i := range size {
			f(at + i*l.k)
		}
	}
	for u := range x.score {
		at, size := span(u)
		for i := range size {
			if l.mask.Kept(at + i*l.k) {
				x.kept[u]++
			}
		}
		x.score[u] = sc.unit(s, l, u, at, size)
	}
	return x
}

// count notes how many elements of unit u are not masked yet.
func (x *units) count(u int) {
	x.kept[u] = 0
	x.each(u, func(e int) {
		if x.l.mask.Kept(e) {
			x.kept[u]++
		}
	})
}
