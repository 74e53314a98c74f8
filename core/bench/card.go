package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pare/core/device"
	"pare/core/energy"
	"pare/hwprofiles"
)

// CardOptions of training steps on a card: ours and, with Python, PyTorch's in turns.
type CardOptions struct {
	Device        device.Device
	Precision     string // "f32", "tf32", "bf16": PyTorch computes in it, too
	Model         string // of CardModels
	Treatments    []Treatment
	Infer         bool // inferences of whole batches in place of training steps
	Batch, Tokens int  // 0: the model's
	Accumulate    int  // parts that a batch runs in, of ours; 0 and 1: in one go
	Recompute     bool // values of blocks are made again, of ours
	Rounds        int
	Window        time.Duration // of a turn
	Python        string        // interpreter with torch
	Modes         []string      // of PyTorch: eager, compile
	Hardware      string        // profile that predicts; "": the card's own
	Report        func(CardRow)
	Note          func(string)                                 // of who takes no part, and why; may be nil
	Calls         func(t Treatment, kernel string, ms float64) // time of one step by kernel, of ours; may be nil
}

// CardRow is one contender with one treatment.
type CardRow struct {
	Who          string      `json:"who"`
	Model        string      `json:"model"`
	Treatment    string      `json:"treatment"`
	Precision    string      `json:"precision"`
	Batch        int         `json:"batch"`
	Tokens       int         `json:"tokens"`  // of a sample
	Heads        int         `json:"heads"`   // of a layer
	Hidden       int         `json:"hidden"`  // channels of a layer's feed-forward network
	Params       int64       `json:"params"`  // values
	Trained      int64       `json:"trained"` // of these
	StepMS       float64     `json:"step_ms"`
	TokensPerSec float64     `json:"tokens_per_s"` // median over the turns
	Lo           float64     `json:"lo"`
	Hi           float64     `json:"hi"`
	Watts        float64     `json:"watts"`              // of the card, mean over the turns; 0: not measured
	StepJ        *float64    `json:"step_j"`             // null: not measured
	MJPerToken   *float64    `json:"mj_per_token"`       // mJ; null: not measured
	Tier         string      `json:"tier"`               // of the joules, "" when not measured
	Source       string      `json:"source"`             // the same
	MemoryMiB    float64     `json:"memory_mib"`         // that it holds on the card
	ValuesMiB    float64     `json:"values_mib"`         // of ours, by the Plan: values and their gradients
	OfOurs       *float64    `json:"of_ours"`            // joules of a step, of those of our full; null: one is not measured
	OfTheirs     *float64    `json:"of_theirs"`          // the same of PyTorch's first full
	Plan         *Work       `json:"plan,omitempty"`     // of ours
	TwoFour      *TwoFourRow `json:"two_four,omitempty"` // of ours
	Work         string      `json:"work"`               // "training" or "inference"
	OfPlanned    *float64    `json:"of_planned"`         // time of Plan, of that of our full: what of_ours should be
}

// Reached is the share of the saving that the Plan predicts which was measured.
func (r CardRow) Reached() (share float64, ok bool) {
	if r.OfOurs == nil || r.OfPlanned == nil || *r.OfPlanned >= 1 {
		return 0, false
	}
	return (1 - *r.OfOurs) / (1 - *r.OfPlanned), true
}

// setup is what is measured, with all that can be checked before.
type setup struct {
	CardOptions
	model  cardModel
	models []*treated // by treatment
	hw     *hwprofiles.Profile
}

func (o CardOptions) setup() (*setup, error) {
	s := &setup{CardOptions: o}
	var ok bool
	if s.model, ok = cardModels[o.Model]; !ok {
		return nil, fmt.Errorf("model %q: choose one of %s", o.Model, strings.Join(CardModels(), ", "))
	}
	if s.Batch == 0 {
		s.Batch = s.model.batch
	}
	if s.Tokens == 0 {
		s.Tokens = s.model.tokens
	}
	if s.Batch < 1 || s.Tokens < 1 || s.Rounds < 1 || s.Window <= 0 {
		return nil, fmt.Errorf("batch %d, %d tokens, %d rounds, window %v: need at least 1 each", s.Batch, s.Tokens, s.Rounds, s.Window)
	}
	if s.Accumulate < 0 || s.Accumulate > s.Batch || s.Infer && (s.Accumulate > 1 || s.Recompute) {
		return nil, fmt.Errorf("%d parts of a batch of %d: give 1 to that, of training steps", s.Accumulate, s.Batch)
	}
	if s.Accumulate > 1 && s.Python != "" {
		return nil, errors.New("PyTorch is measured with batches in one go: leave --python or --accumulate out")
	}
	for _, m := range o.Modes {
		if m != "eager" && m != "compile" {
			return nil, fmt.Errorf("PyTorch %q: eager or compile", m)
		}
	}
	for _, t := range o.Treatments {
		m, err := s.model.treat(t, s.Tokens)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", o.Model, t.Name, err)
		}
		s.models = append(s.models, m)
	}
	if o.Hardware != "" {
		p, err := hwprofiles.Load(o.Hardware)
		if err != nil {
			return nil, err
		}
		s.hw = &p
	} else if c, ok := o.Device.(device.Card); ok {
		if p, ok := hwprofiles.MatchGPU(c.Model()); ok {
			s.hw = &p
		}
	}
	return s, nil
}

// Card measures training steps (forward, cross-entropy, backward, AdamW) on random ids, or
// inferences.
//
// All contenders take turns. They stay on the card between their turns, but those of a
// large model, of which only one fits: each is opened for its turn and closed behind it,
// and a turn begins when it has warmed up.
func Card(o CardOptions) error {
	s, err := o.setup()
	if err != nil {
		return err
	}
	card, ok := o.Device.(device.Card)
	if !ok {
		return errors.New("this measures a card: give --device cuda, cuda:tf32 or cuda:bf16")
	}
	meter, err := energy.Open(energy.Options{GPU: energy.GPUAuto, Card: card.UUID()})
	if err != nil {
		return err
	}
	defer meter.Close() //nolint:errcheck // only read
	rows, err := s.planned()
	if err != nil {
		return err
	}
	cs := s.ours(card, rows)
	if o.Python != "" {
		p, err := startPeers(o.Python)
		if err != nil {
			return err
		}
		defer p.close()
		cs = append(cs, s.theirs(p, s.pairsOf(p))...)
	}
	defer func() {
		for _, c := range cs {
			c.shut()
		}
	}()
	if err := s.turns(cs, meter); err != nil {
		return err
	}
	if o.Calls == nil {
		return nil
	}
	for i, t := range o.Treatments { // a peer's turns are over: what it holds is in the way
		for _, c := range cs {
			c.shut()
		}
		e, err := s.openCard(s.models[i], card)
		if err != nil {
			return err
		}
		err = e.calls(func(k string, ms float64) { o.Calls(t, k, ms) })
		e.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// CardPlans reports what the Plan predicts for our steps, and measures nothing. Any device
// will do; the rows have no time and no joules.
func CardPlans(o CardOptions) error {
	s, err := o.setup()
	if err != nil {
		return err
	}
	s.Device = planner{s.Device}
	rows, err := s.planned()
	for _, r := range rows {
		o.Report(r)
	}
	return err
}

// row begins the row of a contender with a treatment.
func (s *setup) row(who string, treatment int) CardRow {
	m := s.models[treatment]
	work := "training"
	if s.Infer {
		work = "inference"
	}
	return CardRow{
		Work: work, Who: who, Model: s.Model, Treatment: s.Treatments[treatment].Name, Precision: s.Precision, Batch: s.Batch, Tokens: s.Tokens,
		Heads: m.heads, Hidden: m.hidden, Params: m.params, Trained: m.trained,
	}
}

// planned are the rows of ours, with what the Plan predicts.
func (s *setup) planned() ([]CardRow, error) {
	var rows []CardRow
	for i, m := range s.models {
		p, ws, err := s.cardPlan(m)
		if err != nil {
			return nil, err
		}
		if s.Treatments[i].TwoFour { // wherever it can be
			for _, r := range p.Regions {
				for j := range r.Calls {
					c := &r.Calls[j]
					c.Pairs = len(c.W) > 0 && m.Params[c.W[0]].Mask != nil && (c.Kernel == device.Linear || c.Kernel == device.LinearDX && s.Treatments[i].Both)
				}
			}
		}
		w := workOf(p, ws, s.Batch, s.Precision, s.hw)
		r := s.row("pare", i)
		r.Plan = &w
		bytes := int64(4)
		if s.Precision == "bf16" {
			bytes = 2
		}
		r.ValuesMiB = float64(bytes*p.Values()) / (1 << 20)
		rows = append(rows, r)
	}
	for i := range rows {
		if full := slices.IndexFunc(rows, func(r CardRow) bool { return r.Treatment == "full" }); full >= 0 && rows[i].Plan.Seconds != nil {
			rows[i].OfPlanned = over(*rows[i].Plan.Seconds, *rows[full].Plan.Seconds)
		}
	}
	return rows, nil
}

func over(a, b float64) *float64 {
	a /= b
	return &a
}

// ours are our contenders.
func (s *setup) ours(card device.Card, rows []CardRow) (cs []*cardContender) {
	for i, m := range s.models {
		cs = append(cs, &cardContender{row: rows[i], open: func() (onCard, error) { return s.openCard(m, card) }})
	}
	return cs
}

// pairsOf reports whether PyTorch takes part in what is 2:4, and tells why not.
func (s *setup) pairsOf(p *peers) bool {
	why := ""
	switch _, err := p.ask(question{Op: "pairs"}); {
	case !slices.ContainsFunc(s.Treatments, func(t Treatment) bool { return t.TwoFour }):
	case !s.Infer:
		why = "its semi-structured tensors are measured in inference alone"
	case s.Precision != "bf16":
		why = "its semi-structured tensors are measured in bf16 alone"
	case err != nil:
		why = err.Error()
	default:
		return true
	}
	if why != "" && s.Note != nil {
		s.Note("2:4 without PyTorch: " + why)
	}
	return false
}

// theirs are PyTorch's, with pairs in 2:4 treatments too.
func (s *setup) theirs(p *peers, pairs bool) (cs []*cardContender) {
	for i := range s.models {
		if s.Treatments[i].TwoFour && !pairs {
			continue
		}
		for _, mode := range s.Modes {
			cs = append(cs, &cardContender{row: s.row("torch "+mode, i), open: func() (onCard, error) { return p.openCard(s.question(i, mode, "cuda"), s.models[i]) }})
		}
	}
	return cs
}
