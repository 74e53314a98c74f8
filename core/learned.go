package core

import (
	"errors"
	"slices"

	"pare/core/prune"
)

// defaultPenalty is λ of movement-soft where the recipe leaves it open: strong enough to
// matter in the small nets here, a quarter of the paper's largest.
const defaultPenalty = 100

// scoring reports whether scores are learnt in the step to come: as long as masks are
// still to be made from them.
func (r *run) scoring(step int64) bool {
	return r.rule().Learns() && !r.loop.Frozen && r.loop.Settled == nil && r.sched.Next(step) >= 0
}

// learn begins or ends the learning of scores before a step. While it goes on the layers
// run dense and are counted so.
func (r *run) learn(step int64) error {
	var open []int
	if r.scoring(step) {
		if r.learned == nil || len(r.t.Opened()) == 0 {
			if err := r.t.Pull(); err != nil {
				return err
			}
		}
		switch {
		case r.learned == nil:
			m, err := r.newScores()
			if err != nil {
				return err
			}
			r.learned = m
		case len(r.t.Opened()) == 0:
			r.learned.Refresh(r.model)
		}
		open = r.learned.Params()
	}
	if slices.Equal(open, r.t.Opened()) {
		return nil
	}
	if err := r.t.Open(open); err != nil {
		return err
	}
	return r.choices()
}

func (r *run) newScores() (*prune.Movement, error) {
	penalty := r.r.Prune.Penalty
	if penalty == 0 {
		penalty = defaultPenalty
	}
	return prune.NewMovement(r.model, r.rule(), penalty)
}

// moveScores moves the scores by the gradients of the step just taken.
func (r *run) moveScores(step int64) error {
	if len(r.t.Opened()) == 0 {
		return nil
	}
	m, way := r.learned, 1.0
	if t := r.sched.Target(); t > 0 {
		way = r.sched.At(step).Share / t
	}
	m.Step()
	r.loop.Scored = m.Steps
	return r.t.OpenGrads(func(p int, g, w []float32) { m.Move(p, g, w, r.model.Params[p].Mask, way) })
}

// scores are what was learnt, for a rule. The model holds the weights of now.
func (r *run) scores() *prune.Evidence {
	if r.learned == nil {
		return nil
	}
	r.learned.Refresh(r.model)
	return &prune.Evidence{Scores: r.learned.S}
}

// revive gives the weights that come back the values they had.
func (r *run) revive() error {
	r.learned.Revive(r.model)
	return r.t.Push()
}

// memory is what a checkpoint holds beside the optimiser's state, in the same form:
// learned scores, or the masks of an early bird.
func (r *run) memory() (l [][][]float32) {
	switch {
	case r.learned != nil && r.rule().Learns():
		return r.learned.State()
	case r.bird != nil && r.r.Prune.Schedule == earlyBird:
		for _, row := range r.bird.State() {
			slot := make([][]float32, len(r.model.Params))
			slot[0] = row
			l = append(l, slot)
		}
	}
	return l
}

// remember takes over what memory gave.
func (r *run) remember(l [][][]float32) error {
	r.learned, r.bird = nil, nil
	switch {
	case len(l) == 0:
		return nil
	case r.rule().Learns():
		m, err := r.newScores()
		if err != nil {
			return err
		}
		if err := m.Restore(l); err != nil {
			return err
		}
		m.Steps, r.learned = r.loop.Scored, m
		return nil
	case r.r.Prune.Schedule == earlyBird:
		r.bird = r.newBird()
		var rows [][]float32
		for _, slot := range l {
			if len(slot) == 0 || slot[0] == nil {
				return errors.New("early bird: a mask is missing in the checkpoint")
			}
			rows = append(rows, slot[0])
		}
		return r.bird.Restore(rows)
	}
	return errors.New("it holds scores, and its recipe learns none")
}
