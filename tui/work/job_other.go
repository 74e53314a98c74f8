//go:build !unix

package work

import tea "charm.land/bubbletea/v2"

func noShell() string { return "this system knows no jobs" }

func wakes(*tea.Program) (end func()) { return func() {} }
