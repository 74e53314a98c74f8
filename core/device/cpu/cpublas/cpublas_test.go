package cpublas

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/mat"
)

// TestUse: gonum's decompositions come out right on our products.
func TestUse(t *testing.T) {
	Use()
	if _, ok := blas64.Implementation().(implementation); !ok {
		t.Fatalf("blas64 uses %T", blas64.Implementation())
	}
	r := rand.New(rand.NewPCG(1, 2))
	a := mat.NewDense(130, 90, nil)
	a.Apply(func(int, int, float64) float64 { return r.Float64()*2 - 1 }, a)
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		t.Fatal("no SVD")
	}
	var u, v, back mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	s := mat.NewDiagDense(90, svd.Values(nil))
	back.Product(&u, s, v.T())
	if !mat.EqualApprox(a, &back, 1e-12) {
		t.Error("U·S·Vᵀ is not A")
	}
	var gram mat.Dense
	gram.Mul(a.T(), a)
	sym := mat.NewSymDense(90, nil)
	for i := range 90 {
		for j := i; j < 90; j++ {
			sym.SetSym(i, j, gram.At(i, j))
		}
		sym.SetSym(i, i, gram.At(i, i)+1)
	}
	var chol mat.Cholesky
	if !chol.Factorize(sym) {
		t.Fatal("no Cholesky decomposition")
	}
	var l, llt mat.Dense
	l.CloneFrom(chol.RawU().T())
	llt.Mul(&l, l.T())
	if !mat.EqualApprox(sym, &llt, 1e-11) {
		t.Error("L·Lᵀ is not A")
	}
}

// TestSgemm compares both routines with gonum's on all shapes of operands.
func TestSgemm(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, ta := range []blas.Transpose{blas.NoTrans, blas.Trans} {
		for _, tb := range []blas.Transpose{blas.NoTrans, blas.ConjTrans} {
			const m, n, k, ld = 40, 50, 60, 61
			a, b, c := make([]float32, ld*ld), make([]float32, ld*ld), make([]float32, ld*ld)
			for i := range a {
				a[i], b[i], c[i] = r.Float32(), r.Float32(), r.Float32()
			}
			want := append([]float32(nil), c...)
			implementation{}.Sgemm(ta, tb, m, n, k, 0.5, a, ld, b, ld, 2, c, ld)
			gonum.Implementation{}.Sgemm(ta, tb, m, n, k, 0.5, a, ld, b, ld, 2, want, ld)
			for i := range c {
				if math.Abs(float64(c[i]-want[i])) > 1e-4 {
					t.Fatalf("%c %c: element %d is %g, want %g", ta, tb, i, c[i], want[i])
				}
			}
		}
	}
}

func BenchmarkSVD(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	a := mat.NewDense(512, 512, nil)
	a.Apply(func(int, int, float64) float64 { return r.Float64()*2 - 1 }, a)
	svd := func(b *testing.B) {
		for b.Loop() {
			var s mat.SVD
			s.Factorize(a, mat.SVDThin)
		}
	}
	blas64.Use(gonum.Implementation{})
	b.Run("gonum", svd)
	blas64.Use(implementation{})
	b.Run("ours", svd)
}
