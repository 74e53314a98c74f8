package core

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/event"
)

// budgets are the budget events of a run.
func budgets(st *MemStore) (out []event.Budget) {
	for _, e := range st.Events {
		if b, ok := e.Body.(*event.Budget); ok {
			out = append(out, *b)
		}
	}
	return out
}

// TestBudgetStops: the run ends before an epoch that would exceed the budget, with a
// checkpoint of what it has.
func TestBudgetStops(t *testing.T) {
	r := small()
	var st MemStore
	runAll(t, r, nil, &st)
	if len(budgets(&st)) != 0 {
		t.Fatal("a run without a budget speaks of one")
	}
	r = small()
	r.Train.Epochs, r.Budget.Seconds = 100000, 0.03
	st = MemStore{}
	if code := runAll(t, r, nil, &st); code != ExitBudget {
		t.Fatalf("exit %d, want %d: %s", code, ExitBudget, st.State.Done.Text)
	}
	all := budgets(&st)
	for i, b := range all[1:] {
		over := b.Spent >= b.Limit || 2*b.Spent-all[i].Spent > b.Limit // as much again as the last epoch
		if last := i+2 == len(all); over != last {
			t.Errorf("epoch %d of %d: %+v after %g", i+2, len(all), b, all[i].Spent)
		}
	}
	b := *st.State.Budget
	if b.Key != "budget.seconds" || b.Unit != "s" || b.Tier != "" || b.Finish < b.Spent {
		t.Errorf("%+v", b)
	}
	if last := st.State.Checkpoints[len(st.State.Checkpoints)-1]; last.Step != b.Step {
		t.Errorf("checkpoint at step %d, stopped at %d", last.Step, b.Step)
	}
	if b.Spent >= near*b.Limit && !slices.ContainsFunc(st.State.Warnings, func(w event.Warning) bool { return strings.Contains(w.Text, "of the budget") }) {
		t.Errorf("no warning: %+v", st.State.Warnings)
	}
	if !strings.Contains(st.State.Done.Text, "budget.seconds") {
		t.Error(st.State.Done.Text)
	}
}

// TestBudgetWarns: with action warn the run goes to its end and says so once.
func TestBudgetWarns(t *testing.T) {
	t.Setenv("PARE_ENERGY", "profile") // a counter has nothing to say of so short a run
	r := small()
	r.Budget.Joules, r.Budget.Action = 1e-6, BudgetWarn
	var st MemStore
	if code := runAll(t, r, nil, &st); code == ExitBudget || st.State.Stages[event.Deploy].State != "done" {
		t.Fatalf("exit %d, deploy %q", code, st.State.Stages[event.Deploy].State)
	}
	n := 0
	for _, w := range st.State.Warnings {
		if strings.Contains(w.Text, "is spent") || strings.Contains(w.Text, "would exceed") {
			n++
		}
	}
	if n != 2 { // at 80 % and when it was spent
		t.Errorf("%d warnings: %+v", n, st.State.Warnings)
	}
	if b := st.State.Budget; b.Tier == "" || b.Finish < b.Spent {
		t.Errorf("%+v", b)
	}
}

// TestBudgetLowersTheTarget: with action target, what is gone when the budget is
// spent becomes the target, and is validated; a saved recipe repeats it at the same
// step, and a run killed in between ends in the same bits.
func TestBudgetLowersTheTarget(t *testing.T) {
	r := small()
	r.Train.Epochs = 0
	r.Floor.Points, r.Prune.Epochs, r.Prune.Target = 100, 20, 0.6
	r.Budget.Seconds, r.Budget.Action = 1e-6, BudgetTarget
	var st MemStore
	code := runAll(t, clone(t, r), nil, &st)
	if code == ExitTarget || code == ExitBudget {
		t.Fatalf("exit %d: %s", code, st.State.Done.Text)
	}
	s := &st.State
	if len(s.Decisions) != 1 || s.Decisions[0].Cmd != CmdSettle || s.Decisions[0].By != "pare" {
		t.Fatalf("decisions %+v", s.Decisions)
	}
	d := s.Decisions[0]
	if z := s.Ledger.Now.Zeros; z <= 0 || z >= 0.59 || d.Value != z || d.Stage != event.Sparsify {
		t.Errorf("zeros %g, decided %+v", z, d)
	}

	again := clone(t, r)
	again.Budget = BudgetSpec{}
	again.Decisions = []Decision{{Stage: int(d.Stage), Step: d.Step, Cmd: d.Cmd, Value: d.Value, Text: d.Text}}
	var rerun MemStore
	runAll(t, again, nil, &rerun)
	if got := rerun.State.Done; *got != *s.Done {
		t.Errorf("a re-run ends in %+v, want %+v", got, s.Done)
	}

	for _, kill := range []string{"decision", "checkpoint"} { // before and after it took effect
		decided := false
		k := dies(t, Config{Recipe: clone(t, r)}, func(_ *MemStore, e event.Event) bool {
			decided = decided || e.Body.Kind() == "decision"
			return decided && e.Body.Kind() == kill
		})
		wakes(t, r, k)
		if got := k.State.Done; *got != *s.Done {
			t.Errorf("killed at the %s: ends in %+v, want %+v", kill, got, s.Done)
		}
	}
}

// TestEndedShortOfTheTarget: a run that its budget or a person ends before the schedule has
// come to the target says what it was lowered to; where nothing is gone by then its target
// was missed, whatever the verdict on the model that was not pared.
func TestEndedShortOfTheTarget(t *testing.T) {
	for _, c := range []struct {
		every int // steps between masks: by 1000 nothing goes before the last ones
		by    string
		exit  int
		text  string
	}{
		{1000, "person", ExitTarget, "target of 60.0 % zeros missed: ended early at 0.0 %"},
		{1000, "pare", ExitTarget, "target of 60.0 % zeros missed: ended by the budget at 0.0 %"},
		{1, "person", ExitOK, "verdict PASS at ZEROS, ended early short of the target of 60.0 %"},
		{1, "pare", ExitOK, "verdict PASS at ZEROS, ended by the budget short of the target of 60.0 %"},
	} {
		t.Run(fmt.Sprintf("%s/every%d", c.by, c.every), func(t *testing.T) {
			r := small()
			r.Auto = false
			r.Floor.Points, r.Prune.Every, r.Prune.Target = 100, c.every, 0.6
			var st MemStore
			code, err := drive(t, clone(t, r), &st, func(e event.Event, send func(Command)) {
				switch b := e.Body.(type) {
				case *event.StageChange:
					if c.by == "pare" && b.Stage == event.Configure && b.State == "waiting" { // spent by the first epoch from there
						n := clone(t, r)
						n.Budget.Seconds, n.Budget.Action = 1e-6, BudgetTarget
						toml, err := n.Marshal()
						if err != nil {
							t.Error(err)
						}
						send(Command{Cmd: CmdConfigure, Text: string(toml)})
					}
				case *event.Eval:
					if c.by == "person" && b.Stage == event.Sparsify && b.Split == "val" && b.Epoch == 1 {
						send(Command{Cmd: CmdSettle})
					}
				}
				nextAtDoors(e, send)
			})
			if err != nil {
				t.Fatal(err)
			}
			s := &st.State
			if d := s.Decisions[len(s.Decisions)-1]; d.Cmd != CmdSettle || d.By != c.by {
				t.Fatalf("decided %+v", s.Decisions)
			}
			want := strings.Replace(c.text, "ZEROS", fmt.Sprintf("%.1f %% zeros", 100*s.Ledger.Now.Zeros), 1)
			if code != c.exit || s.Done.Exit != code || s.Done.Text != want || s.Verdict.Verdict != "PASS" {
				t.Errorf("exit %d, %q after %s; want %d, %q", code, s.Done.Text, s.Verdict.Verdict, c.exit, want)
			}
			if got := s.Stages[event.Sparsify].Evidence; !strings.HasSuffix(got, "short of the target of 60.0 %") {
				t.Errorf("stage 3 says %q", got)
			}
		})
	}
}

// TestBudgetForecast: the first epoch of a training stage stands for itself in the forecast:
// what lay between the stages (evaluating, timing, choosing) does not come with every epoch.
func TestBudgetForecast(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs, r.Budget.Seconds = 3, 5, 1e6
	var st MemStore
	runAll(t, r, nil, &st)
	left := map[event.Stage]int{event.Baseline: 2 + 5, event.Sparsify: 4}
	var epoch *event.EpochCost
	met := 0
	for _, e := range st.Events {
		switch b := e.Body.(type) {
		case *event.EpochCost:
			epoch = b
		case *event.Budget:
			if b.Stage != epoch.Stage || epoch.Epoch != 1 {
				continue
			}
			met++
			want := b.Spent + float64(epoch.WallUS)/1e6*float64(left[b.Stage])
			if math.Abs(b.Finish-want) > 1e-9*want {
				t.Errorf("%s: %g s at the end after %g s and an epoch of %d us, want %g", b.Stage, b.Finish, b.Spent, epoch.WallUS, want)
			}
		}
	}
	if met != 2 {
		t.Errorf("%d first epochs", met)
	}
}

// TestBudgetStopsOnce: a run that dies between what its budget decided and its last word
// ends at the same step when it is resumed, with the same weights.
func TestBudgetStopsOnce(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Budget.Seconds = 5, 1e-9
	whole := MemStore{}
	if code := runAll(t, clone(t, r), nil, &whole); code != ExitBudget || len(whole.State.Epochs) != 1 {
		t.Fatalf("exit %d after %d epochs", code, len(whole.State.Epochs))
	}
	for _, kill := range []string{"epoch_cost", "budget", "checkpoint"} {
		trained := false
		k := dies(t, Config{Recipe: clone(t, r)}, func(_ *MemStore, e event.Event) bool {
			trained = trained || e.Body.Kind() == "epoch_cost"
			return trained && e.Body.Kind() == kill
		})
		code := wakes(t, r, k)
		if s := &k.State; code != ExitBudget || s.Done.Weights != whole.State.Done.Weights || s.Epochs[len(s.Epochs)-1].Step != whole.State.Epochs[0].Step {
			t.Errorf("killed at the %s: exit %d, %+v", kill, code, s.Done)
		}
	}
}

// TestBudgetChecks: a budget that cannot be kept account of is refused.
func TestBudgetChecks(t *testing.T) {
	for want, set := range map[string]func(r *Recipe){
		"budget.money needs": func(r *Recipe) { r.Budget.Money = 3 },
		"budget.gco2e needs": func(r *Recipe) { r.Budget.GCO2e = 3 },
		"must not be neg":    func(r *Recipe) { r.Budget.KWh = -1 },
		"budget.action":      func(r *Recipe) { r.Budget.Action = "hope" },
		"grid.country":       func(r *Recipe) { r.Grid.Country = "Atlantis" },
		"grid.pue":           func(r *Recipe) { r.Grid.PUE = 0.5 },
		"lies in":            func(r *Recipe) { r.Grid.Country, r.Grid.Region = "DEU", "gcp/europe-west9" },
	} {
		r := small()
		set(r)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	t.Setenv("PARE_ENERGY", "profile")
	r := small()
	r.Grid.Country, r.Budget.GCO2e = "FRA", 1e-9
	var st MemStore
	if code := runAll(t, r, nil, &st); code != ExitBudget || st.State.Budget.Unit != "g CO2e" || st.State.Started.Grid.Year < 2020 {
		t.Errorf("exit %d, %+v", code, st.State.Budget)
	}
}

// TestBudgetOfAConfiguredRecipe: a budget that is set in stage 2 comes with its grid;
// one that needs more is refused, and the old one stands.
func TestBudgetOfAConfiguredRecipe(t *testing.T) {
	for _, good := range []bool{true, false} {
		r := small()
		r.Auto = false
		var st MemStore
		code, err := drive(t, clone(t, r), &st, func(e event.Event, send func(Command)) {
			if b, ok := e.Body.(*event.StageChange); ok && b.Stage == event.Configure && b.State == "waiting" {
				n := clone(t, r)
				p := 0.25
				n.Budget.Seconds, n.Grid.PriceKWh, n.Grid.Currency = 1e-6, &p, "EUR"
				toml, err := n.Marshal()
				if err != nil {
					t.Error(err)
				}
				if !good {
					toml = []byte(strings.Replace(string(toml), "seconds", "gco2e", 1))
				}
				send(Command{Cmd: CmdConfigure, Text: string(toml)})
			}
			nextAtDoors(e, send)
		})
		if err != nil {
			t.Fatal(err)
		}
		if (code == ExitBudget) != good {
			t.Errorf("good %v: exit %d", good, code)
		}
	}
}

// TestTargetAfterTheEnd: a target for a stage that was ended is refused.
func TestTargetAfterTheEnd(t *testing.T) {
	r := small()
	r.Auto = false
	r.Floor.Points = 100
	var st MemStore
	said := false
	_, err := drive(t, clone(t, r), &st, func(e event.Event, send func(Command)) {
		nextAtDoors(e, send)
		if b, ok := e.Body.(*event.Eval); ok && b.Stage == event.Sparsify && b.Epoch == 5 && !said {
			said = true
			send(Command{Cmd: CmdSettle})
			send(Command{Cmd: CmdTarget, Value: 0.9})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(st.State.Decisions); n != 1 {
		t.Errorf("%d decisions: %+v", n, st.State.Decisions)
	}
	if !slices.ContainsFunc(st.State.Warnings, func(w event.Warning) bool { return strings.Contains(w.Text, "was ended at") }) {
		t.Errorf("%+v", st.State.Warnings)
	}
}

func TestParseBudget(t *testing.T) {
	for s, want := range map[string]BudgetSpec{
		"5000": {Joules: 5000}, "5 kJ": {Joules: 5000}, "2.5MJ": {Joules: 2.5e6}, "200Wh": {KWh: 0.2}, "0.2 kWh": {KWh: 0.2}, "1.5MWh": {KWh: 1500}, "0.002 MWh": {KWh: 2},
		"30m": {Seconds: 1800}, "1h30m": {Seconds: 5400}, "90 s": {Seconds: 90}, "20 g": {GCO2e: 20}, "1 kgCO2e": {GCO2e: 1000}, "1.5 EUR": {Money: 1.5},
	} {
		if got, _, err := ParseBudget(s); err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "nan", "inf", "J", "5 jo", "1e400", "5 parsecs", "1..2", "5 KWH", "30 MIN"} {
		if got, _, err := ParseBudget(s); err == nil {
			t.Errorf("%q: %+v", s, got)
		}
	}
	for s, want := range map[string]string{"5 KWH": "kWh", "5 MWH": "MWh", "5mwh": "MWh", "1 mj": "MJ", "1 KGCO2E": "kgCO2e"} { // neither guessed nor taken for a currency
		_, currency, err := ParseBudget(s)
		if err == nil || !strings.HasSuffix(err.Error(), "perhaps "+want) || strings.Contains(err.Error(), "\n") || currency != "" {
			t.Errorf("%s: %q, %v", s, currency, err)
		}
	}
	for _, s := range []string{"5 GWH", "5GWh", "5 TWH", "5 GJ", "300 W", "2 KW", "100 BTU", "3 TOE", "8 KVA"} { // units, but none of a budget here
		_, currency, err := ParseBudget(s)
		if err == nil || !strings.Contains(err.Error(), "unknown unit") || !strings.Contains(err.Error(), "give J, kJ") || strings.Contains(err.Error(), "\n") || currency != "" {
			t.Errorf("%s: %q, %v", s, currency, err)
		}
	}
	for _, c := range []string{"EUR", "USD", "KWD", "KRW", "ZWL", "JPY", "GHS", "TWD", "MWK", "JOD", "CAD"} { // likenesses of units are currencies still
		if b, currency, err := ParseBudget("1.5 " + c); err != nil || currency != c || b.Money != 1.5 {
			t.Errorf("%s: %+v, %q, %v", c, b, currency, err)
		}
	}
}

// TestEndEarly: a person ends the training of a stage; what is there goes on, and the
// saved decisions repeat it at the same steps whatever the learning rate does.
func TestEndEarly(t *testing.T) {
	r := small()
	r.Auto = false
	r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 20, 20, 100
	r.Train.Schedule, r.Prune.LRSchedule = "constant", "constant" // one step too many would show
	var st MemStore
	said := map[event.Stage]bool{}
	code, err := drive(t, clone(t, r), &st, func(e event.Event, send func(Command)) {
		nextAtDoors(e, send)
		if b, ok := e.Body.(*event.Eval); ok && b.Epoch == 7 && !said[b.Stage] && (b.Stage == event.Baseline || b.Stage == event.Sparsify) {
			said[b.Stage] = true
			send(Command{Cmd: CmdSettle})
		}
	})
	if err != nil || code == ExitTarget {
		t.Fatal(code, err)
	}
	ds := st.State.Decisions
	if len(ds) != 2 || ds[0].Stage != event.Baseline || ds[1].Stage != event.Sparsify || ds[0].Step == 0 {
		t.Fatalf("%+v", ds)
	}
	if c := st.State.Curves[event.Baseline].Acc; c[len(c)-1].Step > ds[0].Step {
		t.Errorf("the baseline went on to step %d after %d", c[len(c)-1].Step, ds[0].Step)
	}
	again := clone(t, r)
	again.Auto = true
	for _, d := range ds {
		again.Decisions = append(again.Decisions, Decision{Stage: int(d.Stage), Step: d.Step, Cmd: d.Cmd, Value: d.Value})
	}
	var rerun MemStore
	runAll(t, again, nil, &rerun)
	if got, want := rerun.State.Done.Weights, st.State.Done.Weights; got != want {
		t.Errorf("a re-run ends in %s, want %s", got, want)
	}
}
