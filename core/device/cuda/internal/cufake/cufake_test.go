package cufake

import (
	"bytes"
	"errors"
	"testing"
	"unsafe"

	"pare/core/device/cuda/internal/cu"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMemoryIsKeptAndChecked(t *testing.T) {
	c := New(1 << 20)
	a, err := c.Alloc(100)
	check(t, err)
	b, err := c.Alloc(100)
	check(t, err)
	if a%256 != 0 || b%256 != 0 || c.Used() != 200 {
		t.Errorf("%x, %x, %d bytes", a, b, c.Used())
	}
	src, got := bytes.Repeat([]byte{1, 2, 3, 4}, 25), make([]byte, 100)
	check(t, c.Upload(a, src))
	check(t, c.Copy(b, a, 100))
	check(t, c.Fill(b+10, 9, 5))
	check(t, c.Download(got, b))
	copy(src[10:15], []byte{9, 9, 9, 9, 9})
	if !bytes.Equal(got, src) {
		t.Errorf("%v", got)
	}
	if _, err := c.Alloc(1 << 20); !errors.Is(err, cu.ErrOutOfMemory) || errors.Is(err, cu.ErrLost) {
		t.Error(err)
	}
	if err := c.Release(a + 1); err == nil {
		t.Error("a part was released")
	}
	h, err := c.Host(64)
	check(t, err)
	if l := c.Leaks(); len(l) != 2 {
		t.Errorf("%v", l)
	}
	check(t, c.Release(a))
	check(t, c.Release(b))
	check(t, c.ReleaseHost(h))
	if l := c.Leaks(); l != nil || c.Used() != 0 {
		t.Errorf("%v, %d bytes", l, c.Used())
	}
	if err := c.Upload(a, src); !errors.Is(err, cu.ErrLost) {
		t.Errorf("a copy into memory that was released: %v", err)
	}
	if err := c.Sync(); !errors.Is(err, cu.ErrLost) {
		t.Errorf("after it: %v", err)
	}
}

func TestOverrunIsSeen(t *testing.T) {
	c := New(1 << 20)
	a, err := c.Alloc(100)
	check(t, err)
	if err := c.Upload(a+50, make([]byte, 51)); !errors.Is(err, cu.ErrLost) {
		t.Error(err)
	}
}

func TestErrorsComeWhenTold(t *testing.T) {
	c := New(1 << 20)
	b := NewBlas(c)
	q, err := b.Prepare(cu.Product{M: 1, N: 1, K: 1})
	check(t, err)
	m, err := c.Alloc(1000)
	check(t, err)
	c.FailAt("Run", 3, cu.Fault("run", 1))
	for i := 1; i <= 5; i++ {
		if err := b.Run(q, m, m, m, 0, 0, 1, 0); (err != nil) != (i == 3) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if c.Calls("Run") != 5 {
		t.Errorf("%d calls", c.Calls("Run"))
	}
	c.Lose("Sync", 2)
	check(t, c.Sync())
	if err := c.Sync(); !errors.Is(err, cu.ErrLost) {
		t.Error(err)
	}
	for what, err := range map[string]error{"run": b.Run(q, m, m, m, 0, 0, 1, 0), "release": c.Release(m), "upload": c.Upload(m, []byte{1}), "close": c.Close()} {
		if !errors.Is(err, cu.ErrLost) {
			t.Errorf("%s on a lost card: %v", what, err)
		}
	}
	if err := c.Sync(); !errors.Is(err, cu.ErrClosed) {
		t.Error(err)
	}
}

func TestGraphsRunWhatTheyRecorded(t *testing.T) {
	c := New(1 << 20)
	m, err := c.Load([]byte("any"))
	check(t, err)
	f, err := m.Func("add")
	check(t, err)
	p, err := c.Alloc(8)
	check(t, err)
	check(t, c.Fill(p, 0, 8))
	by, ran := byte(3), 0
	c.OnLaunch = func(name string, _, _ [3]int, _ int, args []unsafe.Pointer) error {
		b, err := c.Bytes(*(*cu.Ptr)(args[0]))
		if err == nil {
			b[0] += *(*byte)(args[1])
		}
		if ran++; name != "add" {
			t.Errorf("kernel %q", name)
		}
		return err
	}
	launch := func() error {
		return c.Launch(f, [3]int{1, 1, 1}, [3]int{1, 1, 1}, 0, []unsafe.Pointer{unsafe.Pointer(&p), unsafe.Pointer(&by)})
	}
	check(t, launch())
	check(t, c.Capture())
	check(t, launch())
	check(t, launch())
	g, err := c.EndCapture()
	check(t, err)
	if ran != 1 {
		t.Errorf("%d launches ran while a graph was recorded", ran-1)
	}
	check(t, c.RunGraph(g))
	check(t, c.RunGraph(g))
	got := make([]byte, 1)
	check(t, c.Download(got, p))
	if got[0] != 15 {
		t.Errorf("%d after five launches that add 3", got[0])
	}
	check(t, c.ReleaseGraph(g))
	if err := c.RunGraph(g); err == nil {
		t.Error("a released graph ran")
	}
	for _, l := range []struct {
		grid, block [3]int
		shared      int
		ok          bool
	}{
		{[3]int{1<<31 - 1, 65535, 65535}, [3]int{16, 1, 64}, c.Info().Shared, true},
		{[3]int{1, 65536, 1}, [3]int{1, 1, 1}, 0, false}, {[3]int{1, 1, 65536}, [3]int{1, 1, 1}, 0, false}, {[3]int{0, 1, 1}, [3]int{1, 1, 1}, 0, false},
		{[3]int{1, 1, 1}, [3]int{2048, 1, 1}, 0, false}, {[3]int{1, 1, 1}, [3]int{32, 32, 2}, 0, false}, {[3]int{1, 1, 1}, [3]int{1, 1, 65}, 0, false},
		{[3]int{1, 1, 1}, [3]int{1, 1, 1}, c.Info().Shared + 1, false},
	} {
		c.OnLaunch = nil
		if err := c.Launch(f, l.grid, l.block, l.shared, nil); (err == nil) != l.ok {
			t.Errorf("a launch on %v blocks of %v with %d bytes: %v", l.grid, l.block, l.shared, err)
		}
	}
	if _, err := c.EndCapture(); err == nil {
		t.Error("a graph that was not begun ended")
	}
}
