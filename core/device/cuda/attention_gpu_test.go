package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// openCard opens the first card; the test is skipped where there is none.
func openCard(t testing.TB) cu.Driver {
	d, err := cu.Open(0)
	if errors.Is(err, cu.ErrNoDriver) || errors.Is(err, cu.ErrNoCard) {
		t.Skipf("no card here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// attn is one call of attention and its gradient on a card, with nothing around them.
// Values are in the order x or q, k, v; y, lse, dy; dx or dq, dk, dv; ids.
type attn struct {
	device.Attn
	n, seq int
	packed bool
	e      *exec
	f, d   []launch
}

func (a *attn) keyed() int {
	if a.packed {
		return 1
	}
	return 3
}

// newAttn takes the memory and makes the launches.
func newAttn(t testing.TB, dev Device, a *attn) {
	t.Helper()
	p := &device.Plan{Batch: a.n, Seq: a.seq, T: T, P: 1, Output: -1, InGrad: -1, Nodes: []string{"attention"}}
	val := func(c int) int {
		p.Vals = append(p.Vals, device.Val{C: c, H: 1, W: 1, Off: p.Slab})
		p.Slab += c * T
		return len(p.Vals) - 1
	}
	q, kv := a.Heads*a.Dim, a.KVHeads*a.Dim
	keyed := func() []int {
		if a.packed {
			return []int{val(q + 2*kv)}
		}
		return []int{val(q), val(kv), val(kv)}
	}
	in := keyed()
	y, lse, dy := val(q), val(a.Heads), val(q)
	out, ids := keyed(), val(2)
	p.Input = ids
	f := device.Call{Kernel: device.Attention, In: slices.Clone(in), Out: []int{y, lse}, Attn: &a.Attn}
	d := device.Call{Kernel: device.AttentionDX, In: append(slices.Clone(in), y, lse, dy), Out: out, Attn: &a.Attn}
	if a.Pads {
		f.In, d.In = append(f.In, ids), append(d.In, ids)
	}
	p.Regions = []device.Region{{Scope: device.Task, Calls: []device.Call{f, d}}}
	a.e = &exec{dev: dev, p: p, b: &bank{dev: dev}, runs: map[mode]*run{}}
	if err := a.e.allot(); err != nil {
		t.Fatal(err)
	}
	for i, x := range []struct {
		make build
		to   *[]launch
	}{{attention, &a.f}, {attentionDX, &a.d}} {
		b := &builder{x: a.e, mode: mode{n: a.n}, call: i}
		if err := x.make(b, &p.Regions[0].Calls[i]); err != nil {
			t.Fatal(err)
		}
		*x.to = b.out
	}
	for _, s := range a.e.arenas {
		if err := dev.driver.Fill(s.p, 0xff, s.bytes); err != nil {
			t.Fatal(err)
		}
	}
}

// set uploads x, rounded to the value's type, and returns what is there then.
func (a *attn) set(t testing.TB, v int, x []float32) []float32 {
	t.Helper()
	data := bytesOf(x)
	if a.e.elem[v] == cu.BF16 {
		h := make([]uint16, len(x))
		for i := range x {
			h[i] = bf16Of(x[i])
			x[i] = math.Float32frombits(uint32(h[i]) << 16)
		}
		data = bytesOf(h)
	}
	if err := a.e.dev.driver.Upload(a.e.at[v], data); err != nil {
		t.Fatal(err)
	}
	return x
}

func (a *attn) get(t testing.TB, v int) []float32 {
	t.Helper()
	x := a.e.value(v, a.n)
	f := make([]float32, x.count())
	h := make([]uint16, len(f))
	data := bytesOf(f)
	if x.elem == cu.BF16 {
		data = bytesOf(h)
	}
	if err := firstError(a.e.dev.driver.Sync(), a.e.dev.driver.Download(data, x.ptr)); err != nil {
		t.Fatal(err)
	}
	if x.elem == cu.BF16 {
		for i := range f {
			f[i] = math.Float32frombits(uint32(h[i]) << 16)
		}
	}
	return f
}

// rows is a head of a value's rows.
type rows struct {
	x              []float32
	from, row, dim int
}

func (r rows) at(i int) []float32 { return r.x[i*r.row+r.from:][:r.dim] }

// split are the queries, keys and values that query head h works with.
func (a *attn) split(x [][]float32, h int) (q, k, v rows) {
	kv, d := h/(a.Heads/a.KVHeads), a.Dim
	if !a.packed {
		return rows{x[0], h * d, a.Heads * d, d}, rows{x[1], kv * d, a.KVHeads * d, d}, rows{x[2], kv * d, a.KVHeads * d, d}
	}
	at := func(i int) rows { return rows{x[0], i * d, (a.Heads + 2*a.KVHeads) * d, d} }
	return at(h), at(a.Heads + kv), at(a.Heads + a.KVHeads + kv)
}

// want computes everything in float64, heads of keys beside each other. dx are laid
// out like x.
func (a *attn) want(x [][]float32, dy, ids []float32) (y, lse []float32, dx [][]float32) {
	y, lse = make([]float32, len(dy)), make([]float32, a.n*a.seq*a.Heads)
	for _, v := range x {
		dx = append(dx, make([]float32, len(v)))
	}
	dot := func(a, b []float32) (s float64) {
		for i, v := range a {
			s += float64(v) * float64(b[i])
		}
		return s
	}
	add := func(to []float64, w float64, x []float32) {
		for i, v := range x {
			to[i] += w * float64(v)
		}
	}
	round := func(to []float32, x []float64) {
		for i, v := range x {
			to[i] = float32(v)
		}
	}
	group := a.Heads / a.KVHeads
	one := func(sample, kv int) {
		dks, dvs := make([][]float64, a.seq), make([][]float64, a.seq)
		for j := range dks {
			dks[j], dvs[j] = make([]float64, a.Dim), make([]float64, a.Dim)
		}
		first, p := sample*a.seq, make([]float64, a.seq)
		for h := kv * group; h < (kv+1)*group; h++ {
			q, k, v := a.split(x, h)
			dq, _, _ := a.split(dx, h)
			yh, dyh := rows{y, h * a.Dim, a.Heads * a.Dim, a.Dim}, rows{dy, h * a.Dim, a.Heads * a.Dim, a.Dim}
			for i := range a.seq {
				end, top, sum := a.seq, math.Inf(-1), 0.0
				if a.Causal {
					end = i + 1
				}
				for j := range end {
					p[j] = float64(a.Scale) * dot(q.at(first+i), k.at(first+j))
					if a.Pads && ids[2*(first+j)] == a.Pad {
						p[j] = math.Inf(-1)
					}
					top = max(top, p[j])
				}
				if math.IsInf(top, -1) {
					continue
				}
				for j := range end {
					p[j] = math.Exp(p[j] - top)
					sum += p[j]
				}
				lse[(first+i)*a.Heads+h] = float32(top + math.Log(sum))
				o, g, all := make([]float64, a.Dim), make([]float64, a.Dim), 0.0
				for j := range end {
					p[j] /= sum
					add(o, p[j], v.at(first+j))
				}
				round(yh.at(first+i), o)
				for d, v := range dyh.at(first + i) {
					all += o[d] * float64(v)
				}
				for j := range end {
					ds := p[j] * (dot(dyh.at(first+i), v.at(first+j)) - all) * float64(a.Scale)
					add(g, ds, k.at(first+j))
					add(dks[j], ds, q.at(first+i))
					add(dvs[j], p[j], dyh.at(first+i))
				}
				round(dq.at(first+i), g)
			}
		}
		_, dk, dv := a.split(dx, kv*group)
		for j := range a.seq {
			round(dk.at(first+j), dks[j])
			round(dv.at(first+j), dvs[j])
		}
	}
	var all sync.WaitGroup
	for sample := range a.n {
		for kv := range a.KVHeads {
			all.Go(func() { one(sample, kv) })
		}
	}
	all.Wait()
	return y, lse, dx
}

// TestGPUAttention compares forward and backward with loops in float64, and two runs
// with each other.
func TestGPUAttention(t *testing.T) {
	d := openCard(t)
	for _, precision := range []Precision{F32, BF16, TF32} {
		dev := With(d, nil, precision)
		i := 0
		for _, dim := range []int{5, 8, 16, 64, 80, 128, 192} {
			for _, seq := range []int{1, 7, 64, 100, 333, 1024} {
				for kv := 1; kv <= 4; kv *= 2 {
					for bits := range 4 {
						if i++; (seq > 300 || dim > 128) && i%7 != 0 { // the loops take their time
							continue
						}
						a := &attn{Attn: device.Attn{Heads: 4, KVHeads: kv, Dim: dim, Causal: bits&1 > 0, Pads: bits&2 > 0, Pad: 3, Scale: float32(1 / math.Sqrt(float64(dim)))}, n: 2, seq: seq, packed: (i/2)%2 == 0}
						if seq > 300 {
							a.n = 1
						}
						t.Run(fmt.Sprintf("%v/dim%d/seq%d/kv%d/causal=%v/pads=%v/packed=%v", precision, dim, seq, kv, a.Causal, a.Pads, a.packed), func(t *testing.T) { a.compare(t, dev) })
					}
				}
			}
		}
	}
}

// wideSizes are sizes of attention_wide.cu's three kernels: those in use, then others that are
// compared with them; {} is attention_mma.cu.
var wideSizes = [][3]wideTiling{
	{wideForward, wideDQ, wideDKV},
	{},
	{{2, 128}, {2, 64}, {2, 64}},
}

func wideTilings(forward, dq, dkv wideTiling) { wideForward, wideDQ, wideDKV = forward, dq, dkv }

// TestGPUAttentionWide: the same for heads of 128 channels in all sizes of kernels.
func TestGPUAttentionWide(t *testing.T) {
	dev := With(openCard(t), nil, BF16)
	defer wideTilings(wideForward, wideDQ, wideDKV)
	for i, w := range wideSizes {
		wideTilings(w[0], w[1], w[2])
		for j, seq := range []int{1, 64, 65, 128, 200, 257, 384} {
			for bits := range 4 {
				kv := 1 << ((i + j + bits) % 3)
				a := &attn{Attn: device.Attn{Heads: 4, KVHeads: kv, Dim: 128, Causal: bits&1 > 0, Pads: bits&2 > 0, Pad: 3, Scale: float32(1 / math.Sqrt(128))}, n: 2, seq: seq, packed: (j+bits)%2 == 0}
				t.Run(fmt.Sprintf("%v/seq%d/kv%d/causal=%v/pads=%v/packed=%v", w, seq, kv, a.Causal, a.Pads, a.packed), func(t *testing.T) { a.compare(t, dev) })
			}
		}
	}
}

func (a *attn) compare(t *testing.T, dev Device) {
	newAttn(t, dev, a)
	defer func() {
		if err := a.e.release(); err != nil {
			t.Error(err)
		}
	}()
	r := rand.New(rand.NewPCG(uint64(a.Dim), uint64(a.seq)))
	noise := func(v int) []float32 {
		x := make([]float32, a.e.value(v, a.n).count())
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return a.set(t, v, x)
	}
	k := a.keyed()
	var x [][]float32
	for v := range k {
		x = append(x, noise(v))
	}
	dy, ids := noise(k+2), make([]float32, 2*a.n*a.seq)
	for i := range ids {
		ids[i] = float32(r.IntN(3) + 2)
		if i < a.seq/2 { // the first queries of a causal sequence have no key at all
			ids[i] = 3
		}
	}
	a.set(t, 2*k+3, ids)
	y, lse, dx := a.want(x, dy, ids)
	var before [][]float32
	for turn := range 2 {
		if err := firstError(a.e.launch(a.f), a.e.launch(a.d)); err != nil {
			t.Fatal(err)
		}
		got := [][]float32{a.get(t, k), a.get(t, k+1)}
		for v := range k {
			got = append(got, a.get(t, k+3+v))
		}
		if turn == 0 {
			before = got
			names := []string{"y", "lse", "dq", "dk", "dv"}
			if a.packed {
				names[2] = "dqkv"
			}
			for i, w := range append([][]float32{y, lse}, dx...) {
				a.near(t, names[i], got[i], w)
			}
			continue
		}
		for i := range got {
			if !slices.Equal(got[i], before[i]) {
				t.Errorf("output %d differs from run to run", i)
			}
		}
	}
}

// near compares by the largest value; the gradients of a sequence of one token are 0
// but for rounding.
func (a *attn) near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	top, off := 0.0, 0.0
	if a.seq == 1 {
		top = 1
	}
	for i, w := range want {
		top = max(top, math.Abs(float64(w)))
		if d := math.Abs(float64(got[i]) - float64(w)); !(d <= off) {
			off = d
		}
	}
	most := map[Precision]float64{F32: 1e-5, TF32: 2e-3, BF16: 2e-2}[a.e.dev.precision]
	if !(off <= most*top) {
		t.Errorf("%s is off by %g, its largest value is %g", what, off, top)
	}
}
