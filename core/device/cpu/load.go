package cpu

import "unsafe"

// load fills tiles with samples, [C][H][W] in files and [H][W][C] here, or with
// tokens. Lanes past the end of the batch or of a sequence are zero.
func load(e *exec, c *call, _ *local, t0, t1 int) {
	v := e.p.Vals[c.Out[0]]
	pixels := v.H * v.W
	for t := t0; t < t1; t++ {
		var rows [T]unsafe.Pointer
		for lane := range rows {
			rows[lane] = ptr(e.zeros)
			switch {
			case lane >= e.valid(t):
			case c.S[0] == 1: // not data: one row for each row of the batch
				rows[lane] = ptr(e.s.OutGrad[e.place(t, lane)*v.C*pixels:])
			case c.S[0] == 2:
				rows[lane] = ptr(e.s.Teacher[e.place(t, lane)*v.C*pixels:])
			default:
				rows[lane] = ptr(e.s.X[e.source(t, lane)*v.C*pixels:])
			}
		}
		dst := e.at(c.Out[0], t)
		if pixels == 1 {
			gather(&rows, 0, dst, v.C, rowBytes)
			continue
		}
		for ch := range v.C {
			gather(&rows, ch*pixels, at(dst, ch*rowBytes), pixels, v.C*rowBytes)
		}
	}
}

// gather writes values from to from+n−1 of each row to rows of a tile, stride
// bytes apart.
func gather(rows *[T]unsafe.Pointer, from int, dst unsafe.Pointer, n, stride int) {
	const most = maxRows / 4
	for i := 0; i < n&^3; i += most {
		var moved [T]unsafe.Pointer
		for lane, p := range rows {
			moved[lane] = at(p, (from+i)*4)
		}
		gatherRows(&gatherArgs{rows: &moved, dst: at(dst, i*stride), n: min(n&^3-i, most), stride: stride})
	}
	for i := n &^ 3; i < n; i++ {
		to := rowAt(at(dst, i*stride), 0)
		for lane, p := range rows {
			to[lane] = *floatAt(p, from+i)
		}
	}
}

// store copies a value out as [C][H][W] per sample, or [C] per token.
func (e *exec) store(to []float32, v int) {
	shape := e.p.Vals[v]
	pixels := shape.H * shape.W
	for t := range e.tiles {
		if e.flat {
			turn(to[t*shape.C*pixels:], e.floats(v, t), pixels, shape.C)
			continue
		}
		x := e.floats(v, t)
		for lane := range e.valid(t) {
			y := to[e.place(t, lane)*shape.C*pixels:]
			for ch := range shape.C {
				for p := range pixels {
					y[ch*pixels+p] = x[(p*shape.C+ch)*T+lane]
				}
			}
		}
	}
}
