package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"pare/core/deploy"
	"pare/core/energy"
	"pare/core/event"
	"pare/core/model/zoo"
)

// ControlCheck sets a recipe beside its control of equal steps: from the same dense
// model, one side does what the recipe says in stage 3, the other trains as many epochs
// there with the same rates and all its weights. What is compared are the CPU seconds of
// these training steps, masks and cuts included, and the accuracy on the test set.
//
// An early bird has no stage 3 of its own: its control is the planned dense training, and
// the steps of both stages count. A recipe that distils has a control without a teacher:
// the teacher is part of the method, and its time counts.
//
// Recipes with the same dense training and the same epochs behind it share the dense training and
// have one control, of one outcome. Its steps are timed again beside each of them: a machine that
// gets faster or slower from one recipe to the next does so on both sides.
type ControlCheck struct {
	Recipes []*Recipe
	Seeds   int
	// Fresh adds a second control: a dense model of the pared one's shape, with fresh
	// weights, trained from the beginning for the CPU seconds of both stages. Only for
	// what cuts: a mask has the shape of the dense model.
	Fresh  bool
	Report func(ControlRow)
}

// ControlRow is the outcome for a seed. Accuracies are shares of the test set with their
// 95 % interval, times are seconds of training steps: CPU time, on a card its time (event.Clock).
type ControlRow struct {
	Recipe string `json:"recipe,omitempty"` // its name
	Seed   uint64 `json:"seed"`
	// Before is the trained dense model that both sides go on from, and its training; nil
	// for an early bird.
	Before *ControlSide `json:"before,omitempty"`
	Dense  ControlSide  `json:"dense"` // the control
	Pared  ControlSide  `json:"pared"`
	// Step is a training step of the pared model over one of the dense model, at the end,
	// in alternation (CPU time); Infer the same of one inference.
	Step  float64 `json:"step"`
	Infer float64 `json:"infer"`
	Zeros float64 `json:"zeros"`
	// Predicted is the share of a step's time that the end of stage 3 should save by the
	// plans' multiply-adds and bytes at the rates of the machine's profile; nil: it cannot
	// say. A gradual schedule saves less over its whole length.
	Predicted *float64 `json:"predicted,omitempty"`
	Early     int      `json:"early,omitempty"` // epoch at which an early bird ended the dense training
	Planned   int      `json:"planned,omitempty"`
	// Adapters is what a step with them takes beside one that trains all weights, and what
	// the plans say of it; nil without.
	Adapters *event.FineTune `json:"adapters,omitempty"`
	Fresh    *ControlSide    `json:"fresh,omitempty"`
}

// ControlSide is one of the models.
type ControlSide struct {
	Acc     float64   `json:"acc"`
	Lo      float64   `json:"lo"`
	Hi      float64   `json:"hi"`
	Busy    float64   `json:"busy_s"`  // CPU seconds, on a card seconds of it
	Epochs  int       `json:"epochs"`  // that these are of
	EpochS  []float64 `json:"epoch_s"` // Busy of each of them: the first after a cut opens a new plan
	MACs    int64     `json:"macs"`    // multiply-adds that these computed
	Params  int64     `json:"params"`
	InferMS float64   `json:"infer_ms"` // of one sample
	// Energy is that of these training steps; its Coverage tells what was not measured.
	Energy event.Joules `json:"energy"`

	late float64 // Busy of a step in the last quarter of the epochs
}

// Saved is the share of the control's CPU seconds that the recipe did without.
func (r ControlRow) Saved() float64 { return saved(r.Pared.Busy, r.Dense.Busy) }

// Kept is the share of the accuracy before stage 3 that the pared model has; 0: unknown.
func (r ControlRow) Kept() float64 {
	if r.Before == nil || r.Before.Acc == 0 {
		return 0
	}
	return r.Pared.Acc / r.Before.Acc
}

// Run does all seeds of all recipes.
func (c ControlCheck) Run(ctx context.Context) error {
	for _, r := range c.Recipes {
		if r.Prune.Target == 0 && len(r.LowRank) == 0 {
			return errors.New("prune.target = 0 and no lowrank: the recipe is its own control")
		}
		if r.Prune.Schedule == "iterative" && r.Prune.RewindStep >= 0 {
			return fmt.Errorf("prune.rewind_step = %d: the dense model that both sides go on from keeps no weights of its steps; -1 here, or tickets by bench sparsity --methods ticket", r.Prune.RewindStep)
		}
	}
	for i := range uint64(c.Seeds) {
		made := controls{}
		for _, r := range c.Recipes {
			row, err := c.seed(ctx, r, r.Seed+i, made)
			if err != nil {
				return fmt.Errorf("%s, seed %d: %w", cmp.Or(r.Name, "the recipe"), r.Seed+i, err)
			}
			c.Report(row)
		}
	}
	return nil
}

// controls are runs of dense recipes, by the recipe's text.
type controls map[string]*MemStore

// run is the outcome of a dense recipe, timed now, and of the run that has its dense training: the
// same, or of an earlier recipe, from whose dense model only what follows it is trained again.
// Where all counts, all of it is.
func (m controls) run(ctx context.Context, r *Recipe, all bool) (first, now *MemStore, err error) {
	text, err := r.Marshal()
	if err != nil {
		return nil, nil, err
	}
	now = new(MemStore)
	set := Config{Recipe: r, Store: now, Session: "control", Brief: true}
	if first = m[string(text)]; first != nil && !all {
		return first, now, goOn(ctx, first, now, set)
	}
	m[string(text)] = now
	_, err = Run(ctx, set)
	return now, now, err
}

// seed does one of them for a recipe.
func (c ControlCheck) seed(ctx context.Context, r *Recipe, seed uint64, made controls) (ControlRow, error) {
	row := ControlRow{Recipe: r.Name, Seed: seed}
	dir, err := os.MkdirTemp("", "pare-control-")
	if err != nil {
		return row, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	pared, err := copyOf(r)
	if err != nil {
		return row, err
	}
	pared.Auto, pared.Seed = true, seed
	pared.Floor = FloorSpec{Points: 100}
	pared.Deploy.Formats = nil
	dense, err := copyOf(pared)
	if err != nil {
		return row, err
	}
	bird := pared.Prune.Schedule == earlyBird
	dense.Name, dense.LowRank, dense.Distill = "", nil, DistillSpec{}
	dense.Prune = PruneSpec{Score: "magnitude", Pattern: "element", Distribution: "global", Schedule: "oneshot", Epochs: pared.Prune.Epochs, LR: pared.Prune.LR, LRSchedule: pared.Prune.LRSchedule, RewindStep: -1}
	switch {
	case bird:
		dense.Prune.Epochs = 0
	case pared.Prune.Schedule == "iterative":
		dense.Prune.Epochs *= pared.Prune.Levels
	}
	from, a, err := made.run(ctx, dense, bird)
	if err != nil {
		return row, err
	}
	b := MemStore{Dir: dir}
	if bird {
		_, err = Run(ctx, Config{Recipe: pared, Store: &b, Session: "pared", Brief: true})
	} else {
		err = goOn(ctx, from, &b, Config{Recipe: pared, Brief: true})
	}
	if err != nil {
		return row, err
	}
	la, lb := a.State.Ledger, b.State.Ledger
	if la == nil || lb == nil {
		return row, fmt.Errorf("a run ended before validate: %s%s", a.State.Why, b.State.Why)
	}
	row.Dense, row.Pared = sideOf(a, bird), sideOf(&b, bird)
	if !bird {
		row.Before = beforeOf(from, lb.Dense)
	}
	row.Step, row.Infer = 1-saved(row.Pared.late, row.Dense.late), 1-saved(lb.Now.InferUS, lb.Dense.InferUS)
	row.Zeros = lb.Now.Zeros
	for _, e := range b.Events {
		switch e := e.Body.(type) {
		case *event.Ledger:
			if now := e.Now.StepCPUUS; e.Predicted && e.Dense.StepCPUUS > 0 {
				if e.Adapters != nil {
					now = e.Adapters.CPUUS
				}
				x := saved(now, e.Dense.StepCPUUS)
				row.Predicted = &x
			}
		case *event.EarlyBird:
			row.Early, row.Planned = e.Epoch, e.Planned
		case *event.FineTune:
			row.Adapters = e
		}
	}
	if c.Fresh {
		spent := 0.0
		if !bird {
			spent = row.Before.Busy
		}
		f, err := fresh(ctx, &b, spent, pared, dir)
		if err != nil {
			return row, fmt.Errorf("control from fresh weights: %w", err)
		}
		row.Fresh = &f
	}
	return row, nil
}

// sideOf reads the outcome of a run: of stage 3's training steps, or of all.
func sideOf(st *MemStore, all bool) ControlSide {
	s, epochs := stepsOf(st, func(e event.Stage) bool { return all || e == event.Sparsify })
	s.read(st.State.Ledger.Now)
	last, steps := 0.0, 0.0
	for _, e := range epochs[len(epochs)-(len(epochs)+3)/4:] {
		last, steps = last+float64(st.State.BusyUS(&e))/1e6, steps+float64(e.Steps)
	}
	s.late = last / max(steps, 1)
	return s
}

// beforeOf reads the dense model at the end of stage 1 and what its training took.
func beforeOf(st *MemStore, d event.Side) *ControlSide {
	s, _ := stepsOf(st, func(e event.Stage) bool { return e == event.Baseline })
	s.read(d)
	return &s
}

func (s *ControlSide) read(x event.Side) {
	s.Acc, s.Lo, s.Hi, s.Params, s.InferMS = x.Acc, x.Lo, x.Hi, x.Params, x.InferUS/1e3
}

// stepsOf adds up the training steps of the stages that in takes.
func stepsOf(st *MemStore, in func(event.Stage) bool) (s ControlSide, epochs []event.EpochCost) {
	var bill event.StageCost
	band := 0.0 // squared, in µJ
	for _, e := range st.State.Epochs {
		if in(e.Stage) {
			epochs = append(epochs, e)
			x := float64(st.State.BusyUS(&e)) / 1e6
			s.Busy, s.EpochS = s.Busy+x, append(s.EpochS, x)
			s.MACs += e.MACs - e.Skipped
			j := e.Energy.Part(float64(max(e.Over, 1)))
			if j.UJ != nil {
				x := float64(*j.UJ) * j.Band
				band += x * x
			}
			bill = bill.Plus(event.StageCost{WallUS: e.WallUS, Energy: j})
		}
	}
	s.Epochs, s.Energy = len(epochs), bill.Energy
	// What a counter ticks in at the edges of one epoch is not what it does at the next's;
	// a profile or a constant power errs alike in all.
	if u := s.Energy.UJ; u != nil && *u > 0 && energy.Tier(s.Energy.Tier) <= energy.TierB {
		s.Energy.Band = math.Sqrt(band) / float64(*u)
	}
	return s, epochs
}

// fresh trains the shape of a pared model from fresh weights for as long as its
// run took and what was spent before it.
func fresh(ctx context.Context, st *MemStore, spent float64, r *Recipe, dir string) (ControlSide, error) {
	ck, err := st.Load("sparse")
	if err != nil {
		return ControlSide{}, err
	}
	m := ck.Model.Clone()
	for _, l := range m.Layers() {
		if m.Params[l.Param].Mask != nil {
			return ControlSide{}, fmt.Errorf("layer %s has a mask: only what was cut out makes a smaller dense model", l.Name)
		}
	}
	if err := zoo.Renew(m, r.Seed); err != nil {
		return ControlSide{}, err
	}
	path := filepath.Join(dir, "fresh.safetensors")
	f, err := os.Create(path)
	if err != nil {
		return ControlSide{}, err
	}
	err = errors.Join(deploy.Write(f, m, deploy.Safetensors), f.Close())
	if err != nil {
		return ControlSide{}, err
	}
	for _, e := range st.State.Epochs {
		spent += float64(st.State.BusyUS(&e)) / 1e6
	}
	n, err := RecipeOf(ck)
	if err != nil {
		return ControlSide{}, err
	}
	n.Model, n.LowRank, n.Distill = ModelSpec{Path: path}, nil, DistillSpec{}
	n.Prune = PruneSpec{Score: "magnitude", Pattern: "element", Distribution: "global", Schedule: "oneshot", RewindStep: -1}
	// How long an epoch of it takes, without a teacher, it tells itself; how many there are
	// must be known before the first, since the rate falls along them.
	var side ControlSide
	for _, epochs := range []int{2, 0} {
		if n.Train.Epochs = epochs; epochs == 0 {
			n.Train.Epochs = max(1, int(math.Round(spent/slices.Min(side.EpochS))))
		}
		var to MemStore
		if _, err := Run(ctx, Config{Recipe: n, Store: &to, Session: "fresh", Brief: true}); err != nil {
			return ControlSide{}, err
		}
		side = sideOf(&to, true)
	}
	return side, nil
}

// copyOf is a recipe that shares nothing with r.
func copyOf(r *Recipe) (*Recipe, error) {
	b, err := r.Marshal()
	if err != nil {
		return nil, err
	}
	return ParseRecipe(b)
}
