package cuda

import (
	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// types are the types of the values: the device's for activations, float32 for ids,
// parts and statistics.
func (e *exec) types() []cu.Type {
	t := make([]cu.Type, len(e.p.Vals))
	for i, v := range e.p.Vals {
		if v.Kind != device.PartVal {
			t[i] = e.dev.elem()
		}
	}
	for _, r := range e.p.Regions {
		for _, c := range r.Calls {
			switch c.Kernel {
			case device.Embed, device.EmbedD:
				t[c.In[0]] = cu.F32
			case device.Segment, device.SegmentD:
				if len(c.In) > 1 {
					t[c.In[1]] = cu.F32
				}
			case device.LayerNorm, device.RMSNorm, device.Attention:
				for _, o := range c.Out[1:] {
					t[o] = cu.F32
				}
			}
			if c.Attn != nil && c.Attn.Pads {
				t[c.In[len(c.In)-1]] = cu.F32
			}
		}
	}
	return t
}

// beside is the bytes of a value that has a piece of its own beside the arenas, for the
// largest batch: wide rows, and float32 in a device of bf16. 0: it lies in an arena.
func (e *exec) beside(i int) int64 {
	p, v := e.p, e.p.Vals[i]
	switch {
	case e.wide[i] > 0:
		return int64(e.elem[i].Bytes()) * int64(e.wide[i]) * int64(p.Batch*p.Per(i))
	case e.elem[i] != e.dev.elem():
		return 4 * int64(v.Size(T, 1)) * int64(e.tiles(p.Batch, v.Sample))
	}
	return 0
}

// wideFrom is the number of channels from which on products gain by aligned rows.
const wideFrom = 256

// widen gives rows of logits an aligned length in memory: a vocabulary of 50257 makes
// rows of bf16 that begin at odd addresses, and products of those are several times
// slower. Only values that products and the loss alone look at can have it.
func (e *exec) widen() []int {
	w := make([]int, len(e.p.Vals))
	align := 16 / e.dev.elem().Bytes()
	for i, v := range e.p.Vals {
		if v.Kind == device.ActVal && v.H*v.W == 1 && v.C >= wideFrom && v.C%align != 0 && e.elem[i] == e.dev.elem() {
			w[i] = (v.C + align - 1) / align * align
		}
	}
	for _, r := range e.p.Regions {
		for _, c := range r.Calls {
			switch c.Kernel {
			case device.Linear, device.LinearDW, device.CrossEntropy, device.BiasD:
				if c.Act == device.NoAct {
					continue
				}
			case device.LinearDX: // leaves what lies behind the last column as it is
				w[c.Out[0]] = 0
				continue
			}
			for _, v := range append(c.In[:len(c.In):len(c.In)], c.Out...) {
				w[v] = 0
			}
		}
	}
	return w
}

// tiles is the number of tiles, and of parts, of n samples.
func (e *exec) tiles(n int, samples bool) int {
	if samples {
		return (n + T - 1) / T
	}
	return e.p.Tiles(n)
}

// value is value v of n samples.
func (e *exec) value(v, n int) value {
	x := value{Val: e.p.Vals[v], ptr: e.at[v], rows: n * e.p.Per(v), elem: e.elem[v]}
	if x.ld = x.size(); e.wide[v] > 0 {
		x.ld = e.wide[v]
	}
	if x.Kind == device.PartVal {
		x.rows = e.tiles(n, x.Sample)
	}
	return x
}
