package ref

import "pare/core/device"

// crossEntropy of one sample: loss = log Σ exp x − x[label],
// dlogits = (softmax − onehot)/n, n samples in the batch, or tokens with a label; with
// a teacher see distil.
// The predicted class is the first maximum. A loss that is not finite is handed on as it is.
func crossEntropy(e *exec, c *device.Call, i int) {
	x, part := e.val(c.In[0], i), e.val(c.Out[len(c.Out)-1], i)
	label := int(e.s.Labels[e.row(i)])
	if label == device.NoLabel {
		part.x[0], part.x[1] = 0, 0
		if len(c.Out) == 2 {
			clear(e.val(c.Out[0], i).x)
		}
	}
	p, logSum := probs(x.x)
	soft := 0.0
	switch {
	case len(c.In) == 2 && label >= 0:
		soft = distil(e, c, i, logSum-float64(x.x[label]), p, label)
	case len(c.Out) == 2 && label >= 0:
		dx := e.val(c.Out[0], i)
		for k := range p {
			onehot := 0.0
			if k == label {
				onehot = 1
			}
			dx.x[k] = float32((p[k] - onehot) / float64(e.labelled))
		}
	}
	pred := 0
	for k, v := range x.x {
		if v > x.x[pred] {
			pred = k
		}
	}
	if label >= 0 {
		part.x[0], part.x[1] = float32(logSum-float64(x.x[label])), 0
		if len(c.In) == 2 {
			part.x[0] = float32(soft)
		}
	}
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
	e.res.Loss, e.res.Correct = loss/float64(e.labelled), int(correct)
}
