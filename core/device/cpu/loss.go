package cpu

import "math"

// crossEntropy of the samples of a tile: loss = log Σ exp x − x[label],
// dlogits = (softmax − onehot)/n, n samples in the batch. The predicted class
// is the first maximum. Lanes past the end get a zero gradient and take no part.
func crossEntropy(e *exec, c *call, l *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		x := e.floats(c.In[0], t)
		var dx []float32
		if len(c.Out) == 2 {
			dx = e.floats(c.Out[0], t)
			clear(dx)
		}
		loss, correct := 0.0, 0
		for lane := range e.valid(t) {
			i := t*T + lane
			label := int(e.s.Labels[e.row(i)])
			exp, top, sum := expSum(l, x, lane)
			one := top + math.Log(sum) - float64(x[label*T+lane])
			for k := lane; k < len(dx); k += T {
				p := exp[k/T] / sum
				if k/T == label {
					p--
				}
				dx[k] = float32(p / float64(e.n))
			}
			pred := lane
			for k := lane; k < len(x); k += T {
				if x[k] > x[pred] {
					pred = k
				}
			}
			if pred /= T; pred == label {
				correct++
			}
			loss += one
			if e.s.Pred != nil {
				e.s.Pred[i] = int32(pred)
			}
			if e.s.Losses != nil {
				e.s.Losses[i] = float32(one)
			}
		}
		part := e.floats(c.Out[len(c.Out)-1], t)
		part[0], part[1] = float32(loss), float32(correct)
	}
}

// expSum is exp(x − top) of each value of a lane, top being the largest, and
// their sum.
func expSum(l *local, x []float32, lane int) (exp []float64, top, sum float64) {
	largest := x[lane]
	for k := lane; k < len(x); k += T {
		largest = max(largest, x[k]) // a NaN stays
	}
	top = float64(largest)
	exp = l.sums[:len(x)/T]
	for k := range exp {
		exp[k] = math.Exp(float64(x[k*T+lane]) - top)
		sum += exp[k]
	}
	return exp, top, sum
}

// softmax over the C values of each sample.
func softmax(e *exec, c *call, l *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		for lane := range T {
			exp, _, sum := expSum(l, x, lane)
			for k, v := range exp {
				y[k*T+lane] = float32(v / sum)
			}
		}
	}
}

// lossMerge: the mean loss and the number of correct samples.
func lossMerge(e *exec, c *call) {
	loss, correct := 0.0, 0.0
	for t := range e.tiles {
		part := e.floats(c.In[0], t)
		loss += float64(part[0])
		correct += float64(part[1])
	}
	e.res.Loss, e.res.Correct = loss/float64(e.n), int(correct)
}
