package cu

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

func openSparse(t *testing.T, d Driver) Sparse {
	t.Helper()
	s, err := NewSparse(d)
	if errors.Is(err, ErrNoLibrary) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// halve clears two weights in each four along K, which two differs.
func (x *trial) halve() {
	p := x.p
	for j := range p.N {
		for k := range p.K {
			first := (j + k/4) % 3 // of the two beside each other that stay
			if i := k % 4; i != first && i != first+1 {
				if p.TransB {
					x.b[j*p.LDB+k] = 0
				} else {
					x.b[k*p.LDB+j] = 0
				}
			}
		}
	}
}

func TestGPUSparse(t *testing.T) {
	dev := gpu(t)
	s := openSparse(t, dev)
	t.Log("cusparseLt", s.Version())
	for _, e := range []Epilogue{None, Bias, ReLUBias} {
		for _, forward := range []bool{true, false} {
			for _, size := range [][3]int{{64, 64, 64}, {8, 16, 32}, {72, 48, 144}, {1024, 512, 1024}} {
				if size[0] > 1000 && e == ReLUBias {
					continue // the reference is slow
				}
				t.Run(fmt.Sprintf("%v/%v/%v", e, forward, size), func(t *testing.T) {
					p := Product{M: size[0], N: size[1], K: size[2], A: BF16, B: BF16, D: BF16, BiasType: BF16, TransB: forward, Epilogue: e}
					x := newTrial(t, p, 5)
					x.halve()
					q, packing, err := s.Prepare2of4(p)
					check(t, err)
					defer s.Release(q)
					dense := int64(2 * p.N * p.K)
					if n := packing.Bytes; n < dense/2 || n > dense*3/4 && dense > 1<<16 {
						t.Errorf("%d bytes packed of %d dense", n, dense)
					}
					got := x.runSparse(t, dev, s, q, packing)
					want, _, _, may, _ := x.reference()
					compare(t, "y", BF16, got, want, may)
					again, n, err := s.Prepare2of4With(p, q.Algo())
					check(t, err)
					defer s.Release(again)
					if again.Algo() != q.Algo() || n != packing {
						t.Errorf("algorithm %s and %+v for %s and %+v", again.Algo(), n, q.Algo(), packing)
					}
					if !bytes.Equal(x.runSparse(t, dev, s, again, n), got) {
						t.Error("twice the same product, other bits")
					}
				})
			}
		}
	}
	good := Product{M: 64, N: 64, K: 64, A: BF16, B: BF16, D: BF16, TransB: true}
	for i, change := range []func(p *Product){
		func(p *Product) { p.A = F32 }, func(p *Product) { p.N = 40 }, func(p *Product) { p.K = 24 }, func(p *Product) { p.M = 4 },
		func(p *Product) { p.TransA = true }, func(p *Product) { p.Epilogue = GELUAux }, func(p *Product) { p.LDA = 68 }, func(p *Product) { p.Batch = 2 },
	} {
		p := good
		change(&p)
		if _, _, err := s.Prepare2of4(p); !errors.Is(err, ErrUnsupported) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	for _, bad := range []string{"", "x", "-1", "7", "0/1/0", "9999/1/1/0", "0/1/1/0/1"} {
		if _, _, err := s.Prepare2of4With(good, bad); err == nil {
			t.Errorf("algorithm %q was taken", bad)
		}
	}
}

// runSparse packs b, computes the product and returns d. It runs it twice with two
// biases in between, for a plan keeps the bias it was made with.
func (x *trial) runSparse(t *testing.T, dev Driver, s Sparse, q Prepared, packing Packing) []byte {
	t.Helper()
	put := func(v []float64) Ptr {
		if v == nil {
			return 0
		}
		at := alloc(t, dev, int64(2*len(v)))
		check(t, dev.Upload(at, encode(BF16, v)))
		return at
	}
	px, pw, py, bias, pp := put(x.a), put(x.b), put(x.d), put(x.bias), alloc(t, dev, packing.Bytes)
	check(t, s.Compress(q, pw, pp, alloc(t, dev, max(packing.Temp, 16))))
	if bias != 0 {
		other := alloc(t, dev, int64(2*len(x.bias)))
		check(t, dev.Fill(other, 0x40, int64(2*len(x.bias))))
		check(t, s.RunSparse(q, px, pp, py, py, other, 1, 0))
		check(t, dev.Upload(py, encode(BF16, x.d)))
	}
	check(t, s.RunSparse(q, px, pp, py, py, bias, float32(x.alpha), float32(x.beta)))
	out := make([]byte, 2*len(x.d))
	check(t, dev.Download(out, py))
	c, onto := put(x.d), make([]byte, len(out)) // the same onto what lies elsewhere
	check(t, dev.Fill(py, 0x7f, int64(len(out))))
	check(t, s.RunSparse(q, px, pp, c, py, bias, float32(x.alpha), float32(x.beta)))
	check(t, dev.Download(onto, py))
	if !bytes.Equal(onto, out) {
		t.Error("other bits with c beside y")
	}
	return out
}

// TestGPUSparseInGraphs: packing and the product are recorded and repeated, on what lies in
// memory by then, to equal bits.
func TestGPUSparseInGraphs(t *testing.T) {
	dev := gpu(t)
	s := openSparse(t, dev)
	p := Product{M: 512, N: 768, K: 1024, A: BF16, B: BF16, D: BF16, BiasType: BF16, TransB: true, Epilogue: Bias}
	x := newTrial(t, p, 7)
	x.halve()
	q, packing, err := s.Prepare2of4(p)
	check(t, err)
	defer s.Release(q)
	put := func(v []float64) Ptr {
		at := alloc(t, dev, int64(2*len(v)))
		check(t, dev.Upload(at, encode(BF16, v)))
		return at
	}
	px, pw, py, bias := put(x.a), put(x.b), put(x.d), put(x.bias)
	pp, temp := alloc(t, dev, packing.Bytes), alloc(t, dev, max(packing.Temp, 16))
	run := func() {
		check(t, s.Compress(q, pw, pp, temp))
		check(t, s.RunSparse(q, px, pp, py, py, bias, 1, 0))
	}
	get := func() []byte {
		out := make([]byte, 2*len(x.d))
		check(t, dev.Download(out, py))
		return out
	}
	run()
	want := get()
	check(t, dev.Capture())
	run()
	g, err := dev.EndCapture()
	check(t, err)
	defer dev.ReleaseGraph(g)
	check(t, dev.Fill(py, 0, int64(2*len(x.d))))
	check(t, dev.RunGraph(g))
	if !bytes.Equal(get(), want) {
		t.Error("a graph gives other bits")
	}
	for i := range x.b { // other weights: the graph packs them
		x.b[i] = -x.b[i]
	}
	check(t, dev.Upload(pw, encode(BF16, x.b)))
	check(t, dev.RunGraph(g))
	got := get()
	run()
	if want := get(); !bytes.Equal(got, want) {
		t.Error("a graph did not pack the new weights")
	}
	if bytes.Equal(got, want) {
		t.Error("the new weights make no difference")
	}
}
