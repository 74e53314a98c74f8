//go:build !static && (amd64 || arm64)

package nvml

import (
	"runtime"

	"github.com/ebitengine/purego"
)

func loadLibrary(name string) (uintptr, func(), error) {
	runtime.LockOSThread() // why it failed is told to the thread that asked
	defer runtime.UnlockOSThread()
	lib, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return 0, nil, err
	}
	return lib, func() { _ = purego.Dlclose(lib) }, nil
}

// symbol is the address of a function, 0 if the library has none.
func symbol(lib uintptr, name string) uintptr {
	at, err := purego.Dlsym(lib, name)
	if err != nil {
		return 0
	}
	return at
}
