//go:build static || !(linux || darwin)

package bench

import "errors"

// openBLAS is not there: this program was built without a way to load it.
func openBLAS(int) (func(m, n, k int, a, b, c []float32), error) {
	return nil, errors.New("OpenBLAS is not looked for in this build")
}
