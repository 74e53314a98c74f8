package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var _ device.Worker = Device{}

// burst is about how much arithmetic (FLOP) and how many bytes are queued at once, so
// that the gap between two bursts is short beside one; most is the largest number.
const (
	burstFlops = 2e12
	burstBytes = 2 << 30
	burstMost  = 1000
)

// work is a graph of equal pieces.
type work struct {
	dev    Device
	n      int
	by     string // of a 2:4 product
	graph  cu.Graph
	memory []cu.Ptr
	closes []func() error
}

// Run does the pieces of one graph.
func (w *work) Run() (int, error) {
	w.dev.mu.Lock()
	defer w.dev.mu.Unlock()
	if err := w.dev.driver.RunGraph(w.graph); err != nil {
		return 0, lost(err)
	}
	return w.n, lost(w.dev.driver.Sync())
}

// By names what makes a 2:4 product.
func (w *work) By() string { return w.by }

// Close gives the memory back.
func (w *work) Close() error {
	w.dev.mu.Lock()
	defer w.dev.mu.Unlock()
	return w.close()
}

func (w *work) close() error {
	err := firstError(w.dev.driver.Sync(), w.dev.driver.ReleaseGraph(w.graph))
	for _, f := range w.closes {
		err = firstError(err, f())
	}
	for _, p := range w.memory {
		err = firstError(err, w.dev.driver.Release(p))
	}
	return err
}

// take is memory with noise: a card draws less power on zeros.
func (w *work) take(bytes int64, noise []byte) (cu.Ptr, error) {
	p, err := w.dev.driver.Alloc(bytes)
	if err != nil {
		return 0, err
	}
	w.memory = append(w.memory, p)
	for at := int64(0); at < bytes && err == nil; at += int64(len(noise)) {
		err = w.dev.driver.Upload(p+cu.Ptr(at), noise[:min(int64(len(noise)), bytes-at)])
	}
	return p, err
}

// record makes the graph of n pieces.
func (w *work) record(n int, piece func() error) (err error) {
	w.n = n
	w.graph, err = w.dev.graph(n, piece)
	return err
}

// Product is a matrix product of n×n×n on noise.
func (d Device) Product(n int, twoFour bool) (device.Work, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := &work{dev: d}
	if err := w.product(n, twoFour); err != nil {
		w.close() //nolint:errcheck // the other error says it
		return nil, fmt.Errorf("product of %d×%d×%d: %w", n, n, n, lost(err))
	}
	return w, nil
}

func (w *work) product(n int, twoFour bool) error {
	e := w.dev.elem()
	p := cu.Product{M: n, N: n, K: n, TransB: true, A: e, B: e, D: e, TF32: w.dev.precision == TF32}
	bytes, noise := int64(n)*int64(n)*int64(e.Bytes()), noiseOf(e)
	var at [3]cu.Ptr
	for i := range at {
		var err error
		if at[i], err = w.take(bytes, noise); err != nil {
			return err
		}
	}
	times := int(min(max(burstFlops/p.Flops(), 1), burstMost))
	if !twoFour {
		q, err := w.dev.prepared(p)
		if err != nil {
			return err
		}
		w.closes = append(w.closes, func() error { return w.dev.blas.Release(q) })
		return w.record(times, func() error { return w.dev.blas.Run(q, at[0], at[1], at[2], 0, 0, 1, 0) })
	}
	run, err := w.pairs(p, at[0], at[1], at[2])
	if err != nil {
		return err
	}
	return w.record(times, run)
}

// pairs is the 2:4 product y = x·wᵀ by the library that is the fastest of those that take it.
func (w *work) pairs(p cu.Product, x, weight, y cu.Ptr) (run func() error, err error) {
	libs, why := w.dev.libraries()
	var names []string
	var ways []func() error
	for _, s := range libs {
		f, err := w.packed(s, p, x, weight, y)
		switch {
		case refused(err):
			why = errors.Join(why, err)
		case err != nil:
			return nil, err
		default:
			ways, names = append(ways, f), append(names, nameOf(s))
		}
	}
	if len(ways) == 0 {
		return nil, why
	}
	if len(ways) == 1 {
		w.by = names[0]
		return ways[0], nil
	}
	ms, err := w.dev.fastest(ways, p.Flops())
	if err != nil {
		return nil, err
	}
	best := slices.Index(ms, slices.Min(ms))
	var others []string
	for i, name := range names {
		if i != best {
			others = append(others, fmt.Sprintf("%s %.3g", name, ms[i]))
		}
	}
	w.by = fmt.Sprintf("%s (%.3g ms; %s)", names[best], ms[best], strings.Join(others, ", "))
	return ways[best], nil
}

// packed is a 2:4 product by a library, on a pack of its own.
func (w *work) packed(s cu.Sparse, p cu.Product, x, weight, y cu.Ptr) (run func() error, err error) {
	q, packing, err := s.Prepare2of4(p)
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() error { return s.Release(q) })
	var to [2]cu.Ptr
	for i, n := range []int64{packing.Bytes, max(packing.Temp, 1)} {
		if to[i], err = w.dev.driver.Alloc(n); err != nil {
			return nil, err
		}
		w.memory = append(w.memory, to[i])
	}
	return func() error { return s.RunSparse(q, x, to[0], y, y, 0, 1, 0) }, s.Compress(q, weight, to[0], to[1])
}

// nameOf is what a person calls a library of 2:4 products.
func nameOf(s cu.Sparse) string {
	if _, own := s.(*own24); own {
		return "pare's kernel " + s.Version()
	}
	return "cuSPARSELt " + s.Version()
}

// Copies copies that many bytes within the card's memory.
func (d Device) Copies(bytes int64) (device.Work, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := &work{dev: d}
	err := func() error {
		if bytes < 1 {
			return fmt.Errorf("need at least 1")
		}
		noise := noiseOf(cu.F32)
		from, err := w.take(bytes, noise)
		if err != nil {
			return err
		}
		to, err := w.take(bytes, noise)
		if err != nil {
			return err
		}
		return w.record(int(min(max(burstBytes/bytes, 1), burstMost)), func() error { return w.dev.driver.Copy(to, from, bytes) })
	}()
	if err != nil {
		w.close() //nolint:errcheck // the other error says it
		return nil, fmt.Errorf("copy of %d bytes: %w", bytes, lost(err))
	}
	return w, nil
}

// noiseOf is a megabyte and more of values between −1 and 1.
func noiseOf(e cu.Type) []byte {
	const n = 1 << 18
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	if e == cu.F32 {
		return bytesOf(x)
	}
	h := make([]uint16, n)
	for i, v := range x {
		h[i] = uint16(math.Float32bits(v) >> 16)
	}
	return bytesOf(h)
}
