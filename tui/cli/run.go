package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pare/core"
	"pare/core/data"
	"pare/core/model/zoo"
	"pare/core/prune"
	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/work"
)

// recipeFlags are the recipe's keys that a person sets most, as flags.
type recipeFlags struct {
	model, data, label                     string
	tokenizer                              string
	epochs, pruneEpochs, batch, tokens     int
	lr, target, floor                      float64
	budget                                 []string
	onBudget, wall                         string
	power                                  gridFlags
	optimizer, score, pattern, distr, plan string
	formats, classes                       []string
	accumulate                             int
	recompute                              bool
}

// The words of flags that several verbs have.
const (
	dataFlag  = "built-in data set; or a CSV, TSV, JSON-lines, .npz or text file; or a folder of images by class, of .npy, idx or text files"
	labelFlag = "label column of a table (by default the one called label or target, or class if it stands first, else the last)"
)

func (f *recipeFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.data, "data", "", dataFlag)
	s.StringVar(&f.label, "label", "", labelFlag)
	s.StringSliceVar(&f.classes, "classes", nil, "`names` of the classes in the order of the model's outputs (by default of the alphabet, numbers by size)")
	s.StringVar(&f.tokenizer, "tokenizer", "", "of text: char, byte, or the `path` of a tokenizer.json or its folder (by default that of the model's folder)")
	s.IntVar(&f.tokens, "tokens", 0, "tokens a sample of text (by default 128, or the most that the model takes)")
	s.IntVar(&f.epochs, "epochs", 0, "epochs of the baseline, 0 = evaluate only")
	s.IntVar(&f.pruneEpochs, "prune-epochs", 0, "epochs while sparsifying")
	s.IntVar(&f.batch, "batch", 0, "samples a step")
	s.IntVar(&f.accumulate, "accumulate", 0, "`parts` that a batch runs in, so that a large model fits; the weights move once")
	s.BoolVar(&f.recompute, "recompute", false, "make values inside blocks again in place of keeping them: less memory, the forward part once more")
	s.Float64Var(&f.lr, "lr", 0, "learning rate")
	s.StringVar(&f.optimizer, "optimizer", "", "sgd, momentum, nesterov, adam or adamw")
	s.Float64Var(&f.target, "target", 0, "share of zeros among the prunable weights, 0.9 = 90 %")
	s.StringVar(&f.score, "score", "", listed(prune.Scores()))
	s.StringVar(&f.pattern, "pattern", "", listed(prune.Patterns()))
	s.StringVar(&f.distr, "distribution", "", listed(prune.Distributions()))
	s.StringVar(&f.plan, "schedule", "", listed(prune.Schedules()))
	s.Float64Var(&f.floor, "floor", 0, "accepted loss of accuracy in percentage points")
	s.StringArrayVar(&f.budget, "budget", nil, "what the run may `spend`: 5kJ (a bare number is J), 0.2kWh, 30m, 20g (CO2e, with --grid), 1.5EUR (with --price); several times for several limits")
	s.StringVar(&f.onBudget, "on-budget", "", "when it is spent: stop, warn, or target (take the zeros reached and validate)")
	s.StringVar(&f.power.place, "grid", "", "`place` the electricity comes from: FRA, gcp/europe-west9 (pare energy carbon lists them), or g of CO2e per kWh: 56")
	f.power.addPrice(s)
	f.power.addPUE(s)
	s.StringVar(&f.wall, "wall", "", "CSV `FILE` that a wall meter writes: the run's joules are those of the wall (PARE_WALL otherwise)")
	s.StringSliceVar(&f.formats, "formats", nil, "packed, safetensors, onnx, hf (a folder that transformers loads), peft (adapters by themselves)")
}

// apply writes the flags that were given over the recipe.
func (f *recipeFlags) apply(c *cobra.Command, e *env, r *core.Recipe) error {
	if err := f.check(c); err != nil {
		return err
	}
	if f.model != "" {
		if isModelPath(f.model) {
			r.Model = core.ModelSpec{Path: f.model}
			r.Deploy.Formats = core.FolderFormats(r.Deploy.Formats, f.model)
		} else {
			r.Model = core.ModelSpec{Name: f.model}
		}
	}
	if f.data != "" {
		if isDataPath(f.data) {
			r.Data.Path, r.Data.Name = f.data, ""
		} else {
			r.Data.Name, r.Data.Path = f.data, ""
		}
	}
	given := func(name string) bool { return c.Flags().Changed(name) }
	for name, set := range map[string]func(){
		"label": func() { r.Data.Label = f.label }, "classes": func() { r.Data.Classes = f.classes }, "epochs": func() { r.Train.Epochs = f.epochs },
		"prune-epochs": func() { r.Prune.Epochs = f.pruneEpochs }, "batch": func() { r.Train.Batch = f.batch },
		"tokenizer": func() { r.Data.Tokenizer, r.Data.Vocab = f.tokenizer, "" }, "tokens": func() { r.Data.Tokens = f.tokens },
		"accumulate": func() { r.Train.Accumulate = f.accumulate }, "recompute": func() { r.Train.Recompute = f.recompute },
		"lr": func() { r.Train.LR = f.lr }, "optimizer": func() { r.Train.Optimizer = f.optimizer },
		"target": func() { r.Prune.Target = f.target }, "score": func() { r.Prune.Score = f.score },
		"pattern": func() { r.Prune.Pattern = f.pattern }, "distribution": func() { r.Prune.Distribution = f.distr },
		"schedule": func() { r.Prune.Schedule = f.plan }, "floor": func() { r.Floor.Points, r.Floor.Accuracy = f.floor, 0 },
		"on-budget": func() { r.Budget.Action = f.onBudget },
		"wall":      func() { r.Energy.Wall = f.wall },
		"formats":   func() { r.Deploy.Formats = f.formats },
		"device":    func() { r.Hardware.Device = e.device }, "threads": func() { r.Hardware.Threads = e.threads },
		"seed": func() { r.Seed = e.seed },
	} {
		if given(name) {
			set()
		}
	}
	grid, _, err := f.power.over(c, r.Grid)
	if err != nil {
		return usage{err}
	}
	r.Grid = grid
	if given("budget") {
		for _, s := range f.budget {
			if err := setBudget(r, s); err != nil {
				return err
			}
		}
	}
	if err := r.Check(); err != nil {
		return usage{err}
	}
	return core.Precheck(r)
}

// check refuses values that a recipe takes for "not given".
func (f *recipeFlags) check(c *cobra.Command) (err error) {
	given := c.Flags().Changed
	switch {
	case given("batch") && f.batch < 1:
		return usagef("--batch %d: give at least 1 sample a step", f.batch)
	case given("accumulate") && f.accumulate < 1:
		return usagef("--accumulate %d: give at least 1 part of a batch", f.accumulate)
	case given("tokens") && (f.tokens < 2 || f.tokens > 1<<20):
		return usagef("--tokens %d: give 2 to %d tokens a sample", f.tokens, 1<<20)
	case given("lr") && !(f.lr > 0 && f.lr <= 100):
		return usagef("--lr %g: give a rate above 0, up to 100", f.lr)
	}
	c.Flags().Visit(func(g *pflag.Flag) {
		if v := g.Value; g.Name != "label" && g.Name != "sessions" && v.Type() == "string" && v.String() == "" {
			err = usagef("--%s is empty: give %s, or leave the flag out", g.Name, g.Usage)
		}
	})
	return err
}

// setBudget reads --budget. The recipe's other limits stay.
func setBudget(r *core.Recipe, s string) error {
	b, currency, err := core.ParseBudget(s)
	if err != nil {
		return usagef("--budget %v", err)
	}
	if currency != "" && currency != r.Grid.Currency {
		return usagef("--budget %s needs the price of a kWh in %s: --price 0.21%s, say", s, currency, currency)
	}
	if b.GCO2e > 0 && !r.Grid.Known() {
		return usagef("--budget %s needs to know where the electricity comes from: --grid FRA, say", s)
	}
	for _, l := range []struct{ to, from *float64 }{
		{&r.Budget.Joules, &b.Joules}, {&r.Budget.KWh, &b.KWh}, {&r.Budget.Money, &b.Money}, {&r.Budget.GCO2e, &b.GCO2e}, {&r.Budget.Seconds, &b.Seconds},
	} {
		if *l.from > 0 {
			*l.to = *l.from
		}
	}
	return nil
}

// isModelPath tells a file from the name of a zoo model.
func isModelPath(s string) bool {
	return isPath(s, func(yield func(string) bool) {
		for _, i := range zoo.List() {
			if !yield(i.Name) {
				return
			}
		}
	})
}

// isDataPath tells a file or folder from the name of a built-in data set.
func isDataPath(s string) bool {
	return isPath(s, func(yield func(string) bool) {
		for _, i := range data.Builtin() {
			if !yield(i.Name) {
				return
			}
		}
	})
}

// isPath tells a path from a built-in name: by its form, or because it is there
// and nothing built in has that name.
func isPath(s string, builtin iter.Seq[string]) bool {
	if strings.ContainsAny(s, `/\`) || strings.Contains(s, ".") {
		return true
	}
	for name := range builtin {
		if name == s {
			return false
		}
	}
	_, err := os.Stat(s)
	return err == nil
}

// DemoRecipe is the demo: LeNet-300-100 on the embedded Fashion-MNIST, 90 %
// zeros in 4×1 blocks.
func DemoRecipe() *core.Recipe {
	r := core.DefaultRecipe()
	r.Name, r.Auto = "demo", true
	r.Floor.Points = 3 // 1,500 validation samples: an epoch's accuracy is uncertain by 1.8 points
	r.Train = core.TrainSpec{Epochs: 15, Batch: 64, Optimizer: "momentum", Momentum: 0.9, LR: 0.02, Schedule: "cosine"}
	return r
}

func (e *env) demo() *cobra.Command {
	var f recipeFlags
	var tour bool
	c := &cobra.Command{
		Use: "demo", Short: "all five stages on built-in data, under a minute", Args: takes(0, 0),
		Long: `demo takes LeNet-300-100 on an embedded subset of Fashion-MNIST through all five
stages by itself. With a terminal it plays in the workbench, without one (or with
--plain) it prints lines. It ends with the ledger, dense against pared. --tour
stops at each stage and says what one sees and which key is next; with --plain it
does so in lines, with numbered answers.`,
		RunE: func(c *cobra.Command, _ []string) error {
			r := DemoRecipe()
			if err := f.apply(c, e, r); err != nil {
				return err
			}
			if tour {
				r.Auto, e.tour = false, true // a person is here
				if !e.screen() {
					if !e.prompts() {
						return usagef("the tour needs a terminal, or --plain and somebody who answers; `pare demo --plain` prints lines")
					}
					return e.asked(r)
				}
			}
			return e.start(r, e.screen())
		},
	}
	c.Flags().BoolVar(&tour, "tour", false, "stop at each stage and explain it")
	f.add(c)
	return c
}

func (e *env) run() *cobra.Command {
	var f recipeFlags
	var example bool
	c := &cobra.Command{
		Use: "run [RECIPE.toml]", Short: "a run without a screen", Args: takes(0, 1),
		Long: `run takes a model through all five stages without a screen. Keys that a recipe
leaves out have defaults; flags win over the recipe. A recipe with every key,
what it means and its default: pare run --example. Exit codes: 0 verdict PASS,
1 error, 2 wrong usage, 3 verdict FAIL or UNDECIDED, 4 stopped by the budget,
5 target not reached, 130 interrupted.`,
		Example: `  pare run --example > recipe.toml
  pare run recipe.toml --plain
  pare run --model lenet-5 --data fashion-mnist --epochs 10 --target 0.9
  pare run --model net.onnx --data digits.csv --label digit --epochs 0`,
		RunE: func(c *cobra.Command, args []string) error {
			if example {
				text, err := exampleRecipe()
				fmt.Fprint(e.out, text)
				return err
			}
			r := core.DefaultRecipe()
			if len(args) == 1 {
				var err error
				if r, err = core.ReadRecipe(args[0]); err != nil {
					return usage{err}
				}
			}
			r.Auto = true
			if err := f.apply(c, e, r); err != nil {
				return err
			}
			return e.start(r, false)
		},
	}
	c.Flags().BoolVar(&example, "example", false, "print a recipe with every key and its default")
	c.Flags().StringVar(&f.model, "model", "", "zoo model, .onnx file, .safetensors file written by pare, or folder of Hugging Face or of a PEFT adapter")
	f.add(c)
	return c
}

func (e *env) workbench(root *cobra.Command) {
	var f recipeFlags
	f.add(root)
	root.RunE = func(c *cobra.Command, args []string) error {
		r := core.DefaultRecipe()
		if len(args) == 1 {
			f.model = args[0]
			if err := misspelt(c, args[0]); err != nil {
				return err
			}
		}
		if err := f.apply(c, e, r); err != nil {
			return err
		}
		if e.prompts() {
			if len(args) == 0 && f.data == "" {
				p := newPrompter(e.in, e.out)
				if err := p.pick(context.Background(), r); err != nil {
					return usagef("no model was chosen: name one, `pare MODEL --plain`")
				}
				e.ask = p
			}
			return e.asked(r)
		}
		if !e.screen() {
			return usagef("the workbench needs a terminal; without one use `pare run --plain` or `pare demo --plain`")
		}
		dir, err := sessions.Root(e.sessions)
		if err != nil {
			return err
		}
		// With model or data named the picker is skipped.
		e.code, err = work.Open(work.Options{Root: dir, Recipe: r, Picked: len(args) == 1 || f.data != "", Epochs: c.Flags().Changed("epochs"), Version: Version, Slow: e.slow, Theme: e.theme})
		return err
	}
}

// screen reports whether the workbench can be shown.
func (e *env) screen() bool {
	out, ok := e.out.(*os.File)
	return ok && !e.plain && !e.json && isTerminal(e.in) && isTerminal(out) && os.Getenv("TERM") != "dumb"
}

// prompts reports whether the workbench is one of lines with numbered answers: asked
// for, or because the terminal can do no more.
func (e *env) prompts() bool {
	if e.json || e.in == nil {
		return false
	}
	return e.plain || isTerminal(e.in) && os.Getenv("TERM") == "dumb"
}

// asked starts a run that asks its person in lines.
func (e *env) asked(r *core.Recipe) error {
	r.Auto = false
	if err := core.Precheck(r); err != nil {
		return usage{err}
	}
	if e.ask == nil {
		e.ask = newPrompter(e.in, e.out)
	}
	e.ask.tour = e.tour
	return e.start(r, false)
}

// start creates a session, starts its run and follows it.
func (e *env) start(r *core.Recipe, screen bool) error {
	dir, err := sessions.Root(e.sessions)
	if err != nil {
		return err
	}
	s, err := sessions.Create(dir, r)
	if err != nil {
		return err
	}
	if screen {
		if err := s.Start(); err != nil {
			return forget(s, err)
		}
		e.code, err = work.Attach(work.Options{Root: dir, Version: Version, Slow: e.slow, Theme: e.theme, Tour: e.tour}, s)
		return err
	}
	if err = s.Start(); err == nil {
		err = e.follow(s, true)
	}
	return forget(s, err)
}

// forget removes a new session whose start failed: err says all there is to
// know, and the list stays one of runs.
func forget(s *sessions.Session, err error) error {
	if err != nil && s.RemoveFailedStart() {
		return errors.New(strings.TrimPrefix(err.Error(), "session "+s.ID+": "))
	}
	return err
}

// follow prints a run's log until it ends. An interrupt stops the run at a
// checkpoint when this command began it, else it only leaves.
func (e *env) follow(s *sessions.Session, began bool) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second interrupt leaves at once
	o := plain.Options{JSON: e.json, Stop: began}
	if e.ask != nil {
		e.ask.s, o.Ask = s, e.ask.ask
	}
	code, err := plain.Follow(ctx, s, e.out, o)
	switch {
	case errors.Is(err, errEnd):
		e.ask.stop()
		err = nil
	case errors.Is(err, errLeft):
		err = nil
	}
	e.code = code
	if code == core.ExitInterrupted && err == nil {
		if _, alive := s.Alive(); alive {
			fmt.Fprintf(e.err, "the run goes on; `pare attach %s` comes back to it\n", s.ID)
		} else {
			fmt.Fprintf(e.err, "stopped at a checkpoint; `pare sessions resume %s` goes on\n", s.ID)
		}
	}
	return err
}

// listed are the words of a choice, for the help of its flag.
func listed(l []prune.Word) string {
	var names []string
	for _, w := range l {
		names = append(names, w.Name)
	}
	n := len(names) - 1
	return strings.Join(names[:n], ", ") + " or " + names[n]
}
