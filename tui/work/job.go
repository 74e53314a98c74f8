package work

import (
	"os"

	"github.com/charmbracelet/x/term"
)

// The screen as a job of a shell: ctrl+z gives the terminal back, `fg` takes it again. Whoever
// stops the process from outside has not asked it: when it goes on, the terminal may be in
// any mode and show anything.

// wipeMsg asks for the whole screen anew, over whatever else has written to the terminal.
type wipeMsg struct{}

// stopMsg asks to stop this process, as a shell's ctrl+z does.
type stopMsg struct{}

// wokenMsg tells that the process was stopped and goes on.
type wokenMsg struct{}

// rawAgain takes keys as they are typed. Stopped in the background, the process stops here
// again until it has the terminal.
func rawAgain() {
	if fd := os.Stdin.Fd(); term.IsTerminal(fd) {
		_, _ = term.MakeRaw(fd) // without it keys come by the line
	}
}

// canSuspend says why ctrl+z has nowhere to go.
func (d *desk) canSuspend() string {
	if d.o.remote {
		return "there is no shell here"
	}
	return d.shell()
}

func (d *desk) wipe() []effect    { return []effect{now(wipeMsg{})} }
func (d *desk) suspend() []effect { return []effect{now(stopMsg{})} }
