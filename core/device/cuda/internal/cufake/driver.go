package cufake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"pare/core/device/cuda/internal/cu"
)

var (
	_ cu.Driver   = (*Card)(nil)
	_ cu.Compiler = (*Card)(nil)
	_ cu.Mapper   = (*Card)(nil)
)

// Maps is Hopper.
func (c *Card) Maps() bool { return c.Hopper }

// Map keeps the arguments, after it has checked them.
func (c *Card) Map(p cu.Ptr, rows, cols, ld, box int) (cu.Map, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Map"); err != nil {
		return cu.Map{}, err
	}
	if p%16 != 0 || ld%8 != 0 || cols > ld || rows < 1 || box < 1 || box > 256 {
		return cu.Map{}, cu.Fault(fmt.Sprintf("map [%d][%d] at %#x, rows %d apart, boxes of %d", rows, cols, uint64(p), ld, box), 1)
	}
	_, err := c.at(p, 2*(int64(rows-1)*int64(ld)+int64(cols)))
	return cu.Map{uint64(p), uint64(rows), uint64(cols), uint64(ld), uint64(box)}, err
}

func isLost(err error) bool { return errors.Is(err, cu.ErrLost) }

func (c *Card) Info() cu.Info { return c.info }

func (c *Card) Free() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit - c.used, c.enter("Free")
}

func (c *Card) Alloc(bytes int64) (cu.Ptr, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Alloc"); err != nil {
		return 0, err
	}
	if bytes <= 0 {
		return 0, fmt.Errorf("cuda: allocate %d bytes", bytes)
	}
	if bytes > c.limit-c.used {
		return 0, cu.Fault(fmt.Sprintf("allocate %d bytes", bytes), cu.CodeOutOfMemory)
	}
	p := c.next
	c.next += cu.Ptr(bytes+511) &^ 255 // a gap follows: what runs over is seen
	c.blocks = append(c.blocks, block{p, make([]byte, bytes)})
	c.used += bytes
	return p, nil
}

func (c *Card) Release(p cu.Ptr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Release"); err != nil || p == 0 {
		return err
	}
	i := slices.IndexFunc(c.blocks, func(b block) bool { return b.at == p })
	if i < 0 {
		return cu.Fault(fmt.Sprintf("release %#x, which was not allocated", uint64(p)), 1)
	}
	c.used -= int64(len(c.blocks[i].b))
	c.blocks = slices.Delete(c.blocks, i, i+1)
	return nil
}

func (c *Card) Host(bytes int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Host"); err != nil {
		return nil, err
	}
	if bytes <= 0 {
		return nil, fmt.Errorf("cuda: allocate %d bytes of host memory", bytes)
	}
	b := make([]byte, bytes)
	c.hosts[&b[0]] = bytes
	return b, nil
}

func (c *Card) ReleaseHost(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("ReleaseHost"); err != nil || cap(b) == 0 {
		return err
	}
	at := unsafe.SliceData(b)
	if _, ok := c.hosts[at]; !ok {
		return fmt.Errorf("cuda: release host memory that Host did not give")
	}
	delete(c.hosts, at)
	return nil
}

func (c *Card) Upload(dst cu.Ptr, src []byte) error {
	return c.move("Upload", func() error {
		to, err := c.at(dst, int64(len(src)))
		copy(to, src)
		return err
	}, len(src))
}

func (c *Card) Download(dst []byte, src cu.Ptr) error {
	return c.move("Download", func() error {
		from, err := c.at(src, int64(len(dst)))
		copy(dst, from)
		return err
	}, len(dst))
}

func (c *Card) Copy(dst, src cu.Ptr, bytes int64) error {
	return c.move("Copy", func() error {
		to, err := c.at(dst, bytes)
		if err != nil {
			return err
		}
		from, err := c.at(src, bytes)
		if err != nil {
			return err
		}
		copy(to[:bytes], from[:bytes])
		return nil
	}, int(bytes))
}

func (c *Card) Fill(p cu.Ptr, value byte, bytes int64) error {
	return c.move("Fill", func() error {
		to, err := c.at(p, bytes)
		if err != nil {
			return err
		}
		for i := range to[:bytes] {
			to[i] = value
		}
		return nil
	}, int(bytes))
}

// move queues work on n bytes; of none it does nothing.
func (c *Card) move(method string, f func() error, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter(method); err != nil || n == 0 {
		return err
	}
	return c.queue(f)
}

// Compile takes any source for an image, with the defines in its first line.
func (c *Card) Compile(_, source string, defines []string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []byte(strings.Join(defines, " ") + "\n" + source), c.enter("Compile")
}

type module struct {
	c       *Card
	defines []string
}

func (c *Card) Load(image []byte) (cu.Module, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Load"); err != nil {
		return nil, err
	}
	if len(image) == 0 {
		return nil, fmt.Errorf("cuda: load an empty image")
	}
	c.modules++
	first, _, _ := strings.Cut(string(image), "\n")
	return module{c, strings.Fields(first)}, nil
}

// Func finds any kernel.
func (m module) Func(name string) (cu.Func, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if err := m.c.enter("Func"); err != nil {
		return 0, err
	}
	m.c.funcs = append(m.c.funcs, name)
	m.c.defines[name] = m.defines
	return cu.Func(len(m.c.funcs)), nil
}

func (m module) Unload() error {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.modules--
	return m.c.enter("Unload")
}

func (c *Card) Launch(f cu.Func, grid, block [3]int, shared int, args []unsafe.Pointer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Launch"); err != nil {
		return err
	}
	if f == 0 || int(f) > len(c.funcs) {
		return cu.Fault("launch", 400)
	}
	for i := range grid {
		if grid[i] < 1 || block[i] < 1 {
			return cu.Fault(fmt.Sprintf("launch %s on %v blocks of %v", c.funcs[f-1], grid, block), 1)
		}
	}
	if t := block[0] * block[1] * block[2]; t > 1024 || block[2] > 64 || shared > c.info.Shared || grid[0] > 1<<31-1 || grid[1] > 65535 || grid[2] > 65535 {
		return cu.Fault(fmt.Sprintf("launch %s on %v blocks of %v with %d bytes", c.funcs[f-1], grid, block, shared), 1)
	}
	c.spend(c.funcs[f-1])
	c.calls[c.funcs[f-1]]++
	if k := packKernels[c.funcs[f-1]]; k != nil {
		if err := c.queue(k(c, args)); err != nil {
			return err
		}
	}
	run := c.OnLaunch
	if run == nil {
		return nil
	}
	name := c.funcs[f-1]
	return c.queue(func() error {
		c.mu.Unlock()
		defer c.mu.Lock()
		return run(name, grid, block, shared, args)
	})
}

func (c *Card) Capture() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Capture"); err != nil {
		return err
	}
	if c.recording != nil {
		return cu.Fault("begin a graph", 900)
	}
	c.recording = &[]func() error{}
	return nil
}

func (c *Card) EndCapture() (cu.Graph, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	recorded := c.recording
	c.recording = nil
	if err := c.enter("EndCapture"); err != nil {
		return 0, err
	}
	if recorded == nil {
		return 0, cu.Fault("end a graph", 903)
	}
	c.handles++
	c.graphs[cu.Graph(c.handles)] = *recorded
	return cu.Graph(c.handles), nil
}

func (c *Card) RunGraph(g cu.Graph) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("RunGraph"); err != nil {
		return err
	}
	list, ok := c.graphs[g]
	if !ok {
		return cu.Fault("run a graph", 400)
	}
	for _, f := range list {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// ReleaseGraph panics on a graph that is not there, where a driver may end the process.
func (c *Card) ReleaseGraph(g cu.Graph) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.graphs[g]; !ok && g != 0 {
		panic("cufake: a graph is released that is not there")
	}
	delete(c.graphs, g)
	return c.enter("ReleaseGraph")
}

func (c *Card) Event() (cu.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("Event"); err != nil {
		return 0, err
	}
	c.handles++
	c.events[cu.Event(c.handles)] = 0
	return cu.Event(c.handles), nil
}

func (c *Card) Record(e cu.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events[e] = c.clock
	return c.enter("Record")
}

// Elapsed is by Takes, else always a millisecond.
func (c *Card) Elapsed(a, b cu.Event) (float32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Takes != nil {
		return c.events[b] - c.events[a], c.enter("Elapsed")
	}
	return 1, c.enter("Elapsed")
}

func (c *Card) ReleaseEvent(e cu.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.events, e)
	return c.enter("ReleaseEvent")
}

func (c *Card) Sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.enter("Sync")
}

func (c *Card) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	err := c.enter("Close")
	c.closed = true
	return err
}
