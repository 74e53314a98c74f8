package work

import (
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
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

// stopped is the answer to stopMsg. The wokenMsg that comes of it is not for woken.
func (a *app) stopped() tea.Cmd {
	a.asked = true
	return tea.Suspend
}

// woken takes the terminal anew. (Bubble Tea's Exec would, too, but where the command ends at
// once it may stop its clock for good.)
func (a *app) woken() tea.Cmd {
	if a.asked {
		a.asked = false
		return nil
	}
	modes := ansi.SetModeAltScreenSaveCursor + ansi.ResetModeTextCursorEnable + ansi.SetModeBracketedPaste
	if a.d.mouse {
		modes += ansi.SetModeMouseButtonEvent + ansi.SetModeMouseExtSgr
	}
	return tea.Sequence(rawAgain, tea.Raw(modes), tea.ClearScreen)
}

// rawAgain takes keys as they are typed. Stopped in the background, the process stops here
// again until it has the terminal.
func rawAgain() tea.Msg {
	if fd := os.Stdin.Fd(); term.IsTerminal(fd) {
		_, _ = term.MakeRaw(fd) // without it keys come by the line
	}
	return nil
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
