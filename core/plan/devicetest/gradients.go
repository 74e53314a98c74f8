package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
)

// Gradients tests the gradients of every op of dev against central differences
// of what dev computes forward: this is where the reference itself is tested.
//
// The measured function is Σ outputs·seed, summed in float64. A device stores
// float32, so a difference over ±h carries an error of about 1e-7/h, and h² from
// the third derivative: h = 1/64 balances them near 1e-4. A ReLU that only
// stands between other ops becomes a tanh, which has no corner; where an op with
// corners is the subject, steps are short and few places may cross one.
func Gradients(t *testing.T, dev device.Device) {
	t.Run("distil", func(t *testing.T) { gradientsDistil(t, dev) })
	turn := 0
	for _, mod := range models() {
		if !mod.train || mod.held || mod.c*mod.h*mod.w*max(mod.seq, 1) > 400 || mod.long && testing.Short() {
			continue
		}
		turn++
		t.Run(mod.name, func(t *testing.T) {
			g := newDifferences(t, dev, mod, max(mod.least, 2+turn%3))
			if ids(g.m) == 0 {
				g.test(t, "input", g.s.X, g.dx, func() {})
			}
			for i, p := range g.m.Params {
				if p.Role != graph.Running && !p.Frozen {
					g.test(t, p.Name, p.Data, g.dw[i], func() { g.set(t, i) })
				}
			}
		})
	}
}

// differences is a net with its gradients at one point.
type differences struct {
	*ready
	s  *device.Step
	dx []float32   // of all rows of X
	dw [][]float32 // of each parameter

	forward device.Exec // of value
	corners bool
}

func newDifferences(t *testing.T, dev device.Device, mod model, n int) *differences {
	t.Helper()
	m, corners := mod.net(t), false
	for i := range m.Nodes {
		switch n := &m.Nodes[i]; {
		case n.Op == "relu" && n.Name != "f":
			n.Op = "tanh"
		case corner(*n):
			corners = true
		}
	}
	g := &differences{corners: corners, ready: newReady(t, dev, m, plan.Options{Mode: plan.Seeded, Batch: n, InGrad: ids(m) == 0, Seed: 5})}
	g.s = job{m: g.m, mode: plan.Seeded, seed: 3}.step(0, n)
	in := g.m.Input().Len()
	if ids(g.m) == 0 {
		g.s.InGrad = make([]float32, n*in)
	}
	if _, err := g.ex.Run(g.s); err != nil {
		t.Fatal(err)
	}
	if g.forward = g.ex; !slices.ContainsFunc(m.Nodes, trained) { // no need to go back, too
		p, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: n})
		if err == nil {
			g.forward, err = dev.Compile(p, g.bank, 2)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.forward.Close() })
	}
	g.dx = make([]float32, len(g.s.X))
	for i, row := range g.s.Rows {
		if ids(g.m) > 0 {
			break // whole numbers have no gradient
		}
		copy(g.dx[int(row)*in:], g.s.InGrad[i*in:(i+1)*in])
	}
	for i, p := range g.m.Params {
		x := make([]float32, len(p.Data))
		if p.Role != graph.Running && !p.Frozen {
			if err := g.bank.Grad(i, x); err != nil {
				t.Fatal(err)
			}
		}
		g.dw = append(g.dw, x)
	}
	return g
}

func (g *differences) set(t *testing.T, i int) {
	if err := g.bank.Set(i, g.m.Params[i].Data); err != nil {
		t.Fatal(err)
	}
}

// trained reports whether an op does something else while training.
func trained(n graph.Node) bool { return n.Op == "batchnorm" || n.Op == "dropout" }

// value runs the net forward and returns Σ outputs·seed.
func (g *differences) value(t *testing.T) float64 {
	s := *g.s
	if g.forward != g.ex {
		s.OutGrad, s.InGrad, s.Labels = nil, nil, nil
	}
	if _, err := g.forward.Run(&s); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, y := range g.s.Out {
		sum += float64(y) * float64(g.s.OutGrad[i])
	}
	return sum
}

// test compares a dozen elements of a gradient.
func (g *differences) test(t *testing.T, name string, x, grad []float32, changed func()) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(len(x))))
	scale := max(largest(grad), 0.05)
	slope := func(i int, h float32) float64 {
		old := x[i]
		set := func(v float32) { x[i] = v; changed() }
		up, down := old+h, old-h
		set(up)
		a := g.value(t)
		set(down)
		b := g.value(t)
		set(old)
		return (a - b) / (float64(up) - float64(down))
	}
	const places = 12
	wrong, first := 0, ""
	for range places {
		i := r.IntN(len(x))
		var d float64
		if g.corners {
			d = slope(i, 1./1024)
		} else {
			d = (4*slope(i, 1./128) - slope(i, 1./64)) / 3 // Richardson: without the error in h²
		}
		if e := math.Abs(d-float64(grad[i])) / scale; !(e <= 2e-3) {
			wrong++
			first = fmt.Sprintf("element %d of %d is %g, differences say %g (off by %.1e of %.3g)", i, len(x), grad[i], d, e, scale)
		}
	}
	if g.corners && wrong <= places/4 {
		return
	}
	if wrong > 0 {
		t.Errorf("gradient of %s: %d of %d places differ: %s", name, wrong, places, first)
	}
}
