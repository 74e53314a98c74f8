package plan

import (
	"pare/core/device"
	"pare/core/graph"
)

// Moves is the optimiser's step that a plan of the same options with Ranked leaves out: it moves
// the weights by the gradients that lie in the bank. It takes a step of one sample of one value,
// at which it does not look, for its index and rate.
func Moves(m *graph.Model, dev device.Device, o Options) (*device.Plan, error) {
	o.Ranked = false
	whole, err := Build(m, dev, o)
	if err != nil {
		return nil, err
	}
	p := &device.Plan{
		Batch: 1, InGrad: -1, Optim: o.Optim, T: dev.Tile(), P: dev.Panel(), Nodes: whole.Nodes,
		Vals: []device.Val{{Name: "input", Kind: device.ActVal, C: 1, H: 1, W: 1}},
	}
	calls := []device.Call{{Kernel: device.Load, Node: len(m.Nodes), Out: []int{0}}}
	var late []device.Call
	for _, r := range whole.Regions {
		for _, c := range r.Calls {
			if c.Update || c.Kernel == device.Update {
				late = append(late, device.Call{Kernel: device.Update, Node: c.Node, W: c.W[:1]})
			}
		}
	}
	p.Regions = regions(p.Vals, calls, late)
	arena(p, false)
	return p, nil
}
