package cpu

import (
	"math"
	"unsafe"
)

// crossEntropy of the samples or tokens of a tile: loss = log Σ exp x − x[label],
// dlogits = (softmax − onehot)/n, n of them in the batch. The predicted class is
// the first maximum. Lanes past the end, and tokens without a label, get a zero
// gradient and take no part.
func crossEntropy(e *exec, c *call, l *local, t0, t1 int) {
	if len(c.In) == 2 {
		distil(e, c, l, t0, t1)
		return
	}
	for t := t0; t < t1; t++ {
		x, valid := e.floats(c.In[0], t), e.valid(t)
		exp := l.buf[:len(x)]
		if len(c.Out) == 2 {
			exp = e.floats(c.Out[0], t) // the gradient takes its place
		}
		top, sum := expSums(exp, x)
		loss, correct := 0.0, 0
		var scale row
		var labels [T]int
		for lane := range valid {
			i, one := e.place(t, lane), 0.0
			label := int(e.s.Labels[e.source(t, lane)])
			if labels[lane] = label; label >= 0 {
				at := x[label*T+lane]
				one = float64(top[lane]) + math.Log(sum[lane]) - float64(at)
				// Few predictions are right in a large vocabulary: only then,
				// or when asked for it, is there a search.
				if at == top[lane] && firstTop(x, lane, at) == label {
					correct++
				}
				loss += one
				scale[lane] = float32(1 / (sum[lane] * float64(e.labelled)))
			}
			if e.s.Pred != nil {
				e.s.Pred[i] = int32(firstTop(x, lane, top[lane]))
			}
			if e.s.Losses != nil {
				e.s.Losses[i] = float32(one)
			}
		}
		if len(c.Out) == 2 {
			scaleAll(exp, &scale)
			for lane, label := range labels[:valid] {
				if label >= 0 {
					exp[label*T+lane] -= float32(1 / float64(e.labelled))
				}
			}
		}
		part := e.floats(c.Out[len(c.Out)-1], t)
		part[0], part[1] = float32(loss), float32(correct)
	}
}

// firstTop is the first row of x whose lane has the value top, 0 if none has.
func firstTop(x []float32, lane int, top float32) int {
	for k := lane; k < len(x); k += T {
		if x[k] == top {
			return k / T
		}
	}
	return 0
}

// sumRows is the number of rows that are summed in float32: beyond, rounding
// would show.
const sumRows = 64

// expSums writes exp(x − top) of each value, top being the largest of its lane, and
// returns top and the sums over the lanes.
func expSums(exp, x []float32) (top row, sum [T]float64) {
	top = downTop(x)
	rows := len(x) / T
	for k := 0; k < rows; k += maxActRows {
		expRows(&rowArgs{dst: ptr(exp[k*T:]), a: ptr(x[k*T:]), b: unsafe.Pointer(&top), n: min(rows-k, maxActRows)})
	}
	return top, downTotal(ptr(exp), rows, nil)
}

// downTop is the largest value of each lane. A NaN is left out: whoever sums the
// exponentials meets it there.
func downTop(x []float32) (top row) {
	for i := 0; i < len(x)/T; i += maxRows {
		var part row
		downMax(&rowArgs{dst: unsafe.Pointer(&part), a: ptr(x[i*T:]), n: min(len(x)/T-i, maxRows)})
		if i == 0 {
			top = part
		}
		largerRows(&rowArgs{dst: unsafe.Pointer(&top), a: unsafe.Pointer(&top), b: unsafe.Pointer(&part), n: 1})
	}
	return top
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
	e.res.Loss, e.res.Correct = loss/float64(e.labelled), int(correct)
}
