package cuda

import (
	"math"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

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
	res := device.Result{N: labelled}
	if e.loss > 0 {
		if err := e.dev.driver.Download(e.from, e.result); err != nil {
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
	rows := s.Count() * e.p.Per(e.p.Output)
	err := firstError(e.hand(s.Out, r.out), e.hand(s.InGrad, r.inGrad))
	for _, o := range []struct {
		to   []byte
		from cu.Ptr
	}{{bytesOf(s.Pred[:min(rows, len(s.Pred))]), e.pred}, {bytesOf(s.Losses[:min(rows, len(s.Losses))]), e.losses}} {
		if err == nil && len(o.to) > 0 {
			err = e.dev.driver.Download(o.to, o.from)
		}
	}
	return res, err
}

// handout is a part of the rows of a value on its way out, through exec.out.
type handout struct {
	launches      []launch
	first, floats int
}

// outBytes is how much of a value goes out at a time. All of the logits of a language
// model would take gigabytes that a training step has no use for.
const outBytes = 16 << 20

// outRows is how many rows of a value go out at a time, a multiple of 8, so that each
// part begins at an aligned address.
func outRows(v value) int { return max(outBytes/4/v.size()/8*8, 8) }

// handouts makes the launches that bring value v out.
func (b *builder) handouts(v int) ([]handout, error) {
	var parts []handout
	if v < 0 {
		return nil, nil
	}
	x := b.val(v)
	for first := 0; first < x.rows; first += outRows(x) {
		y := x
		y.ptr += cu.Ptr(first * x.ld * x.elem.Bytes())
		y.rows = min(outRows(x), x.rows-first)
		b.out = nil
		if err := b.store(y, b.x.out); err != nil {
			return nil, err
		}
		parts = append(parts, handout{b.out, first * x.size(), y.count()})
	}
	return parts, nil
}

// hand copies a value out, part by part, if the step wants it.
func (e *exec) hand(to []float32, parts []handout) error {
	if to == nil {
		return nil
	}
	for _, h := range parts {
		if err := e.launch(h.launches); err != nil {
			return err
		}
		if err := e.dev.driver.Download(bytesOf(to[h.first:h.first+h.floats]), e.out); err != nil {
			return err
		}
	}
	return nil
}

// view looks at n elements of b from byte at on.
func view[T any](b []byte, at, n int) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[at:][:n*int(unsafe.Sizeof(*new(T)))][0])), n)
}

// scalars of a step.
func (e *exec) scalars(s *device.Step, labelled int) scalars {
	o, t := e.p.Optim, float64(s.Index)
	return scalars{
		index: s.Index, lr: s.LR, labelled: int32(labelled),
		bias1: float32(1 - math.Pow(float64(o.Beta1), t)), bias2: float32(1 - math.Pow(float64(o.Beta2), t)),
		first: int64(s.Micro.First),
	}
}
