package cu

import (
	"fmt"
	"unsafe"
)

func (c *card) Alloc(bytes int64) (Ptr, error) {
	if bytes <= 0 {
		return 0, fmt.Errorf("cuda: allocate %d bytes", bytes)
	}
	var p Ptr
	err := c.do(fmt.Sprintf("allocate %d bytes", bytes), fnAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes))
	return p, err
}

func (c *card) Release(p Ptr) error {
	if p == 0 {
		return nil
	}
	return c.do("release memory", fnFree, uintptr(p))
}

func (c *card) Host(bytes int) ([]byte, error) {
	if bytes <= 0 {
		return nil, fmt.Errorf("cuda: allocate %d bytes of host memory", bytes)
	}
	var p *byte
	if err := c.do(fmt.Sprintf("allocate %d bytes of page-locked host memory", bytes), fnHostAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes), hostPortable); err != nil {
		return nil, err
	}
	c.hosts[uintptr(unsafe.Pointer(p))] = bytes
	return unsafe.Slice(p, bytes), nil
}

func (c *card) ReleaseHost(b []byte) error {
	if cap(b) == 0 {
		return nil
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if _, ok := c.hosts[at]; !ok {
		return fmt.Errorf("cuda: release host memory that Host did not give")
	}
	delete(c.hosts, at)
	return c.do("release host memory", fnHostFree, at)
}

// locked says whether memory is page-locked, so that copies run beside the caller.
func (c *card) locked(b []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for from, n := range c.hosts {
		if at >= from && at < from+uintptr(n) {
			return true
		}
	}
	return false
}

func (c *card) Upload(dst Ptr, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	if err := c.do("copy to the card", fnUpload, uintptr(dst), uintptr(unsafe.Pointer(unsafe.SliceData(src))), uintptr(len(src)), c.stream); err != nil || c.locked(src) {
		return err
	}
	return c.Sync() // the collector may take src, and the driver may still read it
}

func (c *card) Download(dst []byte, src Ptr) error {
	if len(dst) == 0 {
		return nil
	}
	if err := c.do("copy from the card", fnDownload, uintptr(unsafe.Pointer(unsafe.SliceData(dst))), uintptr(src), uintptr(len(dst)), c.stream); err != nil || c.locked(dst) {
		return err
	}
	return c.Sync()
}

func (c *card) Copy(dst, src Ptr, bytes int64) error {
	if bytes == 0 {
		return nil
	}
	return c.do("copy on the card", fnCopy, uintptr(dst), uintptr(src), uintptr(bytes), c.stream)
}

func (c *card) Fill(p Ptr, value byte, bytes int64) error {
	if bytes == 0 {
		return nil
	}
	return c.do("fill memory", fnFill, uintptr(p), uintptr(value), uintptr(bytes), c.stream)
}
