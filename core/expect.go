package core

import (
	"fmt"
	"math"
	"strings"

	"pare/core/prune"
	"pare/hwprofiles"
)

// patternWords are the recipe's patterns for people.
var patternWords = map[string]string{"element": "single weights", "block4x1": "4×1 blocks", "block8x1": "8×1 blocks", "block16x1": "16×1 blocks", "2:4": "2:4", "2:4-both": "2:4 both ways", "neuron": "neurons and filters", "head": "attention heads", "width": "neurons, filters and heads", "layer": "residual blocks"}

// noGain is the change of time, as a share, under which a prediction is called none.
const noGain = 0.005

// outlook is what a prediction for a training step is told from.
type outlook struct {
	hw         hwprofiles.Profile
	prune      PruneSpec
	work       work // of the step
	dense, now hwprofiles.Estimate
	band       float64 // ± % of the step
}

// sentence says what the zeros should bring on the hardware, or why they bring
// nothing there and what would. why is what the profile says of such zeros, where
// they bring nothing.
func (o outlook) sentence() (s, why string) {
	hw, p := o.hw, o.prune
	if o.dense.Seconds == nil || o.now.Seconds == nil || *o.dense.Seconds <= 0 {
		return fmt.Sprintf("no prediction on %s: %s", hw.Name, or(o.dense.Note, o.now.Note)), ""
	}
	row, _ := hw.SparseFor(hwPattern(p.Pattern))
	what := patternWords[p.Pattern]
	none := "no gain on " + hw.Name + ": "
	bound := o.bound(o.dense)
	switch gain := o.gain(o.now); {
	case p.Target <= 0:
		return none + "nothing is removed", ""
	case gain != "":
		time := "time"
		if hw.Kind == "cpu" {
			time = "CPU time"
		}
		s = fmt.Sprintf("expected on %s: %s %s per step", hw.Name, gain, time)
		if row.Efficiency == nil {
			s += ", if the kernel there is a perfect one"
		}
		if o.hw.LaunchesUnknown() {
			s += ", launches not counted"
		} else if o.band > 0 {
			s += fmt.Sprintf("; every figure ±%.0f %%", math.Ceil(o.band))
		}
		if b := o.bound(o.now); b != "" {
			s += "; what remains is " + b
		}
		return s, ""
	case !row.Kernel:
		s, why = none+"no kernel there skips "+what, or(row.Gain, row.Source)
		would := o.would()
		if would != "" {
			s += "; " + would
		}
		if bound != "" {
			s += "; " + bound
			if would == "" {
				s += ", no zeros would change it"
			}
		}
		return s, why
	case bound != "":
		return none + bound + ", zeros change nothing here", ""
	case row.Efficiency != nil && p.Target <= 1-row.Efficiency.Value:
		return none + fmt.Sprintf("kernels for %s pay from %.0f %% zeros", what, math.Floor(100*(1-row.Efficiency.Value))+1), row.Gain
	}
	return none + "the dense kernels are as fast", row.Gain
}

// gain is how much less time than the dense step an estimate has, "" for none.
func (o outlook) gain(e hwprofiles.Estimate) string {
	if e.Seconds == nil || *e.Seconds > (1-noGain)**o.dense.Seconds {
		return ""
	}
	s := signed(100*(*e.Seconds / *o.dense.Seconds - 1), 0) + " %"
	if o.hw.LaunchesUnknown() {
		s = "at most " + s
	}
	return s
}

// bound says what takes most of the time when that is not arithmetic.
func (o outlook) bound(e hwprofiles.Estimate) string {
	what, share := "memory", e.Bound.Memory
	if e.Bound.Calls > share {
		what, share = "calls", e.Bound.Calls
		if o.hw.Kind == "gpu" {
			what = "launches"
		}
	}
	if share <= e.Bound.Arithmetic {
		return ""
	}
	apart := ""
	if o.hw.LaunchesUnknown() {
		apart = ", launches apart"
	}
	return fmt.Sprintf("bound by %s (%.0f %%%s)", what, math.Floor(100*share), apart)
}

// would names the patterns that the hardware has a kernel for and that make this
// very step faster, and by how much; first those that pare prunes to.
func (o outlook) would() string {
	try := func(share float64, pattern string) string {
		if s, ok := o.hw.SparseFor(pattern); !ok || !s.Kernel {
			return ""
		}
		return o.gain(o.hw.Estimate(o.work.pared(share, pattern)))
	}
	var out []string
	seen := map[string]bool{}
	for _, x := range prune.Patterns() {
		h, share, at := hwPattern(x.Name), o.prune.Target, ""
		if h == hwprofiles.TwoFour {
			share, at = 0.5, " at 50 %" // the only share it has
		}
		if g := try(share, h); g != "" && !seen[h] {
			out = append(out, or(patternWords[x.Name], x.Name)+" would bring "+g+at)
		}
		seen[h] = true
	}
	return strings.Join(out, "; ")
}
