package data

import (
	"fmt"
	"math"
)

// masking makes samples of a masked language model (Devlin et al. 2019, 3.1) of windows of
// ids: what the tokenizer puts around a text stands around each, 15 % of its tokens,
// rounded, but at least one, are drawn, and are the labels; of these 80 % become the mask's
// id, 10 % any id, 10 % stay. What is drawn depends on the seed, the draw and the sample
// alone: training draws anew each epoch (Set.Drawn), validation and test are drawn once.
type masking struct {
	before, after []float32
	mask          float32
	vocab         uint64
	pad           float32 // no token becomes this; −1: none
	seed          uint64
}

// maskShare is the share of tokens to be guessed.
const maskShare = 0.15

// newMasking is the masking by the tokenizer of x.
func newMasking(x *Text, seed uint64) (*masking, error) {
	t, ok := x.Tokens.(fileTokens)
	if !ok {
		return nil, fmt.Errorf("a masked language model needs its own tokenizer, %s has no token for the mask: put the model's tokenizer.json into its folder, or name it (data.tokenizer)", x.Kind)
	}
	id, ok := t.Mask()
	if !ok {
		return nil, fmt.Errorf("tokenizer %s: has no token for the mask of a masked language model: name it in tokenizer_config.json (mask_token)", x.Path)
	}
	m := &masking{mask: float32(id), vocab: uint64(x.Vocab), pad: -1, seed: seed}
	before, after, err := t.Frame()
	if err != nil {
		return nil, err
	}
	for _, id := range before {
		m.before = append(m.before, float32(id))
	}
	for _, id := range after {
		m.after = append(m.after, float32(id))
	}
	if pad, ok := t.Pad(); ok {
		m.pad = float32(pad)
	}
	return m, nil
}

// masked makes x's samples those of a masked language model: its windows get shorter by
// what stands around them.
func (x *Text) masked(o Options) error {
	if !o.Masked {
		return nil
	}
	m, err := newMasking(x, o.Seed)
	if err != nil {
		return err
	}
	if x.Len -= m.around(); x.Len < 1 {
		return fmt.Errorf("%d tokens a sample leave no room beside the %d that the tokenizer puts around each", x.Len+m.around(), m.around())
	}
	x.Masked, x.mask = true, m
	return nil
}

func (m *masking) around() int { return len(m.before) + len(m.after) }

// draw writes sample i of draw d, the window ids, into x and labels, both around longer.
func (m *masking) draw(d uint64, i int, ids, x []float32, labels []int32) {
	n := copy(x, m.before)
	copy(x[n:], ids)
	copy(x[n+len(ids):], m.after)
	for k := range labels {
		labels[k] = NoLabel
	}
	r := newRNG(m.seed^mix64(d), maskStream+uint64(i))
	at := make([]int, len(ids))
	for k := range at {
		at[k] = n + k
	}
	for k := range max(1, int(math.Round(maskShare*float64(len(ids))))) {
		j := k + int(r.below(uint64(len(at)-k)))
		at[k], at[j] = at[j], at[k]
		p := at[k]
		labels[p] = int32(x[p])
		switch how := r.below(10); {
		case how < 8:
			x[p] = m.mask
		case how == 8:
			if x[p] = float32(r.below(m.vocab)); x[p] == m.pad {
				x[p] = m.mask
			}
		}
	}
}

// maskStream is the first of the generators that draw masks, one for each sample.
const maskStream = 1 << 62

// maskedRows are windows masked as they are read.
type maskedRows struct {
	*masking
	base *Set
	d    uint64 // the draw
}

func (s *maskedRows) samples() int { return s.base.N() }

func (s *maskedRows) read(_ *Set, rows []int32, b *Batch) error {
	if b.under == nil {
		b.under = &Batch{}
	}
	u := b.under
	if err := u.Read(s.base, rows); err != nil {
		return err
	}
	n := s.base.F()
	t := n + s.around()
	for i, row := range rows {
		from := int(u.Rows[i]) * n
		at := len(b.l)
		b.l = append(b.l, make([]int32, t)...)
		s.draw(s.d, int(row), u.X[from:from+n], b.x[i*t:(i+1)*t], b.l[at:])
	}
	return nil
}

func (s *maskedRows) labels(set *Set, do func(l int32)) error {
	var b Batch
	for i := range s.samples() {
		if err := b.Read(set, []int32{int32(i)}); err != nil {
			return err
		}
		for _, l := range b.Labels {
			do(l)
		}
	}
	return nil
}

// of makes the windows of a split samples of a masked language model; those of training
// are masked when they are read.
func (m *masking) of(s *Set, train bool) (*Set, error) {
	out := &Set{Shape: []int{s.F() + m.around()}, disk: &maskedRows{m, s, 0}}
	if train {
		return out, nil
	}
	var b Batch
	held := &Set{Shape: out.Shape}
	for i := range out.N() {
		if err := b.Read(out, []int32{int32(i)}); err != nil {
			return nil, err
		}
		held.X, held.Labels = append(held.X, b.X...), append(held.Labels, b.Labels...)
	}
	return held, nil
}

// maskSets does it for all splits, where the data are for a masked language model.
func (d *Data) maskSets() (err error) {
	m := d.Text.mask
	if m == nil {
		return nil
	}
	for p, s := range []**Set{&d.Train, &d.Val, &d.Test} {
		if *s, err = m.of(*s, p == inTrain); err != nil {
			return err
		}
	}
	d.Text.Len += m.around()
	d.Notes = append(d.Notes, fmt.Sprintf("masked language model: %.0f %% of the tokens are to be guessed, drawn anew each epoch of training, once for validation and test", 100*maskShare))
	return nil
}

// Drawn is the set with what is drawn for one epoch: the masks of a masked language model.
// Other sets are as they are. Equal arguments give equal bits.
func (s *Set) Drawn(seed uint64, epoch int) *Set {
	m, ok := s.disk.(*maskedRows)
	if !ok {
		return s
	}
	out := *s
	out.disk = &maskedRows{m.masking, m.base, mix64(seed) + uint64(epoch) + 1}
	return &out
}
