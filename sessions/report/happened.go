package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pare/core/event"
)

// events is what happened on the way besides training.
type events struct {
	Rows     []eventRow
	Warnings []notice
	Failures []notice
	Resumes  string
}

type eventRow struct {
	Where, What, Text string
	stage             event.Stage
	step              int64
}

type notice struct{ Text, Fix string }

// most rows of a kind; a log with more is summed up.
const most = 200

func newEvents(st *event.State) events {
	var v events
	add := func(s event.Stage, step int64, what, text string) {
		v.Rows = append(v.Rows, eventRow{fmt.Sprintf("%s, step %s", s, count(step)), what, short(text), s, step})
	}
	for _, d := range st.Decisions {
		add(d.Stage, d.Step, "decision", decision(d))
	}
	for _, f := range st.Floors {
		text := fmt.Sprintf("validation %s is under the floor of %s at %s zeros", percent(f.Acc), percent(f.Floor), percent(f.Zeros))
		if f.Back != "" {
			text += "; back to checkpoint " + f.Back
		}
		add(event.Sparsify, f.Step, "floor", text)
	}
	masks, last := 0, event.Rewrite{}
	for _, r := range st.Rewrites {
		if strings.HasPrefix(r.Op, "graph.SetMask") { // the chart of zeros shows them
			masks, last = masks+1, r
			continue
		}
		add(r.Stage, r.Step, "rewrite", or(r.Text, "the graph changed"))
	}
	if masks > 0 {
		add(last.Stage, last.Step, "masks", fmt.Sprintf("the last of %s of a layer's mask", plural(masks, "change")))
	}
	if d := st.Diverged; d != nil {
		add(d.Stage, d.Step, "diverged", fmt.Sprintf("the loss became %s; back to checkpoint %s", d.Loss, or(d.Back, none)))
	}
	slices.SortStableFunc(v.Rows, func(a, b eventRow) int {
		return cmp.Or(cmp.Compare(a.stage, b.stage), cmp.Compare(a.step, b.step))
	})
	if n := len(v.Rows); n > most {
		v.Rows = append(v.Rows[:most:most], eventRow{Where: "…", What: "more", Text: fmt.Sprintf("%s more in events.jsonl", count(int64(n-most)))})
	}
	for i, w := range st.Warnings {
		if i == most {
			v.Warnings = append(v.Warnings, notice{fmt.Sprintf("%s more in events.jsonl", count(int64(len(st.Warnings)-most))), ""})
			break
		}
		v.Warnings = append(v.Warnings, notice{short(w.Text), short(w.Fix)})
	}
	for i, f := range st.Failures {
		if i == most {
			break
		}
		v.Failures = append(v.Failures, notice{short(f.Text), short(f.Fix)})
	}
	if st.Resumes > 0 {
		v.Resumes = fmt.Sprintf("The process ended and was resumed from a checkpoint %s. What the lost steps cost stays billed.", times(st.Resumes))
	}
	return v
}

// decision is a command in words, with who gave it.
func decision(d event.Decision) string {
	text := d.Cmd
	switch d.Cmd {
	case "target":
		text = "target set to " + percent(d.Value) + " zeros"
	case "settle":
		text = "the baseline was ended early"
		if d.Stage == event.Sparsify {
			text = "target lowered to the " + percent(d.Value) + " zeros reached"
		}
		if d.Text != "" {
			text += ": " + d.Text
		}
	case "rollback":
		text = "rolled back to checkpoint " + or(d.Text, none)
	case "configure":
		text = "recipe set, as it stands below"
	case "pause":
		text = "paused"
	case "go":
		text = "went on"
	case "next":
		text = "began the next stage"
	case "stop":
		text = "stopped at a checkpoint"
	default:
		if d.Text != "" {
			text += " " + d.Text
		}
	}
	switch d.By {
	case "":
		return text
	case "person":
		return text + ", by a person"
	}
	return text + ", by " + d.By
}
