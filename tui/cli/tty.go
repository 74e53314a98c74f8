package cli

import "github.com/charmbracelet/x/term"

func isTTY(fd uintptr) bool { return term.IsTerminal(fd) }
