package work

import (
	"slices"
	"strings"

	"pare/core"
)

// A form's choices of what is removed, and of how it goes, stand for more than one key of
// the recipe: 2:4 with another order of channels, and lottery tickets with their controls.

var (
	scores     = []string{"magnitude", "snip", "taylor", "movement", "movement-soft", "random"}
	scoreWords = []string{"magnitude", "SNIP (gradients)", "Taylor (gradients)", "movement (fine-tuning)", "movement, soft", "random (control)"}
	patterns   = []string{"element", "block4x1", "block8x1", "block16x1", "neuron", "head", "width", "layer", "2:4", permuted, "2:4-both"}
	patWords   = []string{"single weights", "4×1 blocks", "8×1 blocks", "16×1 blocks", "neurons and filters", "attention heads", "neurons, filters and heads", "residual blocks", "2:4", "2:4, channels permuted", "2:4 both ways"}
	distribs   = []string{"global", "layer", "erk", "sensitivity"}
	disWords   = []string{"over all layers", "the same in each layer", "small layers less (ERK)", "what costs least by a scan"}
	schedules  = []string{"oneshot", "cubic", "linear", "constant", "iterative", ticket, ticket + "random-ticket", ticket + "random-reinit", "earlybird"}
	schWords   = []string{"all at once", "gradually (cubic)", "gradually (linear)", "all at once, chosen anew", "in levels (iterative)", "lottery ticket (rewinding)", "random ticket (control)", "random reinit (control)", "when the mask settles (early bird)"}
)

const (
	permuted = "2:4 permuted"
	ticket   = "ticket " // a control may follow
)

// methodFields are the choices of pattern and schedule as r has them.
func methodFields(r *core.Recipe) (pattern, schedule field) {
	p := r.Prune
	what, how := p.Pattern, p.Schedule
	if p.Permute && what == "2:4" {
		what = permuted
	}
	if how == "iterative" && p.RewindStep >= 0 {
		how = ticket + p.Control
	}
	return pick("pattern", "what is removed", what, patterns, patWords), pick("schedule", "how it goes", how, schedules, schWords)
}

// setMethod takes the choices of pattern and schedule into r.
func (f *form) setMethod(r *core.Recipe) {
	p := &r.Prune
	p.Pattern, p.Permute = f.get("pattern").chosen(), false
	if p.Pattern == permuted {
		p.Pattern, p.Permute = "2:4", true
	}
	p.Schedule, p.Control = f.get("schedule").chosen(), ""
	switch control, ok := strings.CutPrefix(p.Schedule, ticket); {
	case ok:
		p.Schedule, p.Control, p.RewindStep = "iterative", control, max(p.RewindStep, 0)
	case p.Schedule == "iterative":
		p.RewindStep = -1
	}
	if p.Schedule != "earlybird" {
		p.Distance = 0
	}
	if p.Schedule != "cubic" && p.Schedule != "linear" {
		p.Ramp = 0
	}
	if p.Score != "movement-soft" {
		p.Penalty = 0
	}
}

// fit moves the target to the only one that the pattern has.
func (f *form) fit() {
	if t := f.get("target"); strings.HasPrefix(f.get("pattern").chosen(), "2:4") {
		t.num = 0.5
	}
}

// later leaves out the choices that only make sense before the baseline, unless it was
// made with them.
func (f *field) later() {
	for i := len(f.opts) - 1; i >= 0; i-- {
		if f.opts[i] == "earlybird" && i != f.at {
			f.opts, f.words = slices.Delete(slices.Clone(f.opts), i, i+1), slices.Delete(slices.Clone(f.words), i, i+1)
			if f.at > i {
				f.at--
			}
		}
	}
}
