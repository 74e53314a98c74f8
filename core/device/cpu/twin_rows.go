package cpu

import (
	"math"
	"unsafe"
)

func biasAddGo(p *rowArgs) {
	for i := range p.n {
		dst, a, b := rowAt(p.dst, i), rowAt(p.a, i), *floatAt(p.b, i)
		for j := range dst {
			dst[j] = a[j] + b
		}
	}
}

func biasReLUGo(p *rowArgs) {
	biasAddGo(p)
	reluRowsGo(&rowArgs{dst: p.dst, a: p.dst, n: p.n})
}

func reluRowsGo(p *rowArgs) {
	for i := range p.n {
		dst, a := rowAt(p.dst, i), rowAt(p.a, i)
		for j, v := range a {
			if v < 0 {
				v = 0
			}
			dst[j] = v
		}
	}
}

func reluGradGo(p *rowArgs) {
	for i := range p.n {
		dst, a, b := rowAt(p.dst, i), rowAt(p.a, i), rowAt(p.b, i)
		for j := range dst {
			if b[j] > 0 {
				dst[j] = a[j]
			} else {
				dst[j] = 0
			}
		}
	}
}

func addRowsGo(p *rowArgs) {
	for i := range p.n {
		dst, a, b := rowAt(p.dst, i), rowAt(p.a, i), rowAt(p.b, i)
		for j := range dst {
			dst[j] = a[j] + b[j]
		}
	}
}

func addReLUGo(p *rowArgs) {
	addRowsGo(p)
	reluRowsGo(&rowArgs{dst: p.dst, a: p.dst, n: p.n})
}

func andRowsGo(p *rowArgs) {
	for i := range p.n {
		dst, a, b := rowAt(p.dst, i), rowAt(p.a, i), rowAt(p.b, i)
		for j := range dst {
			dst[j] = math.Float32frombits(math.Float32bits(a[j]) & math.Float32bits(b[j]))
		}
	}
}

func largerRowsGo(p *rowArgs) {
	for i := range p.n {
		dst, a, b := rowAt(p.dst, i), rowAt(p.a, i), rowAt(p.b, i)
		for j := range dst {
			v := b[j]
			if a[j] > v || a[j] != a[j] {
				v = a[j]
			}
			dst[j] = v
		}
	}
}

func maxGradGo(p *maxArgs) {
	for i := range p.n {
		dx, x, top, rest := rowAt(p.dx, i), rowAt(p.x, i), rowAt(p.top, i), rowAt(p.rest, i)
		for j := range dx {
			if x[j] == top[j] || x[j] != x[j] || top[j] != top[j] {
				dx[j] += rest[j]
				rest[j] = 0
			}
		}
	}
}

func affineRowsGo(p *affineArgs) {
	for i := range p.n {
		dst, a, s, t := rowAt(p.dst, i), rowAt(p.a, i), *floatAt(p.scale, i), *floatAt(p.shift, i)
		for j := range dst {
			dst[j] = float32(a[j]*s) + t
		}
	}
}

func rowSumsGo(p *sumArgs) {
	for i := range p.n {
		var s row
		for t := range p.tiles {
			axpy(&s, 1, rowAt(at(p.a, t*p.aStride), i))
		}
		put(floatAt(p.dst, i), sum(&s), p.acc)
	}
}

func rowDotsGo(p *sumArgs) {
	for i := range p.n {
		var s row
		for t := range p.tiles {
			a, b := rowAt(at(p.a, t*p.aStride), i), rowAt(at(p.b, t*p.bStride), i)
			for j := range s {
				s[j] += float32(a[j] * b[j])
			}
		}
		put(floatAt(p.dst, i), sum(&s), p.acc)
	}
}

func transposeBlocksGo(p *rowArgs) {
	for i := range p.n {
		for r := range 16 {
			a := rowAt(p.a, 16*i+r)
			for c, v := range a {
				rowAt(p.dst, 16*i+c)[r] = v
			}
		}
	}
}

func gatherRowsGo(p *gatherArgs) {
	for b, src := range p.rows {
		for i, v := range unsafe.Slice((*float32)(src), p.n) {
			*(*float32)(at(p.dst, i*p.stride+4*b)) = v
		}
	}
}

func packRowsGo(p *packArgs) {
	for i := range p.n {
		for l := range p.lines {
			*rowAt(at(p.dst, i*p.dstStride+l*p.lineStride), 0) = *rowAt(at(p.src, i*p.srcStride), l)
		}
	}
}
