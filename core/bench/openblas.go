//go:build !static && (linux || darwin)

package bench

import (
	"fmt"
	"sync"

	"github.com/ebitengine/purego"
)

// openBLAS returns C = A·B of OpenBLAS for matrices in rows, or why it cannot be
// had. It is a yardstick only: nothing of ours uses it.
func openBLAS(threads int) (func(m, n, k int, a, b, c []float32), error) {
	b := loadBLAS()
	if b.err != nil {
		return nil, b.err
	}
	return func(m, n, k int, x, y, z []float32) {
		b.threads(int32(threads))
		const rows, plain = 101, 111 // CblasRowMajor, CblasNoTrans
		b.sgemm(rows, plain, plain, int32(m), int32(n), int32(k), 1, &x[0], int32(k), &y[0], int32(n), 0, &z[0], int32(n))
	}, nil
}

type blasLib struct {
	sgemm   func(order, ta, tb, m, n, k int32, alpha float32, a *float32, lda int32, b *float32, ldb int32, beta float32, c *float32, ldc int32)
	threads func(int32)
	err     error
}

var loadBLAS = sync.OnceValue(func() (b blasLib) {
	var lib uintptr
	for _, name := range []string{"libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"} {
		if lib, b.err = purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL); b.err == nil {
			break
		}
	}
	if b.err != nil {
		b.err = fmt.Errorf("OpenBLAS is not installed (Debian: apt-get install libopenblas0-pthread): %w", b.err)
		return b
	}
	for name, f := range map[string]any{"cblas_sgemm": &b.sgemm, "openblas_set_num_threads": &b.threads} {
		at, err := purego.Dlsym(lib, name)
		if err != nil {
			b.err = fmt.Errorf("OpenBLAS without %s: %w", name, err)
			return b
		}
		purego.RegisterFunc(f, at)
	}
	return b
})
