package cpu

import "math"

func downSumsGo(p *rowArgs) {
	var s row
	for i := range p.n {
		axpy(&s, 1, rowAt(p.a, i))
	}
	*rowAt(p.dst, 0) = s
}

func downSquaresGo(p *rowArgs) {
	var s row
	for i := range p.n {
		for j, v := range rowAt(p.a, i) {
			d := v - rowAt(p.b, 0)[j]
			s[j] += float32(d * d)
		}
	}
	*rowAt(p.dst, 0) = s
}

func downMaxGo(p *rowArgs) {
	var top row
	for j := range top {
		top[j] = float32(math.Inf(-1))
	}
	for i := range p.n {
		for j, v := range rowAt(p.a, i) {
			if v > top[j] {
				top[j] = v
			}
		}
	}
	*rowAt(p.dst, 0) = top
}

func mulRowsGo(p *rowArgs) {
	for i := range p.n {
		dst, a, b := rowAt(p.dst, i), rowAt(p.a, i), rowAt(p.b, i)
		for j := range dst {
			dst[j] = a[j] * b[j]
		}
	}
}

func gateRowsGo(p *normArgs) {
	for i := range p.n {
		dst, a, b := rowAt(p.dst, i), rowAt(p.a, i), rowAt(p.b, i)
		for j := range dst {
			dst[j] = a[j] * float32(b[j]-rowAt(p.mean, 0)[j])
		}
	}
}

func hatRowsGo(p *normArgs) {
	for i := range p.n {
		dst, a := rowAt(p.dst, i), rowAt(p.a, i)
		for j := range dst {
			dst[j] = float32(a[j]-rowAt(p.mean, 0)[j]) * rowAt(p.rstd, 0)[j]
		}
	}
}

func normSumsGo(p *normArgs) {
	var s [2]row
	for i := range p.n {
		a, b, gamma := rowAt(p.a, i), rowAt(p.b, i), *floatAt(p.gamma, i)
		for j := range a {
			g := float32(gamma * a[j])
			s[0][j] += g
			s[1][j] += float32(g * b[j])
		}
	}
	*rowAt(p.dst, 0), *rowAt(p.dst, 1) = s[0], s[1]
}

func normGradGo(p *normArgs) {
	for i := range p.n {
		dst, a, b, gamma := rowAt(p.dst, i), rowAt(p.a, i), rowAt(p.b, i), *floatAt(p.gamma, i)
		for j := range dst {
			g := float32(gamma*a[j]) - rowAt(p.mean, 0)[j]
			dst[j] = float32(g-float32(b[j]*rowAt(p.mean, 1)[j])) * rowAt(p.rstd, 0)[j]
		}
	}
}

func turnRowsGo(p *turnArgs) {
	for i := range p.n {
		dst, dst2, a, b, cos, sin := rowAt(p.dst, i), rowAt(p.dst2, i), rowAt(p.a, i), rowAt(p.b, i), rowAt(p.cos, i), rowAt(p.sin, i)
		for j := range dst {
			dst[j], dst2[j] = float32(a[j]*cos[j])-float32(b[j]*sin[j]), float32(b[j]*cos[j])+float32(a[j]*sin[j])
		}
	}
}
