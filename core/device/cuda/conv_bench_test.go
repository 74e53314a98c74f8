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
		b.Run(s.name, func(b *testing.B) {
			for _, mode := range []struct {
				name      string
				precision Precision
				plain     bool
			}{{"bf16", BF16, false}, {"bf16-plain", BF16, true}, {"tf32", TF32, false}, {"f32-plain", F32, true}} {
				b.Run(mode.name, func(b *testing.B) {
					dev := With(d, nil, mode.precision)
					dev.plain = mode.plain
					timeConv(b, dev, s.convCase)
				})
			}
		})
	}
}

func timeConv(b *testing.B, dev Device, k convCase) {
	newConv(b, dev, &k)
	defer k.release(b)
	e := k.e
	fill := func(at cu.Ptr, count int, elem cu.Type) {
		noise := noiseOf(elem) // a card draws less power on zeros
		for bytes := int64(count) * int64(elem.Bytes()); bytes > 0; {
			n := min(bytes, int64(len(noise)))
			bytes -= n
			if err := dev.driver.Upload(at+cu.Ptr(bytes), noise[:n]); err != nil {
				b.Fatal(err)
			}
		}
	}
	for v := range e.p.Vals {
		fill(e.at[v], e.value(v, k.n).count(), dev.elem())
	}
	w, elem := e.b.ws[0].operand()
	fill(w, e.b.ws[0].count, elem)
	oh, ow := k.win.Out(k.h, k.w)
	flops := 2 * float64(k.n*oh*ow*k.out) * float64(k.c*k.win.KH*k.win.KW)
	for _, pass := range []struct {
		name string
		l    []launch
	}{{"y", k.f}, {"dx", k.d}, {"dw", k.g}} {
		b.Run(pass.name, func(b *testing.B) { timeLaunches(b, e, pass.l, flops) })
	}
}

// timeLaunches runs the launches of one call b.N times some 20 ms, from a graph: between
// small kernels their queueing would be timed.
func timeLaunches(b *testing.B, e *exec, ls []launch, flops float64) {
	d := e.dev.driver
	var at [2]cu.Event
	for i := range at {
		var err error
		if at[i], err = d.Event(); err != nil {
			b.Fatal(err)
		}
	}
	// ms is the time of n times f.
	time := func(n int, f func() error) float64 {
		err := firstError(f(), d.Record(at[0]))
		for range n {
			err = firstError(err, f())
		}
		ms, late := float32(0), firstError(err, d.Record(at[1]))
		if late == nil {
			ms, late = d.Elapsed(at[0], at[1])
		}
		if late != nil {
			b.Fatal(late)
		}
		return float64(ms) / float64(n)
	}
	once := time(1, func() error { return e.launch(ls) })
	each := int(min(max(20/once, 2), 1000))
	err := d.Capture()
	for range each {
		err = firstError(err, e.launch(ls))
	}
	g, late := d.EndCapture()
	if err = firstError(err, late); err != nil {
		b.Fatal(err)
	}
	us := 1000 * time(b.N, func() error { return d.RunGraph(g) }) / float64(each)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(us, "µs/op")
	b.ReportMetric(flops/us/1e6, "TFLOP/s")
	err = d.ReleaseGraph(g)
	for _, e := range at {
		err = firstError(err, d.ReleaseEvent(e))
	}
	if err != nil {
		b.Fatal(err)
	}
}
