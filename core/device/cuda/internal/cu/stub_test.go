//go:build !static && linux && (amd64 || arm64)

package cu

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// stub is a libcuda with the header's own declarations whose card is the host, so that
// the C compiler checks our calls on machines without a card: an argument that is off
// gives other numbers.
const stub = `
#include <stdlib.h>
#include <string.h>
typedef int CUresult; typedef int CUdevice; typedef unsigned long long CUdeviceptr;
typedef struct { char bytes[16]; } CUuuid;
typedef void *P;
static __thread P current; static int ctx, recording, streams, left = -1;
#define IN if (current != &ctx) return 201; if (left == 0) return 719; if (left > 0) left--
CUresult cuInit(unsigned int f) { return f ? 1 : 0; }
CUresult cuDriverGetVersion(int *v) { *v = 12080; return 0; }
CUresult cuDeviceGetCount(int *n) { *n = 2; return 0; }
CUresult cuDeviceGet(CUdevice *d, int i) { if (i > 1) return 101; *d = i + 7; return 0; }
CUresult cuDeviceGetName(char *s, int n, CUdevice d) { strncpy(s, d == 7 ? "first" : "second", n); return 0; }
CUresult cuDeviceGetUuid_v2(CUuuid *u, CUdevice d) { for (int i = 0; i < 16; i++) u->bytes[i] = i * 16 + d; return 0; }
CUresult cuDeviceTotalMem_v2(size_t *n, CUdevice d) { *n = 0x1234567890ULL; return 0; }
CUresult cuDeviceGetAttribute(int *v, int a, CUdevice d) { *v = a == 75 ? 8 : a == 76 ? 6 : 1000 * a + d; return 0; }
CUresult cuDevicePrimaryCtxRetain(P *c, CUdevice d) { *c = &ctx; return 0; }
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice d) { return d == 7 ? 0 : 101; }
CUresult cuCtxSetCurrent(P c) { current = c; return 0; }
CUresult cuMemGetInfo_v2(size_t *f, size_t *t) { IN; *f = 5; *t = 6; return 0; }
CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t n) { IN; if (n > 1ULL << 40) return 2; *p = (CUdeviceptr)aligned_alloc(256, (n + 255) / 256 * 256); return 0; }
CUresult cuMemFree_v2(CUdeviceptr p) { IN; free((P)p); return 0; }
CUresult cuMemHostAlloc(P *p, size_t n, unsigned int f) { IN; *p = calloc(1, n); return f == 1 ? 0 : 1; }
CUresult cuMemFreeHost(P p) { IN; free(p); return 0; }
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr d, const void *s, size_t n, P st) { IN; memcpy((P)d, s, n); return st != &streams; }
CUresult cuMemcpyDtoHAsync_v2(void *d, CUdeviceptr s, size_t n, P st) { IN; memcpy(d, (P)s, n); return st != &streams; }
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr d, CUdeviceptr s, size_t n, P st) { IN; memcpy((P)d, (P)s, n); return st != &streams; }
CUresult cuMemsetD8Async(CUdeviceptr d, unsigned char v, size_t n, P st) { IN; memset((P)d, v, n); return st != &streams; }
CUresult cuStreamCreate(P *s, unsigned int f) { IN; *s = &streams; streams++; return f == 1 ? 0 : 1; }
CUresult cuStreamDestroy_v2(P s) { IN; streams--; return s != &streams; }
static int slow;
CUresult cuStreamQuery(P s) { IN; return slow ? 600 : s != &streams; }
CUresult cuEventCreate(P *e, unsigned int f) { IN; *e = malloc(1); **(char **)e = f; return f != 0 && f != 3; }
CUresult cuEventDestroy_v2(P e) { IN; free(e); return 0; }
CUresult cuEventRecord(P e, P s) { IN; return s != &streams; }
CUresult cuEventSynchronize(P e) { IN; if (*(char *)e == 3) slow = 0; return 0; }
CUresult cuEventElapsedTime(float *ms, P a, P b) { IN; *ms = 2.5f; return a == b; }
CUresult cuModuleLoadDataEx(P *m, const void *image, unsigned int n, int *o, void **v) {
	IN; if (n != 2 || o[0] != 5 || o[1] != 6 || (size_t)v[1] != 8192) return 1;
	if (memcmp(image, "good", 5)) { strcpy(v[0], "line 1:\n  what is this"); return 218; }
	*m = malloc(1); return 0;
}
CUresult cuModuleUnload(P m) { IN; free(m); return 0; }
static int most;
CUresult cuModuleGetFunction(P *f, P m, const char *name) { IN; if (strcmp(name, "saxpy")) return 500; *f = &most; return 0; }
CUresult cuFuncGetAttribute(int *v, int a, P f) { IN; *v = 100; return a != 1; }
CUresult cuFuncSetAttribute(P f, int a, int v) { IN; most = v; return a != 8; }
CUresult cuLaunchKernel(P f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, P st, void **k, void **extra) {
	IN; if (f != &most || st != &streams || extra || gx != 2 || gy != 3 || gz != 4 || bx != 5 || by != 6 || bz != 7 || shared != most) return 1;
	if (recording) return 0;
	float *x = *(float **)k[0], *y = *(float **)k[1], a = *(float *)k[2]; int n = *(int *)k[3];
	for (int i = 0; i < n; i++) y[i] += a * x[i];
	return 0;
}
CUresult cuStreamBeginCapture_v2(P s, int mode) { IN; recording = 1; return mode != 2; }
CUresult cuStreamEndCapture(P s, P *g) { IN; recording = 0; *g = malloc(1); return s != &streams; }
CUresult cuGraphInstantiateWithFlags(P *x, P g, unsigned long long f) { IN; *x = malloc(1); return f != 0; }
CUresult cuGraphDestroy(P g) { IN; free(g); return 0; }
CUresult cuGraphExecDestroy(P g) { IN; free(g); return 0; }
CUresult cuGraphLaunch(P g, P s) { IN; return s != &streams; }
CUresult cuGetErrorName(int e, const char **s) { *s = e == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_OTHER"; return 0; }
CUresult cuTensorMapEncodeTiled(unsigned long long *m, int type, unsigned rank, P at, const unsigned long long *sizes, const unsigned long long *strides, const unsigned *box, const unsigned *every, int lace, int swizzle, int l2, int fill) {
	IN; if ((size_t)m % 64 || type != 9 || rank != 2 || every[0] != 1 || every[1] != 1 || lace || swizzle != 3 || l2 != 2 || fill) return 1;
	unsigned long long v[] = {(size_t)at, sizes[0], sizes[1], strides[0], box[0], box[1]};
	memcpy(m, v, sizeof v); return 0;
}
void failAfter(int n) { left = n; }
int setSlow(int n) { int was = slow; slow = n; return was; }
`

// stubbed builds the stub and makes it the driver until the test ends.
func stubbed(t *testing.T) *library {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler here to check the calls with")
	}
	dir := t.TempDir()
	c, so := filepath.Join(dir, "cuda.c"), filepath.Join(dir, "libcuda.so.1")
	check(t, os.WriteFile(c, []byte(stub), 0o644))
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", so, c).CombinedOutput(); err != nil {
		t.Skipf("cc: %v: %s", err, out)
	}
	d := *driverLibrary
	d.funcs = append(append([]string(nil), d.funcs...), "failAfter", "setSlow")
	l, err := d.load(so)
	check(t, err)
	opened.Lock()
	before := opened.by
	opened.by = map[string]*library{driverLibrary.name: l}
	opened.Unlock()
	t.Cleanup(func() {
		opened.Lock()
		opened.by = before
		opened.Unlock()
	})
	return l
}

func TestCallsAgainstC(t *testing.T) {
	l := stubbed(t)
	if l.file == "" || len(l.missing) != 1 || l.missing[0] != "cuGetErrorString" {
		t.Errorf("%s lacks %v", l.file, l.missing)
	}
	cards, err := Cards()
	check(t, err)
	want := Info{
		Name: "first", UUID: "GPU-07172737-4757-6777-8797-a7b7c7d7e7f7", Major: 8, Minor: 6, SMs: 16007, Memory: 0x1234567890, L2: 38007, Shared: 97007, Driver: 12080,
	}
	if len(cards) != 2 || cards[0] != want || cards[1].Name != "second" || cards[1].Ordinal != 1 {
		t.Errorf("%+v", cards)
	}
	if _, err := Open(2); !errors.Is(err, ErrNoCard) {
		t.Error(err)
	}
	d, err := Open(0)
	check(t, err)
	t.Cleanup(func() { check(t, d.Close()) })
	if f, err := d.Free(); f != 5 || err != nil {
		t.Error(f, err)
	}
	const n = 64
	x, y := alloc(t, d, 4*n), alloc(t, d, 4*n)
	hx, hy := make([]float32, n), make([]float32, n)
	for i := range hx {
		hx[i] = float32(i)
	}
	check(t, d.Upload(x, raw(hx)))
	check(t, d.Fill(y, 0, 4*n))
	if _, err := d.Load([]byte("bad")); err == nil || !strings.HasSuffix(err.Error(), "CUDA_ERROR_OTHER: line 1: what is this") {
		t.Error(err)
	}
	m, err := d.Load([]byte("good"))
	check(t, err)
	if _, err := m.Func("none"); err == nil {
		t.Error("a kernel that is not there")
	}
	f, err := m.Func("saxpy")
	check(t, err)
	a, count := float32(2), int32(n)
	args := []unsafe.Pointer{unsafe.Pointer(&x), unsafe.Pointer(&y), unsafe.Pointer(&a), unsafe.Pointer(&count)}
	launch := func() { check(t, d.Launch(f, [3]int{2, 3, 4}, [3]int{5, 6, 7}, 97007-100, args)) }
	launch()
	check(t, d.Download(raw(hy), y))
	for i, v := range hy {
		if v != 2*float32(i) {
			t.Fatalf("y[%d] = %g", i, v)
		}
	}
	if k := testing.AllocsPerRun(100, launch); k != 0 {
		t.Errorf("a launch allocates %g times", k)
	}
	check(t, d.Capture())
	launch()
	g, err := d.EndCapture()
	check(t, err)
	check(t, d.RunGraph(g))
	check(t, d.ReleaseGraph(g))
	e, err := d.Event()
	check(t, err)
	e2, err := d.Event()
	check(t, err)
	check(t, d.Record(e))
	if ms, err := d.Elapsed(e, e2); ms != 2.5 || err != nil {
		t.Error(ms, err)
	}
	check(t, d.ReleaseEvent(e))
	check(t, d.ReleaseEvent(e2))
	h, err := d.Host(100)
	check(t, err)
	check(t, d.Upload(x, h))
	check(t, d.Copy(y, x, 100))
	check(t, d.Download(raw(hy), y))
	if !bytes.Equal(raw(hy)[:100], h) {
		t.Error("what came back is not what went")
	}
	check(t, d.ReleaseHost(h))
	if _, err := d.Alloc(1 << 41); !errors.Is(err, ErrOutOfMemory) {
		t.Error(err)
	}
	if _, err := d.(Mapper).Map(x, 5, 40, 48, 96); !errors.Is(err, ErrUnsupported) {
		t.Error("a card before Hopper has a copy engine:", err)
	}
	d.(*card).info.Major = 9
	if q, err := d.(Mapper).Map(x, 5, 40, 48, 96); err != nil || q != (Map{uint64(x), 40, 5, 96, 64, 96}) {
		t.Error(q, err)
	}
	check(t, m.Unload())
	for range 2 { // the card takes longer than the caller looks on
		invoke(l.fn[len(l.fn)-1], 1)
		check(t, d.Sync())
		if invoke(l.fn[len(l.fn)-1], 0) != 0 {
			t.Error("it did not wait")
		}
	}
	// The card fails after two more calls, and from then on.
	invoke(l.fn[len(l.fn)-2], 2)
	check(t, d.Sync())
	check(t, d.Fill(x, 0, 1))
	for range 2 {
		if err := d.Sync(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "cuda: wait for the card: CUDA_ERROR_LAUNCH_FAILED") {
			t.Error(err)
		}
	}
	invoke(l.fn[len(l.fn)-2], ^uintptr(0))
}

// TestManyGoroutines moves the card between threads, each of which has a context of
// its own.
func TestManyGoroutines(t *testing.T) {
	stubbed(t)
	d, err := Open(0)
	check(t, err)
	for range 50 {
		done := make(chan error)
		go func() { done <- d.Sync() }()
		check(t, <-done)
	}
	check(t, d.Close())
	if err := d.Sync(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestFilesThatAreNoLibrary(t *testing.T) {
	dir := t.TempDir()
	d := *rtcLibrary
	d.places = func() []string { return []string{dir} }
	if _, err := d.find(13); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), "no libnvrtc.so.13") {
		t.Error(err)
	}
	check(t, os.WriteFile(filepath.Join(dir, "libnvrtc.so.13"), []byte("not an ELF file"), 0o644))
	if _, err := d.find(13); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), filepath.Join(dir, "libnvrtc.so.13")) {
		t.Error(err)
	}
	if _, err := d.find(12); err == nil || !strings.Contains(err.Error(), "is for CUDA 13, the driver for CUDA 12") {
		t.Error(err)
	}
	if cc, err := exec.LookPath("cc"); err == nil {
		c := filepath.Join(dir, "x.c")
		check(t, os.WriteFile(c, []byte("int nvrtcVersion(int *a, int *b) { return 0; }"), 0o644))
		if exec.Command(cc, "-shared", "-fPIC", "-o", filepath.Join(dir, "libnvrtc.so.12"), c).Run() == nil {
			if _, err := d.find(12); err == nil || !strings.Contains(err.Error(), "lacks functions: nvrtcCreateProgram") {
				t.Error(err)
			}
		}
	}
}

// TestWhyItDoesNotLoad: the loader tells why to the thread that asked. Where goroutines move
// from thread to thread the reason is there all the same.
func TestWhyItDoesNotLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none.so")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				if _, err := loadLibrary(file, false); err == nil || !strings.Contains(err.Error(), file) {
					t.Errorf("%q does not name the file", err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	all.Wait()
}
