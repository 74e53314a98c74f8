package plan

import (
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/ref"
	"pare/core/graph"
)

// TestArenaKeepsValues: what a call reads is what was written for it, nobody has written
// over it since, whatever the plan is for; and on the processor sums lie where one of their
// terms did, on devices without panels nowhere.
func TestArenaKeepsValues(t *testing.T) {
	for _, name := range []string{"gpt-nano", "resnet-8", "lora"} {
		m := netOf(t, "gpt-nano")
		switch name {
		case "resnet-8":
			m = netOf(t, name)
		case "lora":
			for _, l := range m.Layers()[:8] {
				if _, err := (graph.AttachLoRA{Layer: l.Name, Rank: 4, Alpha: 8, Dropout: 0.1}).Apply(m); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, dev := range []device.Device{cpu.New(), ref.New()} {
			inPlace := 0
			for _, o := range []Options{{Mode: Infer}, {Mode: Eval}, {Mode: Train}, {Mode: Train, Recompute: true}, {Mode: Grads, InGrad: name == "resnet-8"}} {
				o.Batch = 5
				p, err := Build(m, dev, o)
				if err != nil {
					t.Fatal(err)
				}
				a := newMemory(t, p)
				for _, r := range p.Regions {
					if r.Scope == device.Task { // calls side by side
						for _, c := range r.Calls {
							a.write(c.Out)
						}
					}
					for _, c := range r.Calls {
						a.read(c)
						if c.Kernel == device.Add && slices.ContainsFunc(c.In, func(v int) bool { return p.Vals[v].Off == p.Vals[c.Out[0]].Off }) {
							inPlace++
						}
						a.write(c.Out)
					}
				}
				a.read(device.Call{In: []int{p.Output}})
			}
			if (inPlace > 0) != (dev.Panel() > 1) {
				t.Errorf("%s on %s: %d sums in place", name, dev.Name(), inPlace)
			}
		}
	}
}

// memory is which value was last written to each line of the slabs.
type memory struct {
	t    *testing.T
	p    *device.Plan
	last [2][]int // of tokens, of samples
}

func newMemory(t *testing.T, p *device.Plan) *memory {
	a := &memory{t: t, p: p}
	for i, n := range []int{p.Slab, p.Samples} {
		a.last[i] = make([]int, n/align)
		for k := range a.last[i] {
			a.last[i][k] = -1
		}
	}
	return a
}

// lines are those of value v.
func (a *memory) lines(v int) []int {
	x := a.p.Vals[v]
	l := a.last[0]
	if x.Sample {
		l = a.last[1]
	}
	return l[x.Off/align : (x.Off+x.Size(a.p.T, a.p.P)+align-1)/align]
}

func (a *memory) write(vals []int) {
	for _, v := range vals {
		for i := range a.lines(v) {
			a.lines(v)[i] = v
		}
	}
}

func (a *memory) read(c device.Call) {
	for _, v := range c.In {
		for _, w := range a.lines(v) {
			if w != v {
				a.t.Fatalf("%v reads value %d, %s, where value %d lies", c.Kernel, v, a.p.Vals[v].Name, w)
			}
		}
	}
}
