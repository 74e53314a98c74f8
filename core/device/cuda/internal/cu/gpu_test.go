package cu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// gpu is the machine's first card; the test is skipped where there is none.
func gpu(t *testing.T) Driver {
	t.Helper()
	d, err := Open(0)
	if errors.Is(err, ErrNoDriver) || errors.Is(err, ErrNoCard) {
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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// alloc is memory that the test gives back.
func alloc(t *testing.T, d Driver, bytes int64) Ptr {
	t.Helper()
	p, err := d.Alloc(bytes)
	check(t, err)
	t.Cleanup(func() {
		if err := d.Release(p); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestGPUDescribesItself(t *testing.T) {
	d := gpu(t)
	i := d.Info()
	free, err := d.Free()
	check(t, err)
	t.Logf("%+v, %d MiB free", i, free>>20)
	if i.Name == "" || len(i.UUID) != 40 || i.Major < 3 || i.SMs < 1 || i.Memory < 1<<28 || i.L2 <= 0 || i.Shared < 48<<10 || i.Driver < 11000 || free <= 0 || free > i.Memory {
		t.Errorf("%+v, %d bytes free", i, free)
	}
	cards, err := Cards()
	check(t, err)
	if len(cards) == 0 || cards[0] != i {
		t.Errorf("the list says %+v", cards)
	}
	if _, err := Open(len(cards)); !errors.Is(err, ErrNoCard) {
		t.Errorf("a card too many: %v", err)
	}
}

func TestGPUMemory(t *testing.T) {
	d := gpu(t)
	const n = 3 << 20
	src := make([]byte, n)
	for i := range src {
		src[i] = byte(i*7 + i>>9)
	}
	a, b := alloc(t, d, n), alloc(t, d, n)
	if a%256 != 0 || b%256 != 0 {
		t.Errorf("%x and %x are not aligned to 256", a, b)
	}
	got := make([]byte, n)
	check(t, d.Upload(a, src))
	check(t, d.Copy(b, a, n))
	check(t, d.Download(got, b))
	if !bytes.Equal(got, src) {
		t.Error("what came back is not what went")
	}
	check(t, d.Fill(b+16, 0xab, 100))
	check(t, d.Download(got, b))
	want := bytes.Clone(src)
	copy(want[16:], bytes.Repeat([]byte{0xab}, 100))
	if !bytes.Equal(got, want) {
		t.Error("Fill filled something else")
	}
	host, err := d.Host(n)
	check(t, err)
	copy(host, src)
	check(t, d.Upload(a, host))
	check(t, d.Sync())
	clear(host)
	check(t, d.Download(host[1024:], a+1024))
	check(t, d.Sync())
	if !bytes.Equal(host[1024:], src[1024:]) || host[0] != 0 {
		t.Error("page-locked memory holds something else")
	}
	if err := d.ReleaseHost(host[1:]); err == nil {
		t.Error("a part of host memory was released")
	}
	check(t, d.ReleaseHost(host))
}

// loadSaxpy compiles and loads y += 2·a·x.
func loadSaxpy(t *testing.T, d Driver) Func {
	t.Helper()
	needNVRTC(t)
	image, err := Compile(d.Info(), "saxpy.cu", saxpy, []string{"SCALE=2"})
	check(t, err)
	m, err := d.Load(image)
	check(t, err)
	t.Cleanup(func() {
		if err := m.Unload(); err != nil {
			t.Error(err)
		}
	})
	f, err := m.Func("saxpy")
	check(t, err)
	if _, err := m.Func("none"); err == nil || !strings.Contains(err.Error(), "find kernel none: CUDA_ERROR_NOT_FOUND") {
		t.Errorf("a kernel that is not there: %v", err)
	}
	return f
}

func TestGPULaunchGraphAndEvents(t *testing.T) {
	d := gpu(t)
	f := loadSaxpy(t, d)
	const n = 1000
	x, y := alloc(t, d, 4*n), alloc(t, d, 4*n)
	hx, hy := make([]float32, n), make([]float32, n)
	for i := range hx {
		hx[i], hy[i] = float32(i), 1
	}
	check(t, d.Upload(x, raw(hx)))
	check(t, d.Upload(y, raw(hy)))
	scale, count := float32(0.5), int32(n)
	args := []unsafe.Pointer{unsafe.Pointer(&x), unsafe.Pointer(&y), unsafe.Pointer(&scale), unsafe.Pointer(&count)}
	launch := func() {
		if err := d.Launch(f, [3]int{4, 1, 1}, [3]int{256, 1, 1}, 1024, args); err != nil {
			t.Fatal(err)
		}
	}
	launch()
	times := 1
	expect := func() {
		t.Helper()
		check(t, d.Download(raw(hy), y))
		for i, v := range hy {
			if v != 1+float32(times*i) {
				t.Fatalf("y[%d] = %g after %d runs", i, v, times)
			}
		}
	}
	expect()

	check(t, d.Capture())
	launch()
	launch()
	g, err := d.EndCapture()
	check(t, err)
	expect() // recorded, not run
	check(t, d.RunGraph(g))
	check(t, d.RunGraph(g))
	times += 4
	expect()

	if a := testing.AllocsPerRun(100, launch); a != 0 {
		t.Errorf("a launch allocates %g times", a)
	}
	times += 101
	expect()
	from, err := d.Event()
	check(t, err)
	to, err := d.Event()
	check(t, err)
	const many = 500 // fewer than the card's queue holds
	check(t, d.Sync())
	start := time.Now()
	check(t, d.Record(from))
	for range many {
		launch()
	}
	queued := time.Since(start)
	check(t, d.Record(to))
	ms, err := d.Elapsed(from, to)
	check(t, err)
	wall := time.Since(start)
	if ms <= 0 || time.Duration(ms*1e6) > wall {
		t.Errorf("events say %g ms, the clock %v", ms, wall)
	}
	start = time.Now()
	for range many {
		d.(*card).current()
	}
	t.Logf("a launch takes %v to queue, of it %v to make the context current, and %v to run", queued/many, time.Since(start)/many, wall/many)
	check(t, d.Capture())
	for range 100 {
		launch()
	}
	g100, err := d.EndCapture()
	check(t, err)
	check(t, d.RunGraph(g100))
	check(t, d.Sync())
	start = time.Now()
	for range 50 {
		check(t, d.RunGraph(g100))
	}
	check(t, d.Sync())
	t.Logf("in a graph of 100 a launch takes %v", time.Since(start)/5000)
	for _, err := range []error{d.ReleaseGraph(g), d.ReleaseGraph(g100), d.ReleaseEvent(from), d.ReleaseEvent(to)} {
		check(t, err)
	}
}

func TestGPUErrors(t *testing.T) {
	d := gpu(t)
	if _, err := d.Alloc(d.Info().Memory * 2); !errors.Is(err, ErrOutOfMemory) || errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "CUDA_ERROR_OUT_OF_MEMORY (out of memory)") {
		t.Errorf("twice the card's memory: %v", err)
	}
	if _, err := d.Alloc(0); err == nil {
		t.Error("nothing was allocated")
	}
	if _, err := d.Load([]byte(".version 8.0\n.target sm_50\n.address_size 64\nnonsense\n")); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("PTX that is none: %v", err)
	}
	if _, err := d.Load([]byte("\x7fELF of no use, and short")); err == nil {
		t.Error("a cubin that is none was loaded")
	}
	check(t, d.Sync()) // none of these harms the card
	b, err := Open(0)
	check(t, err)
	check(t, b.Close())
	check(t, b.Close())
	if err := b.Sync(); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	check(t, d.Sync())
}

// TestGPULost makes a kernel go astray in a process of its own, for its context is lost.
func TestGPULost(t *testing.T) {
	d := gpu(t)
	if os.Getenv("PARE_TEST_LOST") == "" {
		needNVRTC(t)
		cmd := exec.Command(os.Args[0], "-test.run=^TestGPULost$", "-test.v")
		cmd.Env = append(os.Environ(), "PARE_TEST_LOST=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("lost as it should be")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	f := loadSaxpy(t, d)
	bad, scale, count := Ptr(0x10), float32(1), int32(64)
	check(t, d.Launch(f, [3]int{1, 1, 1}, [3]int{64, 1, 1}, 256, []unsafe.Pointer{unsafe.Pointer(&bad), unsafe.Pointer(&bad), unsafe.Pointer(&scale), unsafe.Pointer(&count)}))
	err := d.Sync()
	if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access") {
		t.Fatal(err)
	}
	if _, err := d.Alloc(100); !errors.Is(err, ErrLost) {
		t.Fatal(err)
	}
	t.Log("lost as it should be: ", err)
	t.Log("its close says: ", d.Close())
	os.Exit(0) // what the test would give back is gone
}

// raw is a slice's memory.
func raw[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

// round is the value that a type keeps of v, to the nearest, ties to even.
func round(t Type, v float64) float64 {
	b := math.Float32bits(float32(v))
	if t == BF16 {
		b = (b + 0x7fff + b>>16&1) &^ 0xffff
	}
	return float64(math.Float32frombits(b))
}

// encode writes values of a type that they fit.
func encode(t Type, v []float64) []byte {
	var out []byte
	for _, x := range v {
		b := math.Float32bits(float32(x))
		if t == BF16 {
			out = binary.LittleEndian.AppendUint16(out, uint16(b>>16))
		} else {
			out = binary.LittleEndian.AppendUint32(out, b)
		}
	}
	return out
}

func decode(t Type, b []byte) []float64 {
	var out []float64
	for ; len(b) > 0; b = b[t.Bytes():] {
		if t == BF16 {
			out = append(out, float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b))<<16)))
		} else {
			out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		}
	}
	return out
}
