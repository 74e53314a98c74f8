// Package prune decides which weights go. A rule has four parts that do not
// know each other:
//
//	score         what a weight is worth      magnitude, snip, taylor, movement,
//	                                          movement-soft, random
//	pattern       what goes together          element, block4x1, block8x1, block16x1,
//	                                          2:4, 2:4-both, neuron, head, width, layer
//	distribution  who competes with whom      layer, global, erk, sensitivity
//	schedule      when, and how many          oneshot, constant, linear, cubic,
//	                                          iterative, earlybird
//
// Element, the blocks and 2:4 end in masks (Masks), neuron, head and width in a smaller
// dense model (Cut), layer in one of fewer layers (Drop); Step does whichever the rule asks for. Schedules are pure functions of
// the training step.
//
// # Words
//
// The share s is the part of the prunable weights that go, 0 ≤ s < 1. The base n
// of every share is the prunable weights (those of linear and convolution
// layers; no biases, no batch norm) of all layers that are not skipped.
// k = round(s·n) weights go, halves to even as in PyTorch. Of equal scores the
// one with the lower index stays: layers in the model's order, then elements
// row-major.
//
// A mask only ever loses weights: what is masked stays masked and counts first. The
// exception are the movement scores, whose masks are chosen anew each time.
//
// prune imports core/graph and core/tensor. It must not import devices, training,
// data or files: whoever trains brings the weights.
package prune

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/tensor"
)

// Spec is a rule without its schedule; the words are those of a recipe.
type Spec struct {
	Score        string   `json:"score"`          // magnitude | snip | taylor | movement | movement-soft | random
	Pattern      string   `json:"pattern"`        // element | block4x1 | block8x1 | block16x1 | 2:4 | 2:4-both | neuron | head | width | layer
	Distribution string   `json:"distribution"`   // layer | global | erk | sensitivity
	Skip         []string `json:"skip,omitempty"` // layers that keep all their weights; see Masks, Cut
	Seed         uint64   `json:"seed,omitempty"` // of the random score
	// RoundTo makes cuts keep a multiple of so many channels, of heads any number; 0
	// means 1.
	RoundTo int `json:"round_to,omitempty"`
	// ByHand are shares of zeros of some layers when the whole has Target; the
	// distribution is over the others (byhand.go).
	ByHand map[string]float64 `json:"by_hand,omitempty"`
	Target float64            `json:"target,omitempty"`
	// Evidence is what scores with Needs ask for; whoever trains brings it.
	Evidence *Evidence `json:"-"`
	// Sensitivity is what distribution sensitivity asks for: a curve for each of Parts.
	Sensitivity []Curve `json:"-"`
}

// Evidence are gradients of the loss at the weights as they are, by parameter,
// row-major over the weight's shape, over one or more batches. They are zero, and
// not looked at, where weights are masked.
type Evidence struct {
	Sum [][]float32 // Σ ∂L/∂w
	Abs [][]float32 // Σ |∂L/∂w|
	// Scores are what a learned score has come to, see Movement; of masked weights too.
	Scores [][]float32
}

// Needs reports whether the score needs Evidence.
func (s Spec) Needs() bool {
	sc := scoreOf(s.Score)
	return sc != nil && sc.gradients
}

// Learns reports whether the score is moved by training itself (Movement): it may give
// weights back, and there is nothing to rank before training has begun.
func (s Spec) Learns() bool {
	sc := scoreOf(s.Score)
	return sc != nil && sc.learned
}

// Word is one choice of a part of a rule, for a picker.
type Word struct{ Name, About string }

// Scores lists the words of Spec.Score.
func Scores() []Word {
	l := make([]Word, len(scores))
	for i, s := range scores {
		l[i] = s.Word
	}
	return l
}

// Patterns lists the words of Spec.Pattern.
func Patterns() []Word {
	l := make([]Word, 0, len(patterns)+len(cuts))
	for _, p := range patterns {
		l = append(l, p.Word)
	}
	for _, c := range cuts {
		l = append(l, c.Word)
	}
	return l
}

// Distributions lists the words of Spec.Distribution.
func Distributions() []Word {
	return []Word{
		{"layer", "every layer loses the same share"},
		{"global", "all layers in one ranking: layers that matter less lose more"},
		{"erk", "small layers keep more, by their sizes alone (Erdős–Rényi kernel)"},
		{"sensitivity", "each layer or group loses what a scan says costs the least accuracy"},
	}
}

// cuts are the patterns that Cut handles; the others are masks.
var cuts = []struct {
	Word
	text            string
	channels, heads bool
}{
	{Word{"neuron", "whole neurons and filters, cut out: a smaller dense model"}, "neurons and filters", true, false},
	{Word{"head", "whole attention heads, with the keys and values they share, cut out"}, "attention heads", false, true},
	{Word{"width", "neurons, filters and attention heads, cut out"}, "neurons, filters and heads", true, true},
	{Word{layerPattern, "whole residual blocks, dropped: fewer layers"}, "residual blocks", false, false},
}

// Structured reports whether the rule makes the model smaller (Cut) instead of
// masking it.
func (s Spec) Structured() bool { return Structured(s.Pattern) }

// Structured reports whether a pattern cuts channels out instead of masking.
func Structured(pattern string) bool {
	for _, c := range cuts {
		if c.Name == pattern {
			return true
		}
	}
	return false
}

// cuts reports whether the rule cuts channels, of heads or others.
func (s Spec) cuts(heads bool) bool {
	for _, c := range cuts {
		if c.Name == s.Pattern {
			return heads && c.heads || !heads && c.channels
		}
	}
	return false
}

// Rule is the rule in words, for logs and screens: "magnitude, global, 4×1
// blocks".
func (s Spec) Rule() string {
	text := s.Pattern
	for _, p := range patterns {
		if p.Name == s.Pattern {
			text = p.text
		}
	}
	for _, c := range cuts {
		if c.Name != s.Pattern {
			continue
		}
		if text = c.text; s.RoundTo > 1 && c.channels {
			text += fmt.Sprintf(" in multiples of %d", s.RoundTo)
		}
	}
	r := fmt.Sprintf("%s, %s, %s", s.Score, map[string]string{"layer": "per layer", "global": "global", "erk": "ERK", "sensitivity": "by sensitivity"}[s.Distribution], text)
	if len(s.Skip) > 0 {
		r += ", not in " + strings.Join(s.Skip, ", ")
	}
	if len(s.ByHand) > 0 {
		r += ", by hand " + s.HandWords()
	}
	return r
}

// Check tells whether the rule fits the model: its words and the layers it
// names.
func (s Spec) Check(m *graph.Model) error {
	for _, c := range []struct {
		key, got string
		words    []Word
	}{{"score", s.Score, Scores()}, {"pattern", s.Pattern, Patterns()}, {"distribution", s.Distribution, Distributions()}} {
		known := make([]string, len(c.words))
		for i, w := range c.words {
			known[i] = w.Name
		}
		if !slices.Contains(known, c.got) {
			return fmt.Errorf("prune: %s %q is unknown: choose one of %s", c.key, c.got, strings.Join(known, ", "))
		}
	}
	if s.RoundTo < 0 {
		return fmt.Errorf("prune: round_to = %d: give 1 or the number of channels to keep multiples of", s.RoundTo)
	}
	if s.Structured() && s.Distribution == "erk" {
		return errors.New("prune: distribution erk is for masks: neurons are cut by layer or global")
	}
	if s.Pattern == layerPattern {
		if s.Distribution != "global" {
			return fmt.Errorf("prune: pattern layer ranks all residual blocks together: distribution global, not %s", s.Distribution)
		}
		if len(m.ResidualBlocks()) == 0 {
			return fmt.Errorf("prune: pattern layer: %s has no residual block beside a plain shortcut: choose neuron", m.Name)
		}
	}
	if s.Pattern == "head" && !slices.ContainsFunc(m.Nodes, func(n graph.Node) bool { return n.Op == "attention" }) {
		return fmt.Errorf("prune: pattern head: %s has no attention, so no heads: choose neuron", m.Name)
	}
	if err := s.checkPattern(m); err != nil {
		return err
	}
	if err := s.checkByHand(m); err != nil {
		return err
	}
	if e := s.Evidence; s.Needs() && e != nil && (len(e.Sum) != len(m.Params) || len(e.Abs) != len(m.Params)) {
		return fmt.Errorf("prune: gradients of %d parameters, the model has %d", len(e.Sum), len(m.Params))
	}
	_, err := layersOf(m, s.Skip)
	return err
}

// checkPattern tells whether score, pattern and distribution go together, and with the
// layers.
func (s Spec) checkPattern(m *graph.Model) error {
	switch {
	case s.Learns() && s.Structured():
		return fmt.Errorf("prune: score %s may give weights back, and what pattern %s cuts out is gone: choose a pattern that masks", s.Score, s.Pattern)
	case s.Score == "movement-soft" && s.Distribution != "global":
		return fmt.Errorf("prune: score movement-soft has one threshold over all layers: distribution global, not %s", s.Distribution)
	case twoFour(s.Pattern) && s.Distribution == "erk":
		return fmt.Errorf("prune: pattern %s takes half of every layer: distribution layer, not erk", s.Pattern)
	}
	p := patternOf(s.Pattern)
	if p == nil || p.fits == nil {
		return nil
	}
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return err
	}
	for i := range ls {
		if err := p.fits(&ls[i]); err != nil && !ls[i].skip {
			return fmt.Errorf("prune: pattern %s: %w", s.Pattern, err)
		}
	}
	return nil
}

// layer is a prunable weight seen as a matrix of N outputs × K inputs; for a
// convolution K runs over ci, ky, kx.
type layer struct {
	name  string
	param int
	n, k  int
	c     int // inputs, or channels of a convolution: axis 1
	w     []float32
	mask  *tensor.Mask
	// sum and abs are the weight's Evidence.
	sum, abs []float32
	skip     bool
}

// layersOf lists the prunable layers in the model's order. A weight that two
// layers share is listed once. Unknown names in skip are an error that lists
// the known ones.
func layersOf(m *graph.Model, skip []string) ([]layer, error) {
	var ls []layer
	var names []string
	seen := map[int]bool{}
	for _, l := range m.Layers() {
		if seen[l.Param] {
			continue
		}
		seen[l.Param] = true
		p := &m.Params[l.Param]
		ls = append(ls, layer{
			name: l.Name, param: l.Param, n: p.Shape[0], k: p.Shape[1:].Len(), c: p.Shape[1],
			w: p.Data, mask: p.Mask, skip: slices.Contains(skip, l.Name),
		})
		names = append(names, l.Name)
	}
	for _, s := range skip {
		if !slices.Contains(names, s) {
			return nil, fmt.Errorf("prune: no layer named %q to skip; %s has %s", s, m.Name, strings.Join(names, ", "))
		}
	}
	return ls, nil
}

// checkWeights refuses weights that cannot be ranked.
func (l *layer) checkWeights() error {
	if len(l.w) != l.n*l.k {
		return fmt.Errorf("prune: layer %s: %d of %d weights are here: fetch them from the device first", l.name, len(l.w), l.n*l.k)
	}
	for i, v := range l.w {
		if l.mask.Kept(i) && (math.IsNaN(float64(v)) || math.IsInf(float64(v), 0)) {
			return fmt.Errorf("prune: layer %s: weight %d is %g and cannot be ranked: go back to the last finite checkpoint", l.name, i, v)
		}
	}
	return nil
}

// bring attaches the evidence that the score needs.
func (l *layer) bring(s *Spec) error {
	if s.Learns() {
		if s.Evidence == nil || len(s.Evidence.Scores) <= l.param || len(s.Evidence.Scores[l.param]) != l.n*l.k {
			return fmt.Errorf("prune: layer %s: score %s is learnt while training, and nothing was learnt yet: choose a schedule that trains first (cubic, linear or constant)", l.name, s.Score)
		}
		l.sum = s.Evidence.Scores[l.param]
		for i, x := range l.sum {
			if x-x != 0 {
				return fmt.Errorf("prune: layer %s: the score of weight %d is %g and cannot be ranked: lower the learning rate", l.name, i, x)
			}
		}
		return nil
	}
	if !s.Needs() {
		return nil
	}
	if s.Evidence == nil {
		return fmt.Errorf("prune: score %s needs gradients, and none were brought", s.Score)
	}
	l.sum, l.abs = s.Evidence.Sum[l.param], s.Evidence.Abs[l.param]
	if len(l.sum) != l.n*l.k || len(l.abs) != l.n*l.k {
		return fmt.Errorf("prune: layer %s: %d gradients for %d weights: is it frozen?", l.name, len(l.sum), l.n*l.k)
	}
	for i := range l.sum {
		if l.mask.Kept(i) && (l.sum[i]-l.sum[i] != 0 || l.abs[i]-l.abs[i] != 0) {
			return fmt.Errorf("prune: layer %s: gradient %d is %g and cannot be ranked: lower the learning rate", l.name, i, l.sum[i])
		}
	}
	return nil
}

// checkShare refuses shares outside 0 ≤ s < 1.
func checkShare(s float64) error {
	if !(s >= 0 && s < 1) {
		return fmt.Errorf("prune: target %g: the share of weights that go must be at least 0 and below 1 (0.9 = 90 %%)", s)
	}
	return nil
}

// count is k = round(s·n), halves to even: Python's round, which
// torch.nn.utils.prune applies to amount·n.
func count(s float64, n int) int { return int(math.RoundToEven(s * float64(n))) }
