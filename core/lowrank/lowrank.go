// Package lowrank makes linear layers of low rank: by singular values, as two thinner
// layers (SVD), or as adapters beside a frozen layer (LoRA). The rewrites themselves
// are in core/graph; here stands which layers they go on, which rank, and whether two
// factors are faster than the layer, which is measured.
//
// lowrank imports core/plan, core/graph, core/device, core/tensor, and core/device/cpu/cpublas,
// by which gonum multiplies on the engine's kernels. It knows no training loop, no data and no files.
package lowrank

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/mat"

	"pare/core/device/cpu/cpublas"
	"pare/core/graph"
)

// Spectrum is the singular values of a matrix [n, k], row-major, the largest first.
func Spectrum(w []float32, n, k int) ([]float64, error) {
	d, err := decompose(w, n, k, mat.SVDNone)
	if err != nil {
		return nil, err
	}
	return d.Values(nil), nil
}

func decompose(w []float32, n, k int, kind mat.SVDKind) (*mat.SVD, error) {
	if n < 1 || k < 1 || len(w) != n*k {
		return nil, fmt.Errorf("singular values: %d values for a matrix of %d×%d", len(w), n, k)
	}
	x := make([]float64, len(w))
	for i, v := range w {
		if v-v != 0 {
			return nil, fmt.Errorf("singular values: value %d is %g", i, v)
		}
		x[i] = float64(v)
	}
	cpublas.Use() // the bidiagonal form is made of large products
	var d mat.SVD
	if !d.Factorize(mat.NewDense(n, k, x), kind) {
		return nil, errors.New("singular values: the iteration does not converge")
	}
	return &d, nil
}

// RankOf is the smallest rank whose singular values hold that share of the energy,
// Σσ² of the first r over all; 1 at least.
func RankOf(sigma []float64, energy float64) int {
	total, sum := 0.0, 0.0
	for _, s := range sigma {
		total += s * s
	}
	for r, s := range sigma {
		if sum += s * s; sum >= energy*total*(1-1e-12) {
			return r + 1
		}
	}
	return max(len(sigma), 1)
}

// Energy is the share of Σσ² that the first rank values hold, 1 of a zero matrix.
func Energy(sigma []float64, rank int) float64 {
	total, sum := 0.0, 0.0
	for r, s := range sigma {
		total += s * s
		if r < rank {
			sum += s * s
		}
	}
	if total == 0 {
		return 1
	}
	return sum / total
}

// BreakEven is the rank at which two factors of a layer of n outputs and k inputs
// multiply as much as the layer itself: below n·k/(n+k) they multiply less.
func BreakEven(n, k int) float64 { return float64(n) * float64(k) / float64(n+k) }

// Factors is the best approximation of w [n, k] of that rank, as up [n, rank] and
// down [rank, k], each with the roots of the singular values (Eckart & Young 1936;
// the split of SVD-LLM and ASVD), so that both train at one rate.
func Factors(w []float32, n, k, rank int) (down, up []float32, err error) {
	if rank < 1 || rank > min(n, k) {
		return nil, nil, fmt.Errorf("rank %d of a matrix of %d×%d: need 1 to %d", rank, n, k, min(n, k))
	}
	d, err := decompose(w, n, k, mat.SVDThin)
	if err != nil {
		return nil, nil, err
	}
	var u, v mat.Dense
	d.UTo(&u)
	d.VTo(&v)
	sigma := d.Values(nil)
	down, up = make([]float32, rank*k), make([]float32, n*rank)
	for r := range rank {
		root := math.Sqrt(sigma[r])
		for i := range n {
			up[i*rank+r] = float32(root * u.At(i, r))
		}
		for j := range k {
			down[r*k+j] = float32(root * v.At(j, r))
		}
	}
	return down, up, nil
}

// Select lists the layers of m that the words name, in order: a layer's name, or what
// stands behind a dot at its end ("q_proj" names all of these). No words name all
// layers that ok takes. A word that names none, or one that ok refuses, is an error.
func Select(m *graph.Model, words []string, ok func(graph.Layer) error) ([]graph.Layer, error) {
	var l []graph.Layer
	found, why := make([]bool, len(words)), []string(nil)
	for _, x := range m.Layers() {
		named := false
		for i, w := range words {
			if x.Name == w || strings.HasSuffix(x.Name, "."+w) {
				found[i], named = true, true
			}
		}
		err := ok(x)
		if named && err != nil {
			return nil, err
		}
		switch {
		case err != nil:
			why = append(why, err.Error())
		case named || len(words) == 0:
			l = append(l, x)
		}
	}
	for i, f := range found {
		if !f {
			var names []string
			for _, x := range m.Layers() {
				names = append(names, x.Name)
			}
			return nil, fmt.Errorf("no layer is named %q: %s has %s", words[i], m.Name, shorten(names, 12))
		}
	}
	if len(l) == 0 {
		return nil, fmt.Errorf("%s has no layer for it: %s", m.Name, shorten(why, 3))
	}
	return l, nil
}

// shorten lists so many names or reasons at most.
func shorten(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
