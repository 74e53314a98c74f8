package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/data"
)

// TestWilson: values by statsmodels' proportion_confint(method="wilson").
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n   int
		lo, hi float64
	}{{8, 10, 0.4901625, 0.9433178}, {0, 20, 0, 0.1611252}, {20, 20, 0.8388748, 1}} {
		if lo, hi := Wilson(c.k, c.n); math.Abs(lo-c.lo) > 1e-6 || math.Abs(hi-c.hi) > 1e-6 {
			t.Errorf("%d of %d: %.7f to %.7f, want %.7f to %.7f", c.k, c.n, lo, hi, c.lo, c.hi)
		}
	}
	if s := (Score{Correct: 400, N: 1000, Effect: 4}); true {
		lo, hi := s.Interval()
		if l, h := Wilson(100, 250); lo != l || hi != h {
			t.Errorf("1000 tokens worth 250: %.4f to %.4f, want %.4f to %.4f", lo, hi, l, h)
		}
	}
}

// TestClusters: tokens that are all alike in a sequence are worth one; independent
// ones are worth themselves.
func TestClusters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const tokens = 16
	var alike, free clusters
	for range 2000 {
		alike.add(tokens*r.IntN(2), tokens)
		n := 0
		for range tokens {
			n += r.IntN(2)
		}
		free.add(n, tokens)
	}
	if e := alike.effect(); math.Abs(e-tokens) > 0.1 {
		t.Errorf("sequences of %d equal tokens have an effect of %.2f", tokens, e)
	}
	if e := free.effect(); e > 1.15 {
		t.Errorf("independent tokens have an effect of %.2f", e)
	}
	if e := (&clusters{}).effect(); e != 0 {
		t.Errorf("without sequences the effect is %g", e)
	}
}

// TestPairedSequences: the interval of tokens that change together is as wide as that
// of their sequences; tokens without a label do not count.
func TestPairedSequences(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const seqs, tokens = 400, 8
	a, b, label := make([]int32, seqs*tokens), make([]int32, seqs*tokens), make([]int32, seqs*tokens)
	var one, two, want []int32
	for s := range seqs {
		wrongA, wrongB := int32(r.IntN(2)), int32(r.IntN(2))
		one, two, want = append(one, wrongA), append(two, wrongB), append(want, 0)
		for k := range tokens {
			a[s*tokens+k], b[s*tokens+k] = wrongA, wrongB
		}
		label[s*tokens+tokens-1] = data.NoLabel
	}
	diff, lo, hi := Paired(a, b, label, tokens)
	single, l1, h1 := Paired(one, two, want, 1)
	if diff != single {
		t.Errorf("difference %g of tokens, %g of sequences", diff, single)
	}
	if w := (hi - lo) / (h1 - l1); w < 0.97 || w > 1.03 {
		t.Errorf("interval %.4f to %.4f of tokens, %.4f to %.4f of sequences", lo, hi, l1, h1)
	}
	if _, l, h := Paired(a, b, label, 1); (h-l)/(h1-l1) > 0.5 {
		t.Errorf("taken one by one the tokens give %.4f to %.4f", l, h)
	}
	if _, l, h := Paired(a[:tokens], b[:tokens], label[:tokens], tokens); l != -1 || h != 1 {
		t.Errorf("one sequence alone gives %g to %g", l, h)
	}
}
