package prune

import (
	"errors"

	"pare/core/graph"
	"pare/core/tensor"
)

// EarlyBird tells when the mask that a dense training is heading for has settled, so
// that the training may stop and prune (You et al. 2020, "Drawing Early-Bird Tickets",
// arXiv:1909.11957): after each epoch the mask is drawn as if it were pruned now, and
// when the largest distance to the five before it is under Eps, it has.
//
// The distance of two masks is the share of what they keep or drop differently, of the
// most that can differ between masks of as many zeros: 2·min(zeros, kept). At half zeros
// that is the paper's share of all; at other targets it makes the same Eps as strict.
type EarlyBird struct {
	Eps  float64
	Past []*tensor.Mask // the last ones, oldest first
}

// EarlyBirds is how many masks a new one is compared with.
const EarlyBirds = 5

// Draw is the mask that the rule would make of m now: over the weights of all layers
// that are not skipped, or, where the rule cuts, over the channels of all groups.
func Draw(m *graph.Model, s Spec, share float64, base Base) (*tensor.Mask, error) {
	rs, _, err := Step(m, s, share, base)
	if err != nil {
		return nil, err
	}
	if !s.Structured() {
		after := m.Clone()
		for _, x := range rs {
			if _, err := x.Apply(after); err != nil {
				return nil, err
			}
		}
		ls, err := layersOf(after, s.Skip)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, l := range ls {
			n += l.n * l.k
		}
		out, at := tensor.NewMask(n), 0
		for _, l := range ls {
			for i := range l.n * l.k {
				if !l.skip && !l.mask.Kept(i) {
					out.Drop(at + i)
				}
			}
			at += l.n * l.k
		}
		return out, nil
	}
	groups, err := m.Groups()
	if err != nil {
		return nil, err
	}
	n := 0
	first := map[string]int{}
	for _, g := range groups {
		first[g.Name] = n
		n += g.Size
	}
	out := tensor.NewMask(n)
	for _, g := range groups {
		for _, x := range rs {
			c, ok := x.(graph.CutAxis)
			if !ok || c.Group != g.Name {
				continue
			}
			for j := range g.Size {
				out.Drop(first[g.Name] + j)
			}
			for _, k := range c.Keep {
				out.Keep(first[g.Name] + k)
			}
		}
	}
	return out, nil
}

// Add takes the mask of one more epoch in and tells its largest distance to those
// before, −1 for the first, and whether the mask has settled.
func (e *EarlyBird) Add(m *tensor.Mask) (distance float64, settled bool, err error) {
	distance = -1
	for _, p := range e.Past {
		if p.N != m.N {
			return 0, false, errors.New("early bird: the masks are of different models")
		}
		distance = max(distance, apart(p, m))
	}
	settled = len(e.Past) == EarlyBirds && distance < e.Eps
	if e.Past = append(e.Past, m); len(e.Past) > EarlyBirds {
		e.Past = e.Past[1:]
	}
	return distance, settled, nil
}

// apart is the distance of two masks, 0…1.
func apart(a, b *tensor.Mask) float64 {
	differ := 0
	for i := range a.N {
		if a.Kept(i) != b.Kept(i) {
			differ++
		}
	}
	most := min(a.Zeros(), a.Count()) + min(b.Zeros(), b.Count())
	if most == 0 {
		return 0
	}
	return min(float64(differ)/float64(most), 1)
}

// bitsPerValue of a mask go into a float32 of a checkpoint, which holds whole numbers
// below 2²⁴ exactly.
const bitsPerValue = 16

// State are the masks for a checkpoint, each as one row of numbers.
func (e *EarlyBird) State() (l [][]float32) {
	for _, m := range e.Past {
		row := make([]float32, 1+(m.N+bitsPerValue-1)/bitsPerValue)
		row[0] = float32(m.N % bitsPerValue) // how much of the last number counts
		for i := range m.N {
			if m.Kept(i) {
				row[1+i/bitsPerValue] += float32(int(1) << (i % bitsPerValue))
			}
		}
		l = append(l, row)
	}
	return l
}

// Restore takes over what State gave.
func (e *EarlyBird) Restore(l [][]float32) error {
	if len(l) > EarlyBirds {
		return errors.New("early bird: too many masks in the checkpoint")
	}
	e.Past = nil
	for _, row := range l {
		if len(row) == 0 || !(row[0] >= 0 && row[0] < bitsPerValue) || row[0] > 0 && len(row) == 1 {
			return errors.New("early bird: a mask in the checkpoint does not parse")
		}
		n := (len(row) - 1) * bitsPerValue
		if row[0] > 0 {
			n += int(row[0]) - bitsPerValue
		}
		m := tensor.NewMask(n)
		for i := range n {
			v := row[1+i/bitsPerValue]
			if !(v >= 0 && v < 1<<bitsPerValue) {
				return errors.New("early bird: a mask in the checkpoint does not parse")
			}
			if int(v)>>(i%bitsPerValue)&1 == 0 {
				m.Drop(i)
			}
		}
		e.Past = append(e.Past, m)
	}
	return nil
}
