package work

import (
	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// accTitle is what accuracy is of.
func (d *desk) accTitle() string {
	switch {
	case d.run.st.Model.Masked:
		return "accuracy of masked tokens, validation"
	case d.run.st.Model.LM:
		return "next-token accuracy, validation"
	}
	return "validation accuracy"
}

// perplexityChart stands in the place of accuracy while it is asked for.
func (d *desk) perplexityChart(s event.Stage) chart.Chart {
	st := &d.run.st
	c := chart.Chart{
		Theme:  d.th,
		Series: []chart.Series{{Name: "perplexity", Token: theme.Accuracy, Points: curve(st.Curves[s].Perplexity)}},
		Events: d.run.marks[s],
		Options: chart.Options{
			Frame: d.shared(s), Cursor: d.look.cursor, Log: d.look.log, EMA: d.look.ema, Empty: d.none(s, "first point: end of epoch 1"),
		},
	}
	if b := st.Curves[event.Baseline].Perplexity; s == event.Sparsify && len(b) > 0 {
		y := b[len(b)-1].Y
		c.Lines = append(c.Lines, chart.Line{Kind: chart.Ghost, Y: y, Label: "dense " + event.Num(y, 4)})
	}
	return c
}

func (d *desk) perplexityPane(w, h int) string {
	s := d.stage()
	c := d.perplexityChart(s)
	var say []string
	if x, ok := d.readAt(s); ok {
		if r := c.Readout(x)[0]; r.OK {
			val := event.Num(r.Y, 4)
			if b := d.run.st.Curves[event.Baseline].Perplexity; s == event.Sparsify && len(b) > 0 {
				val += " (" + plain.Change(b[len(b)-1].Y, r.Y) + ")"
			}
			say = []string{d.where(s, x) + val, short(x) + val, val}
		}
	}
	return d.chartBox("perplexity, validation", d.titled(s, c, ""), c, say, w, h)
}

// canPerplexity says why there is none.
func (d *desk) canPerplexity() string {
	if !d.run.st.Model.LM {
		return "only language models have a perplexity"
	}
	return d.canCurve()
}
