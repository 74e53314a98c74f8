package cuda

import (
	"fmt"
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
		{"bert-tf32", 32, 384, 12, 64, false, true, false, TF32},
		{"bert-f32", 32, 384, 12, 64, false, true, false, F32},
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

// BenchmarkGPUAttentionWide times each kernel of heads of 128 channels in the sizes that it can
// have, {0 0} for those of attention_mma.cu: a layer of llama2-7b-l8. TFLOP/s count the products
// that each makes (2, 3 and 4), half of them for being causal.
func BenchmarkGPUAttentionWide(b *testing.B) {
	d := openCard(b)
	defer wideTilings(wideForward, wideDQ, wideDKV)
	const n, seq, heads, dim = 8, 1024, 32, 128
	product := 2 * float64(n*heads) * float64(seq*seq) * dim / 2
	for _, w := range wideSizes {
		wideTilings(w[0], w[1], w[2])
		a := &attn{Attn: device.Attn{Heads: heads, KVHeads: heads, Dim: dim, Causal: true, Scale: float32(1 / math.Sqrt(dim))}, n: n, seq: seq}
		newAttn(b, With(d, nil, BF16), a)
		r := rand.New(rand.NewPCG(1, 2))
		noise := make([]float32, n*seq*heads*dim)
		for i := range noise {
			noise[i] = float32(r.NormFloat64())
		}
		for v := range a.e.p.Vals {
			a.set(b, v, noise[:a.e.value(v, a.n).count()])
		}
		b.Run(fmt.Sprintf("%v/forward", w[0]), func(b *testing.B) { a.time(b, a.f, 2*product) })
		b.Run(fmt.Sprintf("%v/dq", w[1]), func(b *testing.B) { a.time(b, a.d[:1], 3*product) })
		b.Run(fmt.Sprintf("%v/dkv", w[2]), func(b *testing.B) { a.time(b, a.d[1:], 4*product) })
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
