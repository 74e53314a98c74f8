package work

import (
	"context"
	"fmt"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pare/core/energy"
	"pare/tui/theme"
)

// app carries a desk in a terminal. It is the package's only tea.Model.
type app struct {
	d    *desk
	ctx  context.Context
	view tea.View // of the last frame that was drawn
	size Size     // of the terminal, where Bubble Tea is told another

	asked bool // ctrl+z was pressed, and the process does not go on yet
}

// fps bounds how often the terminal is written to; keys are answered within a tenth of a
// second.
const fps = 10

// runScreen shows the desk until the person leaves.
func runScreen(d *desk, o ...tea.ProgramOption) error {
	var p *tea.Program
	if in := terminalIn(func() { p.Quit() }); in != nil {
		o = append([]tea.ProgramOption{tea.WithInput(in)}, o...)
	}
	p, end := newProgram(context.Background(), d, o...)
	defer end()
	defer wakes(func() { p.Send(wokenMsg{}) })()
	if _, err := p.Run(); err != nil {
		return fmt.Errorf("the screen ended: %w; the run is not touched by it", err)
	}
	return nil
}

// newProgram makes the desk's program. end ends the effects under way.
func newProgram(ctx context.Context, d *desk, o ...tea.ProgramOption) (p *tea.Program, end func()) {
	ctx, end = context.WithCancel(ctx)
	rate := fps
	if d.o.Slow {
		rate = 1
	}
	a := &app{d: d, ctx: ctx}
	return tea.NewProgram(a, append([]tea.ProgramOption{tea.WithFPS(rate), tea.WithFilter(a.filter)}, o...)...), end
}

// filter keeps from the program what is not for it. Bubble Tea goes through all cells of its
// screen for each frame: where frames draws it has two, for the token.
func (a *app) filter(_ tea.Model, m tea.Msg) tea.Msg {
	switch m := m.(type) {
	case tea.SuspendMsg:
		if a.d.o.remote { // there is no job to stop
			return nil
		}
	case tea.WindowSizeMsg:
		a.size = Size{m.Width, m.Height}
		if a.d.frames != nil {
			return tea.WindowSizeMsg{Width: 2, Height: 1}
		}
	}
	return m
}

// meter has the program write changes of frames alone, and through a counter.
func meter(d *desk) tea.ProgramOption {
	n := &counted{Writer: os.Stdout}
	d.frames = &frames{to: n}
	d.cost.since, d.cost.bytes, d.cost.cpu, d.cost.lean = time.Now(), n.n.Load, energy.ProcessCPU, lean
	d.cost.alone = oneProcessor()
	return tea.WithOutput(&screenFile{os.Stdout, d.frames})
}

// Init implements tea.Model.
func (a *app) Init() tea.Cmd {
	cmds := a.cmds(a.d.begin())
	if a.d.mode == theme.Auto {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

// Update implements tea.Model.
func (a *app) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	a.d.now = time.Now()
	var todo []effect
	switch m := m.(type) {
	case tea.WindowSizeMsg: // see filter
		a.d.resize(a.size.W, a.size.H)
	case tea.ColorProfileMsg:
		if a.d.frames != nil {
			a.d.frames.paint(m.Profile)
		}
	case tea.BackgroundColorMsg:
		a.d.background(m.IsDark())
	case tea.KeyPressMsg:
		todo = a.d.press(keyName(m), m.Text)
	case tea.MouseClickMsg:
		a.d.click(m.X, m.Y)
	case tea.MouseWheelMsg:
		todo = a.d.wheel(m.Button == tea.MouseWheelUp, m.X, m.Y)
	case tea.PasteMsg:
		a.d.paste(m.Content)
	case tea.InterruptMsg:
		a.d.quit = true
	case copyMsg:
		return a, tea.SetClipboard(m.text)
	case wipeMsg:
		return a, tea.ClearScreen
	case stopMsg:
		return a, a.stopped()
	case wokenMsg:
		return a, a.woken()
	default:
		todo = a.d.handle(m)
	}
	if a.d.quit {
		return a, tea.Quit
	}
	return a, tea.Batch(a.cmds(todo)...)
}

// View implements tea.Model. The frame is drawn anew only when the desk has
// changed.
func (a *app) View() tea.View {
	if a.d.dirty && (!a.d.hold || a.d.reading()) {
		a.d.dirty = false
		begun := time.Now()
		frame := a.d.Render()
		if f := a.d.frames; f != nil {
			frame = f.show(frame, a.d.w, a.d.h)
		}
		a.view = tea.NewView(frame)
		a.d.cost.frames++
		a.d.cost.drawn += time.Since(begun)
		a.view.AltScreen = true
		if a.d.mouse {
			a.view.MouseMode = tea.MouseModeCellMotion
		}
		a.view.WindowTitle = a.d.title()
	}
	return a.view
}

func (a *app) cmds(es []effect) []tea.Cmd {
	out := make([]tea.Cmd, len(es))
	for i, e := range es {
		out[i] = func() tea.Msg { return e(a.ctx) }
	}
	return out
}

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
	return tea.Sequence(func() tea.Msg { rawAgain(); return nil }, tea.Raw(modes), tea.ClearScreen)
}
