package prune

import (
	"fmt"
	"math"

	"pare/core/graph"
	"pare/core/tensor"
)

// Movement holds the scores S of movement pruning (Sanh et al. 2020, arXiv:2005.07683)
// while the weights train. The mask keeps the largest S; by straight-through the
// gradient of a score is (∂L/∂W′)⊙W, W′ = W⊙mask, for dropped weights as for kept ones:
//
//	movement       S ← S − (∂L/∂W′)⊙W
//	movement-soft  S ← S − rate·Adam((∂L/∂W′)⊙W + λ·σ′(S)/n), n weights of the layer
//
// The rate of the first does not matter: only the order of S counts, and S starts at
// zero. Of the second it does, as the penalty λ·mean σ(S) depends on S. The paper's soft
// threshold τ leaves the share open; here it is the one at which exactly the schedule's
// share goes, over all layers.
//
// A dropped weight keeps the value it had in W, which does not train (its gradient is
// masked), and takes it up again when its score brings it back. Masks are made when the
// schedule says so, not at every step; while there are some to come, layers run dense.
type Movement struct {
	Soft    bool
	Penalty float64 // λ at the target
	Steps   int64   // scored so far
	// By parameter, row-major, nil for those that are not pruned.
	S, W [][]float32
	m, v [][]float32 // Adam's moments, soft only
}

// scoreRate is the learning rate of soft scores, scoreBeta1… the rest of Adam: those of
// the paper's code (masked_run_glue.py: AdamW, 1e-2).
const (
	scoreRate                        = 1e-2
	scoreBeta1, scoreBeta2, scoreEps = 0.9, 0.999, 1e-8
)

// NewMovement starts the scores of a rule at zero, at the weights of m.
func NewMovement(m *graph.Model, s Spec, penalty float64) (*Movement, error) {
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return nil, err
	}
	x := &Movement{Soft: s.Score == "movement-soft", Penalty: penalty}
	for _, a := range x.slots() {
		*a = make([][]float32, len(m.Params))
	}
	for _, l := range ls {
		if l.skip {
			continue
		}
		for _, a := range x.slots() {
			(*a)[l.param] = make([]float32, l.n*l.k)
		}
		copy(x.W[l.param], l.w)
	}
	return x, nil
}

func (x *Movement) slots() []*[][]float32 {
	if x.Soft {
		return []*[][]float32{&x.S, &x.W, &x.m, &x.v}
	}
	return []*[][]float32{&x.S, &x.W}
}

// State is all of it by slot and parameter, for a checkpoint; Steps goes beside it.
func (x *Movement) State() (l [][][]float32) {
	for _, a := range x.slots() {
		l = append(l, *a)
	}
	return l
}

// Restore takes over what State gave.
func (x *Movement) Restore(state [][][]float32) error {
	slots := x.slots()
	if len(state) != len(slots) {
		return fmt.Errorf("movement scores: %d slots in the checkpoint, need %d", len(state), len(slots))
	}
	for i, a := range slots {
		for p := range *a {
			if p >= len(state[i]) || len(state[i][p]) != len((*a)[p]) {
				return fmt.Errorf("movement scores: slot %d of parameter %d does not fit the model", i, p)
			}
		}
		*a = state[i]
	}
	return nil
}

// Params are the parameters that are scored.
func (x *Movement) Params() (l []int) {
	for p, s := range x.S {
		if s != nil {
			l = append(l, p)
		}
	}
	return l
}

// Step begins a step: the scores of all parameters move once after it.
func (x *Movement) Step() { x.Steps++ }

// Move moves the scores of one parameter by the gradient g of a step, ∂L/∂W′ at every
// place, and notes the weights w that the step has left where mask keeps them. share is
// how far the schedule is on its way to the target, 0…1: the penalty grows with it.
func (x *Movement) Move(param int, g, w []float32, mask *tensor.Mask, share float64) {
	s, old := x.S[param], x.W[param]
	if x.Soft {
		x.adam(param, g, share)
	} else {
		for i, d := range g {
			s[i] -= float32(d * old[i])
		}
	}
	for i, v := range w {
		if mask.Kept(i) {
			old[i] = v
		}
	}
}

func (x *Movement) adam(param int, g []float32, share float64) {
	s, w, m, v := x.S[param], x.W[param], x.m[param], x.v[param]
	lambda := x.Penalty * share / float64(len(s))
	c1, c2 := 1-math.Pow(scoreBeta1, float64(x.Steps)), 1-math.Pow(scoreBeta2, float64(x.Steps))
	for i, d := range g {
		sig := 1 / (1 + math.Exp(-float64(s[i])))
		ds := float64(float64(d)*float64(w[i])) + float64(float64(lambda*sig)*(1-sig))
		mi := float64(scoreBeta1*float64(m[i])) + float64((1-scoreBeta1)*ds)
		vi := float64(scoreBeta2*float64(v[i])) + float64((1-scoreBeta2)*float64(ds*ds))
		m[i], v[i] = float32(mi), float32(vi)
		s[i] = float32(float64(s[i]) - float64(scoreRate*(mi/c1)/(math.Sqrt(vi/c2)+scoreEps)))
	}
}

// Refresh notes the weights of m that are not masked: scoring goes on after a time
// without.
func (x *Movement) Refresh(m *graph.Model) {
	for _, p := range x.Params() {
		q := &m.Params[p]
		for i, v := range q.Data {
			if q.Mask.Kept(i) {
				x.W[p][i] = v
			}
		}
	}
}

// Revive gives the weights that m's masks keep the values they had when they were
// dropped.
func (x *Movement) Revive(m *graph.Model) {
	for _, p := range x.Params() {
		q := &m.Params[p]
		copy(q.Data, x.W[p])
		q.Mask.Apply(q.Data)
	}
}

// moved is the mean score of a unit: l.sum holds S.
func moved(_ *Spec, l *layer, _, at, size int) float32 {
	return l.mean(at, size, func(e int) float64 { return float64(l.sum[e]) })
}
