package cu

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"unsafe"
)

type module struct {
	c *card
	h uintptr
}

// Load takes a cubin (an ELF file) or PTX, a text.
func (c *card) Load(image []byte) (Module, error) {
	if len(image) == 0 {
		return nil, fmt.Errorf("cuda: load an empty image")
	}
	if !bytes.HasPrefix(image, []byte("\x7fELF")) {
		image = append(image[:len(image):len(image)], 0)
	}
	const size = 8 << 10
	log := make([]byte, size)
	var pin runtime.Pinner // the driver reaches log through values
	pin.Pin(&log[0])
	defer pin.Unpin()
	options := [2]uint32{jitErrorLog, jitErrorLogSize}
	values := [2]uintptr{uintptr(unsafe.Pointer(&log[0])), size}
	m := &module{c: c}
	err := c.do("load a module", fnModuleLoad, uintptr(unsafe.Pointer(&m.h)), uintptr(unsafe.Pointer(unsafe.SliceData(image))), uintptr(len(options)),
		uintptr(unsafe.Pointer(&options)), uintptr(unsafe.Pointer(&values)))
	if err != nil {
		if s := strings.Join(strings.Fields(text(log)), " "); s != "" {
			err = fmt.Errorf("%w: %s", err, s)
		}
		return nil, err
	}
	return m, nil
}

func (m *module) Func(name string) (Func, error) {
	var f Func
	cname := append([]byte(name), 0)
	if err := m.c.do("find kernel "+name, fnModuleFunction, uintptr(unsafe.Pointer(&f)), m.h, uintptr(unsafe.Pointer(&cname[0]))); err != nil {
		return 0, err
	}
	var static int32
	if err := m.c.do("ask kernel "+name+" for its shared memory", fnFuncGet, uintptr(unsafe.Pointer(&static)), funcStaticShared, uintptr(f)); err != nil {
		return 0, err
	}
	if most := m.c.info.Shared - int(static); most > 0 {
		if err := m.c.do("raise the shared memory of kernel "+name, fnFuncSet, uintptr(f), funcMaxDynamicShared, uintptr(most)); err != nil {
			return 0, err
		}
	}
	return f, nil
}

func (m *module) Unload() error { return m.c.do("unload a module", fnModuleUnload, m.h) }

// Launch allocates nothing: its arguments lie in the card, which also keeps args alive.
func (c *card) Launch(f Func, grid, block [3]int, shared int, args []unsafe.Pointer) error {
	c.args = args
	c.frame = [...]uintptr{
		uintptr(f), uintptr(grid[0]), uintptr(grid[1]), uintptr(grid[2]), uintptr(block[0]), uintptr(block[1]), uintptr(block[2]),
		uintptr(shared), c.stream, uintptr(unsafe.Pointer(unsafe.SliceData(args))), 0,
	}
	return c.do("launch", fnLaunch, c.frame[:]...)
}
