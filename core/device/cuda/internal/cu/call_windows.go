//go:build !static && windows && (amd64 || arm64)

package cu

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// loads says that this build loads libraries.
const loads = true

// loadLibrary opens a bare name from System32 only, where the driver puts its own,
// and a path with what lies beside it.
func loadLibrary(file string, _ bool) (uintptr, error) {
	flags := uintptr(windows.LOAD_LIBRARY_SEARCH_SYSTEM32)
	if filepath.IsAbs(file) {
		flags |= windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR
	}
	lib, err := windows.LoadLibraryEx(file, 0, flags)
	return uintptr(lib), err
}

// symbol is the address of a function, 0 if the library has none.
func symbol(lib uintptr, name string) uintptr {
	at, err := windows.GetProcAddress(windows.Handle(lib), name)
	if err != nil {
		return 0
	}
	return at
}
