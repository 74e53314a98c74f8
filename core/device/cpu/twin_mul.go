package cpu

import "unsafe"

// The twins of the assembly in plain Go: the reference the assembly is read
// against, and the kernels of every machine without it. Dense sums are kept in
// float64: in float32 without FMA they lose enough for a ReLU at its kink to fall
// on the other side (train-resnet of the reference cases shows it).

type row = [16]float32

// at returns p moved by off bytes.
func at(p unsafe.Pointer, off int) unsafe.Pointer { return unsafe.Add(p, off) }

func rowAt(p unsafe.Pointer, i int) *row { return (*row)(unsafe.Add(p, i*rowBytes)) }

func floatAt(p unsafe.Pointer, i int) *float32 { return (*float32)(unsafe.Add(p, i*4)) }

// axpy adds a·x to y.
func axpy(y *row, a float32, x *row) {
	for i := range y {
		y[i] += float32(a * x[i])
	}
}

func mulFGo(mr int, p *mulArgs) { mulGo(mr, 4, rowBytes, p) }

func mulXGo(mr int, p *mulArgs) { mulGo(mr, rowBytes, 4, p) }

func mulGo(mr, am, ak int, p *mulArgs) {
	for m := range mr {
		var c [16]float64
		for o := range p.outer {
			a, b := at(p.a, o*p.aOuter+m*am), at(p.b, o*p.bOuter)
			for k := range p.inner {
				w, x := float64(*(*float32)(at(a, k*ak))), rowAt(b, k)
				for i, v := range x {
					c[i] += w * float64(v)
				}
			}
		}
		dst := rowAt(p.c, m)
		if p.acc != 0 && p.z != nil {
			for i, z := range rowAt(p.z, m) {
				dst[i] = z + float32(c[i])
			}
			continue
		}
		for i, v := range c {
			if p.acc != 0 {
				v += float64(dst[i])
			}
			dst[i] = float32(v)
		}
	}
}

func mulCGo(mr int, p *mulArgs) {
	for m := range mr {
		q := *p
		q.a, q.c = at(p.a, 4*m), at(p.c, m*p.cStride)
		mulFGo(1, &q)
	}
}

// mulPGo reads all rows of C before it writes one: they may overlap.
func mulPGo(mr int, p *pixelArgs) {
	var rows [P]row
	for m := range mr {
		rows[m] = *(*row)(at(p.c, m*p.cStride))
		mulXGo(1, &mulArgs{a: at(p.a, m*p.aStride), b: p.b, c: unsafe.Pointer(&rows[m]), inner: p.inner, outer: p.outer, aOuter: p.aOuter, bOuter: p.bOuter, acc: p.acc})
		if p.scale == nil {
			continue
		}
		scale, shift := rowAt(p.scale, 0), rowAt(p.shift, 0)
		for i, v := range rows[m] {
			if v = v*scale[i] + shift[i]; p.relu != 0 && v < 0 {
				v = 0
			}
			rows[m][i] = v
		}
	}
	for m, r := range rows[:mr] {
		*(*row)(at(p.c, m*p.cStride)) = r
	}
}

func mulDGo(mr int, p *mulArgs) {
	for m := range mr {
		c := (*[8]float64)(at(p.c, m*p.cStride))
		var sum [8]float64
		for o := range p.outer {
			for k := range p.inner {
				a, b := *(*float64)(at(p.a, o*p.aOuter+8*m+128*k)), (*[8]float64)(at(p.b, o*p.bOuter+64*k))
				for i, v := range b {
					sum[i] += float64(a * v)
				}
			}
		}
		for i, v := range sum {
			if p.acc != 0 {
				v += c[i]
			}
			c[i] = v
		}
	}
}

func (p *blockArgs) row(i int) (from, to int) {
	ptr := unsafe.Slice((*int32)(p.ptr), p.rows+1)
	return int(ptr[i] - ptr[0]), int(ptr[i+1] - ptr[0])
}

func offAt(p unsafe.Pointer, j int) int { return int(*(*uint32)(unsafe.Add(p, j*4))) }

// each calls f for every block of every tile: block row i, block j, its row of x
// and the first of its r rows of y.
func (p *blockArgs) each(r, tiles int, f func(j int, x *row, y unsafe.Pointer)) {
	for t := range tiles {
		for i := range p.rows {
			from, to := p.row(i)
			for j := from; j < to; j++ {
				f(j, (*row)(at(p.x, t*p.xStride+offAt(p.off, j))), at(p.y, t*p.yStride+i*r*rowBytes))
			}
		}
	}
}

func blockFwdGo(r, tiles int, p *blockArgs) {
	if p.acc == 0 {
		for t := range tiles {
			clear(unsafe.Slice((*float32)(at(p.y, t*p.yStride)), p.rows*r*T))
		}
	}
	p.each(r, tiles, func(j int, x *row, y unsafe.Pointer) {
		for q := range r {
			axpy(rowAt(y, q), *floatAt(p.val, r*j+q), x)
		}
	})
}

func blockOneGo(r int, p *blockArgs) {
	for i := range p.rows {
		from, to := p.row(i)
		for q := range r {
			sum := 0.0
			for j := from; j < to; j++ {
				sum += float64(*floatAt(p.val, r*j+q)) * float64(*floatAt(p.x, offAt(p.off, j)/rowBytes))
			}
			put(floatAt(p.y, r*i+q), float32(sum), p.acc)
		}
	}
}

func blockPixelsGo(r, pixels int, p *blockPixelArgs) {
	rows := blockArgs{ptr: p.ptr, rows: p.rows}
	for i := p.rows - 1; i >= 0; i-- {
		from, to := rows.row(i)
		for m := range pixels {
			for q := range r {
				sum := 0.0
				for j := from; j < to; j++ {
					sum += float64(*floatAt(p.val, r*j+q)) * float64(*floatAt(at(p.x, m*p.xStride+offAt(p.off, j)), 0))
				}
				if sum = sum*float64(*floatAt(p.scale, r*i+q)) + float64(*floatAt(p.shift, r*i+q)); p.relu != 0 && sum < 0 {
					sum = 0
				}
				*floatAt(at(p.y, m*p.yStride), r*i+q) = float32(sum)
			}
		}
	}
}

func blockDXGo(r, tiles int, p *blockArgs) {
	p.each(r, tiles, func(j int, x *row, y unsafe.Pointer) {
		for q := range r {
			axpy(x, *floatAt(p.val, r*j+q), rowAt(y, q))
		}
	})
}

func blockDWGo(r int, p *blockDWArgs) {
	for j := range p.n {
		for q := range r {
			var s row
			for u := range p.tiles2 {
				for t := range p.tiles {
					// No pointer may stand behind the last tile: the garbage
					// collector looks at it.
					n := u*p.tiles + t
					x := (*row)(at(p.x, offAt(p.off, j)+n*p.xStride+u*p.xSkip))
					dy := (*row)(at(p.dy, q*rowBytes+n*p.dyStride+u*p.dySkip))
					for b := range s {
						s[b] += float32(x[b] * dy[b])
					}
				}
			}
			put(floatAt(p.dw, r*j+q), sum(&s), p.acc)
		}
	}
}

func singleDWGo(tiles int, p *singleDWArgs) {
	index := unsafe.Slice((*int32)(p.ptr), p.rows+1)
	for i := range p.rows {
		for j := int(index[i] - index[0]); j < int(index[i+1]-index[0]); j++ {
			var s row
			for t := range tiles {
				x := (*row)(at(p.x, t*p.xStride+offAt(p.off, j)))
				dy := (*row)(at(p.dy, t*p.dyStride+i*rowBytes))
				for b := range s {
					s[b] += float32(x[b] * dy[b])
				}
			}
			put(floatAt(p.dw, j), sum(&s), p.acc)
		}
	}
}

func sum(x *row) float32 {
	var s [4]float32
	for i, v := range x {
		s[i&3] += v
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func put(dst *float32, v float32, acc int) {
	if acc != 0 {
		v += *dst
	}
	*dst = v
}
