package ref_test

import (
	"math"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
)

// TestDistilPyTorch: losses and gradients are those of PyTorch 2's
// (1−a)·cross_entropy + a·T²·kl_div(log_softmax(x/T), log_softmax(q/T), log_target=True),
// in float32.
func TestDistilPyTorch(t *testing.T) {
	x := []float32{1, -2, 0.5, 3, 0.25, 0, -1.5, 2}
	q := []float32{0.5, 1.5, -1, 2, -3, 1, 2.5, 0}
	for _, c := range []struct {
		alpha, temp float32
		loss        [2]float64
		grad        [8]float64
	}{
		{0.5, 2, [2]float64{2.10969, 1.814935}, [8]float64{0.0381112, -0.132367, -0.19583, 0.290085, 0.121325, -0.0103916, -0.224303, 0.11337}},
		{1, 1, [2]float64{1.069619, 2.612608}, [8]float64{-0.00408369, -0.158607, 0.020282, 0.142408, 0.0633139, -0.0346852, -0.370609, 0.341981}},
		{0.25, 4, [2]float64{2.465917, 1.149529}, [8]float64{0.0533847, -0.0839878, -0.317278, 0.347881, 0.118537, 0.0126922, -0.115441, -0.0157878}},
	} {
		n := newNet(t, 2, 4, 1, 1)
		teacher, d, part := n.like("teacher", 0), n.like("dlogits", 0), n.part("loss", 2)
		n.call("loss", device.Call{Kernel: device.Load, Out: []int{teacher}, S: [2]float32{2}})
		n.call("loss", device.Call{Kernel: device.CrossEntropy, In: []int{0, teacher}, Out: []int{d, part}, S: [2]float32{c.alpha, c.temp}})
		n.call("loss", device.Call{Kernel: device.LossMerge, In: []int{part}})
		n.p.Output = d
		got, losses := make([]float32, 8), make([]float32, 2)
		r, _ := n.run(device.Step{X: x, N: 2, Labels: []int32{2, 3}, Teacher: q, Out: got, Losses: losses})
		for i, want := range c.loss {
			if math.Abs(float64(losses[i])-want) > 2e-6 {
				t.Errorf("a %g, T %g: loss %d is %g, want %g", c.alpha, c.temp, i, losses[i], want)
			}
		}
		if want := (c.loss[0] + c.loss[1]) / 2; math.Abs(r.Loss-want) > 2e-6 || r.Correct != 1 {
			t.Errorf("a %g, T %g: mean loss %g and %d right, want %g and 1", c.alpha, c.temp, r.Loss, r.Correct, want)
		}
		for i, want := range c.grad {
			if math.Abs(float64(got[i])-want) > 1e-6 {
				t.Errorf("a %g, T %g: gradient %d is %g, want %g", c.alpha, c.temp, i, got[i], want)
			}
		}
	}
}

// TestDistilRefuses: what makes no loss is an error before anything runs.
func TestDistilRefuses(t *testing.T) {
	for _, s := range [][2]float32{{0, 2}, {1.5, 2}, {0.5, 0}, {0.5, -1}, {float32(math.NaN()), 1}} {
		n := newNet(t, 2, 4, 1, 1)
		teacher, d, part := n.like("teacher", 0), n.like("dlogits", 0), n.part("loss", 2)
		n.call("loss", device.Call{Kernel: device.Load, Out: []int{teacher}, S: [2]float32{2}})
		n.call("loss", device.Call{Kernel: device.CrossEntropy, In: []int{0, teacher}, Out: []int{d, part}, S: s})
		if err := compiles(n); err == nil {
			t.Errorf("alpha %g, temperature %g: no error", s[0], s[1])
		}
	}
}

func compiles(n *net) error {
	dev := ref.New()
	b, err := dev.NewBank(n.ws, 0)
	if err != nil {
		return err
	}
	_, err = dev.Compile(&n.p, b, 1)
	return err
}
