package work

import (
	"fmt"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/tui/teach"
	"pare/tui/theme"
)

// The guided tour: stops at which the run holds and the screen says what one sees and
// which key is next.

// tourStop is one of them.
type tourStop struct {
	title string
	when  func(d *desk) bool
	say   func(d *desk) []string
}

// waitsAt reports whether the run waits for a person in a stage.
func (d *desk) waitsAt(s event.Stage) bool {
	word, _ := d.run.status()
	return word == statusWaiting && d.run.st.Stage == s
}

var tourStops = []tourStop{
	{
		"welcome", func(d *desk) bool { return d.waitsAt(event.Baseline) },
		func(d *desk) []string {
			return []string{
				fmt.Sprintf("This is %s on %s. pare takes it through five stages, those of the second line: baseline, configure, sparsify, validate, deploy. At the end you see what it saved, and how that is known.", d.run.st.Started.Model, d.run.st.Started.Data),
				"The last line holds the keys that do something now; ? lists all, t explains the number under the cursor. The run is a process of its own: leaving the screen with q does not stop it.",
				"First the dense net is trained: everything later is compared with it. Press enter to close this, and enter again to train.",
			}
		},
	},
	{
		"two curves", func(d *desk) bool {
			return d.run.st.Stage == event.Baseline && len(d.run.st.Curves[event.Baseline].Acc) >= 3
		},
		func(d *desk) []string {
			b := d.bill(event.Baseline)
			return []string{
				"Behind this text are two curves: on the left accuracy on samples the net does not train on; on the right what each epoch costs, in " + b.unit + " (" + b.right + "). ← and → move one cursor through both.",
				"Watch the end of the curve: what the last points of accuracy cost is counted, and stands under the layers once the baseline is over.",
			}
		},
	},
	{
		"the recipe", func(d *desk) bool { return d.waitsAt(event.Configure) && d.formOpen() && d.predict.ledger != nil },
		func(d *desk) []string {
			l := d.predicted()
			return []string{
				fmt.Sprintf("The dense net is right on %s. Now choose what goes: on the left the recipe, on the right what it promises for the chosen hardware. ← and → change a field, and the figures move with it.", accText(&d.run.st)),
				or(l.Text, "") + ". p begins from a purpose, s measures what each layer can do without.",
				"Every weight that is set to zero is multiplied no more, but only where a kernel skips it: that is why blocks are offered, and why the pane below says no gain where there is none. Press enter to close this, change what you like, and enter again to sparsify.",
			}
		},
	},
	{
		"zeros", func(d *desk) bool { return d.run.st.Stage == event.Sparsify && d.run.zeros() >= 0.3 },
		func(d *desk) []string {
			return []string{
				fmt.Sprintf("%s of the weights are zero already, and the rest is trained on to take over their work. The dotted line is the floor: below it the run goes back by itself.", percent(d.run.zeros())),
				"i shows the layers: which lose most, their weights and masks. v shows the checkpoints by what an inference costs; r goes back to one of them. e changes the target while it runs.",
			}
		},
	},
	{
		"the test", func(d *desk) bool { return d.waitsAt(event.Validate) },
		func(d *desk) []string {
			return []string{
				"So far everything was judged on the validation set, and whoever looks at one set often enough fits to it. Now the test set is looked at, once, dense against pared on the same samples, and both are timed in turn.",
				"Press enter to close this, and enter again to look.",
			}
		},
	},
	{
		"the verdict", func(d *desk) bool { return d.run.st.Verdict != nil && d.waitsAt(event.Deploy) },
		func(d *desk) []string {
			v := d.run.st.Verdict
			out := []string{v.Text + ".", "PASS means that the lower end of the 95 % interval lies above the floor, not that the pared net happened to be good enough once."}
			if d.canWrong() == "" {
				out = append(out, "w shows what it gets wrong, and what the dense net said there.")
			}
			return append(out, "Last, the files are written, each is read again and compared, and every layer is timed. Press enter to close this, and enter again to write them.")
		},
	},
	{
		"the end", func(d *desk) bool { return d.run.st.Done != nil },
		func(d *desk) []string {
			out := []string{"The ledger holds dense and pared side by side; each figure says how it is known. The layers pane says for each layer what it runs on and what that gained, or why nothing."}
			if cmd := d.predictCmd(); cmd != "" {
				out = append(out, cmd+" runs the net that is left.")
			}
			return append(out, fmt.Sprintf("pare report %s writes all of it to one HTML file; pare replay %s shows the run again. Press enter to look around, q to leave.", d.run.src.ID(), d.run.src.ID()))
		},
	},
}

// accText is the dense accuracy in words.
func accText(st *event.State) string {
	if b, ok := st.BaselineAcc(); ok {
		return percent(b) + " of the validation samples"
	}
	return "– (not known)"
}

// tourNext opens the next stop when its time has come. Stops whose time passed while the
// one before was read are left out, but for the last of them.
func (d *desk) tourNext() []effect {
	if !d.o.Tour || d.run == nil || !d.run.caught || d.page != pageRun || d.over != overNone || d.tourAt >= len(tourStops) || d.replaying() {
		return nil
	}
	for i := len(tourStops) - 1; i >= d.tourAt; i-- {
		if !tourStops[i].when(d) {
			continue
		}
		d.tourAt, d.over, d.scroll = i+1, overTour, 0
		d.look.stage = 0
		d.touch()
		if s, _ := d.run.status(); s == statusRunning {
			d.tourHolds = true
			return []effect{d.send(core.Command{Cmd: core.CmdPause})}
		}
		return nil
	}
	return nil
}

// tourOn closes a stop; a run that was held for it goes on.
func (d *desk) tourOn() []effect {
	d.closeOver()
	if !d.tourHolds {
		return nil
	}
	d.tourHolds = false
	if s, _ := d.run.status(); s == statusRunning || s == statusPaused {
		return []effect{d.send(core.Command{Cmd: core.CmdGo})}
	}
	return nil
}

// tourEnd leaves the tour; the run goes on by itself where it was held.
func (d *desk) tourEnd() []effect {
	d.o.Tour = false
	d.say(0, "the tour is over; t explains, ? lists the keys")
	return d.tourOn()
}

// tourPane is the text of the stop, and what the screen's own lesson says of the stage.
func (d *desk) tourPane(w, h int) string {
	th := d.th
	s := &tourStops[min(max(d.tourAt-1, 0), len(tourStops)-1)]
	in := min(max(w-4, 1), 88)
	var lines []string
	add := func(tok theme.Token, p string) {
		for _, l := range wrap(th.Clean(p), in) {
			lines = append(lines, " "+th.Paint(tok, th.Tr(l)))
		}
		lines = append(lines, "")
	}
	for _, p := range s.say(d) {
		add(theme.Text, p)
	}
	for _, sec := range teach.Explain(d.told()) {
		add(theme.Title, sec.Title)
		for _, p := range sec.Paras {
			add(theme.Dim, p)
		}
	}
	room := max(h-2, 1)
	d.scroll = min(d.scroll, max(len(lines)-room, 0))
	body := strings.Join(lines[d.scroll:min(d.scroll+room, len(lines))], "\n")
	right := fmt.Sprintf("stop %d of %d", d.tourAt, len(tourStops))
	return th.BoxWith(theme.BoxOptions{Title: "tour: " + s.title, Right: right, Body: body, BorderToken: theme.Accent}, w, h)
}
