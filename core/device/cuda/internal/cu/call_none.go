//go:build static || !((linux || windows) && (amd64 || arm64))

package cu

import "errors"

// loads says that this build loads no libraries.
const loads = false

var errNoLoader = errors.New("this build loads no libraries (built with the tag static, or for a system without CUDA)")

func loadLibrary(string, bool) (uintptr, error) { return 0, errNoLoader }

func symbol(uintptr, string) uintptr { return 0 }

// invoke is never reached: no library was opened.
func invoke(uintptr, ...uintptr) uintptr { return ^uintptr(0) }
