package plain

import (
	"fmt"
	"math"
	"strings"

	"pare/core/energy"
	"pare/core/event"
)

// Row is one line of the ledger in words, for every front.
type Row struct{ Name, Dense, Now, Change string }

// Rows are the ledger's lines. CPU time comes before joules; every joule has its
// tier.
func Rows(l *event.Ledger) []Row {
	d, n := l.Dense, l.Now
	acc := func(s event.Side) string {
		if s.Hi > s.Lo {
			return fmt.Sprintf("%.1f %% (%.1f–%.1f)", 100*s.Acc, 100*s.Lo, 100*s.Hi)
		}
		return fmt.Sprintf("%.1f %%", 100*s.Acc)
	}
	var rows []Row
	step := event.ClockOf(l.HWKind).Unit + " ms per step"
	if !l.Predicted {
		rows = append(rows, Row{"accuracy (95 %)", acc(d), acc(n), strings.Replace(fmt.Sprintf("%+.1f pt", 100*(n.Acc-d.Acc)), "-", "−", 1)})
		if d.Perplexity > 0 && n.Perplexity > 0 {
			rows = append(rows, Row{"perplexity", event.Num(d.Perplexity, 4), event.Num(n.Perplexity, 4), Change(d.Perplexity, n.Perplexity)})
		}
	}
	ms := ms
	if l.AtLeast {
		ms = atLeast
	}
	steps, stepJ := changes(l, step, d.StepCPUUS, d.StepBand, n.StepCPUUS, n.StepBand, d.StepEnergy, n.StepEnergy)
	infers, inferJ := changes(l, InferTime(l), d.InferUS, d.InferBand, n.InferUS, n.InferBand, d.InferEnergy, n.InferEnergy)
	rows = append(rows,
		Row{"zeros", fmt.Sprintf("%.1f %%", 100*d.Zeros), fmt.Sprintf("%.1f %%", 100*n.Zeros), "of the prunable weights"},
		Row{"params", Count(d.Params), Count(n.Params), Change(float64(d.Params), float64(n.Params))},
		Row{"packed file", Bytes(d.FileBytes), Bytes(n.FileBytes), Change(float64(d.FileBytes), float64(n.FileBytes))},
		Row{step, ms(d.StepCPUUS, d.StepBand), ms(n.StepCPUUS, n.StepBand), steps},
		Row{"J per step", Joules(d.StepEnergy), Joules(n.StepEnergy), stepJ},
		Row{InferTime(l), ms(d.InferUS, d.InferBand), ms(n.InferUS, n.InferBand), infers},
		Row{"J per " + Inference(l), Joules(d.InferEnergy), Joules(n.InferEnergy), inferJ},
	)
	if a := l.Adapters; a != nil && a.CPUUS > 0 {
		rows = append(rows, Row{"with adapters", ms(d.StepCPUUS, d.StepBand), ms(a.CPUUS, a.Band), Change(d.StepCPUUS, a.CPUUS) + " (with adapters: ms per step while they train)"})
	}
	if d.StepBytes > 0 {
		rows = append(rows, Row{"moved per step", Bytes(d.StepBytes), Bytes(n.StepBytes), Change(float64(d.StepBytes), float64(n.StepBytes))})
	}
	return rows
}

// changes are those of a time and of the joules beside it. Measured ones that are no larger than
// what the alternations scatter by are none, and joules that follow from the time have none then.
func changes(l *event.Ledger, name string, d, dBand, n, nBand float64, dj, nj event.Joules) (time, joules string) {
	if l.Predicted { // bands go the same way on both sides; joules that are missing were not asked of a meter
		return Change(d, n), predictedJ(dj, nj, l.HWKind)
	}
	time, joules = Change(d, n), changeJ(dj, nj, l.HWKind)
	if s := event.Scatter(d, dBand, n, nBand); s > 0 && math.Abs(100*(n/d-1)) <= s {
		time = fmt.Sprintf("– (%s: no difference beyond ±%.0f %%)", name, math.Ceil(s))
		if nj.UJ != nil && energy.Tier(nj.Tier) == energy.TierE {
			joules = "– (as the time)"
		}
	}
	return time, joules
}

// FromCPU reports whether joules come from CPU time beside milliseconds that are wall time: those
// of an inference that was measured on a processor without a meter. Threads that wait for their
// turn take time and no joules.
func FromCPU(l *event.Ledger) bool {
	return !l.Predicted && l.HWKind != "gpu" && l.Now.InferUS > 0 && l.Now.InferEnergy.UJ != nil && energy.Tier(l.Now.InferEnergy.Tier) == energy.TierE
}

// InferTime names the time of one inference, and whose clock it is where CPU time stands beside it.
func InferTime(l *event.Ledger) string {
	if FromCPU(l) {
		return "wall ms per " + Inference(l)
	}
	return "ms per " + Inference(l)
}

// Inference names one run of the model: of a language model on so many tokens.
func Inference(l *event.Ledger) string {
	if l.Tokens > 0 {
		return fmt.Sprintf("%d tokens", l.Tokens)
	}
	return "inference"
}

func changeJ(d, n event.Joules, kind string) string {
	if d.UJ == nil || n.UJ == nil {
		return "not measured"
	}
	s := Change(float64(*d.UJ), float64(*n.UJ))
	switch energy.Tier(n.Tier) {
	case energy.TierD:
		s += " (estimated by this machine's load curve)"
	case energy.TierE:
		s += asTime(kind)
	}
	return s
}

// predictedJ is the change of joules that come from power taken as constant.
func predictedJ(d, n event.Joules, kind string) string {
	switch {
	case d.UJ == nil || n.UJ == nil:
		return "–"
	}
	return Change(float64(*d.UJ), float64(*n.UJ)) + asTime(kind)
}

// asTime says what joules are worth that come from power taken as constant.
func asTime(kind string) string {
	if kind == "gpu" {
		return " (as time: power taken as constant)"
	}
	return " (from CPU time: busy power taken as constant)"
}
