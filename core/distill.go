package core

import (
	"fmt"

	"pare/core/event"
	"pare/core/plan"
	"pare/core/train"
)

// DistillSpec has stage 3 learn from the dense model of stage 1 besides the labels, with
// whatever stage 3 does to the model: masks, cuts, low rank, adapters. The loss of a
// sample, or of a token with a label, is
//
//	(1−α)·CE(labels, student) + α·T²·KL(softmax(teacher/T) ‖ softmax(student/T))
//
// (Hinton, Vinyals and Dean 2015, arXiv:1503.02531, §2). The teacher is frozen and runs
// as in inference within each step, on the same samples: its time and joules are the
// stage's. Evaluations, and the training steps that dense and pared are compared by, are
// without it.
type DistillSpec struct {
	Alpha       float64 `toml:"alpha,omitempty"`       // share of the teacher, 0 (none) to 1
	Temperature float64 `toml:"temperature,omitempty"` // T; 0 = DistillTemperature
}

// DistillTemperature is the temperature unless a recipe names one.
const DistillTemperature = 2

func (d DistillSpec) temperature() float64 {
	if d.Temperature == 0 {
		return DistillTemperature
	}
	return d.Temperature
}

// words is the recipe's part in a few words.
func (d DistillSpec) words() string {
	return fmt.Sprintf("distilled from the baseline (α %.4g, T %.4g)", d.Alpha, d.temperature())
}

// checkDistill refuses what cannot work with any model.
func (r *Recipe) checkDistill() error {
	d := r.Distill
	switch {
	case !(d.Alpha >= 0 && d.Alpha <= 1):
		return fmt.Errorf("distill.alpha = %g: give the teacher's share in the loss, 0 (none) to 1", d.Alpha)
	case d.Temperature != 0 && !(d.Temperature >= 0.01 && d.Temperature <= 1000):
		return fmt.Errorf("distill.temperature = %g: give 0.01 to 1000 (2 is usual)", d.Temperature)
	case d.Alpha == 0 && d.Temperature != 0:
		return fmt.Errorf("distill.temperature without distill.alpha: give the teacher's share, 0.5 say")
	case d.Alpha > 0 && r.Prune.Epochs == 0:
		return fmt.Errorf("distill.alpha = %g, but prune.epochs = 0: nothing is trained in stage 3 that could learn from the baseline", d.Alpha)
	}
	return nil
}

// addTeacher makes the baseline the teacher of a trainer of stage 3, if the recipe wants
// it.
func (r *run) addTeacher(s event.Stage, o *train.Options) error {
	d := r.r.Distill
	if s != event.Sparsify || d.Alpha == 0 {
		return nil
	}
	c, err := r.cfg.Store.Load("baseline")
	if err != nil {
		return fmt.Errorf("distill: the baseline, which is the teacher: %w", err)
	}
	o.Teacher, o.Distil = c.Model, plan.Distil{Alpha: float32(d.Alpha), Temperature: float32(d.temperature())}
	return nil
}

// startTrainer puts the current model on the device.
func (r *run) startTrainer(state [][][]float32) error { return r.startTrainerIn(r.loop.Stage, state) }

// startTrainerIn is startTrainer as a stage trains.
func (r *run) startTrainerIn(s event.Stage, state [][][]float32) error {
	if r.t != nil {
		r.t.Close()
		r.t = nil
	}
	o, err := r.trainerOptions()
	if err != nil {
		return err
	}
	if err := r.addTeacher(s, &o); err != nil {
		return err
	}
	r.t, err = train.New(r.model, r.dev, o, state)
	return err
}
