//go:build !unix

package work

func noShell() string { return "this system knows no jobs" }

func wakes(func()) (end func()) { return func() {} }
