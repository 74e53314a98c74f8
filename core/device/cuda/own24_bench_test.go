//go:build !static && linux

package cuda

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"

	"pare/core/device/cuda/internal/cu"
)

// joules reads the first card's energy counter, mJ.
func joules(b *testing.B) func() uint64 {
	lib, err := purego.Dlopen("libnvidia-ml.so.1", purego.RTLD_NOW)
	if err != nil {
		b.Skip(err)
	}
	call := func(name string, args ...uintptr) {
		f, err := purego.Dlsym(lib, name)
		if err != nil {
			b.Fatal(err)
		}
		if r, _, _ := purego.SyscallN(f, args...); int32(r) != 0 {
			b.Fatalf("%s: %d", name, int32(r))
		}
	}
	var dev uintptr
	call("nvmlInit_v2")
	call("nvmlDeviceGetHandleByIndex_v2", 0, uintptr(unsafe.Pointer(&dev)))
	return func() (mJ uint64) {
		call("nvmlDeviceGetTotalEnergyConsumption", dev, uintptr(unsafe.Pointer(&mJ)))
		return mJ
	}
}

// BenchmarkGPUPairs makes a product of 8192³ dense, with a 2:4 weight by cuSPARSELt, and by ours, also in
// ways that no plan takes, in turns of a second without a pause: ms and, by the card's own counter
// from tick to tick, J of one. The clock is then what the card's power allows. Inputs are noise; of each
// four weights two at random places are kept. -test.benchtime 1x
func BenchmarkGPUPairs(b *testing.B) {
	d := openCard(b)
	dev := With(d, nil, BF16)
	own := dev.own()
	if own == nil {
		b.Skip("no Hopper card")
	}
	mJ := joules(b)
	const n, rounds, batch, turn, settled = 8192, 4, 8, time.Second, 200 * time.Millisecond
	p := cu.Product{M: n, N: n, K: n, A: cu.BF16, B: cu.BF16, D: cu.BF16, BiasType: cu.BF16, TransB: true}
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	room := func(bytes int64) cu.Ptr {
		at, err := d.Alloc(bytes)
		check(err)
		b.Cleanup(func() { check(d.Release(at)) })
		return at
	}
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(pairs bool) cu.Ptr {
		v := make([]byte, 2*n*n)
		for i := 0; i < len(v); i += 8 {
			for j := range 4 {
				x := bf16Of(2*r.Float32() - 1)
				v[i+2*j], v[i+2*j+1] = byte(x), byte(x>>8)
			}
			if pairs {
				a := r.IntN(4)
				c := (a + 1 + r.IntN(3)) % 4
				v[i+2*a], v[i+2*a+1], v[i+2*c], v[i+2*c+1] = 0, 0, 0, 0
			}
		}
		at := room(int64(len(v)))
		check(d.Upload(at, v))
		return at
	}
	x, w, half, y := noise(false), noise(false), noise(true), room(2*n*n)

	type contender struct {
		name              string
		run               func() error
		ms, runs          float64 // of all turns
		millijoules, secs float64
	}
	var all []*contender
	blas, err := cu.NewBlas(d)
	check(err)
	b.Cleanup(func() { check(blas.Close()) })
	dense, err := blas.Prepare(p)
	check(err)
	all = append(all, &contender{name: "dense", run: func() error { return blas.Run(dense, x, w, y, 0, 0, 1, 0) }})
	if lib, err := dev.sparse(); err == nil {
		q, packing, err := lib.Prepare2of4(p)
		check(err)
		pack := room(packing.Bytes)
		check(lib.Compress(q, half, pack, room(max(packing.Temp, 16))))
		all = append(all, &contender{name: "cuSPARSELt " + q.Algo(), run: func() error { return lib.RunSparse(q, x, pack, y, y, 0, 1, 0) }})
	}
	for _, t := range append(tiles24[:2:2], tried24...) {
		q, packing, err := own.prepare(p, t)
		check(err)
		pack := room(packing.Bytes)
		check(own.Compress(q, half, pack, 0))
		all = append(all, &contender{name: t.all(), run: func() error { return own.RunSparse(q, x, pack, y, y, 0, 1, 0) }})
	}
	var at [3]cu.Event
	for i := range at {
		at[i], err = d.Event()
		check(err)
	}
	b.ResetTimer()
	for range rounds {
		for _, c := range all {
			var first, last uint64
			var from, to time.Time
			start := time.Now()
			check(d.Record(at[0]))
			for i := 0; time.Since(start) < turn; i++ {
				for range batch {
					check(c.run())
				}
				check(d.Record(at[(i+1)%3]))
				if i == 0 {
					continue
				}
				ms, err := d.Elapsed(at[(i-1)%3], at[i%3]) // while the next batch runs
				check(err)
				now := time.Now()
				if now.Sub(start) < settled {
					continue
				}
				c.ms, c.runs = c.ms+float64(ms), c.runs+batch
				switch e := mJ(); {
				case last == 0:
					last = e
				case e != last:
					if last, to = e, now; first == 0 {
						first, from = e, now
					}
				}
			}
			check(d.Sync())
			if first != last {
				c.millijoules, c.secs = c.millijoules+float64(last-first), c.secs+to.Sub(from).Seconds()
			}
		}
	}
	b.StopTimer()
	var out strings.Builder
	cost := func(c *contender) (ms, joule float64) {
		ms = c.ms / c.runs
		return ms, c.millijoules / 1e3 / c.secs * ms / 1e3
	}
	ms0, j0 := cost(all[0])
	for _, c := range all {
		ms, j := cost(c)
		fmt.Fprintf(&out, "\n%-48s %.4f ms %5.0f TFLOP/s %4.0f W %.4f J, %.3f times as fast, %.3f of the joules", c.name, ms, 2*n*n*n/ms/1e9, 1e3*j/ms, j, ms0/ms, j/j0)
	}
	b.Log(out.String())
	for _, e := range at {
		check(d.ReleaseEvent(e))
	}
	check(blas.Release(dense))
}
