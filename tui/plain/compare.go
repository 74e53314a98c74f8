package plain

import (
	"fmt"
	"io"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/tui/theme"
)

// Compared is a session as a comparison has it.
type Compared struct {
	ID     string       `json:"session"`
	State  *event.State `json:"-"`
	Recipe *core.Recipe `json:"-"` // as used
	Dead   bool         `json:"-"` // its process is gone without a word
}

// Comparison is sessions side by side: the same rows of each, what differs in
// their recipes, and what forbids to compare some of it.
type Comparison struct {
	Sessions []string    `json:"sessions"`
	Rows     []Across    `json:"rows"`
	Recipes  []RecipeRow `json:"recipe_differs"`
	Caveats  []string    `json:"caveats"`
}

// Across is one figure of each session; "–" where it is not known. Change is the
// second against the first, of two.
type Across struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
	Change string   `json:"change,omitempty"`
}

// RecipeRow is a key in which at least two recipes differ.
type RecipeRow struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// Compare puts sessions side by side, in their order.
func Compare(l []Compared) Comparison {
	var c Comparison
	for _, x := range l {
		c.Sessions = append(c.Sessions, x.ID)
	}
	c.rows(l)
	c.recipes(l)
	c.caveats(l)
	return c
}

// Common is the clock of all sessions; where they differ, of neither.
func Common(l []Compared) event.Clock {
	c := l[0].State.Started.Clock()
	for _, x := range l {
		if x.State.Started.Clock() != c {
			return event.Clock{Name: "time"}
		}
	}
	return c
}

// figures of one session: text, and the number behind it where a change makes
// sense.
type figure struct {
	text  string
	num   float64
	known bool
}

func (c *Comparison) rows(l []Compared) {
	var names []string
	var cols [][]figure
	for _, x := range l {
		n, f := figures(x, Common(l), inferTime(l))
		names, cols = n, append(cols, f)
	}
	for i, name := range names {
		a := Across{Name: name}
		some := false
		for _, col := range cols {
			a.Values = append(a.Values, col[i].text)
			some = some || col[i].text != "–"
		}
		if len(cols) == 2 && cols[0][i].known && cols[1][i].known {
			x, y := cols[0][i].num, cols[1][i].num
			if strings.HasPrefix(name, "accuracy") || name == "zeros" {
				a.Change = strings.Replace(fmt.Sprintf("%+.1f pt", 100*(y-x)), "-", "−", 1)
			} else {
				a.Change = Change(x, y)
			}
		}
		if some {
			c.Rows = append(c.Rows, a)
		}
	}
}

// inferTime is what the ledgers of all sessions call the time of an inference; where they
// differ, what all of them have.
func inferTime(l []Compared) string {
	name := ""
	for _, x := range l {
		led := x.State.Ledger
		switch {
		case led == nil:
		case name == "":
			name = InferTime(led)
		case name != InferTime(led):
			return "ms per inference"
		}
	}
	if name == "" {
		return "ms per inference"
	}
	return name
}

// figures are the rows of one session: of its final ledger, else of what there is. infer is what
// the time of an inference is called.
func figures(x Compared, c event.Clock, infer string) (names []string, out []figure) {
	st := x.State
	add := func(name, text string, num float64, known bool) {
		if !known && text == "" {
			text = "–"
		}
		names, out = append(names, name), append(out, figure{text, num, known})
	}
	percent := func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }
	status := string(st.Status)
	if short := st.Done != nil && st.Done.Exit == core.ExitTarget; st.Verdict != nil {
		switch status = st.Verdict.Verdict; {
		case short:
			status += ", target missed"
		case st.Done != nil && st.Done.Exit == core.ExitBudget:
			status += ", budget spent"
		case st.Done != nil && st.Budget != nil && st.Budget.Spent > st.Budget.Limit:
			status += ", over budget"
		}
	} else if short {
		status = fmt.Sprintf("target missed, stage %d", st.Stage)
	} else if st.Done != nil && st.Done.Exit == core.ExitBudget {
		status = fmt.Sprintf("budget spent, stage %d", st.Stage)
	} else if st.Stage >= event.Baseline && st.Status != event.StatusDone {
		if x.Dead { // the log cannot know it
			status = "dead"
		}
		status = strings.TrimSpace(fmt.Sprintf("%s, stage %d", status, st.Stage))
	}
	add("outcome", orDash(status), 0, false)
	base, ok := st.BaselineAcc()
	val := func(name string, x float64, ok bool, show func(float64) string) {
		if ok {
			add(name, show(x), x, true)
		} else {
			add(name, "", 0, false)
		}
	}
	val("accuracy, dense, validation", base, ok, percent)
	acc := st.Curves[event.Sparsify].Acc
	var last float64
	if len(acc) > 0 {
		last = acc[len(acc)-1].Y
	}
	val("accuracy, pared, validation", last, len(acc) > 0, percent)
	var led event.Ledger
	has := st.Ledger != nil
	if has {
		led = *st.Ledger
	}
	val("accuracy, pared, test", led.Now.Acc, has, percent)
	zeros, zok := led.Now.Zeros, has
	if !zok && st.Mask.Of > 0 {
		zeros, zok = float64(st.Mask.Zeros)/float64(st.Mask.Of), true
	}
	val("zeros", zeros, zok, percent)
	val("params", float64(led.Now.Params), has, func(x float64) string { return Count(int64(x)) })
	val("packed file", float64(led.Now.FileBytes), has && led.Now.FileBytes > 0, func(x float64) string { return Bytes(int64(x)) })
	val(c.Of("ms per step"), led.Now.StepCPUUS, has && led.Now.StepCPUUS > 0, func(x float64) string { return Num(x / 1000) })
	joules := func(name string, j event.Joules) {
		if j.UJ == nil {
			add(name, "", 0, false)
			return
		}
		add(name, Joules(j), float64(*j.UJ), true)
	}
	joules("J per step", led.Now.StepEnergy)
	val(infer, led.Now.InferUS, has && led.Now.InferUS > 0, func(x float64) string { return Num(x / 1000) })
	_, each, _ := strings.Cut(infer, "ms ")
	joules("J "+each, led.Now.InferEnergy)
	spent := st.Spent()
	val(c.Total(), float64(st.Started.Busy(spent.CPUUS, spent.WallUS)), spent.CPUUS > 0, Micros)
	joules("J this run", spent.Energy)
	return names, out
}

func (c *Comparison) recipes(l []Compared) {
	if len(l) == 0 || l[0].Recipe == nil {
		return
	}
	at := map[string]int{}
	for i, x := range l[1:] {
		if x.Recipe == nil {
			continue
		}
		for _, d := range l[0].Recipe.Diff(x.Recipe) {
			k, known := at[d.Key]
			if !known {
				k = len(c.Recipes)
				at[d.Key] = k
				row := RecipeRow{Key: d.Key}
				for range l {
					row.Values = append(row.Values, d.Old)
				}
				c.Recipes = append(c.Recipes, row)
			}
			c.Recipes[k].Values[i+1] = d.New
		}
	}
}

// caveats say what must not be compared, and take the change from those rows.
func (c *Comparison) caveats(l []Compared) {
	differ := func(what, so string, of func(*event.State) string, rows ...string) {
		for _, x := range l[1:] {
			if a, b := of(l[0].State), of(x.State); a != b && a != "" && b != "" {
				c.Caveats = append(c.Caveats, fmt.Sprintf("%s: %s and %s: %s", what, l[0].ID, x.ID, so))
				c.noChange(rows)
				return
			}
		}
	}
	if len(l) < 2 {
		return
	}
	clock := Common(l)
	infer := inferTime(l)
	_, each, _ := strings.Cut(infer, "ms ")
	times, joules, inference := []string{clock.Of("ms per step"), infer, clock.Total()}, []string{"J "}, []string{infer, "J " + each}
	differ("other data", "accuracies do not compare", func(s *event.State) string { return s.Started.DataHash }, "accuracy")
	differ("other models", "only joules and times of the same work compare", func(s *event.State) string { return s.Started.Model })
	differ("other machines", "times and joules do not compare", func(s *event.State) string { return s.Started.Machine + s.Started.Hardware }, append(times, joules...)...)
	differ("other numbers of threads", "times do not compare", func(s *event.State) string { return fmt.Sprint(s.Started.Threads) }, times...)
	differ("times of a processor and of a card", "they are of other kinds", func(s *event.State) string { return s.Started.Clock().Name }, times...)
	differ("joules of other tiers", "they do not compare; times do", func(s *event.State) string { return s.Started.Tier }, joules...)
	differ("inferences of other lengths", "their ms and J do not compare", func(s *event.State) string {
		if s.Ledger == nil {
			return ""
		}
		return Inference(s.Ledger)
	}, inference...)
	for _, x := range l {
		if b := x.State.Branch; b != nil {
			c.Caveats = append(c.Caveats, x.ID+" is a "+b.Text()+"; its bill holds what was spent until there")
		}
	}
}

// noChange takes the change from the rows whose names begin so.
func (c *Comparison) noChange(names []string) {
	for i, a := range c.Rows {
		for _, n := range names {
			if strings.HasPrefix(a.Name, n) {
				c.Rows[i].Change = ""
			}
		}
	}
}

// Print writes the comparison as a table.
func (c Comparison) Print(out io.Writer) {
	rows := [][]string{append([]string{""}, c.Sessions...)}
	if len(c.Sessions) == 2 {
		rows[0] = append(rows[0], "change")
	}
	for _, a := range c.Rows {
		rows = append(rows, append(append([]string{a.Name}, a.Values...), a.Change))
	}
	cut := len(rows)
	for _, r := range c.Recipes {
		rows = append(rows, append([]string{"  " + r.Key}, r.Values...))
	}
	var ws []int
	for _, r := range rows {
		for k, s := range r {
			if k == len(ws) {
				ws = append(ws, 0)
			}
			ws[k] = max(ws[k], theme.Width(s))
		}
	}
	for i, r := range rows {
		if i == cut {
			fmt.Fprintln(out, "the recipes differ in")
		}
		var b strings.Builder
		for k, s := range r {
			gap := strings.Repeat(" ", ws[k]-theme.Width(s))
			if k == 0 {
				b.WriteString(s + gap)
			} else {
				b.WriteString("  " + gap + s)
			}
		}
		fmt.Fprintln(out, theme.Harmless(strings.TrimRight(b.String(), " ")))
	}
	if len(c.Recipes) == 0 {
		fmt.Fprintln(out, "the recipes are the same")
	}
	for _, s := range c.Caveats {
		fmt.Fprintln(out, theme.Harmless(s))
	}
}
