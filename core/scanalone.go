package core

import (
	"context"
	"fmt"

	"pare/core/event"
	"pare/core/prune"
	"pare/core/train"
)

// ScanSource is what is scanned outside a run.
type ScanSource struct {
	Recipe     *Recipe     // model, data and rule
	Checkpoint *Checkpoint // the model, in place of the recipe's; nil: that one
	Known      *event.Scan // an earlier scan, see ScanJob
	Threads    int
	Say        func(event.Body) error // of scan, scan_row and warning events
}

// Scan scans a model outside a run, with a meter of its own: see ScanJob.
func Scan(ctx context.Context, s ScanSource) (*event.Scan, error) {
	r := &run{cfg: Config{Recipe: s.Recipe}, r: s.Recipe}
	var err error
	if r.dev, err = openDevice(r.r.Hardware.Device); err != nil {
		return nil, err
	}
	if r.set, err = openData(r.r); err != nil {
		return nil, err
	}
	m, pre, warn, err := openModel(r.r, r.set, r.dev, false)
	if err != nil {
		return nil, err
	}
	if r.model, r.pre = m, pre; s.Checkpoint != nil {
		r.model = s.Checkpoint.Model
	}
	r.loop.Base = prune.NewBase(m) // of the net as it came, whatever the checkpoint has left of it
	r.fillRecipe()
	if r.hw, err = r.profile(r.r.Hardware.Profile); err != nil {
		return nil, err
	}
	if r.meter, err = openMeter(meterOptions(r.dev, r.r.Energy.Wall)); err != nil {
		return nil, err
	}
	defer r.meter.Close() //nolint:errcheck // nothing more is read from it
	for _, w := range warn {
		if err := s.Say(&w); err != nil {
			return nil, err
		}
	}
	if s.Threads > 0 {
		r.r.Hardware.Threads = s.Threads
	}
	j := r.scanJob()
	j.Known, j.Say, j.Stop = s.Known, s.Say, nil
	j.Evidence = func() (*prune.Evidence, error) {
		if r.t, err = r.trainer(); err != nil {
			return nil, err
		}
		defer r.t.Close()
		return r.evidence(0)
	}
	done, err := j.Run(ctx)
	if err != nil {
		return nil, err
	}
	guess := train.Score{Correct: int(done.Acc * float64(done.N)), N: done.N, Loss: done.Loss}
	if w := r.nearGuessing(guess, nil); w != nil {
		w.Fix = "a model from the zoo has fresh weights here: scan a session's, or a trained file; " + w.Fix
		if s.Checkpoint != nil || r.r.Model.Path != "" {
			w.Fix = "what a scan of it says means little; " + w.Fix
		}
		return done, s.Say(w)
	}
	return done, nil
}

// trainer puts the model on the device as the recipe trains it.
func (r *run) trainer() (*train.Trainer, error) {
	o, err := r.trainerOptions()
	if err != nil {
		return nil, err
	}
	t, err := train.New(r.model, r.dev, o, nil)
	if err != nil {
		return nil, fmt.Errorf("gradients for score %s: %w", r.r.Prune.Score, err)
	}
	return t, nil
}
