package work

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core"
	"pare/core/device"
	"pare/core/event"
	"pare/core/graph"
	"pare/hwprofiles"
	"pare/tui/plain"
	"pare/tui/theme"
)

// formatHF is a folder that transformers loads.
const formatHF = "hf"

// predictor is what the predicted ledger of the configure stage needs, and the
// newest prediction.
type predictor struct {
	m      *graph.Model
	dev    device.Device
	gen    int // of the form; answers of older ones are dropped
	busy   bool
	ledger *event.Ledger
	no24   bool // the hardware has no kernel for 2:4
	err    string
}

// formOpen says whether the configure form takes the keys.
func (d *desk) formOpen() bool {
	if d.run == nil || d.replaying() || d.o.ReadOnly || d.run.watches != "" || d.stage() != event.Configure || d.run.st.Stage != event.Configure || len(d.conf.fields) == 0 {
		return false
	}
	s, _ := d.run.status()
	return s == statusWaiting && !d.goOn
}

// openConf fills the form from the recipe in force, once.
func (d *desk) openConf() []effect {
	r := d.run.recipe
	if r == nil || len(d.conf.fields) > 0 {
		return nil
	}
	has := func(f string) string {
		for _, x := range r.Deploy.Formats {
			if x == f {
				return "yes"
			}
		}
		return "no"
	}
	yes := []string{"yes", "no"}
	p := r.Prune
	pattern, schedule := methodFields(r)
	schedule.later()
	d.conf = form{at: 4, fields: []field{
		pick("score", "what goes first", p.Score, scores, scoreWords),
		pattern,
		pick("distribution", "spread", p.Distribution, distribs, disWords),
		schedule,
		{key: "target", label: "target zeros", kind: slider, num: p.Target, hi: 0.999, step: 0.01},
		hwField(r.Hardware.Profile),
		{key: "epochs", label: "epochs", kind: number, num: float64(p.Epochs), hi: 10000, step: 1, whole: true, zero: "0 (no fine-tuning)"},
		{key: "floor", label: "accepted loss, pt", kind: number, num: r.Floor.Points, hi: 100, step: 0.5},
		atFloorField(r),
		pick("packed", "write packed", has("packed"), yes, yes),
		pick("safetensors", "write safetensors", has("safetensors"), yes, yes),
		pick("onnx", "write ONNX", has("onnx"), yes, yes),
	}}
	if core.IsFolder(r.Model.Path) || has(formatHF) == "yes" {
		d.conf.fields = append(d.conf.fields, pick(formatHF, "write the folder (hf)", has(formatHF), yes, yes))
	}
	files := slices.IndexFunc(d.conf.fields, func(f field) bool { return f.key == "packed" })
	st := &d.run.st
	d.conf.fields = slices.Insert(d.conf.fields, files, append(lowRankFields(r), budgetFields(r, st)...)...)
	d.conf.fields = append(d.conf.fields, handFields(r, st.Dense.Layers)...)
	d.predict.busy = true
	spec, seed, hw, sample, on := r.Model, r.Seed, r.Hardware, core.SampleIn(&st.Dense), st.Started
	return []effect{func(context.Context) any {
		var e engineMsg
		if e.m, _, e.err = core.OpenModel(spec, seed, sample); e.err != nil {
			return e
		}
		if e.dev, e.err = core.OpenDevice(hw.Device); e.err != nil {
			return e
		}
		var here hwprofiles.Profile
		if here, e.err = core.ProfileOf("", on); e.err != nil {
			return e
		}
		e.hws, e.here = hwprofiles.List(), here.Name
		if why := core.CannotWrite(e.m, "onnx"); why != nil {
			e.onnx = why.Error()
		}
		return e
	}}
}

// atFloorField is what a fall of accuracy under the floor does beside going back.
func atFloorField(r *core.Recipe) field {
	now := "on"
	if r.Floor.Pause {
		now = "ask"
	}
	return pick("atfloor", "under it", now, []string{"on", "ask"}, []string{"go back, train on", "go back and pause"})
}

// engineMsg is what predictions are made with.
type engineMsg struct {
	m    *graph.Model
	dev  device.Device
	hws  []hwprofiles.Profile
	here string // profile of this machine
	onnx string // why the model cannot be written as ONNX, "" where it can
	err  error
}

func (d *desk) onEngine(m engineMsg) []effect {
	p := &d.predict
	p.busy = false
	if m.err != nil {
		p.err = m.err.Error()
		return nil
	}
	p.m, p.dev = m.m, m.dev
	if f := d.conf.get("onnx"); m.onnx != "" && f.key != "" {
		f.opts, f.words, f.at = []string{"no"}, []string{"no: " + m.onnx}, 0
	}
	d.fillHW(m.hws, m.here)
	return d.predictNow()
}

// predictedMsg is the ledger of a form.
type predictedMsg struct {
	gen    int
	ledger *event.Ledger
	no24   bool
	err    error
}

// predictNow makes the prediction of the form as it is. While one is under way
// nothing is begun: the next follows it, so that the figures move with a key that
// is held.
func (d *desk) predictNow() []effect {
	p := &d.predict
	p.gen++
	if p.busy || p.m == nil || d.run == nil || d.run.recipe == nil {
		return nil
	}
	p.busy = true
	r, gen, model, dev, times, on := d.confRecipe(), p.gen, p.m, p.dev, d.run.st.Times, d.run.st.Started
	return []effect{func(context.Context) any {
		hw, err := core.ProfileOf(r.Hardware.Profile, on)
		if err != nil {
			return predictedMsg{gen: gen, err: err}
		}
		l, err := core.PredictFrom(model, dev, hw, r, times)
		row, _ := hw.SparseFor("2:4")
		return predictedMsg{gen, l, !row.Kernel, err}
	}}
}

func (d *desk) onPredicted(m predictedMsg) []effect {
	p := &d.predict
	p.busy = false
	if m.gen != p.gen {
		return d.predictNow()
	}
	p.ledger, p.no24, p.err = m.ledger, m.no24, ""
	if m.err != nil {
		p.ledger, p.err = nil, m.err.Error()
	}
	return nil
}

// confRecipe is the recipe with the form's values.
func (d *desk) confRecipe() *core.Recipe {
	r := *d.run.recipe
	f := &d.conf
	r.Prune.Score, r.Prune.Distribution = f.get("score").chosen(), f.get("distribution").chosen()
	f.setMethod(&r)
	f.setByHand(&r)
	r.Prune.Target, r.Prune.Epochs = f.get("target").num, int(f.get("epochs").num)
	r.Hardware.Profile = f.get("hardware").chosen()
	r.Floor.Points = f.get("floor").num
	if f.get("floor").touched {
		r.Floor.Accuracy = 0
	}
	r.Floor.Pause = f.get("atfloor").chosen() == "ask"
	f.setLowRank(&r)
	f.setBudget(&r)
	asked := []string{"packed", "safetensors", "onnx"}
	if f.get(formatHF).key != "" {
		asked = append(asked, formatHF)
	}
	others := slices.DeleteFunc(slices.Clone(r.Deploy.Formats), func(k string) bool { return slices.Contains(asked, k) })
	r.Deploy.Formats = nil
	for _, k := range asked {
		if f.get(k).chosen() == "yes" {
			r.Deploy.Formats = append(r.Deploy.Formats, k)
		}
	}
	r.Deploy.Formats = append(r.Deploy.Formats, others...)
	return &r
}

func (d *desk) canConf() string {
	if d.goOn {
		return "the recipe is on its way"
	}
	if d.scanGoes() {
		return "a scan goes on: esc cancels it"
	}
	return ""
}

func confText(d *desk) string {
	if d.w < wideW {
		return "sparsify"
	}
	return "sparsify with this"
}

// checkedRecipe is the form's recipe as text; nil where it cannot run, and the status
// line then says why.
func (d *desk) checkedRecipe() []byte {
	r := d.confRecipe()
	if err := r.Check(); err != nil {
		d.warn(theme.Bad, err.Error())
		return nil
	}
	b, err := r.Marshal()
	if err != nil {
		d.warn(theme.Bad, err.Error())
		return nil
	}
	return b
}

// sendConf sends the recipe; once the run has taken it the next stage is
// entered (see fold). A refusal is a Warning, and the form stays.
func (d *desk) sendConf() []effect {
	b := d.checkedRecipe()
	if b == nil {
		return nil
	}
	d.goOn = true
	return []effect{d.send(core.Command{Cmd: core.CmdConfigure, Text: string(b)})}
}

// confPane is the form, or the settled recipe.
func (d *desk) confPane(w, h int) string {
	th := d.th
	if d.formOpen() {
		return th.Box("recipe", presets[d.presetAt].title(), d.fieldLines(&d.conf, w-2, h-2, nil), w, h)
	}
	t := d.text(w - 2)
	st := &d.run.st
	if e := st.Stages[event.Configure].Evidence; st.Stages[event.Configure].State == "done" {
		t.add(theme.Text, e)
	} else if word, _ := d.run.status(); word == statusPaused {
		t.add(theme.Text, "paused here"+d.ours(": space goes on, then the recipe can be changed"))
	} else if d.run.over() && !d.replaying() {
		t.add(theme.Dim, "the recipe was not settled when the run ended")
	} else if d.replaying() {
		t.add(theme.Dim, "here the person chose the recipe")
	} else if !d.canAct() && st.Stage == event.Configure {
		t.add(theme.Dim, "the recipe is being chosen at another screen")
	} else if st.Stage == event.Configure {
		t.add(theme.Dim, "the run is taking the recipe")
	}
	if r := d.run.recipe; r != nil && st.Stages[event.Configure].State == "done" {
		t.blank().add(theme.Dim, fmt.Sprintf("%s; formats: %s", plural(r.Prune.Epochs, "epoch", "epochs"), strings.Join(r.Deploy.Formats, ", ")))
		if c, ok := d.beforeRecipe(); ok && d.canRoll() == "" && d.canAct() {
			t.add(theme.Dim, "settled: to change it, press r and go back to "+c)
		}
	}
	return th.Box("recipe", "", t.String(), w, h)
}

// beforeRecipe is the newest checkpoint from which the recipe is chosen anew.
func (d *desk) beforeRecipe() (string, bool) {
	for _, c := range d.backs() {
		if c.Stage == event.Configure || c.Name == "baseline" {
			return c.Name, true
		}
	}
	return "", false
}

// predicted is the ledger that the form promises, else the run's own; nil where
// there is none.
func (d *desk) predicted() *event.Ledger {
	if d.formOpen() {
		if d.predict.ledger != nil || d.predict.err != "" {
			return d.predict.ledger
		}
	}
	return d.run.st.Predicted
}

// predictedPane is the ledger of what has not been run.
func (d *desk) predictedPane(w, h int) string {
	l := d.predicted()
	if l == nil {
		return d.th.Box("ledger", "predicted", d.text(w-2).add(theme.Dim, or(d.predict.err, d.tense("no prediction yet", "no prediction was made"))).String(), w, h)
	}
	rows, notes := brief(plain.Rows(l))
	rows = fitRows(rows, h-2)
	if l.Measured {
		by := []string{fmt.Sprintf("from the baseline's steps on this machine; a step ±%.0f %%, an inference ±%.0f %%", math.Ceil(l.Now.StepBand), math.Ceil(l.Now.InferBand))}
		return d.table("ledger, predicted", "", "dense", "pared", rows, append(by, notes...), w, h)
	}
	on := "on " + l.Hardware
	if b := l.Now.StepBand; b > 0 {
		on += fmt.Sprintf(", every ms and J ±%.0f %%", math.Ceil(b))
		if l.LaunchesApart {
			on += " plus launches"
		}
	}
	notes = append([]string{on + "; from counted work, nothing has run"}, notes...)
	return d.table("ledger, predicted", "", "dense", "pared", rows, notes, w, h)
}

// expectPane says in words what to expect.
func (d *desk) expectPane(w, h int) string {
	t := d.text(w - 2)
	l := d.predicted()
	if l != nil && l.Text != "" {
		t.add(theme.Text, l.Text)
	} else if d.formOpen() && d.predict.err != "" {
		t.add(theme.Bad, d.predict.err)
	}
	d.cautionLines(t, h-3)
	if s := d.hwLine(t.w, h < 9); s != "" && d.formOpen() {
		t.add(theme.Dim, s)
	}
	if b, ok := d.run.st.BaselineAcc(); ok {
		floor, known := d.run.floor()
		if d.formOpen() && d.confRecipe().Floor.Accuracy == 0 {
			floor, known = b-d.confRecipe().Floor.Points/100, true
		}
		if known {
			t.add(theme.Dim, fmt.Sprintf("dense %s on validation; the floor is %s", percent(b), percent(floor)))
		}
	}
	if l != nil {
		t.fill(theme.Dim, l.Note, h-2-t.n)
	}
	return d.th.Box("what to expect", "", t.String(), w, h)
}
