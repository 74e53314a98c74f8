package plan

import (
	"slices"

	"pare/core/device"
	"pare/core/graph"
)

// With Options.Recompute a plan keeps of each stretch of a model (graph.Stretch) but the
// value that leads in: its other values are made once more when its gradients are about to
// be (Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174), by
// the same calls, so to the same bits. That costs the forward part of the stretch a second
// time, and it is counted like all calls. The gradients of its weights follow right behind,
// not after all others, so that what they read may go.

// Recomputable reports whether recompute would change anything for m: it has two stretches,
// since the last one's values are needed as soon as they are made.
func Recomputable(m *graph.Model) bool { return len(m.Stretches()) > 1 }

// turning is where backward passes from one stretch to the one before it.
type turning struct {
	b    *graph.Builder
	left []graph.Stretch // that backward has not come to
	at   graph.Stretch   // at hand; its values are made again if again is set
	on   bool
	from [2]int // the calls that make them again
	late int    // late calls before the stretch
}

func newTurning(b *graph.Builder, m *graph.Model, recompute bool) *turning {
	t := &turning{b: b}
	if s := m.Stretches(); recompute && len(s) > 1 {
		t.left = s
		t.on, t.late = true, 0
		t.at, t.left = s[len(s)-1], s[:len(s)-1]
	}
	return t
}

// node is called before the gradient of node i, from the last one on.
func (t *turning) node(i int) {
	if !t.on || i >= t.at.From {
		return
	}
	t.leave()
	if len(t.left) == 0 {
		t.on = false
		return
	}
	t.at, t.left = t.left[len(t.left)-1], t.left[:len(t.left)-1]
	t.late = len(t.b.Late)
	t.from[0] = len(t.b.Calls)
	if slices.ContainsFunc(t.b.M.Nodes[t.at.From:t.at.To], func(n graph.Node) bool { return t.b.Needs(n.Out) }) {
		t.b.Again(t.at)
	}
	t.from[1] = len(t.b.Calls)
}

// leave ends a stretch: of what was made again only what its gradients read stays, and the
// gradients of its weights come now.
func (t *turning) leave() {
	b, read := t.b, map[int]bool{}
	note := func(calls []device.Call) {
		for _, c := range calls {
			for _, v := range c.In {
				read[v] = true
			}
		}
	}
	note(b.Calls[t.from[1]:])
	note(b.Late[t.late:])
	kept := slices.Clone(b.Calls[t.from[1]:])
	for i := t.from[1] - 1; i >= t.from[0]; i-- {
		c := b.Calls[i]
		needed := func(v int) bool { return read[v] }
		if slices.ContainsFunc(c.Out, needed) || elementwise(c.Kernel) && slices.ContainsFunc(c.In, needed) {
			note(b.Calls[i : i+1])
			kept = append(kept, c)
		}
	}
	again := kept[len(b.Calls)-t.from[1]:]
	slices.Reverse(again)
	b.Calls = append(append(b.Calls[:t.from[0]], again...), kept[:len(kept)-len(again)]...)
	b.Calls = append(b.Calls, device.Call{})
	b.Late = append(b.Late, device.Call{})
}

// elementwise calls are made again for what they read alone, too: a device may make that,
// or its gradient, along with them, and to the same bits only if it does so again.
func elementwise(k device.Kernel) bool { return k == device.ActFn || k == device.Mul }

// end is called behind the last gradient.
func (t *turning) end() {
	if t.on {
		t.leave()
	}
}

// pieces cuts calls where one stretch ends, by the calls without a kernel that stand there.
func pieces(calls []device.Call) [][]device.Call {
	var l [][]device.Call
	for {
		i := slices.IndexFunc(calls, func(c device.Call) bool { return c.Kernel == 0 })
		if i < 0 {
			return append(l, calls)
		}
		l = append(l, calls[:i:i])
		calls = calls[i+1:]
	}
}
