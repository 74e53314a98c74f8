package cuda

import (
	"fmt"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// build turns one call into launches.
type build func(b *builder, c *device.Call) error

// families are the kernels by the file that builds them.
var families = []map[device.Kernel]build{
	linearKernels, rowKernels, tokenKernels, normKernels, lossKernels, channelKernels, convKernels, poolKernels, batchNormKernels,
	attentionKernels, updateKernels, adaptKernels,
}

// builderOf is what builds k, nil when the device has no such kernel.
func builderOf(k device.Kernel) build {
	for _, f := range families {
		if b := f[k]; b != nil {
			return b
		}
	}
	return nil
}

// value is one value of a plan in the card's memory, [rows][H][W][C].
type value struct {
	device.Val
	ptr  cu.Ptr
	rows int     // in the run at hand; parts for a PartVal: [rows][C]
	ld   int     // elements from row to row: size(), but see widen
	elem cu.Type // of an element
}

// size is the number of elements of a row.
func (v value) size() int { return v.C * v.H * v.W }

// count is the number of elements of all rows.
func (v value) count() int { return v.rows * v.size() }

// builder makes the launches of one mode.
type builder struct {
	x *exec
	mode
	call   int // at hand
	region *device.Region
	place  int                   // of the call at hand in its region
	done   map[*device.Call]bool // by an earlier call, see fuse.go
	pixels map[int]int           // of the value of each batch statistic
	gated  map[*device.Call]*gated
	out    []launch
	jobs   []job           // updates that wait for flush
	err    error           // of a flush before its time
	packed map[packed]bool // by a launch so far
	packs  []packing       // that must be fresh before the launches run
	count  *need           // not nil: nothing is made, what it takes is counted
}

func newBuilder(e *exec, m mode) *builder {
	return &builder{x: e, mode: m, done: map[*device.Call]bool{}, pixels: map[int]int{}, packed: map[packed]bool{}}
}

// all turns every call of the plan into launches.
func (b *builder) all() error {
	e := b.x
	for ri := range e.p.Regions {
		r := &e.p.Regions[ri]
		for i := range r.Calls {
			c := &r.Calls[i]
			if b.region, b.place = r, i; b.done[c] {
				b.call++
				continue
			}
			f := builderOf(c.Kernel)
			if f == nil {
				return fmt.Errorf("layer %s: kernel %v is not known to this device", e.p.Nodes[c.Node], c.Kernel)
			}
			if err := f(b, c); err != nil {
				return fmt.Errorf("layer %s, kernel %v: %w", e.p.Nodes[c.Node], c.Kernel, err)
			}
			b.call++
		}
	}
	return b.flush()
}

// launch is one kernel or product, ready to be queued.
type launch struct {
	call        int // of the plan, over all regions
	f           cu.Func
	grid, block [3]int
	shared      int
	args        []unsafe.Pointer
	do          func() error // in place of a kernel
}

// val is value v for this run.
func (b *builder) val(v int) value { return b.x.value(v, b.n) }

// weight is weight w of the bank, as the updates so far leave it.
func (b *builder) weight(w int) *weight {
	if b.waits(w) {
		b.err = firstError(b.err, b.flush())
	}
	return &b.x.b.ws[w]
}

// step is the address of the run's scalars, struct Step of kernels/common.cuh.
func (b *builder) step() cu.Ptr { return b.x.step }

// kernel appends a launch. A kernel takes its arguments in order: cu.Ptr as pointer,
// int as int, int64 as long long, uint64 as unsigned long long, float32 as float.
// name is that of an extern "C" kernel in kernels/*.cu, with the program's defines
// behind it where it has some: {"attend", "DIM=64"}.
func (b *builder) kernel(name []string, grid, block [3]int, shared int, args ...any) error {
	if b.count != nil {
		return nil
	}
	f, err := b.x.dev.function(name[0], name[1:]...)
	if err != nil {
		return err
	}
	l := launch{call: b.call, f: f, grid: grid, block: block, shared: shared}
	for _, a := range args {
		var p unsafe.Pointer
		switch a := a.(type) {
		case cu.Ptr:
			p = unsafe.Pointer(&a)
		case int:
			v := int32(a)
			if int(v) != a {
				return fmt.Errorf("kernel %s: %d does not fit an int", name[0], a)
			}
			p = unsafe.Pointer(&v)
		case int64:
			p = unsafe.Pointer(&a)
		case uint64:
			p = unsafe.Pointer(&a)
		case float32:
			p = unsafe.Pointer(&a)
		case window:
			p = unsafe.Pointer(&a)
		case convShape:
			p = unsafe.Pointer(&a)
		default:
			return fmt.Errorf("kernel %s: argument of type %T", name[0], a)
		}
		l.args = append(l.args, p)
	}
	b.out = append(b.out, l)
	return nil
}

// each appends a launch of a kernel that walks over count elements with a stride of
// the whole grid; it takes count (long long) as its first argument.
func (b *builder) each(name string, count int, args ...any) error {
	const threads, width = 256, 4
	blocks := min((count+threads*width-1)/(threads*width), 32*b.x.dev.info.SMs)
	return b.kernel([]string{name}, [3]int{max(blocks, 1), 1, 1}, [3]int{threads, 1, 1}, 0, append([]any{int64(count)}, args...)...)
}

// scratch is memory for what the launches of one call leave for each other. Calls share
// it, since they run one after another.
func (b *builder) scratch(bytes int64) (cu.Ptr, error) {
	if b.count != nil {
		b.count.scratch = max(b.count.scratch, bytes)
		return nowhere, nil
	}
	if bytes > b.x.room.bytes {
		p, err := b.x.take(bytes, true)
		if err != nil {
			return 0, err
		}
		b.x.room = span{p, bytes}
	}
	return b.x.room.p, nil
}

// rows appends a launch of a kernel that gives each row to a warp; it takes the number of
// rows (int) as its first argument.
func (b *builder) rows(name string, rows int, args ...any) error {
	const warps = 8
	return b.kernel([]string{name}, [3]int{max((rows+warps-1)/warps, 1), 1, 1}, [3]int{32 * warps, 1, 1}, 0, append([]any{rows}, args...)...)
}

// table is memory on the card that holds what fill makes, filled once for each key in the
// life of the plan.
func (b *builder) table(key string, fill func() []byte) (cu.Ptr, error) {
	if p, ok := b.x.tables[key]; ok {
		return p, nil
	}
	data := fill()
	if b.count != nil {
		b.count.tables += int64(len(data))
		b.x.tables[key] = nowhere
		return nowhere, nil
	}
	p, err := b.x.take(int64(len(data)), false)
	if err != nil {
		return 0, err
	}
	if err := b.x.dev.driver.Upload(p, data); err != nil {
		return 0, err
	}
	b.x.tables[key] = p
	return p, nil
}

// do appends work that is queued by a call of its own, a matrix product.
func (b *builder) do(f func() error) { b.out = append(b.out, launch{call: b.call, do: f}) }
