package report

import (
	"fmt"
	"html/template"
	"strings"

	"pare/core"
	"pare/core/event"
)

// view is all the page shows, already in words. The template only places it.
type view struct {
	Style   template.CSS
	Title   string
	Model   string
	Data    string
	Session string
	Dates   string
	Lead    lead
	Tiles   []tile
	Ledger  ledger
	Charts  charts
	Stages  []stageRow
	Total   *stageRow
	Spent   []string // what the bills come to: CO2e, money, the budget
	Layers  layers
	Work    attribution
	Classes classes
	Exports []exportRow
	Energy  energyView
	Events  events
	Recipe  string
	Origin  []pair
}

// pair is a name and what it stands for.
type pair struct {
	Name, Text string
	Mono       bool
}

// lead is the first thing read: the verdict, or how far the run came.
type lead struct {
	Word, Class string // Class: pass | fail | open
	Text        string
	More        []string
	Missing     []string
}

// stageRow is one stage and its bill.
type stageRow struct {
	N                  int
	Name, State, Class string
	Evidence           string
	CPU, Wall, Energy  string
}

func newView(st *event.State, recipe string) *view {
	v := &view{
		Model: short(or(st.Started.Model, "a model not yet loaded")), Data: short(or(st.Started.Data, "data not yet loaded")),
		Session: short(or(st.Started.Session, none)), Recipe: recipe,
	}
	// Only for what the log does not say; a recipe that does not parse is shown
	// all the same.
	parsed, err := core.ParseRecipe([]byte(recipe))
	if err != nil || recipe == "" {
		parsed = nil
	}
	v.Title = fmt.Sprintf("%s on %s · %s", v.Model, v.Data, v.Session)
	if !st.Begun.IsZero() {
		v.Dates = when(st.Begun)
	}
	v.Stages, v.Total = stages(st)
	v.Spent = spent(st)
	v.Lead = newLead(st)
	v.Ledger = newLedger(st)
	v.Tiles = tiles(st)
	v.Charts = newCharts(st, parsed)
	v.Layers = newLayers(st)
	v.Work = newAttribution(st)
	v.Classes = newClasses(st)
	v.Exports = exports(st)
	v.Energy = newEnergy(st)
	v.Events = newEvents(st)
	v.Origin = origin(st)
	return v
}

// rules say what a verdict's word means.
var rules = map[string]struct{ class, text string }{
	"PASS":      {"pass", "PASS: the whole 95 % interval lies above the floor."},
	"FAIL":      {"fail", "FAIL: the whole 95 % interval lies below the floor."},
	"UNDECIDED": {"open", "UNDECIDED: the floor lies inside the 95 % interval; more test samples could decide it."},
}

func newLead(st *event.State) lead {
	l := lead{Word: "NOT FINISHED", Class: "open", Missing: missing(st)}
	if v := st.Verdict; v != nil {
		l.Word = short(or(v.Verdict, "UNDECIDED"))
		text := short(strings.TrimSpace(strings.TrimPrefix(v.Text, v.Verdict)))
		if text == "" {
			text = fmt.Sprintf("difference %s, 95 %%: %s to %s, %s", points(v.Diff), points(v.Lo), points(v.Hi), plural(v.N, "test sample"))
		}
		parts := strings.Split(text, " · ")
		l.Text, l.More = parts[0], parts[1:]
		if r, ok := rules[v.Verdict]; ok {
			l.Class = r.class
			l.More = append(l.More, r.text)
		}
		l.More = append(l.More, fmt.Sprintf("The test set was looked at %s.", times(v.Looks)))
		if st.Done != nil {
			l.Missing = nil // it chose to have no more
		}
		if o := st.Outcome(); o != "" {
			l.More = append(l.More, "Outcome: "+o+".")
		}
		if d := st.Done; d != nil && d.Exit == core.ExitTarget { // what it was made for was not reached
			l.Word, l.Class = l.Word+", TARGET MISSED", "open"
		}
		return l
	}
	l.Text = farthest(st)
	return l
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return count(int64(n)) + " times"
}

// farthest says where an unfinished run stands.
func farthest(st *event.State) string {
	if st.Seq == 0 {
		return "The log is empty: nothing has run yet."
	}
	s := "The run has not begun its first stage."
	if st.Stage != 0 {
		s = fmt.Sprintf("The log ends in stage %d, %s.", int(st.Stage), st.Stage)
		if m := st.Metric; m.Stage == st.Stage && m.Steps > 0 {
			s = fmt.Sprintf("The log ends in stage %d, %s: epoch %d of %d, step %s of %s.", int(st.Stage), st.Stage, m.Epoch, m.Epochs, count(m.Step), count(m.Steps))
		}
	}
	switch st.Status {
	case event.StatusFailed:
		s += " It failed." // the failures stand below
	case event.StatusPaused:
		s += " It is paused: " + or(st.PausedFor(), "the log does not say why") + "."
	case event.StatusWaiting:
		s += " It waits for a person: " + or(st.Why, "the next stage") + "."
	case event.StatusDone:
		s += " It ended without a verdict: " + or(st.Why, "the log does not say why") + "."
	}
	return s
}

// missing lists what a finished run would show and this one cannot.
func missing(st *event.State) []string {
	var out []string
	add := func(is bool, text string) {
		if is {
			out = append(out, text)
		}
	}
	_, dense := st.BaselineAcc()
	add(!dense, "the dense accuracy: stage 1, baseline, has not come that far")
	add(st.Mask.Of == 0, "zeros: nothing has been pared yet")
	add(st.Ledger == nil, "the measured ledger: it is made in stage 4, validate")
	add(st.Verdict == nil, "the verdict: the test set has not been looked at")
	add(len(st.Exports) == 0, "exported files: they are written in stage 5, deploy")
	add(st.LayerVerdicts == nil, "what each layer gained: it is timed in stage 5, deploy")
	return out
}

var stateWords = map[string]string{"": "not begun", "started": "running", "waiting": "waiting", "done": "done", "failed": "failed"}

// stages is the rail with its bill, and the sum when more than one stage has
// been billed.
func stages(st *event.State) (rows []stageRow, total *stageRow) {
	billed := 0
	for s := event.Baseline; s <= event.Deploy; s++ {
		i := st.Stages[s]
		c := i.Cost
		if m := st.Metric; m.Stage == s && m.CPUUS > c.CPUUS { // brought further than the last bill
			c = event.StageCost{Stage: s, CPUUS: m.CPUUS, WallUS: m.WallUS, Energy: m.Energy}
		}
		r := stageRow{N: int(s), Name: s.String(), State: or(stateWords[i.State], i.State), Class: i.State, Evidence: short(i.Evidence), CPU: none, Wall: none, Energy: none}
		if r.State == "running" && st.Status != event.StatusRunning && st.Status != event.StatusWaiting {
			r.State = string(st.Status)
			switch {
			case st.Done == nil:
			case st.Done.Exit == core.ExitBudget:
				r.State = "budget spent"
			case st.Done.Exit == core.ExitTarget:
				r.State = "target missed"
			}
		}
		if c.CPUUS > 0 || c.WallUS > 0 || c.Energy.UJ != nil {
			billed++
			r.CPU, r.Wall, r.Energy = seconds(float64(c.CPUUS)), seconds(float64(c.WallUS)), joules(c.Energy)
		}
		rows = append(rows, r)
	}
	if billed > 1 {
		sum := st.Spent()
		total = &stageRow{CPU: seconds(float64(sum.CPUUS)), Wall: seconds(float64(sum.WallUS)), Energy: joules(sum.Energy)}
	}
	return rows, total
}
