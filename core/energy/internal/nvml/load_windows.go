//go:build !static && (amd64 || arm64)

package nvml

import "golang.org/x/sys/windows"

// loadLibrary looks in System32 only, where the driver puts nvml.dll.
func loadLibrary(name string) (uintptr, func(), error) {
	lib, err := windows.LoadLibraryEx(name, 0, windows.LOAD_LIBRARY_SEARCH_SYSTEM32)
	if err != nil {
		return 0, nil, err
	}
	return uintptr(lib), func() { _ = windows.FreeLibrary(lib) }, nil
}

func symbol(lib uintptr, name string) uintptr {
	at, err := windows.GetProcAddress(windows.Handle(lib), name)
	if err != nil {
		return 0
	}
	return at
}
