package work

import (
	"fmt"
	"slices"
	"strings"

	"pare/tui/theme"
)

// Ways to begin the recipe, by what it is for, and what to beware of.

// preset fills the form for a purpose.
type preset struct {
	name string
	why  string // and what is known of it
	set  func(d *desk, f *form)
}

// title is what stands over the form.
func (p preset) title() string {
	if p.set == nil {
		return "p begins from a purpose"
	}
	return p.name
}

// presets in the order of the key; the first puts back what the recipe had.
var presets = []preset{
	{"as the recipe has it", "", nil},
	{
		"fit my edge board", "whole neurons and filters go: the net that is left is small and dense, and every runtime gains from it; ONNX is written for it",
		func(d *desk, f *form) {
			f.choose("score", "magnitude")
			f.choose("pattern", "neuron")
			if d.run.st.Model.Tokens > 0 {
				f.choose("pattern", "width")
			}
			f.choose("distribution", "global")
			f.choose("schedule", "cubic")
			f.choose("lowrank", "none")
			f.number("target", 0.5)
			f.choose("onnx", "yes")
			if hw := f.get("hardware"); !strings.HasPrefix(hw.chosen(), "raspberry") && !strings.HasPrefix(hw.chosen(), "jetson") {
				f.choose("hardware", "raspberry-pi-5")
			}
		},
	},
	{
		"cut the training bill", "blocks whose products are skipped from the first cut on, and half the epochs",
		func(d *desk, f *form) {
			f.choose("hardware", "")
			f.number("epochs", max(1, float64(int(f.get("epochs").num)/2)))
			if d.run.st.Model.Tokens > 0 {
				f.choose("lowrank", "lora")
				f.number("rank", 8)
				f.number("target", 0)
				return
			}
			f.choose("score", "magnitude")
			f.choose("pattern", "block4x1")
			f.choose("distribution", "global")
			f.choose("schedule", "cubic")
			f.choose("lowrank", "none")
			f.number("target", 0.8)
		},
	},
	{
		"teach me", "the textbook way, step by step on this machine; t explains the field under the cursor, s shows what each layer can do without",
		func(d *desk, f *form) {
			f.choose("score", "magnitude")
			f.choose("pattern", "block4x1")
			f.choose("distribution", "global")
			f.choose("schedule", "cubic")
			f.choose("lowrank", "none")
			f.choose("hardware", "")
			f.number("target", 0.9)
			f.number("floor", max(f.get("floor").num, 3))
		},
	},
}

// choose takes an option of a choice where the form offers it.
func (f *form) choose(key, opt string) {
	x := f.get(key)
	if i := slices.Index(x.opts, opt); i >= 0 && x.key != "" {
		x.at, x.touched = i, true
	}
}

// number sets a number within its bounds.
func (f *form) number(key string, v float64) {
	if x := f.get(key); x.key != "" {
		x.num, x.touched = min(max(v, x.lo), x.hi), true
	}
}

// nextPreset goes to the next way to begin, or back to the recipe's own.
func (d *desk) nextPreset() []effect {
	if d.presetAt == 0 {
		d.ownFields = slices.Clone(d.conf.fields)
	}
	at := d.conf.at
	d.presetAt = (d.presetAt + 1) % len(presets)
	hw := *d.conf.get("hardware") // its list may have come since
	d.conf.fields = slices.Clone(d.ownFields)
	if x := d.conf.get("hardware"); len(x.opts) < len(hw.opts) {
		was := x.chosen()
		*x = hw
		d.conf.choose("hardware", was)
	}
	d.conf.at = min(at, len(d.conf.fields)-1)
	p := presets[d.presetAt]
	if p.set != nil {
		p.set(d, &d.conf)
	}
	say := p.name
	if p.why != "" {
		say += ": " + p.why
	}
	if d.presetAt == 2 && d.run.st.Model.Tokens > 0 {
		say = p.name + ": adapters alone are trained, and half the epochs; with equal steps LoRA took 24 % off the joules of a step of BERT-base on one H100, 36 % on a Llama shape (measured), where −37 % is said"
	}
	d.say(0, say)
	return d.changed()
}

func presetName(d *desk) string {
	return presets[(d.presetAt+1)%len(presets)].name
}

// cautions are what the literature warns of in the recipe of the form, each with its
// figure and where it comes from; measured figures of this run where there are some.
func (d *desk) cautions() []string {
	if !d.formOpen() {
		return nil
	}
	var out []string
	f, l := &d.conf, d.predicted()
	target, pattern, how := f.get("target").num, f.get("pattern").chosen(), f.get("schedule").chosen()
	gpu := l != nil && l.HWKind == "gpu"
	if target > 0.7 && how == "oneshot" && !strings.HasPrefix(pattern, "2:4") {
		out = append(out, fmt.Sprintf("beyond about 70 %% in one shot accuracy falls off unless many epochs follow; cut step by step LeNet-300-100 lost 0.3 points at 95 %%, 1.3 at 98 %% (measured; arXiv:1710.01878)%s", d.scanAt(target)))
	}
	if strings.HasPrefix(pattern, "2:4") && d.predict.no24 {
		out = append(out, "2:4 gains only on hardware that has it (A100 and later), and there from layers of about 4096 on: an H100 reached 1.5 times at 8192, 1.1 at 768, and a training step of a Llama shape took 5 to 11 % less time (measured); this hardware has none")
	} else if strings.HasPrefix(pattern, "2:4") {
		out = append(out, "the hardware's peak of 2:4 is 2 times, not the 2.8 that is said; an H100 reached 1.5 times at 8192×8192×8192, a GPT of width 4096 took 24 to 27 % less time and joules in inference, a training step of a Llama shape 5 % less time, both ways 11 % (measured)")
	}
	if pattern == "element" && gpu && target > 0 {
		out = append(out, "single zeros bring a GPU nothing: no kernel there skips them and the saving is 0 %; on a CPU with kernels that do, a step at 90 % was 4.2 times as fast (pare, measured)")
	}
	return out
}

// scanAt is what this run's own scan found near a target, for a caution.
func (d *desk) scanAt(target float64) string {
	s := d.run.st.Scan
	if s == nil || len(s.Levels) == 0 {
		return "; s measures it here"
	}
	k := 0
	for i, l := range s.Levels {
		if diff(l, target) < diff(s.Levels[k], target) {
			k = i
		}
	}
	worst, name := 0.0, ""
	for i := range s.Rows {
		if r := &s.Rows[i]; k < len(r.Cells) {
			if x := s.Lost(r.Cells[k]); x == x && (name == "" || x > worst) {
				worst, name = x, r.Name
			}
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf("; the scan here: %s alone at %s changes it by %s", name, percent(s.Levels[k]), points(-worst))
}

func diff(a, b float64) float64 { return max(a-b, b-a) }

// cautionLines adds the cautions to a text of at most h lines.
func (d *desk) cautionLines(t *text, h int) {
	for _, c := range d.cautions() {
		t.fill(theme.Warn, "Care: "+c+".", h-t.n)
	}
}
