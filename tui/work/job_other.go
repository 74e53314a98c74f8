//go:build !unix

package work

import "io"

func noShell() string { return "this system knows no jobs" }

func wakes(func()) (end func()) { return func() {} }

func terminalIn(func()) io.Reader { return nil }
