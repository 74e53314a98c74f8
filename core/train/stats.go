package train

import "math"

// z95 is the 97.5 % quantile of the normal distribution.
const z95 = 1.959963984540054

// Wilson is the 95 % interval of a share of k in n (Wilson 1927): unlike the
// textbook interval it is right near 0 and 1.
func Wilson(k, n int) (lo, hi float64) {
	if n == 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
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
func Paired(a, b, label []int32) (diff, lo, hi float64) {
	n := float64(len(label))
	if n == 0 {
		return 0, -1, 1
	}
	var gained, lost float64
	for i, l := range label {
		switch {
		case a[i] != l && b[i] == l:
			gained++
		case a[i] == l && b[i] != l:
			lost++
		}
	}
	diff = (gained - lost) / n
	g, s, m := gained+0.5, lost+0.5, n+2
	c := (g - s) / m
	h := z95 * math.Sqrt(g+s-(g-s)*(g-s)/m) / m
	return diff, max(-1, c-h), min(1, c+h)
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
