package work

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pare/core"
	"pare/core/data"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/sessions"
	"pare/tui/theme"
)

var optimizers = []string{"sgd", "momentum", "nesterov", "adam", "adamw"}

// presetMsg is a model's published set-up, or why it does not fit the data.
type presetMsg struct {
	preset zoo.Preset
	takes
	err error
}

// takes is what of a model asks for fields of its own.
type takes struct {
	text   bool // it takes tokens
	blocks bool // values inside its blocks can be made again
}

// toSetup opens the set-up for the picked model and data.
func (d *desk) toSetup() []effect {
	d.page, d.over = pageSetup, overNone
	r := d.o.Recipe
	d.setup = form{busy: true}
	return []effect{func(context.Context) any {
		p, t, err := checkPick(r)
		return presetMsg{p, t, err}
	}}
}

// picked is what a set-up is for.
type picked struct {
	model      core.ModelSpec
	data, path string
}

func (d *desk) picked() picked {
	r := d.o.Recipe
	return picked{r.Model, r.Data.Name, r.Data.Path}
}

// leaveSetup goes back to the picker. What was filled in is there again when the
// same model and data are chosen.
func (d *desk) leaveSetup() []effect {
	if len(d.setup.fields) > 0 {
		if d.drafts == nil {
			d.drafts = map[picked]form{}
		}
		d.drafts[d.picked()] = form{fields: d.setup.fields, at: d.setup.at, source: d.setup.source}
	}
	d.page = pagePick
	return []effect{d.listSessions()}
}

// checkPick finds what can be found wrong with a choice of model and data
// before anything runs, the model's set-up, and what it takes.
func checkPick(r *core.Recipe) (p zoo.Preset, t takes, err error) {
	if err := core.Precheck(r); err != nil {
		return zoo.Preset{}, t, err
	}
	sample := core.Sample{Shape: []int{1, 28, 28}, Classes: 10}
	for _, i := range data.Builtin() {
		if i.Name == r.Data.Name {
			if sample = core.SampleKnown(i); sample.Text != nil && core.IsFolder(r.Model.Path) {
				sample = core.Sample{} // cut by the folder's tokenizer, to what its model takes
			}
			if !i.Ready {
				return zoo.Preset{}, t, fmt.Errorf("%s is not on this machine: %s", i.Name, i.Hint)
			}
		}
	}
	if r.Data.Path != "" && core.IsFolder(r.Model.Path) { // whether they fit is seen once the data are read
		sample = core.Sample{}
	}
	if r.Data.Path != "" && r.Model.Name != "" { // its shape is not known yet: take the paper's
		for _, i := range zoo.List() {
			if i.Name == r.Model.Name {
				sample = core.SampleFor(i)
			}
		}
	}
	m, p, err := core.OpenModel(r.Model, r.Seed, sample)
	if err != nil {
		return p, t, err
	}
	n := 1
	for _, k := range sample.Shape {
		n *= k
	}
	if r.Data.Path == "" && sample.Shape != nil && m.Input().Len() != n {
		return p, t, fmt.Errorf("model %s takes %d values a sample, %s has %d: choose other data or another model", m.Name, m.Input().Len(), r.Data.Name, n)
	}
	return p, takes{m.Input().Seq > 0, plan.Recomputable(m)}, nil
}

// onPreset fills the form: what the recipe says, else the published set-up.
func (d *desk) onPreset(m presetMsg) {
	if m.err != nil {
		d.setup.busy = false
		d.setup.err = m.err.Error()
		if d.page == pageSetup {
			d.page, d.pick.err = pagePick, m.err.Error()
		}
		return
	}
	r, p := d.o.Recipe, m.preset
	t := &r.Train
	if t.Optimizer == "" && t.LR == 0 && t.Batch == 0 && t.WeightDecay == 0 {
		t.WeightDecay = p.WeightDecay
	}
	t.Optimizer, t.Schedule = or(t.Optimizer, p.Optimizer), or(t.Schedule, p.LRSchedule)
	t.LR, t.Momentum, t.Batch = orNum(t.LR, p.LR), orNum(t.Momentum, p.Momentum), orNum(t.Batch, p.Batch)
	if f, ok := d.drafts[d.picked()]; ok {
		d.setup = f
		return
	}
	pattern, schedule := methodFields(r)
	epochs := t.Epochs
	if core.IsFolder(r.Model.Path) && !d.o.Epochs { // it is trained already
		epochs = p.Epochs
	}
	d.setup = form{source: presetText(p), fields: []field{
		{key: "epochs", label: "epochs", kind: number, num: float64(epochs), hi: 10000, step: 1, whole: true, zero: "0 (evaluate only)"},
		{key: "batch", label: "batch", kind: number, num: float64(t.Batch), lo: 1, hi: 65536, whole: true},
		pick("optimizer", "optimizer", t.Optimizer, optimizers, optimizers),
		{key: "lr", label: "learning rate", kind: number, num: t.LR, lo: 1e-9, hi: 1000},
		{key: "target", label: "target zeros", kind: slider, num: r.Prune.Target, hi: 0.999, step: 0.01},
		pattern,
		schedule,
		{key: "floor", label: "accepted loss, pt", kind: number, num: r.Floor.Points, hi: 100, step: 0.5},
		{key: "parts", label: "parts of a batch", kind: number, num: float64(max(t.Accumulate, 1)), lo: 1, hi: 65536, whole: true},
	}}
	if m.blocks {
		now := "keep"
		if t.Recompute {
			now = "again"
		}
		d.setup.fields = append(d.setup.fields, pick("values", "values in blocks", now, []string{"keep", "again"}, []string{"kept", "made again: less memory"}))
	}
	if m.text {
		d.setup.fields = append(d.setup.fields, textFields(r)...)
	}
}

// presetText says where a training set-up comes from.
func presetText(p zoo.Preset) string {
	switch {
	case p.Published:
		return fmt.Sprintf("Optimizer, rate and batch as published (%s; there %s), unless changed here.", p.Source, plural(p.Epochs, "epoch", "epochs"))
	case p.Source != "":
		return "Training set-up after " + p.Source + ", adapted, unless changed here."
	}
	return "A training set-up to begin with: the model's own is not known. One that is trained already needs 0 epochs."
}

// textFields are those of text: how it is cut into tokens, and how many a sample has.
func textFields(r *core.Recipe) []field {
	own := "characters (char)"
	if core.IsFolder(r.Model.Path) {
		own = "the model's own, if the folder has one"
	}
	opts, say := []string{"", data.Chars, data.Bytes}, []string{own, "char", "byte"}
	if own == "characters (char)" {
		opts, say = []string{"", data.Bytes}, []string{own, "byte"}
		if r.Data.Tokenizer == data.Chars {
			opts[0] = data.Chars
		}
	}
	if t := r.Data.Tokenizer; t != "" && !slices.Contains(opts, t) {
		opts, say = append(opts, t), append(say, t)
	}
	return []field{
		pick("tokenizer", "tokenizer", r.Data.Tokenizer, opts, say),
		{key: "tokens", label: "tokens a sample", kind: number, num: float64(r.Data.Tokens), hi: 1 << 20, whole: true, zero: "128, or the model's most"},
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func orNum[T int | float64](a, b T) T {
	if a == 0 {
		return b
	}
	return a
}

// suggestLR follows the optimizer with the learning rate, unless it was set.
func (d *desk) suggestLR() {
	f, lr := d.setup.get("optimizer"), d.setup.get("lr")
	if !f.touched || lr.touched {
		return
	}
	switch f.chosen() {
	case "adam", "adamw":
		lr.num = 0.001
	case d.o.Recipe.Train.Optimizer:
		lr.num = d.o.Recipe.Train.LR
	case "sgd":
		lr.num = 0.1
	default:
		lr.num = 0.05
	}
}

// setupRecipe is the recipe with the form's values.
func (d *desk) setupRecipe() *core.Recipe {
	r := *d.o.Recipe
	f := &d.setup
	t := &r.Train
	t.Epochs, t.Batch = int(f.get("epochs").num), int(f.get("batch").num)
	if t.Accumulate = int(f.get("parts").num); t.Accumulate < 2 {
		t.Accumulate = 0
	}
	x := f.get("values")
	t.Recompute = x.key != "" && x.chosen() == "again"
	t.Optimizer, t.LR = f.get("optimizer").chosen(), f.get("lr").num
	switch t.Optimizer {
	case "momentum", "nesterov":
		t.Momentum = orNum(t.Momentum, 0.9)
	default:
		t.Momentum = 0
	}
	r.Prune.Target = f.get("target").num
	r.Deploy.Formats = core.FolderFormats(r.Deploy.Formats, r.Model.Path)
	if x := f.get("tokenizer"); x.key != "" {
		if x.touched {
			r.Data.Tokenizer, r.Data.Vocab = x.chosen(), ""
		}
		r.Data.Tokens = int(f.get("tokens").num)
	}
	f.setMethod(&r)
	r.Floor.Points = f.get("floor").num
	if f.get("floor").touched {
		r.Floor.Accuracy = 0
	}
	return &r
}

// createdMsg is the new session, its run started.
type createdMsg struct {
	src source
	err error
}

// create makes the session and starts its run.
func (d *desk) create() []effect {
	if d.setup.busy || len(d.setup.fields) == 0 {
		return nil
	}
	r, root := d.setupRecipe(), d.o.Root
	if err := r.Check(); err != nil {
		d.setup.err = err.Error()
		return nil
	}
	d.setup.busy, d.setup.err = true, ""
	return []effect{func(context.Context) any {
		s, err := sessions.Create(root, r)
		if err != nil {
			return createdMsg{err: err}
		}
		if err := s.Start(); err != nil {
			return createdMsg{err: err}
		}
		src, err := openSession(s)
		if err != nil {
			return createdMsg{err: err}
		}
		return createdMsg{src: src}
	}}
}

func (d *desk) onCreated(m createdMsg) []effect {
	d.setup.busy = false
	if m.err != nil {
		d.setup.err = m.err.Error()
		return nil
	}
	d.follow(m.src)
	d.autoNext = true
	return d.watchOn()
}

// setupPane is the form before the run.
func (d *desk) setupPane(w, h int) string {
	th, f := d.th, &d.setup
	r := d.o.Recipe
	title := th.Clean(or(r.Model.Name, r.Model.Path)) + " on " + th.Clean(or(r.Data.Name, r.Data.Path))
	var notes []string
	switch {
	case f.err != "":
		for _, l := range wrap(th.Clean(f.err), max(w-4, 1)) {
			notes = append(notes, th.Paint(theme.Bad, th.Tr(l)))
		}
	case f.busy && len(f.fields) > 0:
		notes = append(notes, th.Paint(theme.Dim, "starting the run …"))
	default:
		if say := core.ForeignTokenizer(r.Model.Path, f.get("tokenizer").chosen()); say != "" {
			for _, l := range wrap("Beware: "+th.Clean(say)+".", max(w-4, 1)) {
				notes = append(notes, th.Paint(theme.Warn, th.Tr(l)))
			}
		}
		for _, l := range wrap(th.Clean(f.source)+" What is pared, and how, can be changed again after the baseline.", max(w-4, 1)) {
			notes = append(notes, th.Paint(theme.Dim, th.Tr(l)))
		}
	}
	if len(f.fields) == 0 {
		body := " " + strings.Join(notes, "\n ")
		if f.busy {
			body = th.Paint(theme.Dim, " looking at model and data …")
		}
		return th.Box(title, "", body, w, h)
	}
	return th.Box(title, "set-up", d.fieldLines(f, w-2, h-2, notes), w, h)
}
