package work

import (
	"context"
	"fmt"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"

	"pare/core/energy"
	"pare/tui/theme"
)

// app carries a desk in a terminal. It is the package's only tea.Model.
type app struct {
	d    *desk
	ctx  context.Context
	view tea.View // of the last frame that was drawn
}

// fps bounds how often the terminal is written to; keys are answered within a
// thirtieth of a second.
const fps = 10

// runScreen shows the desk until the person leaves.
func runScreen(d *desk, o ...tea.ProgramOption) error {
	p, end := newProgram(context.Background(), d, o...)
	defer end()
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
	return tea.NewProgram(&app{d: d, ctx: ctx}, append([]tea.ProgramOption{tea.WithFPS(rate)}, o...)...), end
}

// meter has the program write through a counter.
func meter(d *desk) tea.ProgramOption {
	m := &metered{File: os.Stdout}
	d.cost.since, d.cost.bytes, d.cost.cpu = time.Now(), m.n.Load, energy.ProcessCPU
	return tea.WithOutput(m)
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
	case tea.WindowSizeMsg:
		a.d.resize(m.Width, m.Height)
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
	if a.d.dirty && !a.d.hold {
		a.d.dirty = false
		begun := time.Now()
		a.view = tea.NewView(a.d.Render())
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
