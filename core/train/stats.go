package train

import (
	"math"

	"pare/core/data"
)

// z95 is the 97.5 % quantile of the normal distribution.
const z95 = 1.959963984540054

// Score is the outcome of an evaluation.
type Score struct {
	Correct, N int     // of samples, or of the tokens of a language model
	Loss       float64 // mean, in nats; a language model's perplexity is its exponential
	// Effect is how many times the variance of the accuracy is what it would be if
	// tokens were independent (the design effect: Kish 1965), at least 1. Those of one
	// sequence are not. 0 where samples are single.
	Effect float64
}

// Acc is the accuracy, 0…1.
func (s Score) Acc() float64 { return float64(s.Correct) / float64(max(s.N, 1)) }

// Interval is the 95 % interval of the accuracy.
func (s Score) Interval() (lo, hi float64) {
	d := max(s.Effect, 1)
	return wilson(float64(s.Correct)/d, float64(s.N)/d)
}

// clusters sums hits over groups that vary together.
type clusters struct{ hits, of []float64 }

func (c *clusters) add(hits, of int) {
	c.hits, c.of = append(c.hits, float64(hits)), append(c.of, float64(of))
}

// effect is the design effect of the share Σhits/Σof over groups: the variance of the
// ratio, by its linear form (Cochran 1977, §6.3), over that of as many single draws.
func (c *clusters) effect() float64 {
	g := float64(len(c.hits))
	if g < 2 {
		return 0
	}
	var hits, of, v float64
	for i := range c.hits {
		hits, of = hits+c.hits[i], of+c.of[i]
	}
	p := hits / of
	for i := range c.hits {
		e := c.hits[i] - p*c.of[i]
		v += e * e
	}
	v *= g / (g - 1) / (of * of)
	if p == 0 || p == 1 {
		return 1
	}
	return max(1, v/(p*(1-p)/of))
}

// Wilson is the 95 % interval of a share of k in n (Wilson 1927): unlike the
// textbook interval it is right near 0 and 1.
func Wilson(k, n int) (lo, hi float64) { return wilson(float64(k), float64(n)) }

func wilson(k, m float64) (lo, hi float64) {
	if m == 0 {
		return 0, 1
	}
	p := k / m
	d := 1 + z95*z95/m
	c := (p + z95*z95/(2*m)) / d
	h := z95 / d * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	return max(0, c-h), min(1, c+h)
}

// Paired compares two models on the same samples: the difference of accuracies
// b − a and its 95 % interval. Only samples on which they disagree carry
// information (McNemar 1947); with gained samples that only b gets right and
// lost ones that only a gets right, the variance of the difference is
// (gained + lost − (gained − lost)²/n)/n². Half a sample is added to both sides
// (Agresti & Min 2005), so that no disagreement at all does not look like
// certainty.
//
// per labels belong to one sample: 1, or the tokens of a sequence, some of which may
// have none. Tokens of one sequence are not independent: the variance is then that of
// the sequences' differences, if it is larger.
func Paired(a, b, label []int32, per int) (diff, lo, hi float64) {
	var n, gained, lost float64
	var change, of []float64 // of each sequence
	for i, l := range label {
		if i%per == 0 {
			change, of = append(change, 0), append(of, 0)
		}
		if l == data.NoLabel {
			continue
		}
		g := len(of) - 1
		n++
		of[g]++
		switch {
		case a[i] != l && b[i] == l:
			gained++
			change[g]++
		case a[i] == l && b[i] != l:
			lost++
			change[g]--
		}
	}
	if n == 0 {
		return 0, -1, 1
	}
	diff = (gained - lost) / n
	g, s, m := gained+0.5, lost+0.5, n+2
	c := (g - s) / m
	sd, z := math.Sqrt(g+s-(g-s)*(g-s)/m)/m, z95
	if k := len(of); per > 1 {
		if k < 2 {
			return diff, -1, 1
		}
		v := 0.0
		for i := range of {
			e := change[i] - diff*of[i]
			v += e * e
		}
		sd, z = max(sd, math.Sqrt(v*float64(k)/float64(k-1))/n), tQuantile(k-1)
	}
	return diff, max(-1, c-z*sd), min(1, c+z*sd)
}

// Mean and its 95 % half width by Student's t, for a handful of repetitions.
// The half width is infinite for fewer than two values.
func Mean(x []float64) (mean, half float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	if len(x) < 2 {
		return mean, math.Inf(1)
	}
	s := 0.0
	for _, v := range x {
		s += (v - mean) * (v - mean)
	}
	return mean, tQuantile(len(x)-1) * math.Sqrt(s/(n-1)/n)
}

// tQuantile is the 97.5 % quantile of Student's t.
func tQuantile(df int) float64 {
	table := []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131}
	if df <= len(table) {
		return table[df-1]
	}
	return z95 + 2.4/float64(df) // within 0.5 % from 16 on
}
