package ref_test

import (
	"math"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/tensor"
)

// norm2 is a plan of one batch norm over c×h×w while training.
func norm2(t *testing.T, batch, c, h, w int) *net {
	n := newNet(t, batch, c, h, w)
	n.p.Output, _ = normOp(n, newRand())
	n.data[0], n.data[1] = fill(c, 2), fill(c, 1) // gamma, beta
	n.data[2], n.data[3] = fill(c, 10), fill(c, 4)
	return n
}

func fill(n int, v float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = v
	}
	return x
}

func TestBatchNorm(t *testing.T) {
	// One channel, values 1 2 3 6: mean 3, centred squares 4+1+0+9 = 14,
	// biased variance 3.5, unbiased 14/3.
	n := norm2(t, 4, 1, 1, 2)
	y := make([]float32, 4)
	_, b := n.run(device.Step{X: []float32{1, 2, 3, 6}, N: 2, Out: y})
	s := 2 / math.Sqrt(3.5+1e-5)
	near(t, "y", y, []float32{float32(1 - 2*s), float32(1 - s), 1, float32(1 + 3*s)}, 1e-6)
	near(t, "running mean", get(t, b, 2), []float32{0.9*10 + 0.1*3}, 1e-6)
	near(t, "running variance", get(t, b, 3), []float32{0.9*4 + 0.1*14/3}, 1e-6)
}

func TestBatchNormMasked(t *testing.T) {
	n := norm2(t, 2, 2, 1, 1)
	mask := tensor.NewMask(2)
	mask.Drop(1)
	for i := range n.ws {
		n.ws[i].Mask = mask
	}
	y := make([]float32, 4)
	_, b := n.run(device.Step{X: []float32{1, 5, 3, 7}, N: 2, Out: y})
	near(t, "y", y, []float32{-1, 0, 3, 0}, 1e-4)
	near(t, "running mean", get(t, b, 2), []float32{9.2, 0}, 1e-6)
	near(t, "running variance", get(t, b, 3), []float32{3.8, 0}, 1e-6)
}

// The mean of large values must not eat their variance: this is what merging
// centred sums is for.
func TestBatchNormOfLargeValues(t *testing.T) {
	n := norm2(t, 4, 1, 1, 1)
	y := make([]float32, 4)
	n.run(device.Step{X: []float32{1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3}, N: 4, Out: y})
	s := 2 / math.Sqrt(1.25+1e-5)
	near(t, "y", y, []float32{float32(1 - 1.5*s), float32(1 - 0.5*s), float32(1 + 0.5*s), float32(1 + 1.5*s)}, 1e-6)
}

func TestBatchNormOfOneValue(t *testing.T) {
	n := norm2(t, 4, 2, 1, 1)
	b, e := n.compile()
	_, err := e.Run(&device.Step{X: []float32{1, 2}, N: 1})
	if err == nil || !strings.Contains(err.Error(), "more than one value per channel") || !strings.Contains(err.Error(), "layer norm") {
		t.Errorf("error is %v", err)
	}
	near(t, "running mean", get(t, b, 2), []float32{10, 10}, 0) // untouched
	if _, err := norm2n(t).Run(&device.Step{X: []float32{1, 2}, N: 1}); err != nil {
		t.Errorf("one sample of two pixels: %v", err)
	}
}

func norm2n(t *testing.T) device.Exec {
	_, e := norm2(t, 1, 1, 1, 2).compile()
	return e
}

func TestNormInfer(t *testing.T) {
	n := newNet(t, 1, 2, 1, 1)
	ws := []int{n.vector("gamma", 2, 3), n.vector("beta", 1, -1), n.vector("mean", 5, 0), n.vector("var", 4, 0)}
	n.call("norm", device.Call{Kernel: device.NormInfer, In: []int{0}, Out: []int{n.like("y", 0)}, W: ws, S: [2]float32{0.25}})
	// (9−5)/√4.25·2 + 1 and (2−0)/0.5·3 − 1
	near(t, "y", n.out(1, []float32{9, 2}), []float32{float32(8/math.Sqrt(4.25) + 1), 11}, 1e-6)
}

// lossNet is CrossEntropy on the input itself.
func lossNet(t *testing.T, batch, classes int, grad bool) *net {
	n := newNet(t, batch, classes, 1, 1)
	part := n.part("loss", 2)
	out := []int{part}
	if grad {
		n.p.InGrad = n.like("dlogits", 0)
		out = []int{n.p.InGrad, part}
	}
	n.call("loss", device.Call{Kernel: device.CrossEntropy, In: []int{0}, Out: out})
	n.call("loss", device.Call{Kernel: device.LossMerge, In: []int{part}})
	return n
}

func TestCrossEntropy(t *testing.T) {
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	x := []float32{
		0, ln(2), ln(5), // probabilities 1/8 2/8 5/8
		ln(3), ln(3), ln(2), // 3/8 3/8 2/8: the lower class of a tie wins
		1000, 0, 0, // exp would overflow
	}
	labels := []int32{1, 0, 0}
	for _, grad := range []bool{true, false} {
		n := lossNet(t, 4, 3, grad)
		s := device.Step{X: x, Labels: labels, N: 3, Pred: make([]int32, 3), Losses: make([]float32, 3)}
		if grad {
			s.InGrad = make([]float32, 9)
		}
		r, _ := n.run(s)
		near(t, "losses", s.Losses, []float32{ln(4), ln(8. / 3), 0}, 1e-6)
		if want := (math.Log(4) + math.Log(8./3)) / 3; math.Abs(r.Loss-want) > 1e-7 || r.Correct != 2 || r.N != 3 {
			t.Errorf("result %+v, want a loss of %g, 2 of 3 correct", r, want)
		}
		if s.Pred[0] != 2 || s.Pred[1] != 0 || s.Pred[2] != 0 {
			t.Errorf("predicted %v, want 2 0 0", s.Pred)
		}
		if grad { // (p − onehot)/3
			near(t, "dlogits", s.InGrad, []float32{1. / 24, -6. / 24, 5. / 24, -5. / 24, 3. / 24, 2. / 24, 0, 0, 0}, 1e-7)
		}
	}
}

// A loss that is not finite is a result; the trainer decides what it means.
func TestLossNotFinite(t *testing.T) {
	n := lossNet(t, 2, 2, true)
	for _, x := range [][]float32{{float32(math.NaN()), 0}, {0, float32(math.NaN())}, {float32(math.Inf(1)), 0}} {
		r, _ := n.run(device.Step{X: x, Labels: []int32{1}, N: 1})
		if !math.IsNaN(r.Loss) && !math.IsInf(r.Loss, 0) {
			t.Errorf("loss of %v is %g", x, r.Loss)
		}
	}
}

func TestLabels(t *testing.T) {
	_, e := lossNet(t, 4, 3, true).compile()
	x := make([]float32, 3*3)
	for _, c := range []struct {
		labels []int32
		want   string
	}{
		{nil, "needs labels"},
		{[]int32{0, 1, 3}, "row 2 has label 3, but the model has 3 classes (0 to 2)"},
		{[]int32{0, -1, 0}, "row 1 has label -1"},
	} {
		if _, err := e.Run(&device.Step{X: x, Labels: c.labels, N: 3}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("labels %v: error %v, want %q", c.labels, err, c.want)
		}
	}
	if _, err := e.Run(&device.Step{X: x, Labels: []int32{0, 1, 3}, Rows: []int32{1, 0}}); err != nil {
		t.Errorf("a bad label in a row outside the batch: %v", err)
	}
}

// trainer is y = w·x with dy from outside, so that dw is known: dw[k] = x[k].
func trainer(t *testing.T, o device.Optim, decay bool, mask *tensor.Mask, format tensor.Format, w ...float32) *net {
	n := newNet(t, 1, len(w), 1, 1)
	n.p.Optim = o
	i := n.matrix("w", 1, len(w), w...)
	n.ws[i].Decay, n.ws[i].Mask, n.ws[i].Format = decay, mask, format
	y := n.val("y", 1, 1, 1)
	n.call("fc", device.Call{Kernel: device.Linear, In: []int{0}, Out: []int{y}, W: []int{i}})
	dy := n.seed(y)
	n.call("fc", device.Call{Kernel: device.LinearDW, In: []int{0, dy}, W: []int{i}, Update: true})
	return n
}

// TestOptimisers follows two steps with gradients 1 and −0.5 of a weight 2, by
// hand, with lr = 0.1.
func TestOptimisers(t *testing.T) {
	adam := func(kind device.OptimKind, wd float32) device.Optim {
		return device.Optim{Kind: kind, Beta1: 0.5, Beta2: 0.75, Eps: 0, WeightDecay: wd}
	}
	// Adam without decay: m = .5, v = .25, m̂ = 1, v̂ = 1: w = 2 − .1;
	// then m = 0, v = .25·.75 + .25·.25 = .25, m̂ = 0: w stays.
	for _, c := range []struct {
		name   string
		o      device.Optim
		decay  bool
		w1, w2 float32
		state  []float32
	}{
		{"sgd", device.Optim{}, true, 1.9, 1.95, nil},
		{"sgd decay", device.Optim{WeightDecay: 0.5}, true, 1.8, 1.8 - 0.1*(-0.5+0.9), nil},
		{"sgd without decay for this weight", device.Optim{WeightDecay: 0.5}, false, 1.9, 1.95, nil},
		{"momentum", device.Optim{Momentum: 0.5}, true, 1.9, 1.9, []float32{0}},
		{"momentum decay", device.Optim{Momentum: 0.5, WeightDecay: 0.5}, true, 1.8, 1.8 - 0.1*(1+0.4), []float32{1.4}},
		{"nesterov", device.Optim{Momentum: 0.5, Nesterov: true}, true, 1.85, 1.85 - 0.1*(-0.5), []float32{0}},
		{"adam", adam(device.Adam, 0), true, 1.9, 1.9, []float32{0, 0.25}},
		// L2: g = 1 + .5·2 = 2, m̂ = 2, v̂ = 4: w = 1.9; g = −.5 + .95 = .45,
		// m = .5 + .225, v = .75 + .050625, m̂ = m/.75, v̂ = v/.4375.
		{
			"adam decay", adam(device.Adam, 0.5), true, 1.9,
			float32(1.9 - 0.1*(0.725/0.75)/math.Sqrt(0.800625/0.4375)),
			[]float32{0.725, 0.800625},
		},
		// Decoupled: w = 2·.95 − .1; then 1.8·.95.
		{"adamw", adam(device.AdamW, 0.5), true, 1.8, 1.71, []float32{0, 0.25}},
		{"adamw without decay for this weight", adam(device.AdamW, 0.5), false, 1.9, 1.9, []float32{0, 0.25}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := trainer(t, c.o, c.decay, nil, tensor.Dense, 2)
			b, e := n.compile()
			for i, step := range []struct{ g, w float32 }{{1, c.w1}, {-0.5, c.w2}} {
				if _, err := e.Run(&device.Step{X: []float32{step.g}, N: 1, Index: int64(i + 1), LR: 0.1, OutGrad: []float32{1}}); err != nil {
					t.Fatal(err)
				}
				near(t, "w", get(t, b, 0), []float32{step.w}, 1e-6)
			}
			for i, want := range c.state {
				near(t, "state", state(t, b, 0, i), []float32{want}, 1e-6)
			}
		})
	}
}

// Adam's eps stands outside the root: with g = 3, m̂ = 3, √v̂ = 3 and eps = 3 the
// step is half of lr.
func TestAdamEps(t *testing.T) {
	n := trainer(t, device.Optim{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 3}, true, nil, tensor.Dense, 2)
	b, e := n.compile()
	if _, err := e.Run(&device.Step{X: []float32{3}, N: 1, Index: 1, LR: 0.1, OutGrad: []float32{1}}); err != nil {
		t.Fatal(err)
	}
	near(t, "w", get(t, b, 0), []float32{1.95}, 1e-6)
}

// Masked places stay exactly zero in weight, gradient and state, whatever is
// set and however the weight is stored.
func TestMaskHolds(t *testing.T) {
	mask := tensor.NewMask(4)
	mask.Drop(1)
	mask.Drop(3)
	for _, f := range []tensor.Format{tensor.Dense, tensor.Block4} {
		for _, o := range []device.Optim{
			{Momentum: 0.9, WeightDecay: 0.1, Nesterov: true},
			{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1},
			{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1},
			{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999}, // 0/0 where nothing ever came
		} {
			n := trainer(t, o, true, mask, f, 1, 2, 3, float32(math.NaN()))
			b, e := n.compile()
			for s := range o.Slots() {
				if err := b.SetState(0, s, []float32{1, 1, 1, 1}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range int64(3) {
				if _, err := e.Run(&device.Step{X: []float32{1, 1, 1, 1}, N: 1, Index: i + 1, LR: 0.1, OutGrad: []float32{1}}); err != nil {
					t.Fatal(err)
				}
			}
			all := [][]float32{get(t, b, 0), grad(t, b, 0)}
			for s := range o.Slots() {
				all = append(all, state(t, b, 0, s))
			}
			for k, x := range all {
				if x[1] != 0 || x[3] != 0 || x[0] == 0 || x[2] == 0 || x[0] != x[0] {
					t.Errorf("%v %+v: array %d is %v", f, o, k, x)
				}
			}
		}
	}
}

// Update takes the gradient that NormDMerge left, and a masked gamma stays
// zero.
func TestUpdateKernel(t *testing.T) {
	n := newNet(t, 2, 2, 1, 1)
	y, back := normOp(n, newRand())
	n.data[0], n.data[1] = []float32{1, 1}, []float32{0, 0}
	n.ws[0].Mask = tensor.NewMask(2)
	n.ws[0].Mask.Drop(1)
	back(n.seed(y))
	n.call("norm", device.Call{Kernel: device.Update, W: []int{0}})
	n.call("norm", device.Call{Kernel: device.Update, W: []int{1}})
	b, e := n.compile()
	// Channel 0: x = ±1, so x̂ ≈ ±1 and dgamma = 1·(−1) + 3·1 = 2, dbeta = 4.
	if _, err := e.Run(&device.Step{X: []float32{-1, 5, 1, 6}, N: 2, Index: 1, LR: 0.5, OutGrad: []float32{1, 1, 3, 3}}); err != nil {
		t.Fatal(err)
	}
	near(t, "dgamma", grad(t, b, 0), []float32{2, 0}, 1e-4)
	near(t, "gamma", get(t, b, 0), []float32{0, 0}, 1e-4)
	near(t, "beta", get(t, b, 1), []float32{-2, -2}, 1e-6)
}

// Dropout: the mask depends on what it should, keeps about 1 − p, keeps the
// mean, and p = 0 is the identity.
func TestDropout(t *testing.T) {
	const c, rows = 500, 4
	draw := func(p float32, seed, key uint64, index int64, rows int) []float32 {
		n := newNet(t, rows, c, 1, 1)
		n.p.Seed = seed
		y := n.like("y", 0)
		n.p.Output = y
		n.call("drop", device.Call{Kernel: device.Dropout, In: []int{0}, Out: []int{y}, S: [2]float32{p}, Key: key})
		out := make([]float32, rows*c)
		n.run(device.Step{X: fill(rows*c, 3), N: rows, Index: index, Out: out})
		return out
	}
	base := draw(0.25, 1, 2, 3, rows)
	kept := 0
	for i, v := range base {
		switch v {
		case 4:
			kept++
		case 0:
		default:
			t.Fatalf("y[%d] = %g, want 0 or 3/(1−0.25)", i, v)
		}
		if keep := device.DropoutBits(1, 2, 3, i/c, i%c) >= 1<<30; keep != (v == 4) {
			t.Fatalf("y[%d] = %g does not follow DropoutBits", i, v)
		}
	}
	if math.Abs(float64(kept)/(rows*c)-0.75) > 0.04 { // four standard deviations
		t.Errorf("%d of %d kept", kept, rows*c)
	}
	near(t, "again", draw(0.25, 1, 2, 3, rows), base, 0)
	near(t, "smaller batch", draw(0.25, 1, 2, 3, 1), base[:c], 0)
	near(t, "p = 0", draw(0, 1, 2, 3, rows), fill(rows*c, 3), 0)
	for _, other := range [][]float32{draw(0.25, 9, 2, 3, rows), draw(0.25, 1, 9, 3, rows), draw(0.25, 1, 2, 9, rows)} {
		same := 0
		for i := range other {
			if other[i] == base[i] {
				same++
			}
		}
		if share := float64(same) / (rows * c); math.Abs(share-0.625) > 0.05 { // p² + (1−p)²
			t.Errorf("masks of another seed, key or step agree at %.3f, want 0.625", share)
		}
	}
}
