package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// gemms are products of matrices in rows, m × k by k × n; layers are products of
// fully connected layers, batch × in × out.
var (
	gemms  = [][3]int{{512, 512, 512}, {1024, 1024, 1024}, {256, 300, 784}, {256, 768, 3072}}
	layers = [][3]int{{256, 784, 320}, {256, 3072, 768}, {1024, 768, 3072}}
)

// Kernels measures products of matrices beside gonum and OpenBLAS (when it is
// there), and the products of layers dense and with zeros.
func Kernels(o Options) error {
	if _, err := openBLAS(1); err != nil && o.Say != nil {
		o.Say(err.Error())
	}
	for _, t := range o.Threads {
		for _, s := range gemms {
			name := fmt.Sprintf("gemm %d×%d×%d", s[0], s[1], s[2])
			if !strings.Contains(name, o.Filter) {
				continue
			}
			if err := o.measure("kernels", name, t, gemmContenders(s[0], s[1], s[2], t)); err != nil {
				return err
			}
		}
		for _, s := range layers {
			name := fmt.Sprintf("layer %d×%d×%d", s[0], s[1], s[2])
			if !strings.Contains(name, o.Filter) {
				continue
			}
			if err := o.layer(name, s[0], s[1], s[2], t); err != nil {
				return err
			}
		}
	}
	return nil
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return x
}

func gemmContenders(m, n, k, threads int) []contender {
	r := rand.New(rand.NewPCG(1, 2))
	work := 2 * float64(m) * float64(n) * float64(k)
	a, b, c := random(r, m*k), random(r, k*n), make([]float32, m*n)
	mat := func(x []float32, stride int) cpu.Matrix[float32] { return cpu.Matrix[float32]{Data: x, Stride: stride} }
	wide := func(x []float32, stride int) cpu.Matrix[float64] {
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = float64(v)
		}
		return cpu.Matrix[float64]{Data: y, Stride: stride}
	}
	ad, bd, cd := wide(a, k), wide(b, n), wide(c, n)
	cs := []contender{
		of("pare", work, func() error { return cpu.Gemm(threads, m, n, k, 1, mat(a, k), mat(b, n), 0, mat(c, n)) }),
		of("pare float64", work, func() error { return cpu.Gemm(threads, m, n, k, 1, ad, bd, 0, cd) }),
		of("gonum", work, func() error {
			// It takes as many threads as Go may use.
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
			gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, k, b, n, 0, c, n)
			return nil
		}),
	}
	if blas, err := openBLAS(threads); err == nil {
		cs = append(cs, of("OpenBLAS", work, func() error { blas(m, n, k, a, b, c); return nil }))
	}
	return cs
}

// layer measures the three products of a fully connected layer as the engine runs
// them, packed beside dense.
func (o Options) layer(name string, batch, in, out, threads int) error {
	work := 2 * float64(batch) * float64(in) * float64(out)
	open := func(s share) ([]contender, error) {
		b := &graph.Net{M: graph.New("layer", in, 1, 1)}
		b.Linear("fc", 0, out)
		if b.Err != nil {
			return nil, b.Err
		}
		e, err := newEngine(b.M, engineOptions{mode: plan.Grads, batch: batch, threads: threads, share: s, all: true, inGrad: true})
		if err != nil {
			return nil, err
		}
		var cs []contender
		for _, k := range []device.Kernel{device.Linear, device.LinearDX, device.LinearDW} {
			cs = append(cs, contender{who: "pare " + s.String() + " " + k.String(), work: work, run: func(w time.Duration) (float64, error) { return e.callTime(k, w) }})
		}
		cs[0].close = e.close
		return cs, nil
	}
	for _, s := range sparse {
		cs, err := open(share{})
		if err != nil {
			return err
		}
		if s.format == tensor.Dense {
			if blas, err := openBLAS(threads); err == nil {
				r := rand.New(rand.NewPCG(1, 2))
				x, w, y := random(r, batch*in), random(r, in*out), make([]float32, batch*out)
				cs = append(cs, of("OpenBLAS", work, func() error { blas(batch, out, in, x, w, y); return nil }))
			}
		} else {
			packed, err := open(s)
			if err != nil {
				return err
			}
			cs = append(cs, packed...)
		}
		if err := o.measure("kernels", name, threads, cs); err != nil {
			return err
		}
	}
	return nil
}

// share is a format with a share of zeros.
type share struct {
	format tensor.Format
	zeros  float64
}

func (s share) String() string {
	if s.format == tensor.Dense {
		return "dense"
	}
	return fmt.Sprintf("%v at %.0f %%", s.format, 100*s.zeros)
}

// sparse is what is measured of packed weights, beside the dense ones.
var sparse = func() []share {
	l := []share{{tensor.Dense, 0}}
	for _, z := range []float64{0.5, 0.7, 0.8, 0.9, 0.95} {
		l = append(l, share{tensor.Single, z}, share{tensor.Block4, z}, share{tensor.Block8, z})
	}
	return append(l, share{tensor.Block16, 0.9})
}()
