//go:build !static && linux && (amd64 || arm64)

package cu

import (
	"runtime"

	"github.com/ebitengine/purego"
)

// loads says that this build loads libraries.
const loads = true

// loadLibrary opens a shared library; with global, its functions are there for
// libraries opened later.
func loadLibrary(file string, global bool) (uintptr, error) {
	mode := purego.RTLD_NOW | purego.RTLD_LOCAL
	if global {
		mode = purego.RTLD_NOW | purego.RTLD_GLOBAL
	}
	runtime.LockOSThread() // why it failed is told to the thread that asked
	defer runtime.UnlockOSThread()
	return purego.Dlopen(file, mode)
}

// symbol is the address of a function, 0 if the library has none.
func symbol(lib uintptr, name string) uintptr {
	at, err := purego.Dlsym(lib, name)
	if err != nil {
		return 0
	}
	return at
}
