package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"pare/core/data"
	"pare/core/event"
	"pare/core/train"
)

// alternations is how often dense and pared are measured in turn.
const alternations = 5

// validate is stage 4: the test set, dense against pared on the same samples,
// and the cost of both measured in alternation.
func (r *run) validate(ctx context.Context) error {
	if err := r.stage(event.Validate, "started", ""); err != nil {
		return err
	}
	if err := r.spends(); err != nil {
		return err
	}
	if err := r.wait(ctx, event.Validate, "this will look at the test set"); err != nil {
		return err
	}
	r.startEpoch()
	dense, err := r.denseTrainer()
	if err != nil {
		return err
	}
	defer dense.Close()
	r.loop.Looks++
	if err := r.checkpoint(r.stepName(), -1); err != nil { // a look counts even if the run dies during it
		return err
	}
	test := r.set.Test
	a, b := make([]int32, len(test.Labels)), make([]int32, len(test.Labels))
	sd, err := dense.Eval(test, a)
	if err != nil {
		return err
	}
	sn, err := r.t.Eval(test, b)
	if err != nil {
		return err
	}
	lo, hi := sn.Interval()
	if err := r.emit(&event.Eval{Stage: event.Validate, Step: r.loop.Step, Split: "test", Correct: sn.Correct, N: sn.N, Loss: finite(sn.Loss), Lo: lo, Hi: hi, Zeros: r.zeros(), Perplexity: r.perplexity(sn)}); err != nil {
		return err
	}
	v := r.judge(a, b, test.Labels, sd, sn)
	v.Text = fmt.Sprintf("%s  %s", v.Verdict, v.Text)
	saved, err := r.measure(dense, sd, sn, a, b)
	if errors.As(err, new(*overspent)) { // what the test set said is not lost
		v.Text += " · ms and J not compared: the budget is spent"
		return errors.Join(err, r.emit(v))
	}
	if err != nil {
		return err
	}
	if saved != "" {
		v.Text += " · " + saved
	}
	if s := r.exceeded(); s != "" {
		v.Text += " · " + s
	}
	if err := r.emit(v); err != nil {
		return err
	}
	r.loop.Verdict = v.Verdict
	if err := r.billStage(event.Validate); err != nil {
		return err
	}
	if err := r.stage(event.Validate, "done", fmt.Sprintf("%s, %d test %s, look %d at the test set", v.Verdict, v.N, r.unit(), v.Looks)); err != nil {
		return err
	}
	r.lastAcc = -1 // the checkpoint must not carry a test accuracy as validation's
	return r.enter(event.Deploy)
}

// measure compares what a step and an inference cost, dense and pared, and tells what the
// pared model gets wrong and where its time goes; a and b are what dense and pared said of
// the test set. saved is the sentence about the step.
func (r *run) measure(dense *train.Trainer, sd, sn train.Score, a, b []int32) (saved string, err error) {
	now, err := r.copyTrainer()
	if err != nil {
		return "", err
	}
	defer now.Close()
	l, err := r.compare(dense, now, sd, sn)
	if err != nil {
		return "", err
	}
	if err := r.emit(l); err != nil {
		return "", err
	}
	if err := r.samples(dense, now, a, b); err != nil {
		return "", err
	}
	return savings(l), r.attribute(dense, now)
}

// denseTrainer puts the baseline on the device beside the pared model.
func (r *run) denseTrainer() (*train.Trainer, error) {
	c, err := r.cfg.Store.Load("baseline")
	if err != nil {
		return nil, fmt.Errorf("the dense baseline to compare with: %w", err)
	}
	o, err := r.trainerOptions()
	if err != nil {
		return nil, err
	}
	o.Dense = true
	return train.New(c.Model, r.dev, o, nil)
}

// judge applies the verdict rule: PASS if the paired 95 % interval's lower end
// lies above the floor, FAIL if its upper end lies below it, else UNDECIDED. A
// floor given as an absolute accuracy is compared with the pared accuracy's own
// interval, as nothing is paired with it.
func (r *run) judge(dense, now, label []int32, sd, sn train.Score) *event.Verdict {
	v := &event.Verdict{N: sn.N, Looks: r.loop.Looks}
	v.Diff, v.Lo, v.Hi = train.Paired(dense, now, label, len(label)/r.set.Test.N())
	var above, below bool
	if a := r.r.Floor.Accuracy; a > 0 {
		lo, hi := sn.Interval()
		v.Floor = a
		above, below = lo > a, hi < a
	} else {
		drop := -r.r.Floor.Points / 100
		v.Floor = sd.Acc() + drop
		above, below = v.Lo > drop, v.Hi < drop
	}
	chance := guess(label, r.classes())
	least, _ := sd.Interval()
	guessing := least <= chance
	switch {
	case above && !guessing:
		v.Verdict = "PASS"
	case below:
		v.Verdict = "FAIL"
	default:
		v.Verdict = "UNDECIDED"
	}
	floor := "a floor of " + floorWords(v.Floor)
	if r.r.Floor.Accuracy == 0 {
		floor += ", " + several(r.r.Floor.Points, "point") + " under dense"
	}
	v.Text = fmt.Sprintf("%.1f %% against %s (difference %s pt, 95 %%: %s to %s, %d test %s)",
		100*sn.Acc(), floor, signed(100*v.Diff, 1), signed(100*v.Lo, 1), signed(100*v.Hi, 1), sn.N, r.unit())
	if r.lm() {
		v.Text += fmt.Sprintf(" · perplexity %s, dense %s", event.Num(math.Exp(sn.Loss), 4), event.Num(math.Exp(sd.Loss), 4))
	}
	if guessing {
		v.Text = fmt.Sprintf("the dense model is right on %.1f %% of the test set, no better than the %.1f %% of guessing: keeping that proves nothing · ", 100*sd.Acc(), 100*chance) + v.Text
	}
	if r.lm() { // a vocabulary is no list of classes
		return v
	}
	v.Classes = make([]event.ClassRow, len(r.set.Classes))
	for i, l := range label {
		c := &v.Classes[l]
		c.Name = r.set.Classes[l]
		c.N++
		if dense[i] == l {
			c.Dense++
		}
		if now[i] == l {
			c.Now++
		}
	}
	for i := range v.Classes {
		v.Classes[i].Name = r.set.Classes[i]
	}
	return v
}

// guess is the accuracy of always saying the same class.
func guess(label []int32, classes int) float64 {
	n := make([]int, classes)
	most, of := 0, 0
	for _, l := range label {
		if l != data.NoLabel {
			n[l]++
			most, of = max(most, n[l]), of+1
		}
	}
	return float64(most) / float64(max(of, 1))
}

// lm reports whether the run is of a language model.
func (r *run) lm() bool { return r.set.Text != nil && r.set.Text.LM }

// classes is the number of classes; of a language model the size of its vocabulary.
func (r *run) classes() int {
	if r.lm() {
		return r.set.Text.Vocab
	}
	return len(r.set.Classes)
}

// perplexity is that of a language model, 0 for others and where it has no bound.
func (r *run) perplexity(s train.Score) float64 {
	p := math.Exp(s.Loss)
	if !r.lm() || !(p <= math.MaxFloat32) {
		return 0
	}
	return p
}

// unit is what accuracy counts.
func (r *run) unit() string {
	if r.lm() {
		return "tokens"
	}
	return "samples"
}

// signed prints a number with its sign, the minus as people write it.
func signed(x float64, digits int) string {
	return strings.Replace(fmt.Sprintf("%+.*f", digits, x), "-", "−", 1)
}

// floorWords is a floor in percent: under 0 where more may be lost than there is.
func floorWords(x float64) string {
	return strings.Replace(fmt.Sprintf("%.1f %%", 100*x), "-", "−", 1)
}

// several is "1 epoch", "2 epochs".
func several[N int | float64](n N, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%v %ss", n, word)
}
