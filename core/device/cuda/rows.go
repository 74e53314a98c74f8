package cuda

import (
	"fmt"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var rowKernels = map[device.Kernel]build{
	device.Load: load, device.ActFn: actFn, device.ActDX: actDX, device.Add: pair("add"), device.Mul: mul, device.Accum: accumulate,
	device.Copy: single("copy"), device.Scale: scale, device.Dropout: dropout, device.DropoutDX: dropout, device.Softmax: softmax, device.BiasD: biasD,
}

// load: y from what the step brought, see memory.go.
func load(b *builder, c *device.Call) error {
	y := b.val(c.Out[0])
	from := map[float32]cu.Ptr{0: b.x.x, 1: b.x.outGrad, 2: b.x.teacher}[c.S[0]]
	name := "load"
	if y.elem != b.x.dev.elem() {
		name = "load_f32"
	}
	return b.each(name, y.count(), from, y.ptr, y.C, y.H*y.W)
}

// store appends the launch that brings rows of a value to float32, [rows][C][H][W], at to.
func (b *builder) store(x value, to cu.Ptr) error {
	if x.elem != b.x.dev.elem() {
		return fmt.Errorf("value %s is not of the device's precision", x.Name)
	}
	return b.each("store", x.count(), x.ptr, to, x.C, x.H*x.W, x.ld)
}

// actFn: y = f(x).
func actFn(b *builder, c *device.Call) error {
	if ok, err := b.gate(c); ok {
		return err
	}
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("act", y.count(), x.ptr, y.ptr, int(c.Act), c.S[0], c.S[1])
}

// actDX: dx = dy·f′.
func actDX(b *builder, c *device.Call) error {
	if ok, err := b.gate(c); ok {
		return err
	}
	from, dy, dx := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0])
	return b.each("act_dx", dx.count(), from.ptr, dy.ptr, dx.ptr, int(c.Act), c.S[0], c.S[1])
}

// pair and single build kernels of two values, or of one, that take nothing else.
func pair(name string) build {
	return func(b *builder, c *device.Call) error {
		x, z, y := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0])
		return b.each(name, y.count(), x.ptr, z.ptr, y.ptr)
	}
}

func single(name string) build {
	return func(b *builder, c *device.Call) error {
		x, y := b.val(c.In[0]), b.val(c.Out[0])
		return b.each(name, y.count(), x.ptr, y.ptr)
	}
}

// mul: y = x·z.
func mul(b *builder, c *device.Call) error {
	if ok, err := b.gate(c); ok {
		return err
	}
	return pair("mul")(b, c)
}

// accumulate: y += x.
func accumulate(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("add", y.count(), y.ptr, x.ptr, y.ptr)
}

// scale: y = s·x.
func scale(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("scale", y.count(), x.ptr, y.ptr, c.S[0])
}

// dropout: y = x·keep/(1−p), and the same of dy.
func dropout(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	keep := float32(1 / (1 - float64(c.S[0])))
	return b.each("dropout", y.count(), x.ptr, y.ptr, b.step(), b.x.p.Seed, c.Key, int64(y.size()), int64(device.DropoutLimit(c.S[0])), keep, b.x.p.Per(c.Out[0]))
}

// softmax over the channels of each row.
func softmax(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.kernel([]string{"softmax"}, [3]int{(x.rows + 7) / 8, 1, 1}, [3]int{256, 1, 1}, 0, x.ptr, y.ptr, x.rows, x.C)
}

// biasD: db = Σ dy over rows and pixels.
func biasD(b *builder, c *device.Call) error {
	if b.alongside(c) {
		return nil
	}
	dy, w := b.val(c.In[0]), b.weight(c.W[0])
	rows, ld := dy.rows*dy.H*dy.W, dy.C
	if dy.H*dy.W == 1 {
		ld = dy.ld
	}
	if err := b.sumRows(dy.ptr, rows, dy.C, ld, w.grad, b.adds(c)); err != nil {
		return err
	}
	return b.gradient(c)
}

// adds reports whether the gradient that a call makes is added to what is there: to that
// of another layer, or of the part of the step before.
func (b *builder) adds(c *device.Call) bool { return c.Accum || b.onto }

// beta is the same as the factor of what is there, 1 or 0.
func (b *builder) beta(c *device.Call) float32 { return float32(is(b.adds(c))) }
