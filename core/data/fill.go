package data

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Words for Options.Normalize.
const (
	Standard  = "std"   // to mean 0 and deviation 1 over the training split
	ScaleOnly = "scale" // bytes of images by 1/255, other values as they are
	AsIs      = "none"
)

// fill makes the splits of d from the samples of a source: their labels, their
// parts, and the shape of one. It keeps st if that has become a file.
func (d *Data) fill(st *store, labels []int32, part []uint8, shape []int, o Options) error {
	if err := st.done(); err != nil {
		return err
	}
	var n [3]int
	for _, p := range part {
		n[p]++
	}
	for p, k := range n {
		if k == 0 {
			return fmt.Errorf("%s: its %s part has no sample: give more, or choose other shares", st.name, partNames[p])
		}
	}
	if d.Text == nil {
		p, err := st.prep(part, shape, o)
		if err != nil {
			return err
		}
		d.Prep = p
		if err := p.Check(shape); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	var sets [3]*Set
	var kept [3]*diskRows
	for p := range sets {
		sets[p] = &Set{Labels: make([]int32, 0, n[p]), Shape: shape}
		if st.file != nil {
			kept[p] = &diskRows{st: st, at: make([]int32, 0, n[p]), prep: d.Prep}
			if st.bytes {
				kept[p].luts = d.Prep.luts()
			}
			sets[p].disk = kept[p]
		} else {
			sets[p].X = make([]float32, 0, n[p]*st.f)
		}
	}
	elem := "f32"
	switch {
	case d.Text != nil:
		elem = "tokens"
	case st.bytes:
		elem = "u8"
	}
	raw := [3]splitHash{newSplitHash(), newSplitHash(), newSplitHash()}
	buf := make([]byte, 0, 4*st.f)
	var failed error
	err := st.each(func(i int, x []float32) {
		s := sets[part[i]]
		s.Labels = append(s.Labels, labels[i])
		buf = buf[:0]
		for _, v := range x {
			switch elem {
			case "u8":
				buf = append(buf, byte(v))
			case "tokens":
				buf = binary.LittleEndian.AppendUint32(buf, uint32(v))
			default:
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
		}
		raw[part[i]].h.Write(buf)
		if d.Text == nil && failed == nil {
			failed = d.Prep.Apply(x, shape) // also of what stays in the file: errors come now
		}
		if s.disk == nil {
			s.X = append(s.X, x...)
			st.drop(i)
		} else {
			k := kept[part[i]]
			k.at = append(k.at, int32(i))
		}
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", st.name, failed)
	}
	if st.file != nil {
		d.Notes = append(d.Notes, fmt.Sprintf("more than %d MiB of samples: kept in a file of %d MiB that goes with the run, read as training needs them", st.limit>>20, (int64(st.n)*int64(st.size())+1<<20-1)>>20))
	}
	d.Train, d.Val, d.Test = sets[inTrain], sets[inVal], sets[inTest]
	return d.finishHash(elem, raw)
}

// known is the preprocessing of c channels or columns if it need not be measured.
func (o Options) known(c int, bytes bool) (*Prep, error) {
	scale := 1.0
	switch o.Normalize {
	case "", Standard:
		return o.Prep, nil
	case ScaleOnly:
		if bytes {
			scale = 1.0 / 255
		}
	case AsIs:
	default:
		return nil, fmt.Errorf("data.normalize = %q: choose %s, %s or %s", o.Normalize, Standard, ScaleOnly, AsIs)
	}
	if o.Prep != nil {
		return o.Prep, nil
	}
	p := &Prep{Scale: scale, Mean: make([]float64, c), Std: make([]float64, c)}
	for k := range p.Std {
		p.Std[k] = 1
	}
	return p, nil
}

func orZero(p *Prep) Prep {
	if p == nil {
		return Prep{}
	}
	return *p
}

// prep chooses the preprocessing: as given, or measured on the training split.
func (s *store) prep(part []uint8, shape []int, o Options) (Prep, error) {
	if p, err := o.known(shape[0], s.bytes); err != nil || p != nil {
		return orZero(p), err
	}
	train := func(do func(x []float32)) error {
		return s.each(func(i int, x []float32) {
			if part[i] == inTrain {
				do(x)
			}
		})
	}
	if !s.bytes {
		return measure(train, shape)
	}
	hist := make([][256]uint64, shape[0])
	inner := s.f / shape[0]
	err := train(func(x []float32) {
		for k := range hist {
			for _, v := range x[k*inner : (k+1)*inner] {
				hist[k][uint8(v)]++
			}
		}
	})
	return imagePrep(hist), err
}

// measure is mean and deviation (of the population) of each channel or column over
// samples of the given shape, which train goes through twice in the same order.
// Constant ones become 0.
func measure(train func(func(x []float32)) error, shape []int) (Prep, error) {
	c := shape[0]
	p := Prep{Scale: 1, Mean: make([]float64, c), Std: make([]float64, c)}
	first, constant := make([]float32, c), make([]bool, c)
	n, inner := 0, volume(shape)/c
	err := train(func(x []float32) {
		for k := range c {
			v := x[k*inner : (k+1)*inner]
			if n == 0 {
				first[k], constant[k] = v[0], true
			}
			for _, v := range v {
				p.Mean[k] += float64(v)
				constant[k] = constant[k] && v == first[k]
			}
		}
		n++
	})
	if err != nil {
		return p, err
	}
	count := float64(n * inner)
	for k := range p.Mean {
		p.Mean[k] /= count
	}
	err = train(func(x []float32) {
		for i, v := range x {
			d := float64(v) - p.Mean[i/inner]
			p.Std[i/inner] += float64(d * d)
		}
	})
	for k := range p.Std {
		p.Std[k] = math.Sqrt(p.Std[k] / count)
		if constant[k] || p.Std[k] == 0 {
			p.Mean[k], p.Std[k] = float64(first[k]), 1
		}
	}
	return p, err
}
