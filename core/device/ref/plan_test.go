package ref_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/tensor"
)

// net is a plan made by hand: every value has its own memory, and calls go into
// regions of their scope in the order they are added.
type net struct {
	t    *testing.T
	p    device.Plan
	ws   []device.Weight
	data [][]float32
}

// newNet starts a plan that loads an input of c×h×w, which is value 0.
func newNet(t *testing.T, batch, c, h, w int) *net {
	n := &net{t: t, p: device.Plan{Batch: batch, Output: -1, InGrad: -1, T: 1, P: 1, Nodes: []string{"input"}}}
	n.p.Input = n.val("x", c, h, w)
	n.call("input", device.Call{Kernel: device.Load, Out: []int{n.p.Input}})
	return n
}

func (n *net) add(kind device.ValKind, name string, c, h, w int) int {
	v := device.Val{Name: name, Kind: kind, C: c, H: h, W: w, Off: n.p.Slab}
	n.p.Slab += (v.Size(1, 1) + 15) / 16 * 16
	n.p.Vals = append(n.p.Vals, v)
	return len(n.p.Vals) - 1
}

func (n *net) val(name string, c, h, w int) int { return n.add(device.ActVal, name, c, h, w) }
func (n *net) part(name string, c int) int      { return n.add(device.PartVal, name, c, 1, 1) }

// like is a new value of v's shape.
func (n *net) like(name string, v int) int {
	x := n.p.Vals[v]
	return n.val(name, x.C, x.H, x.W)
}

// stat is a new batch-norm statistic of v's channels.
func (n *net) stat(v int) int {
	n.p.Stats = append(n.p.Stats, n.p.Vals[v].C)
	return len(n.p.Stats) - 1
}

func (n *net) call(node string, c device.Call) {
	c.Node = -1
	for i, name := range n.p.Nodes {
		if name == node {
			c.Node = i
		}
	}
	if c.Node < 0 {
		n.p.Nodes = append(n.p.Nodes, node)
		c.Node = len(n.p.Nodes) - 1
	}
	s := c.Kernel.Scope()
	if k := len(n.p.Regions); k == 0 || n.p.Regions[k-1].Scope != s {
		n.p.Regions = append(n.p.Regions, device.Region{Scope: s})
	}
	r := &n.p.Regions[len(n.p.Regions)-1]
	r.Calls = append(r.Calls, c)
}

func (n *net) weight(w device.Weight, data []float32) int {
	if data == nil {
		data = make([]float32, w.Shape.Len())
	}
	n.ws, n.data = append(n.ws, w), append(n.data, data)
	return len(n.ws) - 1
}

func (n *net) vector(name string, data ...float32) int {
	return n.weight(device.Weight{Name: name, Shape: tensor.Shape{len(data)}, Train: true, Decay: true}, data)
}

// matrix is a linear layer's weight [out][in].
func (n *net) matrix(name string, out, in int, data ...float32) int {
	return n.weight(device.Weight{Name: name, Shape: tensor.Shape{out, in}, Matrix: true, Groups: 1, Train: true, Decay: true}, data)
}

// seed adds the load of dy from Step.OutGrad for value v.
func (n *net) seed(v int) int {
	dy := n.like("dy", v)
	n.call("seed", device.Call{Kernel: device.Load, Out: []int{dy}, S: [2]float32{1}})
	return dy
}

// compile makes the bank and the exec.
func (n *net) compile() (device.Bank, device.Exec) {
	n.t.Helper()
	dev := ref.New()
	b, err := dev.NewBank(n.ws, n.p.Optim.Slots())
	if err != nil {
		n.t.Fatal(err)
	}
	for i, x := range n.data {
		if err := b.Set(i, x); err != nil {
			n.t.Fatal(err)
		}
	}
	e, err := dev.Compile(&n.p, b, 1)
	if err != nil {
		n.t.Fatal(err)
	}
	return b, e
}

// run compiles and runs once with x as the whole data.
func (n *net) run(s device.Step) (device.Result, device.Bank) {
	n.t.Helper()
	b, e := n.compile()
	r, err := e.Run(&s)
	if err != nil {
		n.t.Fatal(err)
	}
	return r, b
}

// out runs forward on x, rows samples, and returns the output.
func (n *net) out(rows int, x []float32) []float32 {
	n.t.Helper()
	n.p.Output = len(n.p.Vals) - 1
	y := make([]float32, rows*n.p.Vals[n.p.Output].Size(1, 1))
	n.run(device.Step{X: x, N: rows, Out: y})
	return y
}

func grad(t *testing.T, b device.Bank, i int) []float32 {
	t.Helper()
	g := make([]float32, b.Weights()[i].Shape.Len())
	if err := b.Grad(i, g); err != nil {
		t.Fatal(err)
	}
	return g
}

func get(t *testing.T, b device.Bank, i int) []float32 {
	t.Helper()
	g := make([]float32, b.Weights()[i].Shape.Len())
	if err := b.Get(i, g); err != nil {
		t.Fatal(err)
	}
	return g
}

func state(t *testing.T, b device.Bank, i, slot int) []float32 {
	t.Helper()
	g := make([]float32, b.Weights()[i].Shape.Len())
	if err := b.State(i, slot, g); err != nil {
		t.Fatal(err)
	}
	return g
}

// near fails unless got equals want within tol·max(1, |want|).
func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tol*math.Max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("%s[%d] = %g, want %g\ngot  %v\nwant %v", what, i, got[i], want[i], got, want)
		}
	}
}

// noise is n values of a standard normal distribution.
func noise(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// half keeps about half of n elements.
func half(r *rand.Rand, n int) *tensor.Mask {
	m := tensor.NewMask(n)
	for i := range n {
		if r.IntN(2) == 0 {
			m.Drop(i)
		}
	}
	return m
}
