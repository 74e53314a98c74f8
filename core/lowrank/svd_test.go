package lowrank

import (
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

func noise(n, k int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, n*k)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	return w
}

// TestSVDByTheEngine: in a decomposition gonum's products are the engine's.
func TestSVDByTheEngine(t *testing.T) {
	if _, err := Spectrum(noise(8, 8), 8, 8); err != nil {
		t.Fatal(err)
	}
	if x := reflect.TypeOf(blas64.Implementation()); x.PkgPath() != "pare/core/device/cpu/cpublas" {
		t.Errorf("gonum multiplies by %v of %s", x, x.PkgPath())
	}
}

// TestSVDAnyThreads: the bits of a decomposition do not depend on the number of threads.
func TestSVDAnyThreads(t *testing.T) {
	const n, k = 160, 200
	w := noise(n, k)
	old := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(old)
	var last []float64
	for _, threads := range []int{1, 2, 3} {
		runtime.GOMAXPROCS(threads)
		d, err := decompose(w, n, k, mat.SVDThin)
		if err != nil {
			t.Fatal(err)
		}
		var u, v mat.Dense
		d.UTo(&u)
		d.VTo(&v)
		got := slices.Concat(d.Values(nil), u.RawMatrix().Data, v.RawMatrix().Data)
		if last != nil && !slices.Equal(got, last) {
			t.Errorf("%d threads make other bits", threads)
		}
		last = got
	}
}

func BenchmarkSVD(b *testing.B) {
	const n, k = 512, 768
	w := noise(n, k)
	for b.Loop() {
		if _, err := decompose(w, n, k, mat.SVDThin); err != nil {
			b.Fatal(err)
		}
	}
}
