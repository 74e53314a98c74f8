package cpu

import (
	"math"
	"unsafe"
)

// distil is CrossEntropy with a teacher's logits q beside the labels:
//
//	loss    = (1−α)·CE + α·T²·Σ q_T·(log q_T − log p_T)
//	dlogits = ((1−α)·(p − onehot) + α·T·(p_T − q_T))/n
//
// with p the softmax of the logits, p_T and q_T those of both divided by T (Hinton et
// al. 2015, arXiv:1503.02531). Lanes past the end, and tokens without a label, get a zero
// gradient and take no part.
func distil(e *exec, c *call, l *local, t0, t1 int) {
	alpha, temp := float64(c.S[0]), float64(c.S[1])
	hard, soft := 1-alpha, alpha*temp
	var cool row
	for lane := range cool {
		cool[lane] = float32(1 / temp)
	}
	for t := t0; t < t1; t++ {
		x, q, valid := e.floats(c.In[0], t), e.floats(c.In[1], t), e.valid(t)
		dx, ps, qs := e.floats(c.Out[0], t), l.buf[:len(x)], l.buf[len(x):2*len(x)]
		top, sum := expSums(dx, x)
		scaleInto(ps, x, &cool)
		topP, sumP := expSums(ps, ps)
		scaleInto(qs, q, &cool)
		topQ, sumQ := expSums(qs, qs)
		var apart [T]float64 // Σ e^(q/T − top)·(q − x)
		for k := 0; k < len(x); k += T {
			for lane := range apart {
				apart[lane] += float64(float64(qs[k+lane]) * (float64(q[k+lane]) - float64(x[k+lane])))
			}
		}
		loss, correct := 0.0, 0
		var byP, bySoft, byQ row
		var labels [T]int
		for lane := range valid {
			i, one := e.place(t, lane), 0.0
			label := int(e.s.Labels[e.source(t, lane)])
			if labels[lane] = label; label >= 0 {
				at := x[label*T+lane]
				ce := float64(top[lane]) + math.Log(sum[lane]) - float64(at)
				kl := float64(apart[lane]/(temp*sumQ[lane])) + (float64(topP[lane]) + math.Log(sumP[lane])) - (float64(topQ[lane]) + math.Log(sumQ[lane]))
				if at == top[lane] && firstTop(x, lane, at) == label {
					correct++
				}
				one = float64(hard*ce) + float64(soft*temp*kl)
				loss += one
				n := float64(e.labelled)
				byP[lane], bySoft[lane], byQ[lane] = float32(hard/(sum[lane]*n)), float32(soft/(sumP[lane]*n)), float32(-soft/(sumQ[lane]*n))
			}
			if e.s.Pred != nil {
				e.s.Pred[i] = int32(firstTop(x, lane, top[lane]))
			}
			if e.s.Losses != nil {
				e.s.Losses[i] = float32(one)
			}
		}
		scaleAll(dx, &byP)
		scaleAll(ps, &bySoft)
		scaleAll(qs, &byQ)
		addInto(ps, qs) // what is close first
		addInto(dx, ps)
		for lane, label := range labels[:valid] {
			if label >= 0 {
				dx[label*T+lane] -= float32(hard / float64(e.labelled))
			}
		}
		part := e.floats(c.Out[1], t)
		part[0], part[1] = float32(loss), float32(correct)
	}
}

// scaleInto writes every row of x, multiplied by the row by.
func scaleInto(dst, x []float32, by *row) {
	for k := 0; k < len(x)/T; k += maxRows {
		scaleRows(&rowArgs{dst: ptr(dst[k*T:]), a: ptr(x[k*T:]), b: unsafe.Pointer(by), n: min(len(x)/T-k, maxRows)})
	}
}

// addInto adds the rows of x to those of dst.
func addInto(dst, x []float32) {
	for k := 0; k < len(x)/T; k += maxRows {
		addRows(&rowArgs{dst: ptr(dst[k*T:]), a: ptr(dst[k*T:]), b: ptr(x[k*T:]), n: min(len(x)/T-k, maxRows)})
	}
}
