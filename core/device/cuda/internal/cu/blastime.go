package cu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// timed is how many of the library's first choices are tried.
const timed = 6

// worthTiming says whether a product is so large that its algorithm is chosen by time:
// by its arithmetic or, of a thin one, as adapters have them, by the megabytes it moves.
// Of those the library's first choice may leave most of the card idle.
func worthTiming(p Product) bool {
	thin := min(p.M, p.N, p.K) <= 64
	return p.Flops() > 1e9 || thin && p.spanA()+p.spanB()+p.spanD() > 1<<20
}

// fastest runs a product by each algorithm on scratch memory of noise and returns the
// place of the fastest; a later one must be faster by 2 % than those before it. The
// weights and samples at hand have no part in it. Where memory for it lacks, it is the
// first.
func (b *blas) fastest(q *product, found []heuristic) (int, error) {
	s := scratch{c: b.c, noise: &b.noise}
	defer s.release()
	p := q.p
	a, w, d := s.take(p.A, p.spanA()), s.take(p.B, p.spanB()), s.take(p.D, p.spanD())
	var bias, aux Ptr
	if p.biases() > 0 {
		bias = s.take(p.BiasType, int64(p.biases()))
	}
	if p.hasAux() {
		aux = s.take(p.D, int64(p.Batch)*int64(p.M)*int64(p.N))
	}
	if s.err != nil {
		if errors.Is(s.err, ErrOutOfMemory) {
			q.makeshift = true
			return 0, nil
		}
		return 0, s.err
	}
	times, err := s.race(len(found), p.Flops(), func(i int) error {
		q.take(found[i])
		return b.Run(q, a, w, d, bias, aux, 1, 0)
	})
	if err != nil {
		return 0, err
	}
	best := 0
	for i, t := range times {
		if t < 0.98*times[best] {
			best = i
		}
	}
	if math.IsInf(float64(times[best]), 1) {
		return 0, fmt.Errorf("cuda: cublasLt: %w: none of %d algorithms ran", ErrUnsupported, len(found))
	}
	return best, nil
}

// scratch is memory for trials.
type scratch struct {
	c     *card
	noise *noise
	held  []Ptr
	err   error // the first
}

// take is memory for count values, filled with noise.
func (s *scratch) take(t Type, count int64) Ptr {
	if s.err != nil {
		return 0
	}
	p := s.bytes(count * int64(t.Bytes()))
	if s.err == nil {
		s.err = s.c.repeat(p, s.noise.of(t), count*int64(t.Bytes()))
	}
	return p
}

func (s *scratch) bytes(n int64) Ptr {
	if s.err != nil {
		return 0
	}
	p, err := s.c.Alloc(n)
	if err != nil {
		s.err = err
		return 0
	}
	s.held = append(s.held, p)
	return p
}

func (s *scratch) release() {
	for _, p := range s.held {
		_ = s.c.Release(p) // a lost card shows in the next call that matters
	}
}

// race times n ways of doing the same, turn about, and returns the shortest time of
// each, ms; infinite: it does not run.
func (s *scratch) race(n int, flops float64, run func(i int) error) ([]float32, error) {
	from, err := s.c.Event()
	if err != nil {
		return nil, err
	}
	defer s.c.ReleaseEvent(from) //nolint:errcheck // as for release
	to, err := s.c.Event()
	if err != nil {
		return nil, err
	}
	defer s.c.ReleaseEvent(to) //nolint:errcheck // as for release
	times := make([]float32, n)
	repeats := int(min(max(2e11/flops, 2), 20))
	for round := range 4 { // the first loads the kernels
		for i := range times {
			if round == 0 {
				times[i] = float32(math.Inf(1))
				if err := run(i); err != nil {
					var e *Error
					if errors.As(err, &e) && e.Library != "" && !errors.Is(err, ErrLost) {
						times[i] = -1 // the library refuses it
						continue
					}
					return nil, err
				}
				continue
			}
			if times[i] < 0 {
				continue
			}
			if err := s.c.Record(from); err != nil {
				return nil, err
			}
			for range repeats {
				if err := run(i); err != nil {
					return nil, err
				}
			}
			if err := s.c.Record(to); err != nil {
				return nil, err
			}
			ms, err := s.c.Elapsed(from, to)
			if err != nil {
				return nil, err
			}
			times[i] = min(times[i], ms/float32(repeats))
		}
	}
	for i, t := range times {
		if t < 0 {
			times[i] = float32(math.Inf(1))
		}
	}
	return times, nil
}

// noise is normally distributed numbers, always the same: the time and the power of a
// product depend on how many bits flip, and zeros would flatter.
type noise [2][]byte

// of is a megabyte of a type's noise.
func (n *noise) of(t Type) []byte {
	if n[t] == nil {
		r := rand.New(rand.NewPCG(1, 2))
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += t.Bytes() {
			v := math.Float32bits(float32(r.NormFloat64()))
			if t == BF16 {
				binary.LittleEndian.PutUint16(b[i:], uint16(v>>16))
			} else {
				binary.LittleEndian.PutUint32(b[i:], v)
			}
		}
		n[t] = b
	}
	return n[t]
}

// repeat fills memory with copies of a pattern.
func (c *card) repeat(to Ptr, pattern []byte, bytes int64) error {
	have := min(int64(len(pattern)), bytes)
	if err := c.Upload(to, pattern[:have]); err != nil {
		return err
	}
	for have < bytes {
		n := min(have, bytes-have)
		if err := c.Copy(to+Ptr(have), to, n); err != nil {
			return err
		}
		have += n
	}
	return nil
}
