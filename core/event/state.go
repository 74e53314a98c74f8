package event

import (
	"slices"
	"time"
)

// Point is one sample of a curve.
type Point struct {
	Step   int64
	Y      float64
	Lo, Hi float64 // interval, equal to Y when there is none
}

// Curves are what the two charts draw for one stage. Acc is validation
// accuracy, Perplexity that of a language model, Loss the training loss, Joules the energy per epoch in J placed at
// the end of the epoch, CPU the seconds per epoch, of CPU time or on a card (see Started.Busy), Zeros the share of zeros.
type Curves struct {
	Acc, Perplexity, Loss, Joules, CPU, Zeros []Point
}

// StageInfo is what the rail shows of a stage.
type StageInfo struct {
	State    string // "" not begun, or as in StageChange
	Evidence string
	Cost     StageCost
}

// Status of a run as far as its log tells.
type Status string

// Statuses.
const (
	StatusNew     Status = ""
	StatusRunning Status = "running"
	StatusPaused  Status = "paused"
	StatusWaiting Status = "waiting" // for the person, between stages
	StatusDone    Status = "done"
	StatusFailed  Status = "failed"
)

// State is the fold of a run's events: all that any reader shows. Its zero
// value is the state before the first event.
type State struct {
	Seq    int64
	At     time.Time // of the last event
	Begun  time.Time
	Status Status
	Why    string // of the status
	By     string // of a stop: where it came from, "" if the log does not say

	Started Started
	Branch  *Branch // of which run this is one, nil for a run of its own
	Idle    *Idle   // the newest that was measured, else why it was not
	Model   Model   // as it is now
	Dense   Model   // as it was at the start
	Plan    Plan
	// Chosen are the choices made by the clock, by hardware and by what each is for.
	Chosen map[string]map[string]string
	Stage  Stage // the current one
	Stages [Deploy + 1]StageInfo

	Metric   Metric
	Progress *Progress // of the stage, where it has no steps
	Curves   [Deploy + 1]Curves
	Evals    []Eval
	Epochs   []EpochCost
	Infers   []Infer // of the checkpoints they were measured for
	Mask     Mask

	Checkpoints []Checkpoint
	Decisions   []Decision
	Fresh       []Decision // since the last checkpoint: a resume must do them again
	// Frozen: the floor was hit, and no checkpoint says so yet.
	Frozen bool
	// AtFloor: the floor sent the run back, and it neither went on nor was answered yet.
	AtFloor  bool
	Floors   []Floor
	Rewrites []Rewrite
	Warnings []Warning
	Failures []Failure
	Diverged *Diverged

	Times         *StepTimes
	Predicted     *Ledger
	Ledger        *Ledger
	Factors       *Factors
	FineTune      *FineTune
	EarlyBird     *EarlyBird
	Scan          *Scan // the newest, with the rows there are
	Spread        *Spread
	Attribution   *Attribution
	Samples       *Samples
	Verdict       *Verdict
	LayerVerdicts *LayerVerdicts
	LastPoints    *LastPoints
	Budget        *Budget
	Exports       []Export
	Done          *Done
	Resumes       int
	Looks         int // at the test set
}

// BaselineAcc is the dense validation accuracy at the end of stage 1, and
// whether it is known.
func (s *State) BaselineAcc() (float64, bool) {
	c := s.Curves[Baseline].Acc
	if len(c) == 0 {
		return 0, false
	}
	return c[len(c)-1].Y, true
}

// Apply folds one event. Events must come in order of Seq; the log's reader
// sees to that.
func (s *State) Apply(e Event) {
	s.Seq, s.At = e.Seq, e.At
	if s.Begun.IsZero() {
		s.Begun = e.At
	}
	switch b := e.Body.(type) {
	case *Started:
		s.Started = *b
		if s.Scan != nil && s.Scan.State == "running" { // its process has gone
			scan := *s.Scan
			scan.State = "cancelled"
			s.Scan = &scan
		}
		s.setStatus(StatusRunning, "")
	case *Branch:
		s.Branch, s.Begun = b, e.At
	case *Idle:
		if s.Idle == nil || b.Watts != nil || s.Idle.Watts == nil {
			s.Idle = b
		}
	case *Model:
		s.Model = *b
		if s.Dense.Name == "" {
			s.Dense = *b
		}
	case *Plan:
		s.Plan = *b
	case *Chosen:
		s.chosen(b)
	case *StageChange:
		s.stageChange(b)
	case *Metric:
		s.Metric = *b
		c := &s.Curves[clip(b.Stage)]
		c.Loss = add(c.Loss, Point{b.Step, b.Loss, b.Loss, b.Loss})
		c.Zeros = add(c.Zeros, Point{b.Step, b.Zeros, b.Zeros, b.Zeros})
	case *Metrics:
		s.metrics(b)
	case *Eval:
		s.AtFloor = false
		s.Evals = append(s.Evals, *b)
		if b.Split == "val" {
			c := &s.Curves[clip(b.Stage)]
			c.Acc = add(c.Acc, Point{b.Step, b.Acc(), b.Lo, b.Hi})
			if p := b.Perplexity; p > 0 {
				c.Perplexity = add(c.Perplexity, Point{b.Step, p, p, p})
			}
		}
	case *EpochCost:
		s.Epochs = append(s.Epochs, *b)
		c := &s.Curves[clip(b.Stage)]
		if b.Energy.UJ != nil {
			j := float64(*b.Energy.UJ) / 1e6
			w := j * b.Energy.Band / 100
			c.Joules = add(c.Joules, Point{b.Step, j, j - w, j + w})
		}
		sec := float64(s.BusyUS(b)) / 1e6
		c.CPU = add(c.CPU, Point{b.Step, sec, sec, sec})
	case *Infer:
		s.infer(b)
	case *StageCost:
		s.Stages[clip(b.Stage)].Cost = *b
	case *Mask:
		s.Mask = *b
	case *Rewrite:
		s.Rewrites = append(s.Rewrites, *b)
	case *Checkpoint:
		for i := range s.Checkpoints { // written again under the same name
			if s.Checkpoints[i].Name == b.Name {
				s.Checkpoints = append(s.Checkpoints[:i:i], s.Checkpoints[i+1:]...)
				break
			}
		}
		s.Checkpoints = append(s.Checkpoints, *b)
		s.Fresh, s.Frozen = nil, false
	case *Dropped:
		for i := range s.Checkpoints {
			if s.Checkpoints[i].Name == b.Name {
				s.Checkpoints = append(s.Checkpoints[:i:i], s.Checkpoints[i+1:]...)
				break
			}
		}
	case *Decision:
		s.Decisions, s.AtFloor = append(s.Decisions, *b), false
		same := func(d Decision) bool { d.By = b.By; return d == *b }
		if !slices.ContainsFunc(s.Fresh, same) { // a resumed run does again what is here already
			s.Fresh = append(s.Fresh, *b)
		}
	case *Floor:
		s.Floors = append(s.Floors, *b)
	case *Ledger:
		if b.Predicted {
			s.Predicted = b
		} else {
			s.Ledger = b
		}
	case *Progress:
		s.Progress = b
	case *StepTimes:
		s.Times = b
	case *Samples:
		s.Samples = b
	case *Attribution:
		s.Attribution = b
	case *Factors:
		s.Factors = b
	case *FineTune:
		s.FineTune = b
	case *EarlyBird:
		s.EarlyBird = b
	case *Scan:
		s.Scan = b
	case *ScanRow:
		if s.Scan != nil { // a copy: whoever holds the old one keeps it
			scan := *s.Scan
			scan.Rows = append(slices.Clone(scan.Rows), *b)
			s.Scan = &scan
		}
	case *Spread:
		s.Spread = b
	case *Verdict:
		s.Verdict, s.Looks = b, b.Looks
	case *LayerVerdicts:
		s.LayerVerdicts = b
	case *LastPoints:
		s.LastPoints = b
	case *Budget:
		s.Budget = b
	case *Export:
		s.export(b)
	case *Warning:
		s.Warnings = append(s.Warnings, *b)
	case *Failure:
		s.Failures = append(s.Failures, *b)
		s.setStatus(StatusFailed, b.Text)
	case *Diverged:
		s.Diverged = b
	case *Paused:
		s.setStatus(StatusPaused, b.Why)
		s.By = b.By
	case *Continued:
		s.setStatus(StatusRunning, "")
		s.Diverged, s.AtFloor = nil, false
	case *Resumed:
		s.resumed(b)
	case *Done:
		s.Done = b
		s.setStatus(StatusDone, b.Text)
	}
}

func (s *State) setStatus(st Status, why string) { s.Status, s.Why, s.By = st, why, "" }

func (s *State) stageChange(b *StageChange) {
	i := &s.Stages[clip(b.Stage)]
	i.State, i.Evidence, s.Progress = b.State, b.Evidence, nil
	switch b.State {
	case "started":
		s.Stage = clip(b.Stage)
		s.setStatus(StatusRunning, "")
	case "waiting":
		s.Stage = clip(b.Stage)
		s.setStatus(StatusWaiting, b.Evidence)
	}
}

// export keeps one row per format: a later one replaces it.
func (s *State) export(b *Export) {
	for i := range s.Exports {
		if s.Exports[i].Format == b.Format {
			s.Exports[i] = *b
			return
		}
	}
	s.Exports = append(s.Exports, *b)
}

// resumed drops the curve points after the checkpoint; what was spent stays in
// the stages' costs.
func (s *State) resumed(b *Resumed) {
	if b.Why == "crash" {
		s.Resumes++
	}
	for st := Baseline; st <= Deploy; st++ {
		keep := b.Step
		if st < b.Stage {
			continue
		}
		if st > b.Stage {
			keep = -1
			s.Stages[st].State, s.Stages[st].Evidence = "", ""
		}
		c := &s.Curves[st]
		for _, p := range []*[]Point{&c.Acc, &c.Perplexity, &c.Loss, &c.Joules, &c.CPU, &c.Zeros} {
			for len(*p) > 0 && (*p)[len(*p)-1].Step > keep {
				*p = (*p)[:len(*p)-1]
			}
		}
	}
	if b.Why != "crash" && b.Why != "stop" { // what was decided and not done yet is done after these
		s.Fresh = nil
	}
	died := b.Why == "crash" || b.Why == "stop"
	s.Frozen = b.Why == WhyFloor || s.Frozen && died
	s.AtFloor = b.Why == WhyFloor || s.AtFloor && died
	evals := s.Evals[:0:0]
	for _, e := range s.Evals {
		if e.Stage < b.Stage || e.Stage == b.Stage && e.Step <= b.Step {
			evals = append(evals, e)
		}
	}
	s.Evals = evals
	s.Infers = slices.DeleteFunc(slices.Clone(s.Infers), func(x Infer) bool {
		return x.Stage > b.Stage || x.Stage == b.Stage && x.Step > b.Step
	})
	s.Stage, s.Progress = clip(b.Stage), nil
	s.Stages[s.Stage].State = "started"
	s.Done, s.LayerVerdicts, s.Exports = nil, nil, nil
	if b.Stage < Deploy { // a run that went back will validate again
		s.Verdict, s.Ledger, s.Attribution, s.Samples = nil, nil, nil, nil
	}
	if b.Stage <= Sparsify {
		s.FineTune = nil
	}
	if b.Stage < Sparsify { // a scan says itself what it holds for
		s.Spread = nil
	}
	s.setStatus(StatusRunning, "")
}

// add appends a point; a point at or before the last step replaces what stands
// there, so that curves stay functions of the step.
func add(c []Point, p Point) []Point {
	for len(c) > 0 && c[len(c)-1].Step >= p.Step {
		c = c[:len(c)-1]
	}
	return append(c, p)
}

func clip(s Stage) Stage {
	if s < Baseline || s > Deploy {
		return 0
	}
	return s
}
