package cpu

import "math"

// actTable holds the constants of the activation kernels, 8 copies each; see
// internal/gen/act.go for the order and the sources.
//
//nolint:unused // the assembly knows it by name
var actTable = func() (t [40][8]float32) {
	bits := math.Float32frombits
	for i, v := range []float32{
		1, 0.5, 1.0 / 3, 2, 3, 6, -0.5, // one half third two three six minusHalf
		bits(1 << 31), bits(1<<31 - 1), // sign abs
		math.Log2E, 0.693359375, -2.12194440e-4, // log2e ln2hi ln2lo
		-88, 89, // expLo expHi: there n is −127 and 128, and 2^n 0 and infinite
		1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, // e0 …
		bits(127),                                                         // bias, an integer
		math.Sqrt2 / 2,                                                    // rootHalf
		0.3275911,                                                         // erfP
		0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429, // erf1 …
		0.3989422804014327,                                                                          // rootTwoPi: 1/√(2π)
		0.625,                                                                                       // tanhCut
		-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1, // t0 …
		1.5957691216057308, 0.07135481627159817, 3 * 0.07135481627159817, // gtA gtB gtC: 2·√(2/π), that ·0.044715
		12, // gtCut
	} {
		for j := range t[i] {
			t[i][j] = v
		}
	}
	return t
}()
