package hf

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core/graph"
)

// scalings are the types of scaled rotary positions that rope knows.
var scalings = []string{"linear", "dynamic", "llama3"}

// rope is a rotary position's node but for its heads, which have dim channels, for
// sequences of seq tokens. The scalings are those of transformers,
// modeling_rope_utils.py:
//
//	linear   all angles divided by factor
//	dynamic  a larger base for sequences beyond max_position_embeddings; none up to
//	         there, which is as far as a graph goes
//	llama3   angles of waves longer than original/low divided by factor, of waves
//	         shorter than original/high kept, smoothly in between
func (c *Config) rope(dim, seq int) (graph.Attrs, error) {
	base, scale := c.RopeTheta, (*Rope)(nil)
	for _, r := range []*Rope{c.Rope, c.RopeScaling} {
		if r == nil {
			continue
		}
		if k := r.kind(); k != "" && k != "default" {
			scale = r
		}
		if r.Theta != 0 {
			base = r.Theta
		}
	}
	if base == 0 {
		base = 1e4 // the default of Llama's configuration
	}
	if !(base > 1) || math.IsInf(base, 0) {
		return graph.Attrs{}, errors.New("config.json: rope_theta must be more than 1")
	}
	a := graph.Attrs{Base: base}
	if scale == nil {
		return a, nil
	}
	if dim < 2 || dim > 1<<16 {
		return a, fmt.Errorf("config.json: heads of %d channels cannot turn", dim)
	}
	kind := scale.kind()
	if !slices.Contains(scalings, kind) {
		return a, fmt.Errorf("config.json: rotary positions of type %q are not supported: known are default, %s", kind, strings.Join(scalings, ", "))
	}
	if !(scale.Factor >= 1) || math.IsInf(scale.Factor, 0) {
		return a, fmt.Errorf("config.json: rotary positions of type %q need a factor of at least 1", kind)
	}
	switch kind {
	case "dynamic":
		if seq > c.MaxPositions && c.MaxPositions > 0 {
			return a, fmt.Errorf("sequences of %d tokens: rotary positions of type dynamic reach max_position_embeddings = %d here: take that many, or fewer", seq, c.MaxPositions)
		}
		return a, nil
	case "linear":
		a.Freq = a.Angles(dim)
		for i := range a.Freq {
			a.Freq[i] /= scale.Factor
		}
		return a, nil
	case "llama3":
		if !(scale.Low > 0) || !(scale.High > scale.Low) || scale.Original < 1 {
			return a, errors.New("config.json: rotary positions of type llama3 need low_freq_factor, a larger high_freq_factor and original_max_position_embeddings")
		}
		a.Freq = a.Angles(dim)
		for i, f := range a.Freq {
			wave, of := 2*math.Pi/f, float64(scale.Original)
			switch {
			case wave > of/scale.Low:
				a.Freq[i] = f / scale.Factor
			case wave >= of/scale.High:
				smooth := (of/wave - scale.Low) / (scale.High - scale.Low)
				a.Freq[i] = (1-smooth)*f/scale.Factor + smooth*f
			}
		}
		return a, nil
	}
	return a, nil
}

// kind is the scaling's name in new files or in older ones.
func (r *Rope) kind() string {
	if r.Type != "" {
		return r.Type
	}
	return r.Old
}
