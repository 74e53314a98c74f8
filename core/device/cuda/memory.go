package cuda

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// allot takes the memory of a plan, for its largest batch.
func (e *exec) allot() error {
	p := e.p
	e.at, e.elem = make([]cu.Ptr, len(p.Vals)), e.types()
	calls := 0
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if calls++; c.Kernel == device.CrossEntropy {
				e.loss = p.Vals[c.In[0]].C
			}
		}
	}
	e.times = make([]time.Duration, calls)

	e.wide = e.widen()
	samples, tokens := e.tiles(p.Batch, true), e.tiles(p.Batch, false)
	act := int64(e.dev.elem().Bytes())
	need := act * int64(p.Slab) * int64(tokens)
	if p.Seq > 0 {
		need += act * int64(p.Samples) * int64(samples)
	}
	for i := range p.Vals {
		need += e.beside(i)
	}
	if free, err := e.dev.driver.Free(); err != nil {
		return err
	} else if need > free {
		return fmt.Errorf("the values of a batch of %d samples take %s, the card has %s free: use a smaller batch", p.Batch, gib(need), gib(free))
	}
	var arena, alone cu.Ptr
	var err error
	if arena, err = e.take(act*int64(p.Slab)*int64(tokens), true); err != nil {
		return err
	}
	if p.Seq > 0 && p.Samples > 0 {
		if alone, err = e.take(act*int64(p.Samples)*int64(samples), true); err != nil {
			return err
		}
	}
	for i, v := range p.Vals {
		tiles, from := tokens, arena
		if v.Sample {
			tiles, from = samples, alone
		}
		switch {
		case e.beside(i) > 0:
			e.at[i], err = e.take(e.beside(i), true)
		default:
			e.at[i] = from + cu.Ptr(act*int64(v.Off)*int64(tiles))
		}
		if err != nil {
			return err
		}
	}
	for _, c := range p.Stats {
		var s stat
		for _, q := range []*cu.Ptr{&s.mean, &s.rstd, &s.dbeta, &s.dgamma} {
			if *q, err = e.take(4*int64(c), true); err != nil {
				return err
			}
		}
		e.stats = append(e.stats, s)
	}
	return e.allotBuffers()
}

// allotBuffers takes the memory of what goes in and out.
func (e *exec) allotBuffers() error {
	p := e.p
	rows := func(v int) int { return p.Batch * p.Per(v) }
	floats := func(v int) int {
		if v < 0 {
			return 0
		}
		return rows(v) * e.value(v, 0).size()
	}
	grad, teacher := -1, -1
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if c.Kernel == device.Load && c.S[0] == 1 {
				grad = c.Out[0]
			}
			if c.Kernel == device.Load && c.S[0] == 2 {
				teacher = c.Out[0]
			}
		}
	}
	const align = 256
	up := func(n int) int { return (n + align - 1) / align * align }
	in := &e.ins
	in.labels = up(scalarBytes)
	in.x = up(in.labels + 4*rows(p.Output))
	in.outGrad = up(in.x + 4*floats(p.Input))
	in.teacher = up(in.outGrad + 4*floats(grad))
	in.end = in.teacher + 4*floats(teacher)
	var err error
	if e.into, err = e.dev.driver.Host(in.end); err != nil {
		return err
	}
	if e.step, err = e.take(int64(in.end), false); err != nil {
		return err
	}
	e.labels, e.x = e.step+cu.Ptr(in.labels), e.step+cu.Ptr(in.x)
	e.outGrad, e.teacher = e.step+cu.Ptr(in.outGrad), e.step+cu.Ptr(in.teacher)
	for _, o := range []struct {
		p *cu.Ptr
		n int
	}{{&e.result, 16}, {&e.pred, 4 * rows(p.Output)}, {&e.losses, 4 * rows(p.Output)}, {&e.out, 4 * floats(p.Output)}, {&e.inGrad, 4 * floats(p.InGrad)}} {
		if o.n == 0 {
			continue
		}
		if *o.p, err = e.take(int64(o.n), false); err != nil {
			return err
		}
	}
	e.from, err = e.dev.driver.Host(16)
	return err
}

// take allocates memory that release gives back.
func (e *exec) take(bytes int64, poison bool) (cu.Ptr, error) {
	if bytes == 0 {
		return 0, nil
	}
	p, err := e.dev.driver.Alloc(bytes)
	if err != nil {
		return 0, err
	}
	e.memory = append(e.memory, p)
	if poison {
		e.arenas = append(e.arenas, span{p, bytes})
	}
	return p, nil
}

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
			case device.Linear, device.LinearDW, device.CrossEntropy, device.BiasD, device.Transpose:
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

// upload puts a step's scalars and samples on the card and returns the rows in the loss.
func (e *exec) upload(s *device.Step) (labelled int, err error) {
	p, n := e.p, s.Count()
	labelled = n * p.Per(p.Output)
	if e.loss > 0 {
		if labelled, err = p.Labelled(s, e.loss); err != nil {
			return 0, err
		}
	}
	gather(view[int32](e.into, e.ins.labels, n*p.Per(p.Output)), s.Labels, s, p.Per(p.Output))
	f := e.value(p.Input, 0).size() * p.Per(p.Input)
	gather(view[float32](e.into, e.ins.x, n*f), s.X, s, f)
	view[scalars](e.into, 0, 1)[0] = e.scalars(s, labelled)
	end := e.ins.x + 4*n*f
	for _, o := range []struct {
		at, till int
		x        []float32
	}{{e.ins.outGrad, e.ins.teacher, s.OutGrad}, {e.ins.teacher, e.ins.end, s.Teacher}} {
		if o.at < o.till {
			end = o.at + 4*copy(view[float32](e.into, o.at, (o.till-o.at)/4), o.x)
		}
	}
	return labelled, e.dev.driver.Upload(e.step, e.into[:end])
}

// gather copies the rows of a step, each of size elements.
func gather[T any](to, x []T, s *device.Step, size int) {
	if len(x) == 0 {
		return
	}
	if s.Rows == nil {
		copy(to, x)
		return
	}
	for i, r := range s.Rows {
		copy(to[i*size:(i+1)*size], x[int(r)*size:])
	}
}

// download waits for the card and hands out what the step asks for.
func (e *exec) download(s *device.Step, r *run, labelled int) (device.Result, error) {
	n := s.Count()
	res := device.Result{N: labelled}
	if e.loss > 0 {
		if err := e.dev.driver.Download(e.from, e.result); err != nil {
			return res, err
		}
	}
	rows := n * e.p.Per(e.p.Output)
	if s.Out != nil {
		if err := e.launch(r.out); err != nil {
			return res, err
		}
	}
	if s.InGrad != nil {
		if err := e.launch(r.inGrad); err != nil {
			return res, err
		}
	}
	if err := e.dev.driver.Sync(); err != nil {
		return res, err
	}
	if e.loss > 0 {
		got := view[result](e.from, 0, 1)[0]
		res.Loss, res.Correct = got.loss, int(got.correct)
	}
	var err error
	fetch := func(to []byte, from cu.Ptr) {
		if err == nil && len(to) > 0 {
			err = e.dev.driver.Download(to, from)
		}
	}
	if s.Out != nil {
		fetch(bytesOf(s.Out[:rows*e.value(e.p.Output, n).size()]), e.out)
	}
	if s.InGrad != nil {
		v := e.value(e.p.InGrad, n)
		fetch(bytesOf(s.InGrad[:v.count()]), e.inGrad)
	}
	if s.Pred != nil {
		fetch(bytesOf(s.Pred[:rows]), e.pred)
	}
	if s.Losses != nil {
		fetch(bytesOf(s.Losses[:rows]), e.losses)
	}
	return res, err
}

// view looks at n elements of b from byte at on.
func view[T any](b []byte, at, n int) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[at:][:n*int(unsafe.Sizeof(*new(T)))][0])), n)
}

func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// scalars of a step.
func (e *exec) scalars(s *device.Step, labelled int) scalars {
	o, t := e.p.Optim, float64(s.Index)
	return scalars{
		index: s.Index, lr: s.LR, labelled: int32(labelled),
		bias1: float32(1 - math.Pow(float64(o.Beta1), t)), bias2: float32(1 - math.Pow(float64(o.Beta2), t)),
	}
}
