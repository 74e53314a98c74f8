package prune

import (
	"math"
	"slices"
	"testing"

	"pare/core/graph"
	"pare/core/model/zoo"
)

// twister is the Mersenne Twister MT19937 with numpy's rand: 53 bits of two draws.
type twister struct {
	mt [624]uint32
	at int
}

func newTwister(seed uint32) *twister {
	t := &twister{at: 624}
	t.mt[0] = seed
	for i := 1; i < 624; i++ {
		t.mt[i] = 1812433253*(t.mt[i-1]^t.mt[i-1]>>30) + uint32(i)
	}
	return t
}

func (t *twister) next() uint32 {
	if t.at == 624 {
		for i := range 624 {
			y := t.mt[i]&(1<<31) | t.mt[(i+1)%624]&(1<<31-1)
			t.mt[i] = t.mt[(i+397)%624] ^ y>>1
			if y&1 == 1 {
				t.mt[i] ^= 0x9908b0df
			}
		}
		t.at = 0
	}
	y := t.mt[t.at]
	t.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (t *twister) float() float64 {
	a, b := t.next()>>5, t.next()>>6
	return (float64(a)*(1<<26) + float64(b)) / (1 << 53)
}

// TestPermutationEfficacy: NVIDIA/apex, permutation_tests/README.md: a random matrix of
// 128 × 64, numpy's seed 1. 2:4 keeps 2852.377 of 4083.169, half of every row 3042.332;
// after channel swaps 2913.351, a share of 32.1 % of what lies between, after stripe
// groups of 8 2919.759, 35.5 %.
func TestPermutationEfficacy(t *testing.T) {
	const rows, cols = 128, 64
	r := newTwister(1)
	x := make([][]float32, cols)
	all, best := 0.0, 0.0
	for range rows {
		row := make([]float64, cols)
		for j := range cols {
			row[j] = r.float()
			x[j] = append(x[j], float32(row[j]))
			all += row[j]
		}
		slices.Sort(row)
		for _, v := range row[cols/2:] {
			best += v
		}
	}
	plain := newOrder(x)
	for _, c := range []struct {
		what      string
		got, want float64
	}{{"Σ|w|", all, 4083.169}, {"half of every row", best, 3042.332}, {"2:4", plain.sum(), 2852.377}} {
		if math.Abs(c.got-c.want) > 6e-4 {
			t.Fatalf("%s is %.3f, want %.3f", c.what, c.got, c.want)
		}
	}
	for _, c := range []struct {
		name           string
		search         func(*order)
		want, efficacy float64
	}{{"channel swaps", (*order).bySwaps, 2913.351, 32.1}, {"stripe groups of 8", (*order).byEights, 2919.759, 35.5}} {
		y := newOrder(x)
		c.search(y)
		if got := y.sum(); math.Abs(got-c.want) > 6e-4 {
			t.Errorf("%s: keeps %.3f, apex %.3f", c.name, got, c.want)
		}
		if got := 100 * (y.sum() - plain.sum()) / (best - plain.sum()); math.Abs(got-c.efficacy) > 0.06 {
			t.Errorf("%s: %.1f %% of what an order can gain, apex %.1f %%", c.name, got, c.efficacy)
		}
	}
}

// TestPermute: the model computes what it did, its 2:4 masks keep more, and as much as
// is said.
func TestPermute(t *testing.T) {
	for name, in := range map[string]zoo.Input{"lenet-300-100": {C: 1, H: 6, W: 6}, "resnet-8": {C: 4, H: 8, W: 8}} {
		m := zooModel(t, name, in)
		spec := Spec{Score: "magnitude", Pattern: "2:4", Distribution: "layer"}
		kept := func(m *graph.Model) (sum float64) {
			set, _, err := Masks(m, spec, half)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range set {
				for i, v := range m.Params[m.Param(s.Param)].Data {
					if s.Mask.Kept(i) {
						sum += math.Abs(float64(v))
					}
				}
			}
			return sum
		}
		order, said, err := Permute(m, spec)
		if err != nil || len(order) == 0 {
			t.Fatalf("%s: %d orders, %v", name, len(order), err)
		}
		after, gain := m.Clone(), 0.0
		for i, o := range order {
			remap, err := o.Apply(after)
			if err != nil {
				t.Fatal(err)
			}
			gain += said[i].After - said[i].Before
			for _, c := range remap { // what follows a parameter follows the channels
				p := m.Param(after.Params[c.Param].Name)
				if len(c.Keep) != m.Params[p].Shape[c.Axis] {
					t.Errorf("%s: %s keeps %d of %d", name, m.Params[p].Name, len(c.Keep), m.Params[p].Shape[c.Axis])
				}
			}
		}
		x := inputs(2 * m.Input().Len())
		near(t, name, logits(t, after, nil, x, 2), logits(t, m, nil, x, 2))
		if got := kept(after) - kept(m); math.Abs(got-gain) > 1e-3*gain || gain <= 0 {
			t.Errorf("%s: 2:4 keeps %g more, %g was said", name, got, gain)
		}
		if after.StructHash() != m.StructHash() {
			t.Errorf("%s: another order is another structure", name)
		}
	}
}

// TestPermuteAxisRefuses: an order that is none.
func TestPermuteAxisRefuses(t *testing.T) {
	m := zooModel(t, "lenet-300-100", zoo.Input{C: 1, H: 6, W: 6})
	name, n := m.Layers()[0].Name, m.Params[m.Layers()[0].Param].Shape[0]
	twice := make([]int, n)
	for _, o := range []graph.PermuteAxis{{Group: name, Order: twice}, {Group: name, Order: []int{0}}, {Group: "input", Order: twice}, {Group: "nobody"}} {
		before := m.WeightHash()
		if _, err := o.Apply(m); err == nil || m.WeightHash() != before {
			t.Errorf("%s with an order of %d: %v", o.Group, len(o.Order), err)
		}
	}
}
