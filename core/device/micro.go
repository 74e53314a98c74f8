package device

import "errors"

// Micro says which part of an optimiser's step a run is, when the samples of the step
// run in several parts one after the other (micro-batches): values of one part then take
// the memory that all would. The zero value is a step of its own.
//
// The gradients of all parts add up in the bank: each is of the mean over all rows of
// the step, so the last part moves the weights by what one run of all samples would, but
// for the rounding of sums. What batch norm learns of a batch it learns of each part.
type Micro struct {
	// First is the number of samples of the step before these: dropout draws the masks
	// of the whole batch.
	First int
	// Rows is the number of rows in the loss of all samples of the step. The loss of a
	// run is the part's share of their mean; 0: of the run's own rows.
	Rows int
	// Onto adds gradients to those that the part before left: all parts but the first.
	Onto bool
	// Hold moves no weight: all parts but the last.
	Hold bool
}

// FromGradient reports whether k makes its gradient from that of another weight, which
// all parts of a step have added up: it is made once, by the last part.
func (k Kernel) FromGradient() bool { return k == AdaptA || k == AdaptB }

// check tests that a plan is made for such parts.
func (m Micro) check(p *Plan) error {
	switch {
	case m == (Micro{}):
		return nil
	case p.Micros < 2 && (m.Onto || m.Hold):
		return errors.New("a part of a step, but the plan is not made for parts")
	case m.First < 0 || m.Rows < 1 || m.Onto && m.First == 0:
		return errors.New("a part of a step must say which samples are before it, and how many rows the step has")
	}
	return nil
}

// Parts are the sizes of the parts that n samples of a step run in: as few as hold them,
// and as equal as can be.
func (p *Plan) Parts(n int) []int {
	k := max(1, (n+p.Batch-1)/p.Batch)
	parts := make([]int, k)
	for i := range parts {
		parts[i] = (i+1)*n/k - i*n/k
	}
	return parts
}

// RunParts runs a step of plan p on e, in parts where it has more samples than one run
// takes. What is wrong with the step as a whole is found before the first part; after an
// error in a later one no weight has moved, but for the running statistics of batch norm.
func RunParts(e Exec, p *Plan, s *Step) (Result, error) {
	n := s.Count()
	parts := p.Parts(n)
	if len(parts) == 1 {
		return e.Run(s)
	}
	rows, err := p.rows(s, p.Batch*max(1, p.Micros))
	if err != nil {
		return Result{}, err
	}
	return p.runParts(e, s, 0, n, rows)
}

// rows checks a step of at most `most` samples and counts the rows in its loss.
func (p *Plan) rows(s *Step, most int) (int, error) {
	if err := p.check(s, p.Vals[p.Input].Size(1, 1)*p.Per(p.Input), most); err != nil {
		return 0, err
	}
	if classes := p.classes(); classes > 0 {
		return p.Labelled(s, classes)
	}
	return s.Count() * p.Per(p.Output), nil
}

// runParts runs n samples of a step of so many rows, from the first on.
func (p *Plan) runParts(e Exec, s *Step, first, n, rows int) (Result, error) {
	all := Result{N: rows}
	if n == 0 {
		return all, nil
	}
	parts := p.Parts(n)
	for i, k := range parts {
		part := p.part(s, first, k)
		part.Micro = Micro{First: first, Rows: rows, Onto: i > 0, Hold: i < len(parts)-1}
		first += k
		r, err := e.Run(part)
		if err != nil {
			return Result{}, err
		}
		all.Loss += r.Loss
		all.Correct += r.Correct
	}
	return all, nil
}

// part is n samples of a step from the first on.
func (p *Plan) part(s *Step, first, n int) *Step {
	q := *s
	if s.Rows != nil {
		q.Rows = s.Rows[first : first+n]
	} else {
		q.N = n
		q.X = s.X[first*p.Vals[p.Input].Size(1, 1)*p.Per(p.Input):]
		q.Labels = from(s.Labels, first*p.Per(p.Output))
	}
	out := p.Per(p.Output)
	logits := out * p.Vals[p.Output].Size(1, 1)
	q.Out, q.OutGrad, q.Teacher = from(s.Out, first*logits), from(s.OutGrad, first*logits), from(s.Teacher, first*logits)
	q.Pred, q.Losses = from(s.Pred, first*out), from(s.Losses, first*out)
	q.InGrad = from(s.InGrad, first*p.Vals[p.Input].Size(1, 1)*p.Per(p.Input))
	return &q
}

// from is x from element i on, nil of nil.
func from[E any](x []E, i int) []E {
	if x == nil {
		return nil
	}
	return x[min(i, len(x)):]
}

// classes is the number of classes of the plan's loss, 0 without one.
func (p *Plan) classes() int {
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if c.Kernel == CrossEntropy {
				return p.Vals[c.In[0]].C
			}
		}
	}
	return 0
}
