package data

// diskRows are the samples of a Set that are kept in a file.
type diskRows struct {
	st   *store
	at   []int32 // [N] places in st
	prep Prep    // of text: none
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
}

// Read makes b the samples rows of s: those of memory where they are, others read
// and preprocessed into buffers of b, which the next Read uses again.
func (b *Batch) Read(s *Set, rows []int32) error {
	if s.disk == nil {
		b.X, b.Labels, b.Rows = s.X, s.Labels, rows
		return nil
	}
	f := s.F()
	if len(b.x) < len(rows)*f {
		b.x = make([]float32, len(rows)*f)
	}
	b.l, b.r = b.l[:0], b.r[:0]
	for i, r := range rows {
		x := b.x[i*f : (i+1)*f]
		if err := s.disk.st.row(int(s.disk.at[r]), x, &b.b); err != nil {
			return err
		}
		if len(s.disk.prep.Mean) > 0 {
			if err := s.disk.prep.Apply(x, s.Shape); err != nil {
				return err
			}
		}
		b.l, b.r = append(b.l, s.Labels[r]), append(b.r, int32(i))
	}
	b.X, b.Labels, b.Rows = b.x, b.l, b.r
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
