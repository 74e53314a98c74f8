package cpu

import "math"

func sgdPlainGo(p *sgdArgs) {
	for i := range p.n {
		w := floatAt(p.w, i)
		g := *floatAt(p.g, i) + float32(p.wd**w)
		*w -= float32(p.lr * g)
	}
}

func sgdMomentumGo(p *sgdArgs) {
	for i := range p.n {
		w, v := floatAt(p.w, i), floatAt(p.v, i)
		g := *floatAt(p.g, i) + float32(p.wd**w)
		*v = float32(p.mom**v) + g
		*w -= float32(p.lr * *v)
	}
}

func sgdNesterovGo(p *sgdArgs) {
	for i := range p.n {
		w, v := floatAt(p.w, i), floatAt(p.v, i)
		g := *floatAt(p.g, i) + float32(p.wd**w)
		*v = float32(p.mom**v) + g
		*w -= float32(p.lr * (g + float32(p.mom**v)))
	}
}

func adamStepGo(p *adamArgs) {
	for i := range p.n {
		w, m, v := floatAt(p.w, i), floatAt(p.m, i), floatAt(p.v, i)
		g := *floatAt(p.g, i) + float32(p.wd**w)
		*w = float32(*w * p.decay)
		*m += float32(p.beta1c * (g - *m))
		*v = float32(p.beta2**v) + float32(p.beta2c*float32(g*g))
		d := float32(float32(math.Sqrt(float64(*v)))*p.scale) + p.eps
		*w -= float32(float32(p.step**m) / d)
	}
}

func fmaPeakGo(p *peakArgs) {
	var acc [8]row
	x := row{}
	for range p.n * 6 {
		for i := range acc {
			axpy(&acc[i], 0, &x)
		}
	}
}
