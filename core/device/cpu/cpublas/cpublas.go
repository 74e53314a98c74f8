// Package cpublas gives gonum the products of package cpu: after Use, gonum's
// matrices, decompositions and everything built on them multiply with the
// engine's kernels. It may import core/device/cpu and gonum.
package cpublas

import (
	"runtime"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"

	"pare/core/device/cpu"
)

// Use routes gonum's float32 and float64 products here, for the whole process.
// What is not a large product stays gonum's own.
var Use = sync.OnceFunc(func() {
	blas32.Use(implementation{})
	blas64.Use(implementation{})
})

// implementation is gonum's with two routines of ours.
type implementation struct{ gonum.Implementation }

// small products are not worth packing.
const small = 32 * 32 * 32

// Sgemm computes C = alpha·op(A)·op(B) + beta·C; arguments as in gonum.
func (i implementation) Sgemm(ta, tb blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if m*n*k < small || !ours(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) {
		i.Implementation.Sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
	}
}

// Dgemm is Sgemm in float64.
func (i implementation) Dgemm(ta, tb blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	if m*n*k < small || !ours(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) {
		i.Implementation.Dgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
	}
}

// ours reports whether it has done the product; what it refuses, gonum answers
// with the panics it documents.
func ours[F float32 | float64](ta, tb blas.Transpose, m, n, k int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int) bool {
	t := func(x blas.Transpose) bool { return x != blas.NoTrans }
	return cpu.Gemm(runtime.GOMAXPROCS(0), m, n, k, alpha,
		cpu.Matrix[F]{Data: a, Stride: lda, Transposed: t(ta)}, cpu.Matrix[F]{Data: b, Stride: ldb, Transposed: t(tb)},
		beta, cpu.Matrix[F]{Data: c, Stride: ldc}) == nil
}
