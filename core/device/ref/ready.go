package ref

import (
	"fmt"

	"pare/core/device"
)

// Ready tests a step against a plan that Verify has passed, so that an error leaves the
// weights as they were.
func Ready(p *device.Plan, ws []device.Weight, s *device.Step) error {
	size := func(v int) int { return p.Vals[v].Size(1, 1) }
	if err := p.Check(s, size(p.Input)*p.Per(p.Input)); err != nil {
		return err
	}
	loss := 0 // classes of the CrossEntropy
	for _, r := range p.Regions {
		for i := range r.Calls {
			switch c := &r.Calls[i]; c.Kernel {
			case device.CrossEntropy:
				loss = p.Vals[c.In[0]].C
			case device.NormStats:
				if x := p.Vals[c.In[0]]; s.Count()*x.H*x.W < 2 {
					return fmt.Errorf("layer %s: batch norm needs more than one value per channel to train, this batch has one sample of one pixel; use larger batches", p.Nodes[c.Node])
				}
			}
		}
	}
	room := func(what string, have bool, got, v, of, each int) error {
		n := s.Count() * p.Per(of)
		switch {
		case !have:
			return nil
		case v < 0:
			return fmt.Errorf("%s is asked for, but this plan does not make it", what)
		case got < n*each:
			return fmt.Errorf("%s has %d values, %d rows need %d", what, got, n, n*each)
		}
		return nil
	}
	per := func(v int) int {
		if v < 0 {
			return 0
		}
		return size(v)
	}
	for _, err := range []error{
		room("Out", s.Out != nil, len(s.Out), p.Output, p.Output, per(p.Output)),
		room("InGrad", s.InGrad != nil, len(s.InGrad), p.InGrad, p.InGrad, per(p.InGrad)),
		room("Pred", s.Pred != nil, len(s.Pred), loss-1, p.Output, 1),
		room("Losses", s.Losses != nil, len(s.Losses), loss-1, p.Output, 1),
	} {
		if err != nil {
			return err
		}
	}
	if loss > 0 {
		if _, err := p.Labelled(s, loss); err != nil {
			return err
		}
	}
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			switch {
			case c.Kernel == device.Load && c.S[0] == 1:
				if n := s.Count() * p.Per(c.Out[0]); len(s.OutGrad) < n*size(c.Out[0]) {
					return fmt.Errorf("OutGrad has %d values, %d rows need %d", len(s.OutGrad), n, n*size(c.Out[0]))
				}
			case c.Kernel == device.Load && c.S[0] == 2:
				if n := s.Count() * p.Per(c.Out[0]); len(s.Teacher) < n*size(c.Out[0]) {
					return fmt.Errorf("Teacher has %d values, %d rows need %d", len(s.Teacher), n, n*size(c.Out[0]))
				}
			case c.Kernel == device.Embed:
				if err := p.CheckIDs(s, 0, ws[c.W[0]].Shape[0]); err != nil {
					return fmt.Errorf("layer %s: %w", p.Nodes[c.Node], err)
				}
			case c.Kernel == device.Segment && len(c.In) > 1:
				if err := p.CheckIDs(s, 1, ws[c.W[0]].Shape[0]); err != nil {
					return fmt.Errorf("layer %s: %w", p.Nodes[c.Node], err)
				}
			case (c.Update || c.Kernel == device.Update) && p.Optim.Kind != device.SGD && s.Index < 1:
				return fmt.Errorf("step index %d: the first training step is 1", s.Index)
			}
		}
	}
	return nil
}
