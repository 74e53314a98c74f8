package cpu

// Two of four: the kept values of a linear layer's 2:4 weight once more, for plans
// of one sample, which are as fast as the weights can be read. For groups of four
// inputs g, the first and the second kept value of each of 16 outputs, and where in
// the group they belong, two bits an output. In larger batches half of the work is
// not worth the places; there the dense kernels run.
//
// The idea is from the prototype of core/device/cpu; the control bits are those of
// VPERMILPS.
type pairs struct {
	val []float32 // [⌈N/P⌉][K/4][2][P]
	ctl []uint32  // [⌈N/P⌉][K/4][2]
}

func (b *bank) newPairs(w *weight) *pairs {
	panels := (w.n + P - 1) / P
	return &pairs{val: b.alloc(w.Name+" (2:4)", panels*w.k/2*P), ctl: make([]uint32, panels*w.k/2)}
}

// set takes the values from the panels of w.
func (p *pairs) set(w *weight) {
	if p == nil {
		return
	}
	clear(p.val)
	clear(p.ctl)
	for n := range w.n {
		panel, lane := n/P, n%P
		for g := range w.k / 4 {
			at, i := (panel*w.k/4+g)*2, 0
			for k := 4 * g; k < 4*g+4; k++ {
				if w.Mask.Kept(n*w.k + k) {
					p.val[(at+i)*P+lane] = w.v[(panel*w.k+k)*P+lane]
					p.ctl[at+i] |= uint32(k%4) << (2 * lane)
					i++
				}
			}
		}
	}
}

// mul: y = w·x.
func (p *pairs) mul(w *weight, x, y []float32) {
	groups := w.k / 4
	for n := 0; n < w.n; n += P {
		for g := 0; g < groups; g += maxSteps {
			at := (n/P*groups + g) * 2
			pairOne(&pairArgs{val: ptr(p.val[at*P:]), ctl: ptr(p.ctl[at:]), x: ptr(x[4*g:]), y: ptr(y[n:]), n: min(groups-g, maxSteps), acc: min(g, 1)})
		}
	}
}

func pairOneGo(p *pairArgs) {
	var sum [P]float64
	for i := range 2 * p.n {
		val, ctl := rowAt(p.val, i), *(*uint32)(at(p.ctl, 4*i))
		for lane := range sum {
			sum[lane] += float64(val[lane]) * float64(*floatAt(p.x, i/2*4+int(ctl>>(2*lane)&3)))
		}
	}
	for lane, s := range sum {
		put(floatAt(p.y, lane), float32(s), p.acc)
	}
}
