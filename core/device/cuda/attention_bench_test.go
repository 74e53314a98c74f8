package cuda

import (
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// BenchmarkGPUAttention times the kernels alone, with events; TFLOP/s count two products
// forward and five backward, half of them where it is causal.
func BenchmarkGPUAttention(b *testing.B) {
	d := openCard(b)
	type shape struct {
		name                 string
		n, seq, heads, dim   int
		causal, pads, packed bool
		precision            Precision
	}
	for _, s := range []shape{
		{"gpt2", 32, 1024, 12, 64, true, false, true, BF16},
		{"gpt2-f32", 32, 1024, 12, 64, true, false, true, F32},
		{"bert", 32, 384, 12, 64, false, true, false, BF16},
		{"llama", 8, 1024, 32, 128, true, false, false, BF16},
	} {
		a := &attn{Attn: device.Attn{Heads: s.heads, KVHeads: s.heads, Dim: s.dim, Causal: s.causal, Pads: s.pads, Pad: 3, Scale: float32(1 / math.Sqrt(float64(s.dim)))}, n: s.n, seq: s.seq, packed: s.packed}
		newAttn(b, With(d, nil, s.precision), a)
		r := rand.New(rand.NewPCG(1, 2))
		for v := range a.e.p.Vals {
			x := make([]float32, a.e.value(v, a.n).count())
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			a.set(b, v, x)
		}
		flops := 4 * float64(s.n*s.heads) * float64(s.seq*s.seq) * float64(s.dim)
		if s.causal {
			flops /= 2
		}
		b.Run(s.name+"/forward", func(b *testing.B) { a.time(b, a.f, flops) })
		b.Run(s.name+"/backward", func(b *testing.B) { a.time(b, a.d, 2.5*flops) })
		if err := a.e.release(); err != nil {
			b.Fatal(err)
		}
	}
}

func (a *attn) time(b *testing.B, ls []launch, flops float64) {
	dev := a.e.dev
	var at [2]cu.Event
	for i := range at {
		var err error
		if at[i], err = dev.driver.Event(); err != nil {
			b.Fatal(err)
		}
	}
	err := a.e.launch(ls)
	err = firstError(err, dev.driver.Record(at[0]))
	for range b.N {
		err = firstError(err, a.e.launch(ls))
	}
	err = firstError(err, dev.driver.Record(at[1]))
	ms, late := dev.driver.Elapsed(at[0], at[1])
	if err = firstError(err, late); err != nil {
		b.Fatal(err)
	}
	each := float64(ms) / float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(each, "ms/op")
	b.ReportMetric(flops/each/1e9, "TFLOP/s")
	for _, e := range at {
		if err := dev.driver.ReleaseEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}
