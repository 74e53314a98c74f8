package cu

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const saxpy = `
#ifndef SCALE
#error SCALE is not defined
#endif
extern "C" __global__ void saxpy(const float *x, float *y, float a, int n) {
	extern __shared__ float s[];
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	s[threadIdx.x] = i < n ? x[i] : 0;
	__syncthreads();
	if (i < n) y[i] += SCALE * a * s[threadIdx.x];
}`

var hopper = Info{Major: 9, Minor: 0, Shared: 227 << 10}

// needNVRTC skips where no compiler is, and keeps the cache in a folder of the test's.
func needNVRTC(t *testing.T) string {
	t.Helper()
	if _, err := rtcLibrary.open(driverVersion() / 1000); err != nil {
		t.Skipf("no NVRTC here: %v", err)
	}
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("HOME", dir)
	t.Setenv("LocalAppData", dir)
	return cacheDir()
}

func TestCompile(t *testing.T) {
	dir := needNVRTC(t)
	image, err := Compile(hopper, "saxpy.cu", saxpy, []string{"SCALE=2"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(image, []byte("\x7fELF")) || !bytes.Contains(image, []byte("saxpy")) {
		t.Fatalf("no cubin of saxpy: %d bytes", len(image))
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 || filepath.Ext(files[0]) != cacheEnd {
		t.Fatalf("the cache holds %v", files)
	}
	kept, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}

	t.Run("the cache answers", func(t *testing.T) {
		again, err := Compile(hopper, "saxpy.cu", saxpy, []string{"SCALE=2"})
		if err != nil || !bytes.Equal(again, image) {
			t.Fatal(err, len(again), len(image))
		}
	})
	t.Run("a define is part of the key", func(t *testing.T) {
		other, err := Compile(hopper, "saxpy.cu", saxpy, []string{"SCALE=3"})
		if err != nil || bytes.Equal(other, image) {
			t.Fatalf("the image of another macro is the same (%v)", err)
		}
	})
	for name, bad := range map[string][]byte{"torn": kept[:len(kept)/2], "empty": {}, "a bit flipped": flip(kept), "another's file": []byte("hello, I am no image of any kind, but longer than a hash")} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(files[0], bad, 0o644); err != nil {
				t.Fatal(err)
			}
			again, err := Compile(hopper, "saxpy.cu", saxpy, []string{"SCALE=2"})
			if err != nil || !bytes.HasPrefix(again, []byte("\x7fELF")) {
				t.Fatal(err, len(again))
			}
			if now, _ := os.ReadFile(files[0]); len(now) != len(kept) {
				t.Errorf("the cache keeps %d bytes, had %d", len(now), len(kept))
			}
		})
	}
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-100] ^= 4
	return b
}

func TestCompileWithoutCache(t *testing.T) {
	dir := needNVRTC(t)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, []byte("a file where the folder should be"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(hopper, "saxpy.cu", saxpy, []string{"SCALE=2"}); err != nil {
		t.Fatal(err)
	}
}

func TestCompileErrorsNameFileAndLine(t *testing.T) {
	needNVRTC(t)
	_, err := Compile(hopper, "bad.cu", "extern \"C\" __global__ void k() {\n\tnone = 1;\n}", nil)
	if err == nil || !strings.Contains(err.Error(), "bad.cu(2)") || !strings.Contains(err.Error(), "none") || !strings.Contains(err.Error(), "sm_90a") {
		t.Fatal(err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Library != "nvrtc" {
		t.Fatalf("%T %v", err, err)
	}
}

func TestCompileForCardsThatNVRTCDoesNotKnow(t *testing.T) {
	needNVRTC(t)
	ptx, err := Compile(Info{Major: 99, Minor: 0}, "saxpy.cu", saxpy, []string{"SCALE=2"})
	if err != nil || !bytes.Contains(ptx, []byte(".visible .entry saxpy")) {
		t.Fatalf("no PTX for a newer card: %v", err)
	}
	if _, err := Compile(Info{Major: 2, Minor: 0}, "saxpy.cu", saxpy, []string{"SCALE=2"}); err == nil || !strings.Contains(err.Error(), "knows no architecture for compute capability 2.0") {
		t.Fatal(err)
	}
}

func TestCacheKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("HOME", dir)
	t.Setenv("LocalAppData", dir)
	for i := range cacheFiles + 5 {
		keep(cacheKey("1", nil, nil, "x", string(rune('a'+i))), []byte{byte(i), 1, 2})
	}
	files, _ := filepath.Glob(filepath.Join(cacheDir(), "*"))
	if len(files) != cacheFiles {
		t.Fatalf("%d files", len(files))
	}
	last := cacheFiles + 4
	if got := cached(cacheKey("1", nil, nil, "x", string(rune('a'+last)))); !bytes.Equal(got, []byte{byte(last), 1, 2}) {
		t.Fatalf("the newest is gone: %v", got)
	}
}
