package data

import "fmt"

// imageSplit is a split of images while it is filled: raw bytes go in, floats
// 0 … 255 are kept until prepareImages knows the preprocessing.
type imageSplit struct {
	set  *Set
	hash splitHash
	hist [][256]uint64 // [C] counts of byte values; nil unless asked for
	at   int           // samples added
}

// newImageSplit has room for n samples of shape [C,H,W].
func newImageSplit(n int, shape []int, count bool) *imageSplit {
	s := &imageSplit{
		set:  &Set{X: make([]float32, n*volume(shape)), Labels: make([]int32, n), Shape: shape},
		hash: newSplitHash(),
	}
	if count {
		s.hist = make([][256]uint64, shape[0])
	}
	return s
}

// add appends one sample.
func (s *imageSplit) add(item []byte, label int32) {
	dst := s.set.X[s.at*len(item):][:len(item)]
	for i, v := range item {
		dst[i] = float32(v)
	}
	s.set.Labels[s.at] = label
	s.at++
	s.hash.h.Write(item)
	for k := range s.hist {
		h := &s.hist[k]
		n := len(item) / len(s.hist)
		for _, v := range item[k*n : (k+1)*n] {
			h[v]++
		}
	}
}

// apply preprocesses what add has gathered, in place. p fits the shape.
func (s *imageSplit) apply(p Prep) {
	c := s.set.Shape[0]
	inner := s.set.F() / c
	luts := p.luts()
	for x := s.set.X; len(x) > 0; {
		for k := range luts {
			t := &luts[k]
			for i, v := range x[:inner] {
				x[i] = t[uint8(v)]
			}
			x = x[inner:]
		}
	}
}

// prepareImages chooses the preprocessing, applies it to the three splits and
// completes d.
func (d *Data) prepareImages(train, val, test *imageSplit, given *Prep) error {
	d.Prep = imagePrep(train.hist)
	if given != nil {
		d.Prep = *given
	}
	if err := d.Prep.Check(train.set.Shape); err != nil {
		return err
	}
	for k := range d.Prep.Mean {
		if t := d.Prep.lut(k); t[0]-t[0] != 0 || t[255]-t[255] != 0 {
			return fmt.Errorf("preprocessing: channel %d: bytes become %v … %v: the recipe's scale, mean or deviation is wrong", k+1, t[0], t[255])
		}
	}
	done := make(chan struct{})
	go func() {
		test.apply(d.Prep)
		val.apply(d.Prep)
		close(done)
	}()
	train.apply(d.Prep)
	<-done
	d.Train, d.Val, d.Test = train.set, val.set, test.set
	return d.finishHash("u8", [3]splitHash{train.hash, val.hash, test.hash})
}
