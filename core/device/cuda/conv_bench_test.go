package cuda

import (
	"testing"

	"pare/core/device/cuda/internal/cu"
)

// BenchmarkGPUConv times the kernels alone, with events, beside the plain ones. TFLOP/s
// count a multiply-add of every tap, padding included, as two.
func BenchmarkGPUConv(b *testing.B) {
	d := openCard(b)
	for _, s := range []struct {
		name string
		convCase
	}{
		{"lenet5-1", convCase{n: 256, c: 1, h: 28, w: 28, out: 6, win: even(5, 1, 2)}},
		{"lenet5-2", convCase{n: 256, c: 6, h: 14, w: 14, out: 16, win: even(5, 1, 0)}},
		{"resnet8-1", convCase{n: 256, c: 3, h: 32, w: 32, out: 16, win: even(3, 1, 1)}},
		{"resnet8-16", convCase{n: 256, c: 16, h: 32, w: 32, out: 16, win: even(3, 1, 1)}},
		{"resnet8-32s2", convCase{n: 256, c: 16, h: 32, w: 32, out: 32, win: even(3, 2, 1)}},
		{"resnet8-64", convCase{n: 256, c: 64, h: 8, w: 8, out: 64, win: even(3, 1, 1)}},
		{"resnet18-1", convCase{n: 64, c: 3, h: 224, w: 224, out: 64, win: even(7, 2, 3)}},
		{"resnet18-64", convCase{n: 64, c: 64, h: 56, w: 56, out: 64, win: even(3, 1, 1)}},
		{"resnet18-128s2", convCase{n: 64, c: 64, h: 56, w: 56, out: 128, win: even(3, 2, 1)}},
		{"resnet18-128", convCase{n: 64, c: 128, h: 28, w: 28, out: 128, win: even(3, 1, 1)}},
		{"resnet18-128d", convCase{n: 64, c: 64, h: 56, w: 56, out: 128, win: even(1, 2, 0)}},
		{"resnet18-256", convCase{n: 64, c: 256, h: 14, w: 14, out: 256, win: even(3, 1, 1)}},
		{"resnet18-512", convCase{n: 64, c: 512, h: 7, w: 7, out: 512, win: even(3, 1, 1)}},
		{"resnet18-256n256", convCase{n: 256, c: 256, h: 14, w: 14, out: 256, win: even(3, 1, 1)}},
	} {
		for _, mode := range []struct {
			name      string
			precision Precision
			plain     bool
		}{{"bf16", BF16, false}, {"bf16-plain", BF16, true}, {"tf32", TF32, false}, {"f32-plain", F32, true}} {
			k := s.convCase
			dev := With(d, nil, mode.precision)
			dev.plain = mode.plain
			newConv(b, dev, &k)
			k.noise(b)
			oh, ow := k.win.Out(k.h, k.w)
			flops := 2 * float64(k.n*oh*ow*k.out) * float64(k.c*k.win.KH*k.win.KW)
			for _, pass := range []struct {
				name string
				l    []launch
			}{{"y", k.f}, {"dx", k.d}, {"dw", k.g}} {
				b.Run(s.name+"/"+pass.name+"/"+mode.name, func(b *testing.B) { timeLaunches(b, k.e, pass.l, flops) })
			}
			k.release(b)
		}
	}
}

// timeLaunches runs the launches of one call b.N times, from a graph: between small kernels
// their queueing would be timed.
func timeLaunches(b *testing.B, e *exec, ls []launch, flops float64) {
	d := e.dev.driver
	const each = 20
	var at [2]cu.Event
	for i := range at {
		var err error
		if at[i], err = d.Event(); err != nil {
			b.Fatal(err)
		}
	}
	err := firstError(e.launch(ls), d.Sync())
	err = firstError(err, d.Capture())
	for range each {
		err = firstError(err, e.launch(ls))
	}
	g, late := d.EndCapture()
	err = firstError(firstError(err, late), d.RunGraph(g))
	err = firstError(err, d.Record(at[0]))
	for range b.N {
		err = firstError(err, d.RunGraph(g))
	}
	err = firstError(err, d.Record(at[1]))
	ms, late := d.Elapsed(at[0], at[1])
	err = firstError(firstError(err, late), d.ReleaseGraph(g))
	if err != nil {
		b.Fatal(err)
	}
	us := 1000 * float64(ms) / float64(b.N) / each
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(us, "µs/op")
	b.ReportMetric(flops/us/1e6, "TFLOP/s")
	for _, e := range at {
		if err := d.ReleaseEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}
