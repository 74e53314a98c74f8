package ref

import (
	"math"

	"pare/core/device"
)

// distil of one sample adds to its cross-entropy what the teacher's logits q say:
// loss ← (1−α)·loss + α·T²·Σ q_T·(log q_T − log p_T),
// dlogits ← (1−α)·dlogits + α·T·(p_T − q_T)/n.
func distil(e *exec, c *device.Call, i int, ce float64, p []float64, label int) float64 {
	alpha, temp := float64(c.S[0]), float64(c.S[1])
	x, q, dx := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	ps, logP := cooled(x.x, temp)
	qs, logQ := cooled(q.x, temp)
	kl := logP - logQ
	for k := range qs {
		kl += qs[k] * (float64(q.x[k]) - float64(x.x[k])) / temp
		onehot := 0.0
		if k == label {
			onehot = 1
		}
		dx.x[k] = float32(((1-alpha)*(p[k]-onehot) + alpha*temp*(ps[k]-qs[k])) / float64(e.labelled))
	}
	return (1-alpha)*ce + alpha*temp*temp*kl
}

// cooled is the softmax of x/temp and log Σ exp(x/temp).
func cooled(x []float32, temp float64) (p []float64, logSum float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, float64(v)/temp)
	}
	p = make([]float64, len(x))
	sum := 0.0
	for k, v := range x {
		p[k] = math.Exp(float64(v)/temp - top)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p, top + math.Log(sum)
}
