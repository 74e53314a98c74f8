package cpu

import "math"

func momentsGo(p *momentArgs) {
	lanes := rowAt(p.lanes, 0)
	each := func(i int, f func(j int, v float32)) {
		for t := range p.pixels {
			for j, v := range rowAt(at(p.a, t*p.stride), i) {
				if math.Float32bits(lanes[j]) != 0 {
					f(j, v)
				}
			}
		}
	}
	for i := range p.n {
		var s, d, q row
		each(i, func(j int, v float32) { s[j] += v })
		mean := float32(sum(&s) * p.scale) // rounded: arm64 would fuse the product with what follows
		each(i, func(j int, v float32) {
			v -= mean
			d[j] += v
			q[j] += float32(v * v)
		})
		*floatAt(p.mean, i), *floatAt(p.sum, i), *floatAt(p.square, i) = mean, sum(&d), sum(&q)
	}
}

func gradSumsGo(p *gradArgs) {
	for t := range p.pixels {
		for i := range p.n {
			x, dy, mean := rowAt(at(p.x, t*p.stride), i), rowAt(at(p.dy, t*p.stride), i), *floatAt(p.mean, i)
			sum, dot := rowAt(p.sum, i), rowAt(p.dot, i)
			for j, v := range dy {
				sum[j] += v
				dot[j] += float32(v * (x[j] - mean))
			}
		}
	}
}

func gradSumsReLUGo(p *gradArgs) {
	for t := range p.pixels {
		o := t * p.stride
		reluGradGo(&rowArgs{dst: at(p.dy, o), a: at(p.dz, o), b: at(p.y, o), n: p.n})
	}
	gradSumsGo(p)
}

func affineAllGo(p *channelArgs) {
	for t := range p.pixels {
		o := t * p.stride
		affineRowsGo(&affineArgs{dst: at(p.dst, o), a: at(p.a, o), scale: p.scale, shift: p.shift, n: p.n})
	}
}

func affineReLUGo(p *channelArgs) {
	affineAllGo(p)
	for t := range p.pixels {
		o := t * p.stride
		reluRowsGo(&rowArgs{dst: at(p.dst, o), a: at(p.dst, o), n: p.n})
	}
}

func affineTwoGo(p *channelArgs) {
	for t := range p.pixels {
		o := t * p.stride
		for i := range p.n {
			dst, a, b := rowAt(at(p.dst, o), i), rowAt(at(p.a, o), i), rowAt(at(p.b, o), i)
			scale, factor, shift := *floatAt(p.scale, i), *floatAt(p.factor, i), *floatAt(p.shift, i)
			for j := range dst {
				dst[j] = float32(a[j]*scale) + float32(b[j]*factor) + shift
			}
		}
	}
}
