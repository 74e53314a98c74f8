//go:build !static && (linux || windows) && (amd64 || arm64)

package nvml

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library holds the functions found; nil ones, and those at 0, are lacking. What a meter calls
// again and again is called at its address: by reflection a call that comes after a tenth of a
// second of sleep takes 10 µs more.
type library struct {
	init     func() Return
	shutdown func() Return
	driver   func(buf *byte, n uint32) Return
	count    func(n *uint32) Return
	byIndex  func(i uint32, d *handle) Return
	byUUID   func(uuid string, d *handle) Return
	name     func(d handle, buf *byte, n uint32) Return
	uuid     func(d handle, buf *byte, n uint32) Return
	arch     func(d handle, a *uint32) Return
	mig      func(d handle, now, pending *uint32) Return
	ofMIG    func(slice handle, d *handle) Return

	energy uintptr // (d handle, mj *uint64) Return
	power  uintptr // (d handle, mw *uint32) Return
	fields uintptr // (d handle, n int32, v *fieldValue) Return
	// (d handle, which uint32, after uint64, kind, n *uint32, v *sample) Return
	samples uintptr
}

// handle is nvmlDevice_t, a pointer of the library's.
type handle uintptr

// Open loads and initialises the library. The error names what was tried. With a
// path, only that file is tried.
func Open(path ...string) (API, error) {
	names := path
	if len(names) == 0 {
		names = libraryNames()
	}
	var first error
	for _, n := range names {
		lib, unload, err := loadLibrary(n)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		l := &library{}
		for _, s := range []struct {
			f     any
			names []string // the newest first
		}{
			{&l.init, []string{"nvmlInit_v2", "nvmlInit"}},
			{&l.shutdown, []string{"nvmlShutdown"}},
			{&l.driver, []string{"nvmlSystemGetDriverVersion"}},
			{&l.count, []string{"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"}},
			{&l.byIndex, []string{"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"}},
			{&l.byUUID, []string{"nvmlDeviceGetHandleByUUID"}},
			{&l.name, []string{"nvmlDeviceGetName"}},
			{&l.uuid, []string{"nvmlDeviceGetUUID"}},
			{&l.energy, []string{"nvmlDeviceGetTotalEnergyConsumption"}},
			{&l.power, []string{"nvmlDeviceGetPowerUsage"}},
			{&l.fields, []string{"nvmlDeviceGetFieldValues"}},
			{&l.samples, []string{"nvmlDeviceGetSamples"}},
			{&l.arch, []string{"nvmlDeviceGetArchitecture"}},
			{&l.mig, []string{"nvmlDeviceGetMigMode"}},
			{&l.ofMIG, []string{"nvmlDeviceGetDeviceHandleFromMigDeviceHandle"}},
		} {
			for _, name := range s.names {
				at := symbol(lib, name)
				if at == 0 {
					continue
				}
				if address, ok := s.f.(*uintptr); ok {
					*address = at
				} else {
					purego.RegisterFunc(s.f, at)
				}
				break
			}
		}
		if l.init == nil || l.count == nil || l.byIndex == nil {
			unload()
			return nil, fmt.Errorf("%s is no NVML: it lacks nvmlInit, nvmlDeviceGetCount or nvmlDeviceGetHandleByIndex", n)
		}
		if err := l.init().err(); err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		return l, nil
	}
	return nil, fmt.Errorf("no NVML library: %w", first)
}

func (l *library) Driver() (string, error) {
	if l.driver == nil {
		return "", NoFunction
	}
	var buf [80]byte
	err := l.driver(&buf[0], uint32(len(buf))).err()
	return text(buf[:]), err
}

func (l *library) Count() (int, error) {
	var n uint32
	err := l.count(&n).err()
	return int(n), err
}

func (l *library) ByIndex(i int) (Device, error) {
	d := &device{l: l}
	return d, l.byIndex(uint32(i), &d.h).err()
}

func (l *library) ByUUID(uuid string) (Device, error) {
	if l.byUUID == nil {
		return nil, NoFunction
	}
	d := &device{l: l}
	return d, l.byUUID(uuid, &d.h).err()
}

// Close leaves the library in memory: a call that hangs may still be inside.
func (l *library) Close() {
	if l.shutdown != nil {
		_ = l.shutdown()
	}
}

type device struct {
	l *library
	h handle
}

func (d *device) Name() (string, error) { return d.text(d.l.name) }
func (d *device) UUID() (string, error) { return d.text(d.l.uuid) }

func (d *device) text(f func(handle, *byte, uint32) Return) (string, error) {
	if f == nil {
		return "", NoFunction
	}
	var buf [96]byte
	err := f(d.h, &buf[0], uint32(len(buf))).err()
	return text(buf[:]), err
}

func (d *device) Energy() (uint64, error) {
	if d.l.energy == 0 {
		return 0, NoFunction
	}
	var v uint64
	r, _, _ := purego.SyscallN(d.l.energy, uintptr(d.h), uintptr(unsafe.Pointer(&v)))
	return v, Return(int32(r)).err()
}

func (d *device) Power() (uint32, error) {
	if d.l.power == 0 {
		return 0, NoFunction
	}
	var v uint32
	r, _, _ := purego.SyscallN(d.l.power, uintptr(d.h), uintptr(unsafe.Pointer(&v)))
	return v, Return(int32(r)).err()
}

func (d *device) Field(f Field, s Scope) (int64, error) {
	if d.l.fields == 0 {
		return 0, NoFunction
	}
	v := fieldValue{id: uint32(f), scope: uint32(s)}
	r, _, _ := purego.SyscallN(d.l.fields, uintptr(d.h), 1, uintptr(unsafe.Pointer(&v)))
	if err := Return(int32(r)).err(); err != nil {
		return 0, err
	}
	if err := v.ret.err(); err != nil {
		return 0, err
	}
	return v.number()
}

func (d *device) PowerSamples(after uint64) ([]PowerSample, error) {
	if d.l.samples == 0 {
		return nil, NoFunction
	}
	const totalPower = 0
	var raw [256]sample // drivers keep 120
	kind, n := uint32(0), uint32(len(raw))
	r, _, _ := purego.SyscallN(d.l.samples, uintptr(d.h), totalPower, uintptr(after), uintptr(unsafe.Pointer(&kind)), uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&raw[0])))
	if Return(int32(r)) == NotFound { // none since
		return nil, nil
	}
	if err := Return(int32(r)).err(); err != nil {
		return nil, err
	}
	out := make([]PowerSample, 0, n)
	for _, s := range raw[:min(int(n), len(raw))] {
		mw, err := number(kind, s.value)
		if err != nil {
			return nil, fmt.Errorf("nvml: a sample of power %w", err)
		}
		out = append(out, PowerSample{At: s.at, MW: mw})
	}
	return out, nil
}

func (d *device) Architecture() (int, error) {
	if d.l.arch == nil {
		return 0, NoFunction
	}
	var v uint32
	err := d.l.arch(d.h, &v).err()
	return int(v), err
}

func (d *device) MIG() (bool, error) {
	if d.l.mig == nil {
		return false, nil // a driver older than MIG
	}
	var now, pending uint32
	switch r := d.l.mig(d.h, &now, &pending); r {
	case Success:
		return now == 1, nil
	case NotSupported:
		return false, nil
	default:
		return false, r
	}
}

func (d *device) Parent() (Device, error) {
	if d.l.ofMIG == nil {
		return nil, ErrNotSlice
	}
	p := &device{l: d.l}
	if d.l.ofMIG(d.h, &p.h) != Success {
		return nil, ErrNotSlice
	}
	return p, nil
}

func libraryNames() []string {
	if runtime.GOOS == "windows" {
		return []string{"nvml.dll"}
	}
	// The loader's own search first; then where containers and WSL keep it.
	return []string{
		"libnvidia-ml.so.1", "/usr/local/nvidia/lib64/libnvidia-ml.so.1", "/usr/local/nvidia/lib/libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1",
	}
}
