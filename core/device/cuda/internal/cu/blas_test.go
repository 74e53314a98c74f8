package cu

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func openBlas(t *testing.T, d Driver) Blas {
	t.Helper()
	b, err := NewBlas(d)
	if errors.Is(err, ErrNoLibrary) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// trial is a product with its operands on the host, as values their types keep.
type trial struct {
	p                  Product // made full
	a, b, d, bias, aux []float64
	alpha, beta        float64
}

func newTrial(t *testing.T, p Product, seed uint64) *trial {
	t.Helper()
	p, err := p.full()
	check(t, err)
	r := rand.New(rand.NewPCG(seed, 7))
	fill := func(e Type, n int64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = round(e, r.NormFloat64())
		}
		return v
	}
	x := &trial{p: p, a: fill(p.A, p.spanA()), b: fill(p.B, p.spanB()), d: fill(p.D, p.spanD()), alpha: 0.5, beta: 2}
	if p.biases() > 0 {
		x.bias = fill(p.BiasType, int64(p.biases()))
	}
	if p.hasAux() {
		x.aux = fill(p.D, int64(p.Batch)*int64(p.M)*int64(p.N))
	}
	return x
}

// gelu is by tanh, as the library's; slope is its derivative.
func gelu(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func slope(x float64) float64 {
	c := math.Sqrt(2 / math.Pi)
	th := math.Tanh(c * (x + 0.044715*x*x*x))
	return 0.5*(1+th) + 0.5*x*(1-th*th)*c*(1+3*0.044715*x*x)
}

// reference is what the product makes of d, bias and aux, in float64, and what rounding
// may do: to d, and to what d is before the epilogue.
func (x *trial) reference() (d, bias, aux, may, before []float64) {
	p := x.p
	in := 2e-6 // of all that a sum takes in
	if p.TF32 {
		in = 1e-3
	}
	d, bias, aux, may = append([]float64(nil), x.d...), append([]float64(nil), x.bias...), append([]float64(nil), x.aux...), make([]float64, len(x.d))
	before = make([]float64, len(x.aux))
	if p.Epilogue == BGrad {
		clear(bias)
	}
	for n := range p.Batch {
		for i := range p.M {
			for j := range p.N {
				at := int64(n)*p.SD + int64(i*p.LDD+j)
				sum, abs := 0.0, 0.0
				for k := range p.K {
					ai, bi := i*p.LDA+k, k*p.LDB+j
					if p.TransA {
						ai = k*p.LDA + i
					}
					if p.TransB {
						bi = j*p.LDB + k
					}
					av, bv := x.a[int64(n)*p.SA+int64(ai)], x.b[int64(n)*p.SB+int64(bi)]
					sum, abs = sum+av*bv, abs+math.Abs(av*bv)
					if p.Epilogue == BGrad && j == 0 {
						bias[i] += av
					}
				}
				v := x.alpha*sum + x.beta*x.d[at]
				may[at] = in * (math.Abs(x.alpha)*abs + math.Abs(x.beta*x.d[at]))
				auxAt := (n*p.M+i)*p.N + j
				if p.D == BF16 && p.Epilogue != None { // some algorithms round before it
					may[at] += math.Abs(v) / 256
				}
				if p.hasAux() {
					before[auxAt] = may[at]
				}
				switch p.Epilogue {
				case Bias:
					v += x.bias[j]
				case ReLUBias:
					v = max(v+x.bias[j], 0)
				case GELUBias:
					v = gelu(v + x.bias[j])
				case GELUAux:
					aux[auxAt] = v + x.bias[j]
					v = gelu(v + x.bias[j])
				case DGELU:
					may[at] = 1.2*may[at] + 2e-3*math.Abs(v)
					v *= slope(x.aux[auxAt])
				}
				if p.Epilogue == GELUBias || p.Epilogue == GELUAux {
					may[at] = 1.2*may[at] + 2e-3 // its tanh is coarse
				}
				d[at] = v
			}
		}
	}
	return d, bias, aux, may, before
}

// run computes the product on the card and returns what d, bias and aux hold then.
func (x *trial) run(t *testing.T, dev Driver, b Blas, q Prepared) (d, bias, aux []byte) {
	t.Helper()
	p := x.p
	put := func(e Type, v []float64) (Ptr, int) {
		if v == nil {
			return 0, 0
		}
		raw := encode(e, v)
		at := alloc(t, dev, int64(len(raw)))
		check(t, dev.Upload(at, raw))
		return at, len(raw)
	}
	get := func(at Ptr, n int) []byte {
		out := make([]byte, n)
		check(t, dev.Download(out, at))
		return out
	}
	pa, _ := put(p.A, x.a)
	pb, _ := put(p.B, x.b)
	pd, nd := put(p.D, x.d)
	pbias, nbias := put(p.BiasType, x.bias)
	paux, naux := put(p.D, x.aux)
	check(t, b.Run(q, pa, pb, pd, pbias, paux, float32(x.alpha), float32(x.beta)))
	return get(pd, nd), get(pbias, nbias), get(paux, naux)
}

// compare tells whether the card's values are the reference's, but for what rounding may
// do on the way (nil: 2e-5) and when the type's values are stored.
func compare(t *testing.T, what string, e Type, raw []byte, want, may []float64) {
	t.Helper()
	store := map[Type]float64{F32: 1e-6, BF16: 1.0 / 256}[e]
	for i, v := range decode(e, raw) {
		m := 2e-5
		if may != nil {
			m = may[i]
		}
		if d := math.Abs(v - want[i]); !(d <= m+store*math.Abs(want[i])) {
			t.Errorf("%s[%d] = %g, want %g ± %g", what, i, v, want[i], m)
			return
		}
	}
}

func (x *trial) test(t *testing.T, dev Driver, b Blas) {
	t.Helper()
	q, err := b.Prepare(x.p)
	check(t, err)
	defer b.Release(q)
	d, bias, aux := x.run(t, dev, b, q)
	wd, wbias, waux, may, before := x.reference()
	compare(t, "d", x.p.D, d, wd, may)
	if x.p.Epilogue == BGrad {
		compare(t, "bias", x.p.BiasType, bias, wbias, nil)
	}
	if x.p.Epilogue == GELUAux {
		compare(t, "aux", x.p.D, aux, waux, before)
	}
	again, bias2, aux2 := x.run(t, dev, b, q)
	if !bytes.Equal(d, again) || !bytes.Equal(bias, bias2) || !bytes.Equal(aux, aux2) {
		t.Error("twice the same product, other bits")
	}
}

func TestGPUBlas(t *testing.T) {
	dev := gpu(t)
	b := openBlas(t, dev)
	t.Log("cublasLt", b.Version())
	types := []struct {
		name string
		p    Product
	}{
		{"f32", Product{}},
		{"tf32", Product{TF32: true}},
		{"bf16", Product{A: BF16, B: BF16, D: BF16, BiasType: BF16}},
		{"bf16 to f32", Product{A: BF16, B: BF16}},
	}
	for _, ty := range types {
		for e := None; e <= BGrad; e++ {
			for trans := range 4 {
				for _, size := range [][3]int{{48, 40, 56}, {33, 17, 29}, {1, 8, 1}, {200, 264, 72}} {
					p := ty.p
					p.M, p.N, p.K, p.TransA, p.TransB, p.Epilogue = size[0], size[1], size[2], trans&1 > 0, trans&2 > 0, e
					t.Run(fmt.Sprintf("%s/%v/%d/%v", ty.name, e, trans, size), func(t *testing.T) {
						if e == BGrad && !p.TransA || (e == GELUAux || e == DGELU) && p.N%8 != 0 {
							if _, err := b.Prepare(p); !errors.Is(err, ErrUnsupported) {
								t.Fatalf("it should have no algorithm: %v", err)
							}
							return
						}
						newTrial(t, p, uint64(trans)+1).test(t, dev, b)
					})
				}
			}
		}
	}
	for _, p := range []Product{{A: BF16, B: BF16, D: BF16}, {A: BF16, B: BF16, BiasType: BF16}} {
		p.M, p.N, p.K, p.Epilogue = 48, 40, 56, Bias
		if _, err := b.Prepare(p); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%v with a bias of %d: %v", p, p.BiasType, err)
		}
	}
	for _, ty := range types {
		p := ty.p
		p.M, p.N, p.K = 40, 24, 16
		strided := p
		strided.LDA, strided.LDB, strided.LDD, strided.TransB = 48, 32, 40, true
		t.Run(ty.name+"/rows apart", func(t *testing.T) { newTrial(t, strided, 3).test(t, dev, b) })
		batch := p
		batch.Batch, batch.SA, batch.SB, batch.SD, batch.TransB = 5, 40*16, 24*16, 40*24, true
		t.Run(ty.name+"/batch", func(t *testing.T) { newTrial(t, batch, 4).test(t, dev, b) })
		heads := p // heads beside each other in one buffer, as attention has them
		heads.Batch, heads.LDA, heads.LDB, heads.LDD, heads.SA, heads.SB, heads.SD, heads.TransB = 3, 3*16, 3*16, 3*24, 16, 16, 24, true
		t.Run(ty.name+"/heads", func(t *testing.T) { newTrial(t, heads, 5).test(t, dev, b) })
		shared := batch // one B for all
		shared.SB = 0
		t.Run(ty.name+"/one b", func(t *testing.T) { newTrial(t, shared, 6).test(t, dev, b) })
	}
}

// TestGPUBlasOnto: a product that begins with c gives what it gives over d, and leaves c.
func TestGPUBlasOnto(t *testing.T) {
	dev := gpu(t)
	b := openBlas(t, dev)
	for _, p := range []Product{{}, {A: BF16, B: BF16, D: BF16}, {A: BF16, B: BF16, D: BF16, BiasType: BF16, Epilogue: Bias}, {Epilogue: Bias}} {
		p.M, p.N, p.K, p.TransB = 200, 264, 8, true
		x := newTrial(t, p, 13)
		q, err := b.Prepare(x.p)
		check(t, err)
		want, _, _ := x.run(t, dev, b, q)
		put := func(e Type, v []float64) Ptr {
			if v == nil {
				return 0
			}
			at := alloc(t, dev, int64(len(encode(e, v))))
			check(t, dev.Upload(at, encode(e, v)))
			return at
		}
		pc, pd := put(p.D, x.d), alloc(t, dev, int64(len(want)))
		check(t, dev.Fill(pd, 0xff, int64(len(want))))
		check(t, b.RunOnto(q, put(p.A, x.a), put(p.B, x.b), pc, pd, put(p.BiasType, x.bias), 0, float32(x.alpha), float32(x.beta)))
		got, kept := make([]byte, len(want)), make([]byte, len(want))
		check(t, dev.Download(got, pd))
		check(t, dev.Download(kept, pc))
		if !bytes.Equal(got, want) {
			t.Errorf("%v: other bits than over d", p)
		}
		if !bytes.Equal(kept, encode(p.D, x.d)) {
			t.Errorf("%v: c is changed", p)
		}
		check(t, b.Release(q))
	}
}

func TestGPUBlasAlgorithms(t *testing.T) {
	dev := gpu(t)
	b := openBlas(t, dev)
	for _, p := range []Product{{M: 64, N: 64, K: 64, A: BF16, B: BF16, D: BF16}, {M: 1024, N: 768, K: 2304, A: BF16, B: BF16, TransA: true}} {
		x := newTrial(t, p, 9)
		q, err := b.Prepare(p)
		check(t, err)
		d, _, _ := x.run(t, dev, b, q)
		again, err := b.PrepareWith(p, q.Algo())
		check(t, err)
		if again.Algo() != q.Algo() || len(q.Algo()) != 128 {
			t.Errorf("algorithm %s for %s", again.Algo(), q.Algo())
		}
		d2, _, _ := x.run(t, dev, b, again)
		if !bytes.Equal(d, d2) {
			t.Error("the same algorithm, other bits")
		}
		check(t, b.Release(q))
		check(t, b.Release(again))
	}
	for _, bad := range []string{"", "12", strings.Repeat("xy", 64), strings.Repeat("ff", 64)} {
		if _, err := b.PrepareWith(Product{M: 64, N: 64, K: 64}, bad); err == nil {
			t.Errorf("algorithm %q was taken", bad)
		}
	}
	for _, bad := range []Product{{}, {M: 1, N: 1}, {M: 8, N: 8, K: 8, LDA: 4}, {M: 8, N: 8, K: 8, Align: 3}, {M: 8, N: 8, K: 8, A: 9}, {M: 8, N: 9, K: 8, Epilogue: DGELU}} {
		if _, err := b.Prepare(bad); err == nil {
			t.Errorf("%v was prepared", bad)
		}
	}
	q, err := b.Prepare(Product{M: 8, N: 8, K: 8})
	check(t, err)
	m := alloc(t, dev, 4096)
	if err := b.Run(q, m, m+1024, m+2048, m, 0, 1, 0); err == nil {
		t.Error("a bias for a product without one")
	}
	if err := b.Run(q, m+4, m+1024, m+2048, 0, 0, 1, 0); err == nil || !strings.Contains(err.Error(), "no multiple of 16 bytes") {
		t.Errorf("an address off its alignment: %v", err)
	}
	if a := testing.AllocsPerRun(50, func() { check(t, b.Run(q, m, m+1024, m+2048, 0, 0, 1, 0)) }); a != 0 {
		t.Errorf("a product allocates %g times", a)
	}
	if _, err := NewBlas(nil); err == nil {
		t.Error("no card is a card")
	}
}

// TestGPUBlasInGraph records products and runs them again.
func TestGPUBlasInGraph(t *testing.T) {
	dev := gpu(t)
	b := openBlas(t, dev)
	x := newTrial(t, Product{M: 64, N: 48, K: 32, A: BF16, B: BF16}, 11)
	q, err := b.Prepare(x.p)
	check(t, err)
	defer b.Release(q)
	want, _, _ := x.run(t, dev, b, q)
	pa, pb, pd := alloc(t, dev, int64(2*len(x.a))), alloc(t, dev, int64(2*len(x.b))), alloc(t, dev, int64(4*len(x.d)))
	check(t, dev.Upload(pa, encode(BF16, x.a)))
	check(t, dev.Upload(pb, encode(BF16, x.b)))
	check(t, dev.Capture())
	check(t, b.Run(q, pa, pb, pd, 0, 0, float32(x.alpha), float32(x.beta)))
	if _, err := b.Prepare(x.p); err == nil {
		t.Error("prepared while a graph is recorded")
	}
	g, err := dev.EndCapture()
	check(t, err)
	for range 3 {
		check(t, dev.Upload(pd, encode(F32, x.d)))
		check(t, dev.RunGraph(g))
		got := make([]byte, len(want))
		check(t, dev.Download(got, pd))
		if !bytes.Equal(got, want) {
			t.Error("in a graph it gives other bits")
		}
	}
	check(t, dev.ReleaseGraph(g))
}
