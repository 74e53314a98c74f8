package cuda

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	child "os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"

	"pare/core/device/cuda/internal/cu"
)

// tile is a variant of the kernel.
type tile struct {
	groups, mi, tn, en, stages, cluster, apath, band, depth, inline int
	more                                                            string
	cn                                                              int
}

func (t tile) defines() []string {
	var out []string
	for _, d := range []struct {
		n string
		v int
	}{{"GROUPS", t.groups}, {"MI", t.mi}, {"TN", t.tn}, {"EN", t.en}, {"STAGES", t.stages}, {"CLUSTER", t.cluster}, {"APATH", t.apath}, {"BAND", t.band}, {"DEPTH", t.depth}, {"INLINE", t.inline}} {
		out = append(out, fmt.Sprintf("%s=%d", d.n, d.v))
	}
	return append(out, append(strings.Fields(t.more), fmt.Sprintf("CN=%d", max(t.cn, 1)))...)
}

func (t tile) shared() int {
	const blob = 4608
	a := 0
	if t.apath != 1 {
		a = (t.groups*t.mi*blob + 1023) / 1024 * 1024
	}
	return 1024 + t.stages*(t.tn*128+a) + t.groups*t.mi*t.en*128 + 256
}

func (t tile) String() string {
	return fmt.Sprintf("%d×%d g%d s%d c%d×%d %s band%d depth%d %s", t.groups*t.mi*64, t.tn, t.groups, t.stages, t.cluster, max(t.cn, 1), [...]string{"SS", "LDG", "LDS"}[t.apath], t.band, t.depth, t.more)
}

var tiles24 = []tile{
	{2, 2, 192, 96, 4, 2, 0, 8, 3, 0, "", 1},
	{2, 2, 184, 96, 4, 2, 0, 8, 3, 0, "", 1},
	{2, 2, 192, 96, 4, 2, 0, 8, 3, 0, "", 2},
	{2, 1, 256, 64, 5, 2, 0, 8, 3, 0, "", 2},
	{2, 2, 192, 96, 4, 2, 0, 8, 3, 0, "HX=2 HW=1 HY=1", 1},
	{2, 2, 192, 96, 4, 2, 0, 12, 3, 0, "HX=2 HW=1 HY=1", 1},
	{2, 2, 192, 96, 4, 2, 0, 11, 3, 0, "", 1},
	{2, 2, 184, 96, 4, 2, 0, 8, 3, 0, "HX=2 HW=1 HY=1", 1},
	{2, 1, 256, 128, 6, 2, 1, 8, 5, 0, "", 1},
	{2, 1, 256, 64, 5, 2, 0, 8, 3, 0, "", 1},
	{2, 2, 192, 96, 4, 2, 0, 8, 3, 0, "NOLOAD=1", 1},
	{2, 1, 256, 64, 5, 2, 0, 8, 3, 0, "NOLOAD=1", 1},
}

func sym(t testing.TB, lib, name string) uintptr {
	h, err := purego.Dlopen(lib, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		t.Fatal(err)
	}
	f, err := purego.Dlsym(h, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// tensorMap describes a row-major bf16 matrix that comes and goes by boxes of 64 columns.
func tensorMap(t testing.TB, at cu.Ptr, rows, cols, boxRows int) *[16]uint64 {
	f := sym(t, "libcuda.so.1", "cuTensorMapEncodeTiled")
	b := make([]byte, 192)
	p := unsafe.Pointer(&b[(-uintptr(unsafe.Pointer(&b[0])))&63])
	dim := [2]uint64{uint64(cols), uint64(rows)}
	stride := [1]uint64{uint64(cols) * 2}
	box := [2]uint32{64, uint32(boxRows)}
	one := [2]uint32{1, 1}
	r, _, _ := purego.SyscallN(f, uintptr(p), 9, 2, uintptr(at), uintptr(unsafe.Pointer(&dim)), uintptr(unsafe.Pointer(&stride)), uintptr(unsafe.Pointer(&box)), uintptr(unsafe.Pointer(&one)), 0, 3, 2, 0)
	if int32(r) != 0 {
		t.Fatalf("cuTensorMapEncodeTiled: %d", int32(r))
	}
	m := *(*[16]uint64)(p)
	return &m
}

type gauge24 struct{ dev, energy, clock, why uintptr }

func newGauge(t testing.TB) *gauge24 {
	const lib = "libnvidia-ml.so.1"
	g := &gauge24{energy: sym(t, lib, "nvmlDeviceGetTotalEnergyConsumption"), clock: sym(t, lib, "nvmlDeviceGetClockInfo"), why: sym(t, lib, "nvmlDeviceGetCurrentClocksThrottleReasons")}
	purego.SyscallN(sym(t, lib, "nvmlInit_v2"))
	purego.SyscallN(sym(t, lib, "nvmlDeviceGetHandleByIndex_v2"), 0, uintptr(unsafe.Pointer(&g.dev)))
	return g
}

func (g *gauge24) read() (mJ uint64, mhz uint32, why uint64) {
	purego.SyscallN(g.energy, g.dev, uintptr(unsafe.Pointer(&mJ)))
	purego.SyscallN(g.clock, g.dev, 1, uintptr(unsafe.Pointer(&mhz)))
	purego.SyscallN(g.why, g.dev, uintptr(unsafe.Pointer(&why)))
	return
}

// steady runs something for some seconds, warm, and says what one takes.
func steady(t testing.TB, d cu.Driver, g *gauge24, name string, flops float64, warm, window time.Duration, run func() error) {
	const batch = 8
	var ev [3]cu.Event
	for i := range ev {
		ev[i], _ = d.Event()
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	best := float32(1e9)
	for range 3 { // a burst
		must(run())
		must(d.Record(ev[0]))
		must(run())
		must(run())
		must(d.Record(ev[1]))
		ms, err := d.Elapsed(ev[0], ev[1])
		must(err)
		best = min(best, ms/2)
	}
	start := time.Now()
	var sum float64
	var n, edges int
	var mhz, reads float64
	var whys, e0, e1, last uint64
	var t0, t1 time.Time
	must(d.Record(ev[0]))
	for i := 0; time.Since(start) < warm+window; i++ {
		for range batch {
			must(run())
		}
		must(d.Record(ev[(i+1)%3]))
		if i > 0 {
			ms, err := d.Elapsed(ev[(i-1)%3], ev[i%3])
			must(err)
			e, c, w := g.read()
			now := time.Now()
			if now.Sub(start) > warm {
				sum, n = sum+float64(ms), n+batch
				mhz, reads, whys = mhz+float64(c), reads+1, whys|w
				if last != 0 && e != last {
					if edges == 0 {
						e0, t0 = e, now
					}
					e1, t1 = e, now
					edges++
				}
				last = e
			}
		}
	}
	must(d.Sync())
	ms := sum / float64(n)
	watts := float64(e1-e0) / 1e3 / max(t1.Sub(t0).Seconds(), 1e-9)
	fmt.Printf("S24 %-62s burst %.4f ms  steady %.4f ms %5.0f TFLOP/s  %4.0f W  %.4f J  %4.0f MHz  util %.1f%%  why %#x\n", name, best, ms, flops/ms/1e9, watts, watts*ms/1e3, mhz/reads, 100*flops/ms/1e9/(132*8192e-6*mhz/reads), whys)
}

func half24(v float32) uint16 {
	b := math.Float32bits(v)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// pairs24 is a weight of which each four inputs keep two at most, of small whole numbers.
func pairs24(r *rand.Rand, n, k int) []uint16 {
	w := make([]uint16, n*k)
	for i := 0; i+4 <= len(w); i += 4 {
		a, b := r.IntN(4), r.IntN(4)
		w[i+a] = half24(float32(r.IntN(5) - 2))
		w[i+b] = half24(float32(r.IntN(5) - 2))
	}
	return w
}

type run24 struct {
	t       testing.TB
	d       cu.Driver
	k       tile
	f, pack cu.Func
}

func (r *run24) upload(v []uint16) cu.Ptr {
	p, err := r.d.Alloc(int64(2 * len(v)))
	if err == nil {
		err = r.d.Upload(p, bytesOf(v))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *run24) packed(w cu.Ptr, outs, ins int, down bool) cu.Ptr {
	blocks := (outs + 63) / 64 * ((ins + 63) / 64)
	p, err := r.d.Alloc(int64(blocks) * 4608)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.doPack(p, w, outs, ins, down); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *run24) doPack(p, w cu.Ptr, outs, ins int, down bool) error {
	turned, o, i := int32(0), int32(outs), int32(ins)
	if down {
		turned = 1
	}
	blocks := (outs + 63) / 64 * ((ins + 63) / 64)
	return r.d.Launch(r.pack, [3]int{blocks, 1, 1}, [3]int{128, 1, 1}, 0, []unsafe.Pointer{unsafe.Pointer(&p), unsafe.Pointer(&w), unsafe.Pointer(&o), unsafe.Pointer(&i), unsafe.Pointer(&turned)})
}

func (r *run24) product(x, pack, y cu.Ptr, rows, outs, ins int) func() error {
	k := r.k
	mx, my := tensorMap(r.t, x, rows, ins, (k.tn/k.cluster+7)/8*8), tensorMap(r.t, y, rows, outs, k.en)
	tm := k.groups * k.mi * 64
	mc := ((outs+tm-1)/tm + k.cluster - 1) / k.cluster
	tiles := mc * (((rows+k.tn-1)/k.tn + max(k.cn, 1) - 1) / max(k.cn, 1))
	c := k.cluster * max(k.cn, 1)
	at := r.d.Info().SMs / c
	if c == 4 {
		at-- // of 132 multiprocessors not all lie so that 33 clusters run at once
	}
	grid := min(at, tiles) * c
	a, b, in, alpha := int32(rows), int32(outs), int32(ins), float32(1)
	args := []unsafe.Pointer{unsafe.Pointer(mx), unsafe.Pointer(my), unsafe.Pointer(&pack), unsafe.Pointer(&a), unsafe.Pointer(&b), unsafe.Pointer(&in), unsafe.Pointer(&alpha)}
	return func() error {
		return r.d.Launch(r.f, [3]int{grid, 1, 1}, [3]int{k.groups*128 + 128*(1-k.inline), 1, 1}, k.shared(), args)
	}
}

func (r *run24) small(rows, outs, ins int, down bool) bool {
	rnd := rand.New(rand.NewPCG(uint64(rows), uint64(outs)))
	x, w := make([]uint16, rows*ins), pairs24(rnd, outs, ins)
	xf, wf := make([]int32, len(x)), make([]int32, len(w))
	for i := range x {
		xf[i] = int32(rnd.IntN(5) - 2)
		x[i] = half24(float32(xf[i]))
	}
	for i := range w {
		wf[i] = int32(math.Float32frombits(uint32(w[i]) << 16))
	}
	px, pw := r.upload(x), r.upload(w)
	if down {
		v := make([]uint16, len(w))
		for i := range w {
			v[i%ins*outs+i/ins] = w[i]
		}
		_ = r.d.Release(pw)
		pw = r.upload(v)
	}
	y := make([]uint16, rows*outs+64)
	for i := range y {
		y[i] = 0x7fc1
	}
	py := r.upload(y)
	pp := r.packed(pw, outs, ins, down)
	if err := r.product(px, pp, py, rows, outs, ins)(); err != nil {
		r.t.Fatal(err)
	}
	got := make([]byte, 2*len(y))
	if err := firstError(r.d.Download(got, py), r.d.Sync()); err != nil {
		r.t.Fatal(err)
	}
	bad := 0
	for i := range y {
		want := uint16(0x7fc1)
		if i < rows*outs {
			s := int32(0)
			for j, v := range xf[i/outs*ins : i/outs*ins+ins] {
				s += v * wf[i%outs*ins+j]
			}
			want = half24(float32(s))
		}
		if g := binary.LittleEndian.Uint16(got[2*i:]); g != want && (g|want)&0x7fff != 0 {
			if bad++; bad <= 6 {
				fmt.Printf("S24 %v: [%d %d %d %t] row %d out %d is %g, want %g\n", r.k, rows, outs, ins, down, i/outs, i%outs, math.Float32frombits(uint32(g)<<16), math.Float32frombits(uint32(want)<<16))
			}
		}
	}
	if bad > 0 {
		fmt.Printf("S24 %v: [%d %d %d %t] %d of %d wrong\n", r.k, rows, outs, ins, down, bad, len(y))
	}
	for _, p := range []cu.Ptr{px, pw, py, pp} {
		_ = r.d.Release(p)
	}
	return bad == 0
}

func noise24(seed uint64, n int) []uint16 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]uint16, 1021*n24)
	for i := range v {
		v[i] = half24(2*r.Float32() - 1)
	}
	return repeated24(v, n)
}

func repeated24(v []uint16, n int) []uint16 {
	out := make([]uint16, n)
	for i := 0; i < n; i += len(v) {
		copy(out[i:], v)
	}
	return out
}

// halved24 clears two of each four, which two differs.
func halved24(v []uint16) []uint16 {
	r := rand.New(rand.NewPCG(3, 4))
	for i := 0; i+4 <= len(v); i += 4 {
		a := r.IntN(4)
		b := (a + 1 + r.IntN(3)) % 4
		v[i+a], v[i+b] = 0, 0
	}
	return v
}

func first24(v []uint16) []uint16 {
	for i := 0; i+4 <= len(v); i += 4 {
		v[i+2], v[i+3] = 0, 0
	}
	return v
}

const n24 = 8192

func TestGPUSparse24Child(t *testing.T) {
	what := os.Getenv("PARE_S24")
	if what == "" {
		t.Skip("a child of GPUSparse24")
	}
	d, err := cu.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	g := newGauge(t)
	flops := 2 * float64(n24) * n24 * n24
	r := &run24{t: t, d: d}
	p := cu.Product{M: n24, N: n24, K: n24, A: cu.BF16, B: cu.BF16, D: cu.BF16, TransB: true}
	y, err := d.Alloc(2 * n24 * n24)
	if err != nil {
		t.Fatal(err)
	}
	dense := func() (cu.Blas, cu.Prepared) {
		b, err := cu.NewBlas(d)
		if err != nil {
			t.Fatal(err)
		}
		q, err := b.Prepare(p)
		if err != nil {
			t.Fatal(err)
		}
		return b, q
	}
	const warm, window = 500 * time.Millisecond, 1500 * time.Millisecond
	xs := make([]uint16, 1021*n24)
	rnd := rand.New(rand.NewPCG(7, 8))
	for i := range xs {
		xs[i] = half24(float32(rnd.Uint32()%5) - 2)
	}
	xs = repeated24(xs, n24*n24)
	ws := repeated24(pairs24(rnd, 1019, n24), n24*n24)
	xn, wn := noise24(1, n24*n24), noise24(2, n24*n24)
	x, w := r.upload(xn), r.upload(wn)
	blas, q := dense()
	lib, err := cu.NewSparse(d)
	if err != nil {
		t.Fatal(err)
	}
	base := func() {
		if err := d.Upload(w, bytesOf(wn)); err != nil {
			t.Fatal(err)
		}
		steady(t, d, g, "cuBLASLt dense", flops, warm, window, func() error { return blas.Run(q, x, w, y, 0, 0, 1, 0) })
	}
	wh := halved24(append([]uint16(nil), wn...))
	library := func() {
		s, packing, err := lib.Prepare2of4With(p, "17/-1/1/0")
		if err != nil {
			t.Fatal(err)
		}
		pp, _ := d.Alloc(packing.Bytes)
		temp, _ := d.Alloc(max(packing.Temp, 16))
		if err := firstError(d.Upload(w, bytesOf(wh)), lib.Compress(s, w, pp, temp)); err != nil {
			t.Fatal(err)
		}
		steady(t, d, g, "cuSPARSELt "+s.Algo(), flops, warm, window, func() error { return lib.RunSparse(s, x, pp, y, y, 0, 1, 0) })
		_, _ = d.Release(pp), d.Release(temp)
	}
	base()
	library()
	// the dense product of whole numbers
	want, got := make([]byte, 2*n24*n24), make([]byte, 2*n24*n24)
	xi, wi, zero := r.upload(xs), r.upload(ws), r.upload(make([]uint16, n24*n24))
	if err := firstError(blas.Run(q, xi, wi, y, 0, 0, 1, 0), d.Download(want, y)); err != nil {
		t.Fatal(err)
	}
	for _, k := range strings.Split(what, ",") {
		var i int
		fmt.Sscan(k, &i)
		r.variant(g, i, x, xi, wi, zero, y, wh, want, got, flops, warm, window, &w)
	}
	base()
	library()
}

func (r *run24) variant(g *gauge24, i int, x, xi, wi, zero, y cu.Ptr, wh []uint16, want, got []byte, flops float64, warm, window time.Duration, w *cu.Ptr) {
	t, d := r.t, r.d
	r.k = tiles24[i]
	image, err := cu.CompileFor(d, "sparse24.cu", source("common.cuh")+"\n#line 1 \"sparse24.cu\"\n"+source("sparse24.cu"), r.k.defines())
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Load(image)
	if err != nil {
		t.Fatal(err)
	}
	if r.f, err = m.Func("sparse24"); err != nil {
		t.Fatal(err)
	}
	if r.pack, err = m.Func("sparse24_pack"); err != nil {
		t.Fatal(err)
	}
	good := true
	if os.Getenv("PARE_S24_SMALL") != "" {
		for _, s := range [][3]int{{256, 256, 64}, {256, 512, 512}, {300, 200, 136}, {1000, 392, 520}, {8, 8, 8}, {513, 1032, 1048}} {
			good = r.small(s[0], s[1], s[2], false) && good
			good = r.small(s[0], s[1], s[2], true) && good
		}
	}
	// 8192³ of whole numbers against the dense product, bit by bit
	pp := r.packed(wi, n24, n24, false)
	run := r.product(xi, pp, y, n24, n24, n24)
	err = d.Fill(y, 0x7f, 2*n24*n24)
	err = firstError(err, run())
	err = firstError(err, d.Download(got, y))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		bad := 0
		for i := 0; i < len(want); i += 2 {
			a, b := binary.LittleEndian.Uint16(want[i:]), binary.LittleEndian.Uint16(got[i:])
			if a != b && (a|b)&0x7fff != 0 {
				if bad++; bad <= 2 && !strings.Contains(r.k.more, "NOLOAD") {
					fmt.Printf("S24 %v: row %d out %d is %#x, want %#x\n", r.k, i/2/n24, i/2%n24, b, a)
				}
			}
		}
		good = good && bad == 0
	}
	// noise, for time and power; before it zeros, for time without the limit of power
	if err := firstError(d.Upload(*w, bytesOf(wh)), r.doPack(pp, *w, n24, n24, false)); err != nil {
		t.Fatal(err)
	}
	word := "right"
	if !good {
		word = "WRONG"
	}
	steady(t, d, g, fmt.Sprintf("%d %v of zeros", i, r.k), flops, 150*time.Millisecond, 250*time.Millisecond, r.product(zero, pp, y, n24, n24, n24))
	steady(t, d, g, fmt.Sprintf("%d %v %s", i, r.k, word), flops, warm, window, r.product(x, pp, y, n24, n24, n24))
	_, _ = d.Release(pp), m.Unload()
}

// TestGPUSparse24 runs each variant in a process of its own.
func TestGPUSparse24(t *testing.T) {
	if d, err := cu.Open(0); err != nil {
		t.Skip(err)
	} else {
		_ = d.Close()
	}
	list := []string{"0,1,4,5,6,2", "7,8,9,10,11,3"} // variants of a process; those last that may hang
	if l := os.Getenv("PARE_S24_LIST"); l != "" {
		list = strings.Split(l, " ")
	}
	for _, what := range list {
		cmd := child.Command(os.Args[0], "-test.run=^TestGPUSparse24Child$")
		cmd.Env = append(os.Environ(), "PARE_S24="+what)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		var err error
		select {
		case err = <-done:
		case <-time.After(70 * time.Second):
			_ = cmd.Process.Kill()
			err = errors.Join(errors.New("took too long"), <-done)
		}
		for line := range strings.Lines(out.String()) {
			if err != nil || strings.HasPrefix(line, "S24") {
				fmt.Print(line[:min(len(line), 400)])
			}
		}
		fmt.Printf("    [%s: %.1f s, %v]\n", what, time.Since(start).Seconds(), err)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
