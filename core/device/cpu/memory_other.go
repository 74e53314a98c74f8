//go:build !linux

package cpu

import "unsafe"

// memory is the machine's memory in bytes, 0 when unknown: here always.
func memory() int64 { return 0 }

// huge asks for large pages; here there is no way to.
func huge(unsafe.Pointer, int) {}
