package plan

import (
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/graph"
	"pare/core/model/zoo"
)

// TestStretches: the layers of a transformer are cut at their additions, a residual net at
// what follows them; a chain has none.
func TestStretches(t *testing.T) {
	for name, want := range map[string]int{"gpt-nano": 6, "resnet-8": 3, "lenet-5": 0} {
		m := netOf(t, name)
		s := m.Stretches()
		if len(s) != want {
			t.Errorf("%s has %d stretches, want %d: %v", name, len(s), want, s)
		}
		for i, x := range s {
			if i > 0 && x.From != s[i-1].To || i == len(s)-1 && x.To != len(m.Nodes) {
				t.Errorf("%s: %v leave nodes out", name, s)
			}
			outside := map[int]bool{} // what the stretch reads of others
			for _, n := range m.Nodes[x.From:x.To] {
				for _, v := range n.In {
					if v != 0 && !slices.ContainsFunc(m.Nodes[x.From:x.To], func(o graph.Node) bool { return o.Out == v }) {
						outside[v] = true
					}
				}
			}
			if len(outside) > 1 || x.From > 0 && !outside[m.Nodes[x.From-1].Out] {
				t.Errorf("%s, nodes %d to %d: read %v of others", name, x.From, x.To-1, outside)
			}
		}
	}
}

func netOf(t *testing.T, name string) *graph.Model {
	t.Helper()
	in, classes := zoo.Input{C: 3, H: 32, W: 32}, 10
	switch name {
	case "lenet-5":
		in = zoo.Input{C: 1, H: 28, W: 28}
	case "gpt-nano", "gpt-small":
		in, classes = zoo.Input{C: 1, H: 1, W: 1, Tokens: 128, Vocab: 63}, 63
	}
	m, _, err := zoo.New(name, 1, in, classes)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMemoryOfPlans: values take a part's room in parts, and a few layers' room when they
// are made again; that costs the forward part of the layers but the last, no more, and the
// cost says so.
func TestMemoryOfPlans(t *testing.T) {
	card, _ := cudatest.New(1<<30, cuda.F32)
	for _, dev := range []device.Device{cpu.New(), card} {
		m := netOf(t, "gpt-small")
		ws := Weights(m, nil)
		var values, macs [2][2]int64
		forward := int64(0)
		for i, micros := range []int{1, 4} {
			for k, again := range []bool{false, true} {
				p, err := Build(m, dev, Options{Mode: Train, Batch: 64, Micros: micros, Recompute: again})
				if err != nil {
					t.Fatal(err)
				}
				values[i][k], macs[i][k] = p.Values(), Total(Costs(p, ws, 64)).MACs
				t.Logf("%s, %d parts, again %t: %.1f MiB, %.1f GMAC, %d regions", dev.Name(), micros, again, float64(4*values[i][k])/(1<<20), float64(macs[i][k])/1e9, len(p.Regions))
			}
		}
		p, err := Build(m, dev, Options{Mode: Infer, Batch: 64})
		if err != nil {
			t.Fatal(err)
		}
		s := m.Stretches()
		cs, i := Costs(p, ws, 64), 0
		for _, r := range p.Regions {
			for _, c := range r.Calls {
				// The product in front of each addition is read by no gradient.
				if c.Node < s[len(s)-1].From && m.Nodes[min(c.Node+1, len(m.Nodes)-1)].Op != "add" {
					forward += cs[i].MACs
				}
				i++
			}
		}
		for i := range values {
			if got := macs[i][1] - macs[i][0]; got != forward {
				t.Errorf("%s: %d multiply-adds are done again, want %d", dev.Name(), got, forward)
			}
			if values[i][1]*4 > values[i][0] {
				t.Errorf("%s: values take %d, made again %d", dev.Name(), values[i][0], values[i][1])
			}
		}
		if macs[0] != macs[1] || values[0][0] != 4*values[1][0] || values[0][1] != 4*values[1][1] {
			t.Errorf("%s: %v values and %v multiply-adds in one go, %v and %v in 4 parts", dev.Name(), values[0], macs[0], values[1], macs[1])
		}
	}
}
