package core

import "pare/core/event"

// describe tells the model's layers as they are now.
func (r *run) describe() error { return r.emit(r.modelNow()) }

func (r *run) modelNow() *event.Model {
	m := r.model
	all, _ := m.NumParams()
	e := &event.Model{Name: m.Name, Params: all, Classes: r.set.Classes, Train: r.set.Train.N(), Val: r.set.Val.N(), Test: r.set.Test.N(), Step: r.loop.Step}
	in := m.Input()
	e.Input = []int{in.C, in.H, in.W}
	if t := r.set.Text; t != nil {
		e.Tokens, e.Vocab, e.LM, e.Pair, e.Masked = t.Len, t.Vocab, t.LM, t.Pair, t.Masked
		if !t.LM {
			e.Pad = int(t.Pad)
		}
	}
	for i := range m.Nodes {
		e.MACs += m.MACs(i)
	}
	for _, l := range m.Layers() {
		p, n, macs := m.Params[l.Param], m.Nodes[l.Node], m.MACs(l.Node)
		e.Layers = append(e.Layers, event.Layer{Name: l.Name, Op: n.Op, Shape: p.Shape, Params: int64(p.Shape.Len()), MACs: macs, Prunable: !r.skipped(l.Name)})
	}
	return e
}

// choices tells which kernel each layer runs on, before the next step.
func (r *run) choices() error {
	e := &event.Plan{Stage: r.loop.Stage, Step: r.loop.Step, Hash: r.t.PlanHash()}
	for _, c := range r.t.Choices {
		e.Layers = append(e.Layers, event.RunsAs{Name: c.Name, Format: c.Format.String(), Why: c.Why})
	}
	var err error
	if e.Memory, err = r.memoryOf(); err != nil {
		return err
	}
	return r.emit(e)
}

// memoryOf is the memory of the run's card, nil on the processor.
func (r *run) memoryOf() (*event.Memory, error) {
	c, ok := cardOf(r.dev)
	if !ok {
		return nil, nil
	}
	m := &event.Memory{All: c.Memory()}
	if m.Takes, ok = r.t.Takes(); !ok {
		return nil, nil
	}
	var err error
	m.Free, err = c.Free()
	return m, err
}
