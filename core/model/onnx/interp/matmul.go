package interp

import (
	"slices"
	"strings"

	"pare/core/device/cpu"
	"pare/core/model/onnx"
)

// Products of matrices.
func init() {
	one("MatMul", 1, func(c *call) *Tensor { return c.matmul(c.x(0), c.x(1)) })
	one("Gemm", 7, func(c *call) *Tensor {
		a, b := c.x(0), c.x(1)
		if c.int("transA", 0) != 0 {
			a = c.transpose(a, []int{1, 0})
		}
		if c.int("transB", 0) != 0 {
			b = c.transpose(b, []int{1, 0})
		}
		y := c.matmul(a, b)
		if alpha := c.float("alpha", 1); alpha != 1 {
			y = c.map1(y, func(x float64) float64 { return alpha * x })
		}
		if t := c.opt(2); t != nil {
			beta := c.float("beta", 1)
			if !slices.Equal(broadcast(y.Shape, t.Shape), y.Shape) {
				fail("adds %v to %v", t.Shape, y.Shape)
			}
			y = c.arith(y, t, func(p, q float64) float64 { return p + beta*q }, func(p, q int64) int64 { return p + int64(beta)*q })
		}
		return y
	})
	one("Einsum", 12, func(c *call) *Tensor { return c.einsum(c.text("equation", "")) })
	one("MatMulInteger", 10, func(c *call) *Tensor {
		a, b := c.shifted(c.x(0), c.opt(2), 0), c.shifted(c.x(1), c.opt(3), 1)
		return c.matmul(a, b)
	})
	one("Det", 11, func(c *call) *Tensor {
		x := c.x(0)
		n := x.Shape[len(x.Shape)-1]
		y := c.heap.make(x.Type, x.Shape[:len(x.Shape)-2]...)
		m := make([]float64, n*n)
		for i := range y.Len() {
			for k := range m {
				m[k] = x.at(i*n*n + k)
			}
			y.put(i, det(m, n))
		}
		return y
	})
}

// shifted is an 8-bit tensor less its zero point, which stands for all or for each
// entry of an axis from the end (0: rows, 1: columns), as int32.
func (c *call) shifted(x, zero *Tensor, side int) *Tensor {
	y := c.cast(x, onnx.Int32)
	if zero == nil {
		return y
	}
	z := c.cast(zero, onnx.Int32)
	if side == 0 && len(z.Shape) == 1 && z.Len() > 1 {
		z = z.view(z.Len(), 1)
	}
	return c.arith(y, z, nil, func(a, b int64) int64 { return a - b })
}

// matmul is NumPy's: vectors are rows or columns, axes in front are a batch.
func (c *call) matmul(a, b *Tensor) *Tensor {
	if a.Type != b.Type || len(a.Shape) == 0 || len(b.Shape) == 0 {
		fail("multiplies %v %v and %v %v", a.Type, a.Shape, b.Type, b.Shape)
	}
	row, column := len(a.Shape) == 1, len(b.Shape) == 1
	if row {
		a = a.view(1, a.Shape[0])
	}
	if column {
		b = b.view(b.Shape[0], 1)
	}
	la, lb := len(a.Shape)-2, len(b.Shape)-2
	m, k, n := a.Shape[la], a.Shape[la+1], b.Shape[lb+1]
	if b.Shape[lb] != k {
		fail("multiplies shapes %v and %v", a.Shape, b.Shape)
	}
	batch := broadcast(a.Shape[:la], b.Shape[:lb])
	y := c.heap.make(a.Type, append(slices.Clone(batch), m, n)...)
	if k == 0 || y.Len() == 0 {
		return y
	}
	if lb == 0 && la > 0 { // one matrix for all: one product
		c.gemm(volume(batch)*m, n, k, a, 0, b, 0, y, 0)
	} else {
		pairs(batch, a.Shape[:la], b.Shape[:lb], func(i, p, q int) { c.gemm(m, n, k, a, p*m*k, b, q*k*n, y, i*m*n) })
	}
	shape := slices.Clone(batch)
	if !row {
		shape = append(shape, m)
	}
	if !column {
		shape = append(shape, n)
	}
	return y.view(shape...)
}

// gemm is y[m, n] = a[m, k]·b[k, n] of the elements from ia, ib, iy on.
func (c *call) gemm(m, n, k int, a *Tensor, ia int, b *Tensor, ib int, y *Tensor, iy int) {
	switch {
	case y.F != nil:
		check(cpu.Gemm(c.s.threads, m, n, k, 1, cpu.Matrix[float32]{Data: a.F[ia : ia+m*k], Stride: k}, cpu.Matrix[float32]{Data: b.F[ib : ib+k*n], Stride: n}, 0, cpu.Matrix[float32]{Data: y.F[iy : iy+m*n], Stride: n}))
	case y.D != nil:
		check(cpu.Gemm(c.s.threads, m, n, k, 1, cpu.Matrix[float64]{Data: a.D[ia : ia+m*k], Stride: k}, cpu.Matrix[float64]{Data: b.D[ib : ib+k*n], Stride: n}, 0, cpu.Matrix[float64]{Data: y.D[iy : iy+m*n], Stride: n}))
	case y.I != nil:
		for i := range m {
			for j := range n {
				s := int64(0)
				for l := range k {
					s += a.I[ia+i*k+l] * b.I[ib+l*n+j]
				}
				y.I[iy+i*n+j] = wrap(y.Type, s)
			}
		}
	}
}

// einsum sums products over the letters that the result does not have.
func (c *call) einsum(equation string) *Tensor {
	left, right, explicit := strings.Cut(strings.ReplaceAll(equation, " ", ""), "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(c.in) {
		fail("%q has %d terms for %d inputs", equation, len(terms), len(c.in))
	}
	// Axes under "..." get letters of their own, counted from the end.
	const dots = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	most := 0
	for i, t := range terms {
		t = strings.ReplaceAll(t, "...", ".")
		if n := len(c.x(i).Shape) - (len(t) - strings.Count(t, ".")); strings.Contains(t, ".") {
			if n < 0 || n > 8 {
				fail("%q does not fit shape %v", equation, c.x(i).Shape)
			}
			t = strings.Replace(t, ".", dots[8-n:8], 1)
			most = max(most, n)
		}
		if terms[i] = t; len(t) != len(c.x(i).Shape) {
			fail("%q does not fit shape %v", equation, c.x(i).Shape)
		}
	}
	right = strings.Replace(right, "...", dots[8-most:8], 1)
	if !explicit {
		count := map[rune]int{}
		for _, t := range terms {
			for _, l := range t {
				count[l]++
			}
		}
		right = dots[8-most : 8]
		for l := 'a'; l <= 'z'; l++ {
			if count[l] == 1 {
				right += string(l)
			}
		}
	}
	size, order := map[rune]int{}, []rune(right)
	for i, t := range terms {
		for k, l := range t {
			d := c.x(i).Shape[k]
			if old, ok := size[l]; ok && old != d && old != 1 && d != 1 {
				fail("%q: axis %c is %d and %d", equation, l, old, d)
			}
			size[l] = max(size[l], d)
			if !slices.Contains(order, l) {
				order = append(order, l)
			}
		}
	}
	var shape, loop []int
	for i, l := range order {
		d, ok := size[l]
		if !ok {
			fail("%q: axis %c is nowhere on the left", equation, l)
		}
		if loop = append(loop, d); i < len(right) {
			shape = append(shape, d)
		}
	}
	step := make([][]int, len(terms)) // of each input along each letter
	for i, t := range terms {
		step[i] = make([]int, len(order))
		st := strides(c.x(i).Shape)
		for k, l := range t {
			if c.x(i).Shape[k] > 1 {
				step[i][slices.Index(order, l)] += st[k]
			}
		}
	}
	y := c.heap.make(c.x(0).Type, shape...)
	inner := volume(loop[len(shape):])
	sum := 0.0
	each(loop, func(i int, at []int) {
		p := 1.0
		for j, x := range c.in {
			k := 0
			for a, v := range at {
				k += v * step[j][a]
			}
			p *= x.at(k)
		}
		if sum += p; (i+1)%inner == 0 {
			y.put(i/inner, sum)
			sum = 0
		}
	})
	return y
}

// det eliminates with pivots.
func det(m []float64, n int) float64 {
	d := 1.0
	for k := range n {
		p := k
		for i := k + 1; i < n; i++ {
			if a, b := m[i*n+k], m[p*n+k]; a*a > b*b {
				p = i
			}
		}
		if m[p*n+k] == 0 {
			return 0
		}
		if p != k {
			for j := range n {
				m[k*n+j], m[p*n+j] = m[p*n+j], m[k*n+j]
			}
			d = -d
		}
		d *= m[k*n+k]
		for i := k + 1; i < n; i++ {
			f := m[i*n+k] / m[k*n+k]
			for j := k; j < n; j++ {
				m[i*n+j] -= f * m[k*n+j]
			}
		}
	}
	return d
}
