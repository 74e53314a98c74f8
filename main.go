// Command pare is a terminal workbench that makes neural networks spend less
// energy, and proves it. This file starts the command line and nothing else.
package main

import (
	"os"

	"pare/tui/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
