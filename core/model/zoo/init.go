package zoo

import (
	"fmt"
	"hash/fnv"
	"math"

	"pare/core/graph"
)

// Init fills every parameter of m with PyTorch's defaults (nn.Linear, nn.Conv2d,
// nn.BatchNorm2d), drawn from a counter generator keyed by (seed, parameter
// name, element), so that a layer's weights do not depend on the layers around
// it. Masked elements become zero.
//
//	weight         U(−1/√fan_in, 1/√fan_in); this is kaiming_uniform with a = √5
//	bias           U(−1/√fan_in, 1/√fan_in) of its layer
//	table          U(−0.02·√3, 0.02·√3), variance 0.02² as in GPT-2
//	batch norm     gamma 1, beta 0, running mean 0, running variance 1
//
// fan_in = inputs of one output: in, or C/groups·KH·KW.
func Init(m *graph.Model, seed uint64) error {
	for _, n := range m.Nodes {
		for i, p := range n.Params {
			if err := initParam(m, &n, i, p, seed); err != nil {
				return err
			}
		}
	}
	return nil
}

// initParam fills parameter p, the i-th of node n.
func initParam(m *graph.Model, n *graph.Node, i, p int, seed uint64) error {
	q := &m.Params[p]
	x := make([]float32, q.Shape.Len())
	switch {
	case q.Role == graph.Weight || q.Role == graph.Bias:
		w := m.Params[n.Params[0]]
		if w.Role != graph.Weight {
			return fmt.Errorf("layer %s: parameter %s has no weight beside it to take its range from", n.Name, q.Name)
		}
		bound := float32(1 / math.Sqrt(float64(w.Shape[1:].Len())))
		key := streamKey(seed, q.Name)
		for j := range x {
			x[j] = symmetric(key, uint64(j)) * bound
		}
	case q.Role == graph.Table:
		key := streamKey(seed, q.Name)
		for j := range x {
			x[j] = symmetric(key, uint64(j)) * 0.02 * 1.7320508
		}
	case q.Role == graph.Scale, q.Role == graph.Running && i == 3: // gamma, running variance
		for j := range x {
			x[j] = 1
		}
	case q.Role == graph.Shift, q.Role == graph.Running:
	default:
		return fmt.Errorf("layer %s: parameter %s has role %q, for which there is no initialisation", n.Name, q.Name, q.Role)
	}
	q.Mask.Apply(x)
	q.Data = x
	return nil
}

// streamKey mixes the seed and a name (FNV-1a) into the key of a stream.
func streamKey(seed uint64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return mix(mix(seed) ^ h.Sum64())
}

// mix is the output function of SplitMix64 (Steele, Lea & Flood 2014): a
// bijection in which each input bit changes about half of the output bits.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// symmetric is draw i of a stream: an odd multiple of 2⁻²⁴ in (−1, 1), never
// zero, exact in float32.
func symmetric(key, i uint64) float32 {
	k := int32(mix(key+i*0x9e3779b97f4a7c15) >> 40) // 24 bits
	return float32(2*k+1-1<<24) / (1 << 24)
}
