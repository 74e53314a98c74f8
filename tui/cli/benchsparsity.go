package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/event"
	"pare/core/train"
)

// sparsityRow is one run of the comparison.
type sparsityRow struct {
	Method string  `json:"method"`
	Target float64 `json:"target"`
	Seed   uint64  `json:"seed"`
	Dense  float64 `json:"dense"` // test accuracy of the dense model
	Acc    float64 `json:"acc"`   // of the pared one
	Lo     float64 `json:"lo"`    // 95 % Wilson interval
	Hi     float64 `json:"hi"`
	Zeros  float64 `json:"zeros"`
	Step   float64 `json:"step"`  // CPU time of a training step, pared over dense
	CPUS   float64 `json:"cpu_s"` // of the whole run
}

// sparsityMethod is a row of the table: a change to the recipe; all is how many epochs the
// levels take together.
type sparsityMethod struct {
	name, about string
	set         func(p *core.PruneSpec, all int)
}

// sparsityMethods are what `pare bench sparsity` compares, each a change to iterative
// magnitude pruning of single weights over all layers. Those that are not in levels
// train as many epochs after the dense ones as the levels take together.
var sparsityMethods = []sparsityMethod{
	{"magnitude", "iterative magnitude pruning", func(*core.PruneSpec, int) {}},
	{"random", "the same in levels, but random masks", func(p *core.PruneSpec, _ int) { p.Score = "random" }},
	{"oneshot", "magnitude, all at once", func(p *core.PruneSpec, all int) { p.Schedule, p.Epochs = "oneshot", all }},
	{"oneshot-short", "the same with the epochs of one level alone", func(p *core.PruneSpec, _ int) { p.Schedule = "oneshot" }},
	{"cubic", "magnitude, gradually", func(p *core.PruneSpec, all int) { p.Schedule, p.Epochs = "cubic", all }},
	{"linear", "magnitude, gradually in equal cuts", func(p *core.PruneSpec, all int) { p.Schedule, p.Epochs = "linear", all }},
	{"snip", "SNIP, all at once", func(p *core.PruneSpec, all int) { p.Score, p.Schedule, p.Epochs = "snip", "oneshot", all }},
	{"taylor", "Taylor, gradually", func(p *core.PruneSpec, all int) { p.Score, p.Schedule, p.Epochs = "taylor", "cubic", all }},
	{"movement", "movement, gradually", func(p *core.PruneSpec, all int) { p.Score, p.Schedule, p.Epochs = "movement", "cubic", all }},
	{"movement-soft", "soft movement, gradually", func(p *core.PruneSpec, all int) {
		p.Score, p.Schedule, p.Epochs = "movement-soft", "cubic", all
	}},
	{"ticket", "lottery ticket: in levels, rewinding to the first weights", func(p *core.PruneSpec, _ int) { p.RewindStep = 0 }},
	{"random-ticket", "its control with a random mask", func(p *core.PruneSpec, _ int) { p.RewindStep, p.Control = 0, "random-ticket" }},
	{"random-reinit", "its control with other weights", func(p *core.PruneSpec, _ int) { p.RewindStep, p.Control = 0, "random-reinit" }},
	{"earlybird", "early-bird ticket in the dense epochs", func(p *core.PruneSpec, _ int) { p.Schedule, p.Epochs = "earlybird", 0 }},
	{"block4x1", "iterative, blocks of 4×1", func(p *core.PruneSpec, _ int) { p.Pattern = "block4x1" }},
	{"block8x1", "iterative, blocks of 8×1", func(p *core.PruneSpec, _ int) { p.Pattern = "block8x1" }},
	{"block16x1", "iterative, blocks of 16×1", func(p *core.PruneSpec, _ int) { p.Pattern = "block16x1" }},
	{"2:4", "2:4 at once, always at 50 %", func(p *core.PruneSpec, all int) {
		p.Pattern, p.Distribution, p.Schedule, p.Epochs = "2:4", "layer", "oneshot", all
	}},
	{"2:4-permuted", "the same in a better order of channels", func(p *core.PruneSpec, all int) {
		p.Pattern, p.Permute, p.Distribution, p.Schedule, p.Epochs = "2:4", true, "layer", "oneshot", all
	}},
}

// perLevel is what an iterative level takes of the weights that are left.
const perLevel = 0.2

// sparsityRecipe is the recipe of a method; 2:4 has a target of its own.
func sparsityRecipe(name string, target float64, levelEpochs int) core.PruneSpec {
	p := core.PruneSpec{
		Score: "magnitude", Pattern: "element", Distribution: "global", Schedule: "iterative",
		Target: target, Epochs: levelEpochs, RewindStep: -1, LRSchedule: "cosine",
		Levels: max(1, int(math.Round(math.Log(1-target)/math.Log(1-perLevel)))),
	}
	for _, m := range sparsityMethods {
		if m.name == name {
			m.set(&p, p.Levels*levelEpochs)
		}
	}
	if strings.HasPrefix(p.Pattern, "2:4") {
		p.Target = 0.5
	}
	return p
}

func (e *env) benchSparsity() *cobra.Command {
	var data, model string
	var methods []string
	var targets []float64
	var seeds, epochs, levelEpochs int
	about := ""
	for _, m := range sparsityMethods {
		about += fmt.Sprintf("  %-14s %s\n", m.name, m.about)
	}
	c := &cobra.Command{
		Use: "sparsity", Short: "accuracy of pruning methods against each other and random masks", Args: takes(0, 0),
		Long: `sparsity trains a dense model and prunes it by each method to each target, once per
seed, in levels of 20 % of what is left or in as many epochs. Methods of a seed go on from one
dense model. It prints the accuracies
on the test set, and the CPU time of a training step, as a table. Methods:

` + about,
		RunE: func(*cobra.Command, []string) (err error) {
			for _, m := range methods {
				if !slices.ContainsFunc(sparsityMethods, func(x sparsityMethod) bool { return x.name == m }) {
					return usagef("--methods %s: unknown; see pare bench sparsity --help", m)
				}
			}
			for _, t := range targets {
				if !(t > 0 && t < 1) {
					return usagef("--targets %g: give shares of zeros above 0 and below 1", t)
				}
			}
			var rows []sparsityRow
			for seed := e.seed; seed < e.seed+uint64(seeds); seed++ {
				done := map[string]bool{}
				var dense *core.MemStore
				for _, t := range targets {
					for _, m := range methods {
						p := sparsityRecipe(m, t, levelEpochs)
						target := p.Target
						if done[fmt.Sprint(m, target)] {
							continue
						}
						done[fmt.Sprint(m, target)] = true
						r := core.DefaultRecipe()
						r.Auto, r.Seed = true, seed
						r.Model.Name, r.Data.Name = model, data
						r.Train.Epochs = epochs
						r.Hardware.Device, r.Hardware.Threads = e.device, e.threads
						r.Prune = p
						r.Floor.Points = 100
						r.Deploy.Formats = nil
						if dense == nil && p.Schedule != "earlybird" {
							if dense, err = core.Dense(context.Background(), r); err != nil {
								return fmt.Errorf("the dense model: %w", err)
							}
						}
						row, err := oneRun(r, dense)
						if err != nil {
							return fmt.Errorf("%s at %g: %w", m, target, err)
						}
						row.Method, row.Target, row.Seed = m, target, seed
						rows = append(rows, row)
						if e.json {
							if err := json.NewEncoder(e.out).Encode(row); err != nil {
								return err
							}
						} else {
							fmt.Fprintf(e.err, "seed %d, %s %.0f %%: dense %.2f %%, pared %.2f %%\n", seed, m, 100*target, 100*row.Dense, 100*row.Acc)
						}
					}
				}
			}
			if e.json {
				return nil
			}
			return e.sparsityTable(model, data, rows)
		},
	}
	c.Flags().StringVar(&data, "data", "fashion-mnist-full", "data set")
	c.Flags().StringVar(&model, "model", "lenet-300-100", "zoo model")
	c.Flags().StringSliceVar(&methods, "methods", []string{"magnitude", "random"}, "methods, in the order of the table")
	sharesVar(c.Flags(), &targets, "targets", []float64{0.8, 0.95}, "`shares` of zeros")
	c.Flags().IntVar(&seeds, "seeds", 3, "number of seeds, from --seed on")
	c.Flags().IntVar(&epochs, "epochs", 20, "epochs of the dense training")
	c.Flags().IntVar(&levelEpochs, "level-epochs", 6, "epochs of each level")
	return c
}

// oneRun runs a recipe in memory from a dense model that is trained. An early bird trains
// its own.
func oneRun(r *core.Recipe, dense *core.MemStore) (sparsityRow, error) {
	dir, err := os.MkdirTemp("", "pare-bench-")
	if err != nil {
		return sparsityRow{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	st := &core.MemStore{Dir: dir}
	base := st
	if r.Prune.Schedule == "earlybird" {
		_, err = core.Run(context.Background(), core.Config{Recipe: r, Store: st, Session: "bench", Version: Version, Brief: true})
	} else {
		base = dense
		err = core.GoOn(context.Background(), dense, st, r)
	}
	if err != nil {
		return sparsityRow{}, err
	}
	l := st.State.Ledger
	if l == nil {
		return sparsityRow{}, fmt.Errorf("the run ended before validate: %s", st.State.Why)
	}
	row := sparsityRow{Dense: l.Dense.Acc, Acc: l.Now.Acc, Lo: l.Now.Lo, Hi: l.Now.Hi, Zeros: l.Now.Zeros}
	if l.Dense.StepCPUUS > 0 {
		row.Step = l.Now.StepCPUUS / l.Dense.StepCPUUS
	}
	row.CPUS = float64(base.State.Stages[event.Baseline].Cost.CPUUS) / 1e6
	for s := event.Configure; s <= event.Deploy; s++ {
		row.CPUS += float64(st.State.Stages[s].Cost.CPUUS) / 1e6
	}
	return row, nil
}

// sparsityTable prints the outcome as Markdown, means over seeds with their 95 %
// interval by Student's t.
func (e *env) sparsityTable(model, data string, rows []sparsityRow) error {
	fmt.Fprintf(e.out, "%s on %s, %s, pare %s\n\n", model, data, time.Now().Format("2006-01-02"), Version)
	w := tabwriter.NewWriter(e.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| method\t| zeros\t| accuracy by seed (95 % interval of each)\t| mean ± 95 %\t| dense, mean\t| difference\t| CPU time of a step\t|")
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	type key struct {
		m string
		t float64
	}
	var order []key
	groups := map[key][]sparsityRow{}
	for _, r := range rows {
		k := key{r.Method, r.Target}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	for _, k := range order {
		var acc, dense, step []float64
		text := ""
		for _, r := range groups[k] {
			acc, dense, step = append(acc, 100*r.Acc), append(dense, 100*r.Dense), append(step, 100*(r.Step-1))
			text += fmt.Sprintf("%.2f (%.2f–%.2f) ", 100*r.Acc, 100*r.Lo, 100*r.Hi)
		}
		a, half := train.Mean(acc)
		d, _ := train.Mean(dense)
		s, _ := train.Mean(step)
		band := fmt.Sprintf("%.2f ± %.2f", a, half)
		if len(acc) < 2 {
			band = fmt.Sprintf("%.2f", a)
		}
		fmt.Fprintf(w, "| %s\t| %.1f %%\t| %s\t| %s\t| %.2f\t| %s pt\t| %s %%\t|\n", k.m, 100*groups[k][0].Zeros, text, band, d, signed(a-d, 2), signed(s, 0))
	}
	return w.Flush()
}
