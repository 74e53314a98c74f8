// Package plan turns a model into something a device can run: a list of
// regions. Its passes, one file each: lower and autodiff (this file, driving the
// op table), fuse, regions, arena, format (which kernel each layer runs on) and
// cost.
//
// plan imports core/graph, core/device and core/tensor. It knows no training
// loop and no files.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/tensor"
)

// Mode says what a plan is for.
type Mode int

// Modes.
const (
	// Infer runs the model forward; Step.Out receives the logits.
	Infer Mode = iota
	// Eval adds the loss: Result, Step.Pred and Step.Losses.
	Eval
	// Train adds gradients and the optimiser's step.
	Train
	// Grads is Train without the optimiser's step: gradients stay in the bank.
	Grads
	// Seeded is Grads without a loss: the gradient of the logits comes from
	// Step.OutGrad and the forward part runs as in training. For tests.
	Seeded
)

// Options of a plan.
type Options struct {
	Mode   Mode
	Batch  int // most samples of one run, or of one step in Micros runs
	Micros int // runs that a step of Batch samples is made in (device.Micro); 0: one
	Optim  device.Optim
	Seed   uint64
	InGrad bool // Step.InGrad receives the gradient of the input
	// Recompute makes values again for their gradients in place of keeping them, see
	// recompute.go. Of plans that train.
	Recompute bool
	// Ranked: the optimiser's step is not in the plan but in one of its own, Moves: between
	// the two come the sums over several ranks. Of plans that train.
	Ranked bool
	// Distil, with Alpha > 0, mixes Step.Teacher into the loss: device.CrossEntropy. Of
	// modes Train and Grads.
	Distil Distil
}

// Distil is how much a teacher counts in the loss, and the temperature of its logits.
type Distil struct{ Alpha, Temperature float32 }

// Build lowers m for dev.
func Build(m *graph.Model, dev device.Device, o Options) (*device.Plan, error) {
	if err := m.Verify(); err != nil {
		return nil, err
	}
	if o.Batch < 1 {
		return nil, fmt.Errorf("plan for %s: batch of %d samples", m.Name, o.Batch)
	}
	training := o.Mode >= Train
	b := graph.NewBuilder(m, training, o.InGrad && training)
	if err := ownAdapters(m); err != nil {
		return nil, err
	}
	seq, err := sequence(m)
	if err != nil {
		return nil, err
	}
	p := &device.Plan{Batch: o.Batch, Seq: seq, Output: -1, InGrad: -1, Seed: o.Seed, Optim: o.Optim, T: dev.Tile(), P: dev.Panel()}
	if o.Micros > 1 {
		p.Batch, p.Micros = (o.Batch+o.Micros-1)/o.Micros, min(o.Micros, o.Batch)
	}
	for _, n := range m.Nodes {
		p.Nodes = append(p.Nodes, n.Name)
	}
	p.Nodes = append(p.Nodes, "input", "loss")
	b.At(len(m.Nodes))
	b.Emit(device.Call{Kernel: device.Load, Out: []int{b.Val(0)}})
	for i := range m.Nodes {
		b.At(i)
		graph.OpOf(&m.Nodes[i]).Lower(b, &m.Nodes[i])
	}
	out := m.Values[m.Output]
	logits := b.Val(m.Output)
	b.At(len(m.Nodes) + 1)
	if o.Mode != Infer && o.Mode != Seeded {
		part := b.New("loss", device.PartVal, 2, 1, 1)
		c := device.Call{Kernel: device.CrossEntropy, In: []int{logits}, Out: []int{part}}
		if training {
			d := b.New("dlogits", device.ActVal, out.C, 1, 1)
			b.SetGrad(m.Output, d)
			c.Out = []int{d, part}
			if o.Distil.Alpha > 0 {
				q := b.New("teacher", device.ActVal, out.C, 1, 1)
				b.Emit(device.Call{Kernel: device.Load, Out: []int{q}, S: [2]float32{2}})
				c.In, c.S = []int{logits, q}, [2]float32{o.Distil.Alpha, o.Distil.Temperature}
			}
		}
		b.Emit(c)
		b.EmitLate(device.Call{Kernel: device.LossMerge, In: []int{part}})
	}
	if o.Mode == Seeded {
		d := b.New("dlogits", device.ActVal, out.C, 1, 1)
		b.SetGrad(m.Output, d)
		b.Emit(device.Call{Kernel: device.Load, Out: []int{d}, S: [2]float32{1}})
	}
	if training {
		if err := backward(b, m, o.Recompute); err != nil {
			return nil, err
		}
	}
	if !dev.Supports(device.Transpose, tensor.Dense) {
		straighten(b)
	}
	moves := o.Mode == Train && !o.Ranked
	share(b, moves)
	if !moves {
		kept := b.Late[:0]
		for _, c := range b.Late {
			if c.Kernel != device.Update {
				kept = append(kept, c)
			}
		}
		b.Late = kept
	}
	p.Vals, p.Stats = b.Vals, b.Stats
	p.Input = b.Val(0)
	p.Output = logits
	if o.InGrad && training {
		if p.InGrad = b.Grad(0); p.InGrad < 0 {
			return nil, fmt.Errorf("plan for %s: its input gets no gradient: ids have none", m.Name)
		}
	}
	if o.Mode != Train { // who only looks at gradients must not move the model
		for _, l := range [][]device.Call{b.Calls, b.Late} {
			for i := range l {
				if l[i].Kernel == device.NormMerge {
					l[i].S[1] = 0
				}
			}
		}
	}
	late := pieces(b.Late)
	for i, calls := range pieces(b.Calls) {
		calls = fuse(hoist(calls), b.Calls, b.Late, p, training)
		if i == 0 {
			calls = append(b.Early, calls...)
		}
		p.Regions = append(p.Regions, regions(p.Vals, calls, late[i])...)
	}
	arena(p, training && o.Recompute)
	return p, nil
}

// backward visits the nodes in reverse and checks that every gradient that must
// flow does: a missing one is an error here, never a silent zero.
func backward(b *graph.Builder, m *graph.Model, recompute bool) error {
	at := newTurning(b, m, recompute)
	uses := make([]int, len(m.Params))
	for i := len(m.Nodes) - 1; i >= 0; i-- {
		n := &m.Nodes[i]
		at.node(i)
		if !b.Needs(n.Out) {
			continue
		}
		for _, p := range n.Params {
			uses[p]++
			if uses[p] > 1 && (m.Params[p].Role != graph.Table || n.Op == "conv2d") {
				return fmt.Errorf("layer %s: parameter %s is used by two layers: only an embedding's table may be shared while training", n.Name, m.Params[p].Name)
			}
		}
		if b.Grad(n.Out) < 0 {
			return fmt.Errorf("layer %s: its output does not reach the loss, so %s would never train; remove it or freeze it", n.Name, n.Name)
		}
		op := graph.OpOf(n)
		if op.Grad == nil {
			return fmt.Errorf("layer %s: op %s has no gradient (inference only); remove it before training", n.Name, n.Op)
		}
		b.At(i)
		op.Grad(b, n)
	}
	at.end()
	got := make([]bool, len(m.Params))
	for _, c := range b.Late {
		for _, w := range c.W {
			got[w] = true
		}
	}
	for i, p := range m.Params {
		if b.Trains(i) && !got[i] && uses[i] > 0 {
			return fmt.Errorf("parameter %s gets no gradient: this is a fault in the op table", p.Name)
		}
	}
	return nil
}

// sequence is the number of tokens of the model's sequences, 0 if it has none.
func sequence(m *graph.Model) (int, error) {
	seq := 0
	for i, v := range m.Values {
		switch {
		case v.Seq > 0 && seq > 0 && v.Seq != seq:
			return 0, fmt.Errorf("plan for %s: value %d has %d tokens, another %d: all sequences of a model have one length", m.Name, i, v.Seq, seq)
		case v.Seq > 0:
			seq = v.Seq
		}
	}
	return seq, nil
}

// ownAdapters refuses weights with an adapter inside that other layers use, too: they
// are made anew in each run, once.
func ownAdapters(m *graph.Model) error {
	inside := map[int]string{}
	for _, n := range m.Nodes {
		if n.Op == graph.MaskedLora {
			for _, p := range n.Params[:3] {
				if inside[p] != "" {
					return fmt.Errorf("layer %s: parameter %s is in the adapter of %s, too", n.Name, m.Params[p].Name, inside[p])
				}
				inside[p] = n.Name
			}
		}
	}
	for _, n := range m.Nodes {
		for _, p := range n.Params {
			if at := inside[p]; at != "" && at != n.Name {
				return fmt.Errorf("layer %s: parameter %s is in the adapter of %s, too", n.Name, m.Params[p].Name, at)
			}
		}
	}
	return nil
}

// share settles who takes the optimiser's step: a gradient of its own right
// behind it, where it is in the cache. Several gradients of one weight add up in
// one region after the other, see regions, and the step comes last.
func share(b *graph.Builder, update bool) {
	uses := map[int]int{}
	for _, c := range b.Late {
		if gradient(c.Kernel) {
			uses[c.W[0]]++
		}
	}
	seen := map[int]int{}
	for i := range b.Late {
		c := &b.Late[i]
		if !gradient(c.Kernel) {
			continue
		}
		w := c.W[0]
		c.Accum = seen[w] > 0
		seen[w]++
		switch {
		case !b.Trains(w): // of an adapted weight: the adapter's gradients are made from it
		case uses[w] == 1 && c.Kernel != device.AdaptA && c.Kernel != device.AdaptB: // of these each reads what the other's step moves
			c.Update = update
		case seen[w] == uses[w] && update:
			b.At(c.Node)
			b.EmitLate(device.Call{Kernel: device.Update, W: []int{w}})
		}
	}
}

// gradient reports whether k leaves the gradient of its weight.
func gradient(k device.Kernel) bool {
	switch k {
	case device.LinearDW, device.ConvDW, device.BiasD, device.EmbedD, device.PositionsD, device.PartD, device.SegmentD,
		device.FirstD, device.AdaptA, device.AdaptB:
		return true
	}
	return false
}

// Weights describes the model's parameters for a bank, in the model's order.
func Weights(m *graph.Model, f []Choice) []device.Weight {
	ws := make([]device.Weight, len(m.Params))
	for i, p := range m.Params {
		ws[i] = device.Weight{Name: p.Name, Shape: p.Shape, Mask: p.Mask, Train: p.Role != graph.Running && !p.Frozen, Decay: true, Groups: 1}
	}
	for _, n := range m.Nodes {
		if len(n.Params) > 0 && (m.Prunable(n.Params[0]) || m.Params[n.Params[0]].Role == graph.Table) {
			w := &ws[n.Params[0]]
			w.Matrix, w.Conv = true, n.Op == "conv2d"
			if w.Conv {
				w.Groups = n.Attrs.Win.Groups
			}
		}
	}
	for _, n := range m.Nodes {
		switch n.Op {
		case "linear": // an adapter's, beside its layer
			r := m.Params[n.Params[0]].Role
			ws[n.Params[0]].Matrix = ws[n.Params[0]].Matrix || r == graph.LoraA || r == graph.LoraB
		case graph.MaskedLora:
			ws[n.Params[0]].Adapted, ws[n.Params[1]].Matrix, ws[n.Params[2]].Matrix = true, true, true
		}
	}
	for _, c := range f {
		ws[c.Param].Format = c.Format
	}
	return ws
}

// Hash identifies a plan: what runs, where and in which order.
func Hash(p *device.Plan, ws []device.Weight) string {
	h := sha256.New()
	e := json.NewEncoder(h)
	if err := e.Encode(p); err != nil {
		return ""
	}
	for _, w := range ws {
		fmt.Fprintln(h, w.Name, w.Shape, w.Format)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
