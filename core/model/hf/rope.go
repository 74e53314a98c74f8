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
var scalings = []string{"linear", "dynamic", "llama3", "yarn", "longrope"}

// rope is a rotary position's node but for its heads, which have dim channels, for
// sequences of seq tokens, and the factor by which it makes queries and keys longer: a
// node turns only, so the square goes into the attention's scores. The scalings are
// those of transformers, modeling_rope_utils.py:
//
//	linear    all angles divided by factor
//	dynamic   a larger base for sequences beyond max_position_embeddings
//	llama3    angles of waves longer than original/low divided by factor, of waves
//	          shorter than original/high kept, smoothly in between
//	yarn      fast pairs kept, slow ones divided by factor, a ramp over the pairs in
//	          between (Peng et al. 2023)
//	longrope  each pair's angle divided by a factor of its own, of which there are two
//	          lists: for sequences up to original, and beyond (Ding et al. 2024)
func (c *Config) rope(dim, seq int) (a graph.Attrs, longer float64, err error) {
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
		if r.Partial != 0 && r.Partial != 1 {
			return a, 1, fmt.Errorf("config.json: partial_rotary_factor = %g is not supported: all channels of a head turn", r.Partial)
		}
	}
	if base == 0 {
		base = 1e4 // the default of Llama's configuration
	}
	if !(base > 1) || math.IsInf(base, 0) {
		return a, 1, errors.New("config.json: rope_theta must be more than 1")
	}
	a.Base = base
	if scale == nil {
		return a, 1, nil
	}
	if dim < 2 || dim > 1<<16 {
		return a, 1, fmt.Errorf("config.json: heads of %d channels cannot turn", dim)
	}
	s := scaled{Rope: *scale, dim: dim, seq: seq, places: c.MaxPositions, base: base}
	kind := scale.kind()
	if !slices.Contains(scalings, kind) {
		return a, 1, fmt.Errorf("config.json: rotary positions of type %q are not supported: known are default, %s", kind, strings.Join(scalings, ", "))
	}
	if s.Original == 0 {
		s.Original = c.MaxPositions
	}
	if s.Factor == 0 && (kind == "yarn" || kind == "longrope") && s.Original > 0 {
		s.Factor = float64(c.MaxPositions) / float64(s.Original)
	}
	if !(s.Factor >= 1) || math.IsInf(s.Factor, 0) {
		return a, 1, fmt.Errorf("config.json: rotary positions of type %q need a factor of at least 1", kind)
	}
	longer = 1
	switch kind {
	case "dynamic":
		a.Base, err = s.dynamic()
	case "linear":
		a.Freq = a.Angles(dim)
		for i := range a.Freq {
			a.Freq[i] /= s.Factor
		}
	case "llama3":
		a.Freq, err = s.llama3(a.Angles(dim))
	case "yarn":
		a.Freq, longer, err = s.yarn(a.Angles(dim))
	case "longrope":
		a.Freq, longer, err = s.longrope(a.Angles(dim))
	}
	if err == nil && (!(longer > 0) || math.IsInf(longer, 0)) {
		err = fmt.Errorf("attention_factor = %g, need a positive number", longer)
	}
	if err != nil {
		return a, 1, fmt.Errorf("config.json: rotary positions of type %s: %w", kind, err)
	}
	return a, longer, nil
}

// scaled are scaled rotary positions of heads of dim channels.
type scaled struct {
	Rope
	dim, seq, places int
	base             float64
}

// dynamic is the base for the sequence's length.
func (s *scaled) dynamic() (float64, error) {
	if s.places < 1 {
		return 0, errors.New("max_position_embeddings is missing")
	}
	if s.seq <= s.places {
		return s.base, nil
	}
	if s.dim == 2 {
		return 0, fmt.Errorf("heads of 2 channels reach max_position_embeddings = %d, not %d tokens", s.places, s.seq)
	}
	d := float64(s.dim)
	return s.base * math.Pow(s.Factor*float64(s.seq)/float64(s.places)-(s.Factor-1), d/(d-2)), nil
}

func (s *scaled) llama3(freq []float64) ([]float64, error) {
	if !(s.Low > 0) || !(s.High > s.Low) || s.Original < 1 {
		return nil, errors.New("need low_freq_factor, a larger high_freq_factor and original_max_position_embeddings")
	}
	for i, f := range freq {
		wave, of := 2*math.Pi/f, float64(s.Original)
		switch {
		case wave > of/s.Low:
			freq[i] = f / s.Factor
		case wave >= of/s.High:
			smooth := (of/wave - s.Low) / (s.High - s.Low)
			freq[i] = (1-smooth)*f/s.Factor + smooth*f
		}
	}
	return freq, nil
}

func (s *scaled) yarn(freq []float64) ([]float64, float64, error) {
	fast, slow := or(s.Fast, 32), or(s.Slow, 1)
	if s.Original < 1 || !(fast > 0) || !(slow > 0) {
		return nil, 0, errors.New("need original_max_position_embeddings, and positive beta_fast and beta_slow")
	}
	// pair is the one that turns so many times over the original length.
	pair := func(turns float64) float64 {
		return float64(s.dim) * math.Log(float64(s.Original)/(turns*2*math.Pi)) / (2 * math.Log(s.base))
	}
	low, high := pair(fast), pair(slow)
	if s.Truncate == nil || *s.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(s.dim-1))
	if low == high {
		high += 0.001
	}
	for i, f := range freq {
		slowly := min(max((float64(i)-low)/(high-low), 0), 1)
		freq[i] = f/s.Factor*slowly + f*(1-slowly)
	}
	length := func(by float64) float64 {
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*by*math.Log(s.Factor) + 1
	}
	switch {
	case s.Longer != nil:
		return freq, *s.Longer, nil
	case s.MScale != 0 && s.MScaleAll != 0:
		return freq, length(s.MScale) / length(s.MScaleAll), nil
	}
	return freq, length(1), nil
}

func (s *scaled) longrope(freq []float64) ([]float64, float64, error) {
	by, name := s.Short, "short_factor"
	if s.seq > s.Original {
		by, name = s.Long, "long_factor"
	}
	if s.Original < 1 || len(by) != len(freq) {
		return nil, 0, fmt.Errorf("%d values in %s, need %d and original_max_position_embeddings", len(by), name, len(freq))
	}
	for i := range freq {
		if !(by[i] > 0) {
			return nil, 0, fmt.Errorf("%s holds %g, need positive numbers", name, by[i])
		}
		freq[i] /= by[i]
	}
	switch {
	case s.Longer != nil:
		return freq, *s.Longer, nil
	case s.Factor <= 1 || s.Original < 2:
		return freq, 1, nil
	}
	return freq, math.Sqrt(1 + math.Log(s.Factor)/math.Log(float64(s.Original))), nil
}

// or is x, or d in its place where a file has none.
func or(x, d float64) float64 {
	if x == 0 {
		return d
	}
	return x
}

// kind is the scaling's name in new files or in older ones.
func (r *Rope) kind() string {
	if r.Type != "" {
		return r.Type
	}
	return r.Old
}

// reach is the length of the longest sequences that positions are known for, 0 where
// config.json does not say. Dynamic rotary positions reach factor times as far.
func (c *Config) reach() int {
	for _, r := range []*Rope{c.Rope, c.RopeScaling} {
		if r != nil && r.kind() == "dynamic" && r.Factor > 1 && r.Factor*float64(c.MaxPositions) < 1<<31 {
			return int(r.Factor * float64(c.MaxPositions))
		}
	}
	return c.MaxPositions
}
