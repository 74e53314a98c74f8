package cpu

func depthRowsGo(p *depthArgs) {
	for q := range p.pixels {
		for i := range p.n {
			var s [T]float64
			for r := range p.rows {
				for k := range p.cols {
					w := float64(*floatAt(at(p.w, r*p.wRow+k*p.wCol), i))
					for j, v := range rowAt(at(p.x, q*p.xPixel+r*p.xRow+k*p.xCol), i) {
						s[j] += w * float64(v)
					}
				}
			}
			y := rowAt(at(p.y, q*p.yPixel), i)
			for j, v := range s {
				y[j] = float32(v)
			}
		}
	}
}

func depthSumsGo(taps int, p *depthSumArgs) {
	for t := range taps {
		for i := range p.n {
			s := 0.0
			for q := range p.pixels {
				x, dy := rowAt(at(p.x, q*p.xPixel+t*p.xTap), i), rowAt(at(p.dy, q*p.dyPixel), i)
				for j, v := range dy {
					s += float64(v) * float64(x[j])
				}
			}
			*floatAt(at(p.dw, t*p.dwTap), i) += float32(s)
		}
	}
}

func windowMulGo(p *depthArgs) {
	p.eachRow(func(q, i int, y *row) {
		var s [T]float64
		for r := range p.rows {
			for k := range p.cols {
				w := rowAt(at(p.w, r*p.wRow+k*p.wCol), i)
				for j, v := range rowAt(at(p.x, q*p.xPixel+r*p.xRow+k*p.xCol), i) {
					s[j] += float64(w[j]) * float64(v)
				}
			}
		}
		for j, v := range s {
			if p.shift != nil {
				v += float64(rowAt(p.shift, i)[j])
				if p.relu != 0 && v < 0 {
					v = 0
				}
			}
			y[j] = float32(v)
		}
	})
}

func windowMaxGo(p *depthArgs) {
	p.eachRow(func(q, i int, y *row) {
		s := *rowAt(at(p.x, q*p.xPixel), i)
		for r := range p.rows {
			for k := range p.cols {
				for j, v := range rowAt(at(p.x, q*p.xPixel+r*p.xRow+k*p.xCol), i) {
					s[j] = max(s[j], v) // a NaN wins
				}
			}
		}
		*y = s
	})
}

// eachRow calls f for every row i of every pixel q, in the order they are written.
func (p *depthArgs) eachRow(f func(q, i int, y *row)) {
	for q := range p.pixels {
		for i := range p.n {
			f(q, i, rowAt(at(p.y, q*p.yPixel), i))
		}
	}
}
