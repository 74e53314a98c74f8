package cpu

import (
	"math"
	"unsafe"
)

// crossEntropy of the samples of a tile: loss = log Σ exp x − x[label],
// dlogits = (softmax − onehot)/n, n samples in the batch. The predicted class
// is the first maximum. Lanes past the end get a zero gradient and take no part.
func crossEntropy(e *exec, c *call, l *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		x, valid := e.floats(c.In[0], t), e.valid(t)
		exp := l.buf[:len(x)]
		if len(c.Out) == 2 {
			exp = e.floats(c.Out[0], t) // the gradient takes its place
		}
		top, sum := expSums(exp, x)
		loss, correct := 0.0, 0
		var scale row
		for lane := range valid {
			i := t*T + lane
			label := int(e.s.Labels[e.row(i)])
			one := float64(top[lane]) + math.Log(sum[lane]) - float64(x[label*T+lane])
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
			scale[lane] = float32(1 / (sum[lane] * float64(e.n)))
			if e.s.Pred != nil {
				e.s.Pred[i] = int32(pred)
			}
			if e.s.Losses != nil {
				e.s.Losses[i] = float32(one)
			}
		}
		if len(c.Out) == 2 {
			scaleAll(exp, &scale)
			for lane := range valid {
				exp[int(e.s.Labels[e.row(t*T+lane)])*T+lane] -= float32(1 / float64(e.n))
			}
		}
		part := e.floats(c.Out[len(c.Out)-1], t)
		part[0], part[1] = float32(loss), float32(correct)
	}
}

// sumRows is the number of rows that are summed in float32: beyond, rounding
// would show.
const sumRows = 64

// expSums writes exp(x − top) of each value, top being the largest of its lane, and
// returns top and the sums over the lanes.
func expSums(exp, x []float32) (top row, sum [T]float64) {
	rows := len(x) / T
	copy(top[:], x)
	for k := 1; k < rows; k++ { // a NaN stays
		largerRows(&rowArgs{dst: unsafe.Pointer(&top), a: unsafe.Pointer(&top), b: ptr(x[k*T:]), n: 1})
	}
	for k := 0; k < rows; k += maxActRows {
		expRows(&rowArgs{dst: ptr(exp[k*T:]), a: ptr(x[k*T:]), b: unsafe.Pointer(&top), n: min(rows-k, maxActRows)})
	}
	for k := 0; k < rows; k += sumRows {
		var part row
		for j := k; j < min(rows, k+sumRows); j++ {
			addRows(&rowArgs{dst: unsafe.Pointer(&part), a: unsafe.Pointer(&part), b: ptr(exp[j*T:]), n: 1})
		}
		for lane, v := range part {
			sum[lane] += float64(v)
		}
	}
	return top, sum
}

// scaleAll multiplies every row of x by the row by.
func scaleAll(x []float32, by *row) {
	for k := 0; k < len(x)/T; k += maxRows {
		scaleRows(&rowArgs{dst: ptr(x[k*T:]), a: ptr(x[k*T:]), b: unsafe.Pointer(by), n: min(len(x)/T-k, maxRows)})
	}
}

// softmax over the C values of each sample.
func softmax(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		_, sum := expSums(y, x)
		var scale row
		for lane, s := range sum {
			scale[lane] = float32(1 / s)
		}
		scaleAll(y, &scale)
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
