package ref

import (
	"fmt"

	"pare/core/device"
)

// crossEntropy of one sample: loss = log Σ exp x − x[label],
// dlogits = (softmax − onehot)/n, n samples in the batch. The predicted class is
// the first maximum. A loss that is not finite is handed on as it is.
func crossEntropy(e *exec, c *device.Call, i int) {
	x, part := e.val(c.In[0], i), e.val(c.Out[len(c.Out)-1], i)
	label := int(e.s.Labels[e.row(i)])
	p, logSum := probs(x.x)
	if len(c.Out) == 2 {
		dx := e.val(c.Out[0], i)
		for k := range p {
			onehot := 0.0
			if k == label {
				onehot = 1
			}
			dx.x[k] = float32((p[k] - onehot) / float64(e.n))
		}
	}
	pred := 0
	for k, v := range x.x {
		if v > x.x[pred] {
			pred = k
		}
	}
	part.x[0], part.x[1] = float32(logSum-float64(x.x[label])), 0
	if pred == label {
		part.x[1] = 1
	}
	if e.s.Pred != nil {
		e.s.Pred[i] = int32(pred)
	}
	if e.s.Losses != nil {
		e.s.Losses[i] = part.x[0]
	}
}

// lossMerge: the mean loss and the number of correct samples.
func lossMerge(e *exec, c *device.Call) {
	loss, correct := 0.0, 0.0
	for i := range e.n {
		part := e.val(c.In[0], i)
		loss += float64(part.x[0])
		correct += float64(part.x[1])
	}
	e.res.Loss, e.res.Correct = loss/float64(e.n), int(correct)
}

// checkLabels looks at the labels before anything runs.
func (e *exec) checkLabels(s *device.Step, classes int) error {
	if s.Labels == nil {
		return fmt.Errorf("this plan has a loss: it needs labels")
	}
	for i := range s.Count() {
		row := i
		if s.Rows != nil {
			row = int(s.Rows[i])
		}
		if l := s.Labels[row]; l < 0 || int(l) >= classes {
			return fmt.Errorf("row %d has label %d, but the model has %d classes (0 to %d)", row, l, classes, classes-1)
		}
	}
	return nil
}
