//go:build !static && (linux || windows) && (amd64 || arm64)

package cu

import "github.com/ebitengine/purego"

// invoke calls a C function whose arguments are all whole numbers or pointers. It
// takes no reflection and no memory, so that a launch costs what the driver takes.
//
//go:uintptrescapes
func invoke(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}
