package work

import (
	"context"
	"fmt"
	"strings"

	"pare/core"
	"pare/core/device"
	"pare/core/event"
	"pare/core/graph"
	"pare/hwprofiles"
	"pare/tui/plain"
	"pare/tui/theme"
)

// thisMachine is the choice of no profile.
const thisMachine = "this machine"

// hardware is the list from which the machine is chosen that predictions are made
// for.
type hardware struct {
	title []string          // by option of the form's field
	at    int               // marked, of what is shown
	gain  map[string]string // of a step, by profile; nil until it is known
}

// hwField is the form's field before the profiles are read.
func hwField(now string) field {
	f := pick("hardware", "hardware", now, []string{""}, []string{thisMachine})
	if now != "" {
		f.opts, f.words, f.at = append(f.opts, now), append(f.words, now), 1
	}
	return f
}

// fillHW puts all profiles into the field; what is chosen stays. here is the
// profile of this machine.
func (d *desk) fillHW(l []hwprofiles.Profile, here string) {
	f := d.conf.get("hardware")
	now := f.chosen()
	opts, words, title := []string{""}, []string{thisMachine}, []string{here}
	at := 0
	for _, p := range l {
		if p.Name == now {
			at = len(opts)
		}
		opts, words, title = append(opts, p.Name), append(words, p.Name), append(title, p.Title)
	}
	if now != "" && at == 0 { // its file has gone meanwhile: the prediction says so
		at = len(opts)
		opts, words, title = append(opts, now), append(words, now), append(title, "")
	}
	f.opts, f.words, f.at, d.hw.title = opts, words, at, title
}

func (d *desk) canHW() string {
	if f := &d.conf; f.fields[f.at].key != "hardware" || len(d.hw.title) == 0 {
		return "only hardware has a list: mark that field first"
	}
	return ""
}

// gainsMsg tells what the form's recipe gains on each profile.
type gainsMsg struct {
	gen  int
	gain map[string]string
}

// openHW opens the list, and finds out what each profile would gain.
func (d *desk) openHW() []effect {
	f := d.conf.get("hardware")
	d.over, d.input = overHW, input{}
	d.hw.at, d.hw.gain = f.at, nil
	p := &d.predict
	if p.m == nil {
		return nil
	}
	names, r, gen, m, dev, times, on := f.opts, d.confRecipe(), p.gen, p.m, p.dev, d.run.st.Times, d.run.st.Started
	return []effect{func(ctx context.Context) any {
		out := map[string]string{}
		for _, n := range names {
			if ctx.Err() != nil {
				return nil
			}
			out[n] = hwGain(m, dev, n, r, times, on)
		}
		return gainsMsg{gen, out}
	}}
}

// hwGain is what a step takes on a profile with a recipe, ≥ where that is a lower limit,
// and the change that the recipe brings.
func hwGain(m *graph.Model, dev device.Device, name string, r *core.Recipe, times *event.StepTimes, on event.Started) string {
	hw, err := core.ProfileOf(name, on)
	if err != nil {
		return "–"
	}
	l, err := core.PredictFrom(m, dev, hw, r, times)
	if err != nil || l.Dense.StepCPUUS <= 0 || l.Now.StepCPUUS <= 0 {
		return "–"
	}
	least := ""
	if l.AtLeast {
		least = "≥"
	}
	at := least + plain.Num(l.Now.StepCPUUS/1e3) + " ms  "
	switch c := plain.Change(l.Dense.StepCPUUS, l.Now.StepCPUUS); {
	case c == "0 %" || c == "−0 %":
		return at + "no gain"
	case hw.LaunchesUnknown():
		return at + "at most " + c
	default:
		return at + c
	}
}

func (d *desk) onGains(m gainsMsg) {
	if m.gen == d.predict.gen {
		d.hw.gain = m.gain
	}
}

// shownHW are the options that hold what was typed.
func (d *desk) shownHW() []int {
	f := d.conf.get("hardware")
	var out []int
	for i, w := range f.words {
		if all := strings.ToLower(w + " " + d.hw.title[i]); containsAll(all, strings.Fields(strings.ToLower(d.input.text))) {
			out = append(out, i)
		}
	}
	return out
}

func containsAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

func (d *desk) moveHW(by int) {
	d.input.err = ""
	d.hw.at = min(max(d.hw.at+by, 0), max(len(d.shownHW())-1, 0))
}

// markedHW is the option that enter takes, −1 for none.
func (d *desk) markedHW() int {
	if l := d.shownHW(); len(l) > 0 {
		return l[min(d.hw.at, len(l)-1)]
	}
	return -1
}

// takeHW chooses the marked machine.
func (d *desk) takeHW() []effect {
	i := d.markedHW()
	if i < 0 {
		d.input.err = fmt.Sprintf("no profile is called %q", d.input.text)
		return nil
	}
	f := d.conf.get("hardware")
	f.at, f.touched = i, true
	d.closeOver()
	return d.changed()
}

// hwPane is the list: names, what the recipe gains there, and what they are.
func (d *desk) hwPane(w, h int) string {
	th, f := d.th, d.conf.get("hardware")
	l := d.shownHW()
	at := min(d.hw.at, max(len(l)-1, 0))
	name, gain := 0, 0
	for i, x := range f.words {
		name, gain = max(name, theme.Width(x)), max(gain, theme.Width(th.Tr(d.hw.gain[f.opts[i]])))
	}
	room := max(h-2, 1)
	from := min(max(at-room/2, 0), max(len(l)-room, 0))
	var lines []string
	for k := from; k < min(from+room, len(l)); k++ {
		i := l[k]
		mark, n := "  ", th.Fit(th.Clean(f.words[i]), name)
		if k == at {
			mark, n = th.Paint(theme.Accent, ">")+" ", th.Paint(theme.Selected, n)
		}
		said := ""
		if room := w - 9 - name - gain; room >= 12 { // fewer cells say nothing
			said = "  " + th.Paint(theme.Dim, th.Tr(brisk(th, d.hw.title[i], room)))
		}
		lines = append(lines, " "+mark+n+"  "+th.FitRight(d.hw.gain[f.opts[i]], gain)+said)
	}
	if len(l) == 0 {
		lines = []string{th.Paint(theme.Dim, " nothing is called that; ctrl+u begins anew")}
	}
	return th.Box("hardware", "predicted time per step, with this recipe", strings.Join(lines, "\n"), w, h)
}

// hwLine says for what a prediction is, where that is not this machine; in one line
// of w cells where there are few.
func (d *desk) hwLine(w int, few bool) string {
	const run = "the run itself measures on this machine"
	n := d.conf.get("hardware").chosen()
	if n == "" {
		return ""
	}
	if s := "predicted for " + n + "; " + run; !few || theme.Width(s) <= w {
		return s
	}
	return run
}
