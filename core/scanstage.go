package core

import (
	"context"
	"fmt"
	"reflect"

	"pare/core/event"
	"pare/core/prune"
)

// scanJob is the scan of the dense model by the recipe in force.
func (r *run) scanJob() *ScanJob {
	known := r.loop.Scan
	if known == nil {
		known = r.scanned
	}
	return &ScanJob{
		Model: r.model, Base: r.loop.Base, Dev: r.dev, Recipe: r.r, Data: r.set, HW: r.hw, Meter: r.meter, Threads: r.threads(), Known: known,
		Evidence: func() (*prune.Evidence, error) { return r.evidence(0) }, Say: r.emit, Stop: r.stopScan,
	}
}

// stopScan looks at the commands that come in while a scan goes on.
func (r *run) stopScan() (bool, error) {
	for {
		select {
		case c, ok := <-r.cfg.Commands:
			switch {
			case !ok:
				r.cfg.Commands = nil
				return false, nil
			case c.Cmd == CmdStop:
				return true, r.stop(c.Text)
			case c.Cmd == CmdCancel || c.Cmd == CmdPause:
				return true, nil
			case c.Cmd == CmdScan:
			default:
				if err := r.refuse("a scan goes on: cancel it first, or wait for its end"); err != nil {
					return false, err
				}
			}
		default:
			return false, nil
		}
	}
}

// scanNow scans because a person asks for it, with the recipe of text if there is one.
func (r *run) scanNow(ctx context.Context, text string) error {
	if text != "" {
		n, err := ParseRecipe([]byte(text))
		if err != nil {
			return r.refuse("recipe not taken: %v", err)
		}
		if err := r.reconfigure(text); err != nil {
			return err
		}
		if !reflect.DeepEqual(n.Prune, r.r.Prune) || !reflect.DeepEqual(n.Scan, r.r.Scan) { // refused, and said so
			return nil
		}
	}
	_, err := r.scan(ctx)
	return err
}

// scan scans and keeps what came of it, bills it to the stage, and leaves a checkpoint
// that knows it. A scan that cannot be made is a warning.
func (r *run) scan(ctx context.Context) (*event.Scan, error) {
	if !r.bill.running {
		r.bill.resume(r)
		defer r.bill.hold(r)
	}
	if err := r.t.Pull(); err != nil {
		return nil, err
	}
	j := r.scanJob()
	if _, err := prune.Parts(j.Model, j.spec()); err != nil {
		return nil, r.refuse("no scan: %v", err)
	}
	s, err := j.Run(ctx)
	if err != nil {
		return nil, err
	}
	r.scanned, r.loop.Scan = s, s
	if err := r.checkpoint(r.stepName(), r.lastAcc); err != nil {
		return s, err
	}
	if ctx.Err() != nil {
		return s, r.stop(endedBy(ctx))
	}
	return s, r.billStage(event.Configure)
}

// scanForSpread scans where the spread needs it and there is no scan that holds; false
// when that was cancelled.
func (r *run) scanForSpread(ctx context.Context) (bool, error) {
	if r.r.Prune.Distribution != "sensitivity" {
		return true, nil
	}
	if err := r.t.Pull(); err != nil {
		return false, err
	}
	j := r.scanJob()
	if s := r.loop.Scan; s.Complete() && s.Key == j.key(j.spec()) {
		return true, nil
	}
	s, err := r.scan(ctx)
	if err != nil || s.Complete() {
		return err == nil, err
	}
	if r.r.Auto {
		return false, &fixable{fmt.Errorf("prune.distribution = \"sensitivity\" needs a whole scan"), "let it end, or choose global, layer or erk"}
	}
	return false, r.refuse("spreading by sensitivity needs a whole scan: let it end, or choose another spread")
}

// curves are what the scan says of each layer or group; nil without one.
func (r *run) curves() []prune.Curve {
	s := r.loop.Scan
	if r.r.Prune.Distribution != "sensitivity" || s == nil {
		return nil
	}
	return curvesOf(s)
}

// curvesOf are the curves of a scan, over the shares that really went.
func curvesOf(s *event.Scan) []prune.Curve {
	var out []prune.Curve
	for _, row := range s.Rows {
		c := prune.Curve{Name: row.Name}
		before := 0.0
		for _, x := range row.Cells {
			if x.Gone > before && x.Gone < 1 {
				c.Levels, c.Lost, c.Rise = append(c.Levels, x.Gone), append(c.Lost, s.Lost(x)), append(c.Rise, x.Loss-s.Loss)
				before = x.Gone
			}
		}
		if len(c.Levels) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// spread works out what each layer loses at the target by the scan, and says so before
// it takes effect.
func (r *run) spread() error {
	if r.r.Prune.Distribution != "sensitivity" {
		return nil
	}
	spec := r.rule()
	if spec.Needs() {
		var err error
		if spec.Evidence, err = r.evidence(0); err != nil {
			return err
		}
	}
	_, rep, err := prune.Step(r.model, spec, r.r.Prune.Target, r.loop.Base)
	if err != nil {
		return &wrongRecipe{&fixable{err, "choose a lower target or another spread"}}
	}
	e := &event.Spread{Stage: event.Configure, Target: r.r.Prune.Target, Zeros: rep.Zeros, Of: rep.Of}
	shares := map[string]float64{} // of layers, or of groups
	for _, l := range rep.Layers {
		if l.Skipped {
			continue
		}
		e.Layers = append(e.Layers, event.LayerMask{Name: l.Name, Zeros: l.Zeros, Of: l.Of})
		if !spec.Structured() {
			shares[l.Name] = float64(l.Zeros) / float64(max(l.Of, 1))
		}
	}
	for _, g := range rep.Cuts {
		shares[g.Name] = 1 - float64(g.To)/float64(g.From)
	}
	for _, c := range spec.Sensitivity {
		e.Lost += c.At(shares[c.Name])
	}
	cost := "no accuracy"
	if e.Lost >= 0.0005 {
		cost = fmt.Sprintf("%.1f points", 100*e.Lost)
	}
	e.Text = fmt.Sprintf("by the scan %.1f %% zeros should cost %s before training", 100*r.r.Prune.Target, cost)
	return r.emit(e)
}

// scanText is what came of the scan, in the recipe's line.
func (r *run) scanText() string {
	s := r.loop.Scan
	if s == nil || len(s.Rows) == 0 {
		return "sensitivity scan skipped"
	}
	text := fmt.Sprintf("sensitivity scan of %d %s at %d levels", len(s.Rows), rowWord(s, len(s.Rows)), len(s.Levels))
	if !s.Complete() {
		text += fmt.Sprintf(", cancelled with %d to go", s.Of-len(s.Rows))
	}
	return text
}

// rowWord is what a scan's rows are.
func rowWord(s *event.Scan, n int) string {
	word := "layer"
	if s.Groups {
		word = "group"
	}
	if n == 1 {
		return word
	}
	return word + "s"
}
