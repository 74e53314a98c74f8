package plan

import (
	"fmt"
	"math"
	"slices"
	"unicode"

	"pare/core/device"
	"pare/core/tensor"
)

// Prices are what a training step of a layer (forward, dx, dw, update) costs in
// each format, as a share of the dense kernels' time: fixed + perStored · (share
// of the values that are computed with). The keys are the formats' words. What is
// fixed weighs more in a small layer, so there are prices for two sizes, those of
// the samples that Calibrate times; layers between them pay in proportion. Without
// prices for small layers those for large ones hold everywhere. A run writes its
// prices into its recipe, so that the choice is the same when it resumes, and when
// the recipe runs again.
type Prices struct {
	// Source says where the figures come from: "defaults", or "measured", the
	// date and the machine.
	Source      string                `toml:"source,omitempty" json:"source,omitempty"`
	Linear      map[string][2]float64 `toml:"linear,omitempty" json:"linear,omitempty"`
	LinearSmall map[string][2]float64 `toml:"linear_small,omitempty" json:"linear_small,omitempty"`
	Conv        map[string][2]float64 `toml:"conv,omitempty" json:"conv,omitempty"`
	ConvSmall   map[string][2]float64 `toml:"conv_small,omitempty" json:"conv_small,omitempty"`
}

// DefaultPrices are what Calibrate found on a quiet Zen 4 with AVX-512, means of four (28 November 2026).
func DefaultPrices() Prices {
	return Prices{
		Source:      "defaults",
		Linear:      map[string][2]float64{"1×1": {0.045, 1.61}, "4×1": {0.01, 1.09}, "8×1": {0.01, 1.11}, "16×1": {0.008, 1.12}},
		LinearSmall: map[string][2]float64{"1×1": {0.077, 1.51}, "4×1": {0.055, 1.02}, "8×1": {0.05, 1.05}, "16×1": {0.056, 1.07}},
		Conv:        map[string][2]float64{"1×1": {0.027, 2.13}, "4×1": {0.021, 1.02}, "8×1": {0.021, 1.05}, "16×1": {0.02, 1.04}},
		ConvSmall:   map[string][2]float64{"1×1": {0.16, 1.17}, "4×1": {0.151, 0.628}, "8×1": {0.152, 0.637}, "16×1": {0.152, 0.651}},
	}
}

// InferPrices are for models that only run forward, by BenchmarkRun of core/infer
// on Zen 4: like DefaultPrices, but that the highest blocks, which are no faster
// in training, are for single samples (BenchmarkShares: at 90 % zeros 4×1 takes 0.20 of
// dense, 8×1 0.12, 16×1 0.10), and are the smallest in memory. They are those of larger
// calls: where a format takes longer than dense for one sample, single weights below 90 %
// zeros, the device sees to it (core/device/cpu/flat.go).
func InferPrices() Prices {
	p := DefaultPrices()
	p.Linear["16×1"], p.LinearSmall["16×1"] = [2]float64{0.005, 1.05}, [2]float64{0.045, 1.01}
	p.Conv["16×1"], p.ConvSmall["16×1"] = [2]float64{0.02, 1.01}, [2]float64{0.15, 0.625}
	return p
}

// Known reports whether there are prices at all.
func (p Prices) Known() bool { return len(p.Linear)+len(p.Conv) > 0 }

// Check refuses words that are no format and figures that are no cost.
func (p Prices) Check() error {
	if len(p.Source) > 300 || slices.ContainsFunc([]rune(p.Source), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("plan.source = %.40q…: give one line of text", p.Source)
	}
	for key, l := range map[string]map[string][2]float64{
		"plan.linear": p.Linear, "plan.linear_small": p.LinearSmall, "plan.conv": p.Conv, "plan.conv_small": p.ConvSmall,
	} {
		for word, v := range l {
			if !slices.ContainsFunc(tensor.Blocks, func(f tensor.Format) bool { return f.String() == word }) {
				return fmt.Errorf("%s has a price for %q: the formats are 1×1, 4×1, 8×1 and 16×1", key, word)
			}
			for _, x := range v {
				if !(x >= 0 && x <= 1e6) {
					return fmt.Errorf("%s.%s = %v: a price is fixed and per stored value, both 0 or more", key, word, v)
				}
			}
		}
	}
	return nil
}

// of is the price of a format for a layer of n outputs and k inputs.
func (p Prices) of(kernel device.Kernel, f tensor.Format, n, k int) (fixed, perStored float64, ok bool) {
	at, large, small := linearSizes, p.Linear, p.LinearSmall
	if kernel == device.Conv {
		at, large, small = convSizes, p.Conv, p.ConvSmall
	}
	l, ok := large[f.String()]
	s, both := small[f.String()]
	if !ok || !both {
		return l[0], l[1], ok
	}
	t := min(max((smallness(n, k)-at.large.smallness())/(at.small.smallness()-at.large.smallness()), 0), 1)
	return l[0] + t*(s[0]-l[0]), l[1] + t*(s[1]-l[1]), true
}

// smallness is what the fixed part of a price grows with: the work on inputs and
// outputs (n+k values a sample) beside the n·k multiply-adds.
func smallness(n, k int) float64 { return 1/float64(n) + 1/float64(k) }

// paysFrom is the share of zeros from which a format with such a price is taken
// for a layer; above 1 when it never is. padded is the share of rows computed
// beside those there are, see padding.
func paysFrom(fixed, perStored, padded float64) float64 {
	if fixed > margin {
		return math.Inf(1)
	}
	if perStored == 0 {
		return 0
	}
	return max(1-(margin-fixed)/(perStored*padded), 0)
}

// padding is the rows that kernels of a format compute for n outputs, as a share
// of n: the last block is whole whatever lies below the last output.
func padding(f tensor.Format, n int) float64 {
	r := f.Height()
	return float64((n+r-1)/r*r) / float64(n)
}

// Expect is what a training step of a large linear layer in a format should take,
// as a share of the dense time, with that share of its values stored, and the share
// of zeros from which the format is taken; above 1 when it never is. ok is false
// for a format without a price.
func (p Prices) Expect(f tensor.Format, stored float64) (cost, from float64, ok bool) {
	fixed, perStored, ok := p.of(device.Linear, f, linearSizes.large.n, linearSizes.large.k())
	return fixed + perStored*stored, paysFrom(fixed, perStored, 1), ok
}
