package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// operand makes a random matrix of rows × cols with a stride of its own.
func operand[F float32 | float64](r *rand.Rand, rows, cols int, transposed bool) Matrix[F] {
	if transposed {
		rows, cols = cols, rows
	}
	x := Matrix[F]{make([]F, rows*(cols+3)), cols + 3, transposed}
	for i := range x.Data {
		x.Data[i] = F(r.Float64()*2 - 1)
	}
	return x
}

func (x Matrix[F]) at(i, j int) float64 {
	if x.Transposed {
		i, j = j, i
	}
	return float64(x.Data[i*x.Stride+j])
}

func TestGemm(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, s := range [][3]int{{1, 1, 1}, {3, 7, 17}, {16, 16, 16}, {31, 33, 129}, {17, 1, 400}, {1, 127, 5}, {300, 40, 800}, {5, 6, 0}} {
			for _, ta := range []bool{false, true} {
				for _, tb := range []bool{false, true} {
					for _, f := range [][2]float64{{1, 0}, {1, 1}, {-0.5, 2}, {0, 0}} {
						t.Run(fmt.Sprintf("%v/%t/%t/%v", s, ta, tb, f), func(t *testing.T) {
							testGemm[float32](t, r, s, ta, tb, f[0], f[1], 1e-5)
							testGemm[float64](t, r, s, ta, tb, f[0], f[1], 1e-13)
						})
					}
				}
			}
		}
	})
}

// TestGemmBlocks: more rows, steps and columns than are packed at a time.
func TestGemmBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range [][3]int{{gemmM + 1, 5, gemmA/gemmM + 3}, {17, 16*5*gemmStrip + 1, gemmK + 1}, {5 * gemmRows, 1, 2*gemmK + 1}} {
		for _, transposed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/%t", s, transposed), func(t *testing.T) {
				testGemm[float32](t, r, s, transposed, transposed, 1, 1, 1e-5)
				testGemm[float64](t, r, s, transposed, transposed, -2, 0, 1e-13)
			})
		}
	}
}

func testGemm[F float32 | float64](t *testing.T, r *rand.Rand, s [3]int, ta, tb bool, alpha, beta, tol float64) {
	m, n, k := s[0], s[1], s[2]
	a, b, c := operand[F](r, m, k, ta), operand[F](r, k, n, tb), operand[F](r, m, n, false)
	if beta == 0 {
		for i := range c.Data {
			if i%c.Stride < n {
				c.Data[i] = F(math.NaN())
			}
		}
	}
	was := append([]F(nil), c.Data...)
	for threads := 1; threads <= 4; threads++ {
		to := Matrix[F]{append([]F(nil), was...), c.Stride, false}
		if err := Gemm(threads, m, n, k, F(alpha), a, b, F(beta), to); err != nil {
			t.Fatal(err)
		}
		if threads == 1 {
			copy(c.Data, to.Data)
		}
		for i, v := range to.Data {
			if math.Float64bits(float64(c.Data[i])) != math.Float64bits(float64(v)) {
				t.Fatalf("element %d is %g with one thread, %g with %d", i, c.Data[i], v, threads)
			}
		}
	}
	for i := range c.Data {
		row, col := i/c.Stride, i%c.Stride
		if col >= n {
			if c.Data[i] != was[i] {
				t.Fatalf("element %d, between two rows, was written", i)
			}
			continue
		}
		want, abs := 0.0, 0.0
		if beta != 0 {
			want = beta * float64(was[i])
			abs = math.Abs(want)
		}
		for q := range k {
			v := alpha * a.at(row, q) * b.at(q, col)
			want += v
			abs += math.Abs(v)
		}
		if !(math.Abs(float64(c.Data[i])-want) <= tol*math.Max(abs, 1e-3)) {
			t.Fatalf("C[%d][%d] = %g, want %g", row, col, c.Data[i], want)
		}
	}
}

func TestGemmErrors(t *testing.T) {
	good := Matrix[float32]{make([]float32, 6), 3, false}
	for name, f := range map[string]func() error{
		"short A": func() error {
			return Gemm(1, 3, 3, 3, 1, good, Matrix[float32]{make([]float32, 9), 3, false}, 0, Matrix[float32]{make([]float32, 9), 3, false})
		},
		"stride of B": func() error { return Gemm(1, 2, 3, 3, 1, good, Matrix[float32]{make([]float32, 9), 2, false}, 0, good) },
		"short C": func() error {
			return Gemm(1, 2, 4, 3, 1, good, Matrix[float32]{make([]float32, 12), 4, false}, 0, good)
		},
		"negative":     func() error { return Gemm(1, -1, 3, 3, 1, good, good, 0, good) },
		"C transposed": func() error { return Gemm(1, 2, 3, 3, 1, good, good, 0, Matrix[float32]{make([]float32, 6), 2, true}) },
	} {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// BenchmarkGemm runs products of matrices in rows beside gonum's own.
func BenchmarkGemm(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range [][3]int{{512, 512, 512}, {1024, 1024, 1024}, {256, 300, 784}, {256, 768, 3072}} {
		m, n, k := s[0], s[1], s[2]
		x, y, z := operand[float32](r, m, k, false), operand[float32](r, k, n, false), operand[float32](r, m, n, false)
		xd, yd, zd := operand[float64](r, m, k, false), operand[float64](r, k, n, false), operand[float64](r, m, n, false)
		for threads := 1; threads <= 2; threads++ {
			run := func(name string, f func()) {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/threads%d", m, n, k, name, threads), func(b *testing.B) {
					for b.Loop() {
						f()
					}
					gflops(b, m*n*k)
				})
			}
			run("float32", func() { Gemm(threads, m, n, k, 1, x, y, 0, z) })    //nolint:errcheck // TestGemm
			run("float64", func() { Gemm(threads, m, n, k, 1, xd, yd, 0, zd) }) //nolint:errcheck // TestGemm
		}
		b.Run(fmt.Sprintf("%dx%dx%d/gonum-float32", m, n, k), func(b *testing.B) {
			for b.Loop() {
				gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, x.Data, x.Stride, y.Data, y.Stride, 0, z.Data, z.Stride)
			}
			gflops(b, m*n*k)
		})
	}
}
