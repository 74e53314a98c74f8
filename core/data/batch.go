package data

// disk holds the samples of a Set that are in a file.
type disk interface {
	samples() int
	// read fills b.X [len(rows)][F] and b.Labels from the samples rows of s.
	read(s *Set, rows []int32, b *Batch) error
	// labels reads all labels in their order.
	labels(s *Set, do func(l int32)) error
}

// Streamed says whether the samples are in a file and not in X.
func (s *Set) Streamed() bool { return s.disk != nil }

// Batch is some samples of a set as a device takes them: sample Rows[i] of X and
// Labels. The zero value is ready for Read, again and again.
type Batch struct {
	X      []float32 // [·][F]
	Labels []int32   // [·], of a language model [·][T]
	Rows   []int32   // [B]

	x    []float32 // own buffers, for samples from a file
	l, r []int32
	b    []byte

	under *Batch // of what is masked
}

// Read makes b the samples rows of s: those of memory where they are, others read
// and preprocessed into buffers of b, which the next Read uses again.
func (b *Batch) Read(s *Set, rows []int32) error {
	if s.disk == nil {
		b.X, b.Labels, b.Rows = s.X, s.Labels, rows
		return nil
	}
	if n := len(rows) * s.F(); len(b.x) < n {
		b.x = make([]float32, n)
	}
	b.l, b.r = b.l[:0], b.r[:0]
	for i := range rows {
		b.r = append(b.r, int32(i))
	}
	if err := s.disk.read(s, rows, b); err != nil {
		return err
	}
	b.X, b.Labels, b.Rows = b.x[:len(rows)*s.F()], b.l, b.r
	return nil
}

// Sample copies the values of one sample, preprocessed.
func (s *Set) Sample(i int) ([]float32, error) {
	var b Batch
	if err := b.Read(s, []int32{int32(i)}); err != nil {
		return nil, err
	}
	f, r := s.F(), int(b.Rows[0])
	return append([]float32(nil), b.X[r*f:(r+1)*f]...), nil
}

// Counts is how many samples each class has. k is the number of classes; labels
// outside, such as those of a language model, are not counted.
func (s *Set) Counts(k int) []int {
	n := make([]int, k)
	for _, l := range s.Labels {
		if l >= 0 && int(l) < k {
			n[l]++
		}
	}
	return n
}

// eachLabel goes through all labels in their order.
func (s *Set) eachLabel(do func(l int32)) error {
	if s.disk != nil {
		return s.disk.labels(s, do)
	}
	for _, l := range s.Labels {
		do(l)
	}
	return nil
}

// diskRows are samples with a label each, which is in Set.Labels.
type diskRows struct {
	st   *store
	at   []int32        // [N] places in st
	prep Prep           // of text: none
	luts [][256]float32 // what prep makes of bytes, by channel; nil: values are no bytes
}

func (d *diskRows) samples() int { return len(d.at) }

func (d *diskRows) read(s *Set, rows []int32, b *Batch) error {
	f := s.F()
	for i, r := range rows {
		x := b.x[i*f : (i+1)*f]
		b.l = append(b.l, s.Labels[r])
		if d.luts != nil {
			raw, err := d.st.raw(int(d.at[r]), &b.b)
			if err != nil {
				return err
			}
			n := f / len(d.luts)
			for k := range d.luts {
				t := &d.luts[k]
				for j, v := range raw[k*n : (k+1)*n] {
					x[k*n+j] = t[v]
				}
			}
			continue
		}
		if err := d.st.row(int(d.at[r]), x, &b.b); err != nil {
			return err
		}
		if len(d.prep.Mean) > 0 {
			if err := d.prep.Apply(x, s.Shape); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *diskRows) labels(s *Set, do func(l int32)) error {
	for _, l := range s.Labels {
		do(l)
	}
	return nil
}
