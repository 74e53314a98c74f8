package work

import (
	"context"
	"fmt"
	"strings"

	"pare/core"
	"pare/core/data"
	"pare/core/model/zoo"
	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/theme"
)

// list is one of the picker's lists.
type list uint8

const (
	listModels list = iota
	listData
	listSessions
	lists
)

// picker is the first page: a model, data, or a session to come back to.
type picker struct {
	models   []zoo.Info
	data     []data.Info
	sessions []sessions.Summary
	on       list
	at       [lists]int
	model    core.ModelSpec // chosen
	err      string
}

func newPicker(r *core.Recipe) picker {
	p := picker{models: zoo.List(), data: data.Builtin()}
	if r.Model.Path != "" {
		p.model = r.Model
	}
	for i, m := range p.models {
		if m.Name == r.Model.Name {
			p.at[listModels] = i
		}
	}
	for i, x := range p.data {
		if x.Name == r.Data.Name {
			p.at[listData] = i
		}
	}
	return p
}

// sessionsMsg are the sessions on disk.
type sessionsMsg struct{ list []sessions.Summary }

func (d *desk) listSessions() effect {
	root := d.o.Root
	return func(context.Context) any {
		l, err := sessions.List(root)
		if err != nil {
			l = nil // the folder need not exist
		}
		return sessionsMsg{l}
	}
}

func (p *picker) len(l list) int {
	switch l {
	case listModels:
		return len(p.models)
	case listData:
		return len(p.data)
	}
	return len(p.sessions)
}

func (p *picker) keepInside() {
	for l := range lists {
		p.at[l] = min(p.at[l], max(p.len(l)-1, 0))
	}
}

func (p *picker) move(dir int) {
	p.err = ""
	was := p.at[p.on]
	p.at[p.on] = min(max(was+dir, 0), max(p.len(p.on)-1, 0))
	if p.on == listModels && p.at[p.on] != was { // what was chosen before is not marked any more
		p.model = core.ModelSpec{}
	}
}

// nextList goes to another list. Who leaves the models has chosen the marked one.
func (d *desk) nextList(dir int) {
	p := &d.pick
	p.err = ""
	if p.on == listModels && p.model.Path == "" {
		d.takeModel()
	}
	p.step(dir)
}

// step is the next list with something in it.
func (p *picker) step(dir int) {
	for range lists {
		p.on = (p.on + list(dir) + lists) % lists
		if p.len(p.on) > 0 {
			return
		}
	}
}

func (p *picker) back() { p.on, p.err = listModels, "" }

// what is the thing the list in focus offers.
func (p *picker) what() string {
	if p.on == listData {
		return "data (CSV, TSV, JSONL, .npz, text, or a folder)"
	}
	return "model (.onnx, pare's .safetensors, or a folder of Hugging Face)"
}

func (d *desk) canPick() string {
	if d.pick.len(d.pick.on) == 0 {
		return "nothing to choose here"
	}
	return ""
}

func (d *desk) canPath() string {
	if d.pick.on == listSessions {
		return "a path is for a model or data: press tab first"
	}
	return ""
}

// tabText names the list that tab goes to.
func tabText(d *desk) string {
	p := d.pick
	p.step(1)
	return [...]string{"models", "data", "sessions"}[p.on]
}

// pathText is short where the line is full.
func pathText(d *desk) string {
	if d.w < wideW && d.pick.on == listData {
		return "path"
	}
	return "type a path"
}

func (d *desk) canBack() string {
	if d.pick.on == listModels {
		return "this is the first list; q leaves"
	}
	return ""
}

func pickText(d *desk) string {
	switch d.pick.on {
	case listModels:
		return "take model"
	case listData:
		return "take data"
	}
	if p := &d.pick; p.at[listSessions] < len(p.sessions) && p.sessions[p.at[listSessions]].Pid > 0 {
		return "attach"
	}
	return "open"
}

// choose takes the line under the cursor.
func (d *desk) choose() []effect {
	p := &d.pick
	p.err = ""
	switch p.on {
	case listModels:
		d.takeModel()
		p.on = listData
	case listData:
		x := p.data[p.at[listData]]
		if !x.Ready {
			p.err = x.Name + " is not on this machine: " + x.Hint
			return nil
		}
		d.o.Recipe = withData(d.o.Recipe, x.Name, "")
		return d.toSetup()
	case listSessions:
		s := p.sessions[p.at[listSessions]]
		return []effect{d.opening(&sessions.Session{ID: s.ID, Dir: s.Dir})}
	}
	return nil
}

// takeModel chooses the marked model.
func (d *desk) takeModel() {
	p := &d.pick
	p.model = core.ModelSpec{Name: p.models[p.at[listModels]].Name}
	d.o.Recipe = withModel(d.o.Recipe, p.model)
}

// withModel is the recipe for another model: its set-up is published anew.
func withModel(r *core.Recipe, m core.ModelSpec) *core.Recipe {
	n := *r
	if n.Model != m {
		n.Train = core.TrainSpec{Epochs: r.Train.Epochs}
	}
	n.Model = m
	return &n
}

func withData(r *core.Recipe, name, path string) *core.Recipe {
	n := *r
	if n.Data.Name != name || n.Data.Path != path {
		n.Data = core.DataSpec{Name: name, Path: path, Label: r.Data.Label, Val: r.Data.Val, Test: r.Data.Test}
	}
	return &n
}

// openedMsg is a session to follow.
type openedMsg struct {
	src source
	err error
}

func (d *desk) onOpened(m openedMsg) []effect {
	if m.err != nil {
		if d.page == pageShelf {
			d.warn(theme.Bad, m.err.Error())
			return nil
		}
		d.pick.err = m.err.Error()
		return nil
	}
	listed := d.page == pageShelf
	d.leaveRun()
	d.follow(m.src)
	d.run.listed = listed
	return d.watchOn()
}

func (d *desk) openPath() []effect {
	d.over, d.input, d.paths = overPath, input{}, paths{}
	return d.lookPath()
}

// takePath uses a path that was typed.
func (d *desk) takePath(s string) []effect {
	s = strings.TrimSpace(s)
	if s == "" {
		d.closeOver()
		return nil
	}
	s = homed(s)
	r, check := withModel(d.o.Recipe, core.ModelSpec{Path: s}), core.PrecheckEach // its data come next
	if d.pick.on == listData {
		r, check = withData(d.o.Recipe, "", s), core.Precheck
	}
	if err := check(r); err != nil {
		d.input.err = err.Error()
		return nil
	}
	d.o.Recipe = r
	d.closeOver()
	if d.pick.on == listData {
		return d.toSetup()
	}
	d.pick.model, d.pick.on = r.Model, listData
	return nil
}

// crumbs are the rail before there is a run.
func (d *desk) crumbs() string {
	th := d.th
	part := func(on bool, s string) string {
		if on {
			return th.Paint(theme.Selected, s)
		}
		return th.Paint(theme.Dim, s)
	}
	if d.page == pageShelf || d.page == pageCompare {
		out := " " + part(d.page == pageShelf, "sessions") + " " + th.G.Arrow + " " + part(d.page == pageCompare, "compare")
		if d.page == pageCompare {
			out += "   " + th.Paint(theme.Dim, th.Clean(strings.Join(d.compare.c.Sessions, ", ")))
		}
		return out
	}
	setup := d.page == pageSetup
	return " " + part(!setup && d.pick.on == listModels, "model") + " " + th.G.Arrow + " " + part(!setup && d.pick.on == listData, "data") + " " + th.G.Arrow + " " + part(setup, "set-up") +
		"   " + th.Paint(theme.Dim, brisk(th, "then baseline, configure, sparsify, validate, deploy", d.w-28))
}

// hint is the line above the footer before there is a run.
func (d *desk) hint() string {
	switch {
	case d.over == overPoint:
		return "the old session stays as it is; the new one goes on from the checkpoint"
	case d.page == pageShelf:
		return "space marks: c compares the marked ones, e and x take them all"
	case d.page == pageCompare:
		return "figures of the same work on the same machine compare; what does not is said"
	case d.page == pageSetup && len(d.setup.fields) > 0 && d.setup.get("epochs").num == 0:
		return "the model is evaluated first, as it is: everything later is compared with that"
	case d.page == pageSetup:
		return "the baseline is trained first: everything later is compared with it"
	case d.pick.on == listSessions:
		return "a session that runs is attached; one that stopped can be resumed with R"
	case d.pick.on == listData:
		return "choose the data to train and judge on; / takes your own: CSV, TSV, JSONL, .npz, text, a folder of images"
	}
	return "choose the model to pare; / takes your own: .onnx, pare's .safetensors, a folder of Hugging Face"
}

// pickPane shows the lists, and what is wrong with a choice.
func (d *desk) pickPane(w, h int) string {
	th, p := d.th, &d.pick
	lines := wrap(th.Clean(p.err), max(w-2, 1))
	if len(lines) > 0 && h > 3 {
		lines = lines[:min(len(lines), 2, h-2)]
		for i := range lines {
			lines[i] = " " + th.Paint(theme.Bad, th.Tr(lines[i]))
		}
		return d.pickLists(w, h-len(lines)) + "\n" + th.Block(strings.Join(lines, "\n"), w, len(lines))
	}
	return d.pickLists(w, h)
}

func (d *desk) pickLists(w, h int) string {
	p := &d.pick
	if h < 9 || w < 40 {
		return d.listBox(p.on, w, h)
	}
	top, below := len(p.models)+len(p.data)+4, 0
	// Beside each other they are half as wide: only where that cuts no words, or where one
	// above the other has no room.
	beside := w >= wideW && (w >= 160 || h < top+min(len(p.sessions), 3)+2)
	if beside {
		top = max(len(p.models), len(p.data)) + 2
	}
	if n := len(p.sessions); n > 0 {
		below = max(h-top, min(n+2, h/3), 3)
	}
	top = h - below
	var out string
	if beside {
		half := w / 2
		out = theme.Beside(d.listBox(listModels, half, top), d.listBox(listData, w-half, top))
	} else {
		a := min(len(p.models)+2, max((top+1)/2, top-len(p.data)-2))
		out = d.listBox(listModels, w, a) + "\n" + d.listBox(listData, w, top-a)
	}
	if below > 0 {
		out += "\n" + d.listBox(listSessions, w, below)
	}
	return out
}

// listBox is one list, the chosen line in sight.
func (d *desk) listBox(l list, w, h int) string {
	th, p := d.th, &d.pick
	title := [...]string{"model", "data", "recent sessions"}[l]
	right := ""
	if l == listModels && p.model != (core.ModelSpec{}) {
		right = th.Clean(or(p.model.Name, p.model.Path))
	}
	room := max(h-2, 1)
	n := p.len(l)
	if right == "" && n > room {
		right = fmt.Sprintf("%d of %d", p.at[l]+1, n)
	}
	from := min(max(p.at[l]-room+1, 0), max(n-room, 0))
	var b strings.Builder
	for i := from; i < min(from+room, n); i++ {
		name, about := p.line(th, l, i)
		lead := ""
		if l == listModels {
			lead = fmt.Sprintf("%10s ", plain.Count(p.models[i].Params))
		}
		about = lead + brisk(th, about, w-7-theme.Width(name)-len(lead))
		mark := "  "
		if i == p.at[l] {
			mark = "> "
			if l == p.on {
				name = th.Paint(theme.Selected, name)
				mark = th.Paint(theme.Accent, ">") + " "
			}
		}
		b.WriteString(" " + mark + name + "  " + th.Paint(theme.Dim, about) + "\n")
	}
	if n == 0 {
		b.WriteString(th.Paint(theme.Dim, " none yet"))
	}
	o := theme.BoxOptions{Title: title, Right: right, Body: strings.TrimSuffix(b.String(), "\n")}
	if l == p.on {
		o.BorderToken = theme.Accent
	}
	return th.BoxWith(o, w, h)
}

// line is what a list says of one thing: its name, padded, and the rest.
func (p *picker) line(th *theme.Theme, l list, i int) (name, about string) {
	switch l {
	case listModels:
		m := p.models[i]
		return th.Fit(m.Name, 14), "params  " + m.About
	case listData:
		x := p.data[i]
		about = x.Description
		if !x.Ready {
			about = "not here: " + x.Hint
		}
		return th.Fit(x.Name, 18), about
	}
	s := p.sessions[i]
	name = th.Fit(th.Clean(s.ID), 18)
	if s.Damage != "" {
		return name, "damaged: " + th.Clean(s.Damage)
	}
	about = fmt.Sprintf("%-8s %s on %s", s.Status, th.Clean(s.Model), th.Clean(s.Data))
	switch { // what is cut off where it is narrow stands last
	case s.Verdict != "":
		about += ", " + th.Clean(s.Verdict)
	case s.Stage > 0:
		about += fmt.Sprintf(", %s", s.Stage)
	}
	if s.Zeros > 0 {
		about += ", " + percent(s.Zeros) + " zeros"
	}
	switch {
	case s.TestAcc >= 0:
		about += ", test " + percent(s.TestAcc)
	case s.Acc >= 0:
		about += ", validation " + percent(s.Acc)
	}
	return name, about
}
