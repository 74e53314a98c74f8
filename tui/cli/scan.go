package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/event"
	"pare/tui/plain"
)

func (e *env) scan() *cobra.Command {
	r := core.DefaultRecipe()
	var f scanFlags
	c := &cobra.Command{
		Use: "scan MODEL|SESSION", Short: "what each layer can do without: accuracy, ms and J by level", Args: takes(1, 1),
		Long: `scan prunes each layer alone to several levels, for neurons, filters and heads each
group of channels as a whole, and evaluates the model on the validation set, without
training after it and without the test set. Beside the accuracy stand the time and
energy predicted for that level. Of a session it takes the dense model, the data and
the rule; what that session has scanned already is not scanned again. Ctrl-C ends it
and prints what there is. The scan's own energy is billed as in a run.`,
		Example: `  pare scan brisk-heron
  pare scan brisk-heron --pattern neuron --levels 0.25,0.5,0.75
  pare scan net.onnx --data digits.csv --label digit --json`,
		RunE: func(c *cobra.Command, a []string) error { return e.runScan(c, a[0], r, &f) },
	}
	s := c.Flags()
	s.StringVar(&f.data, "data", "", dataFlag)
	s.StringVar(&f.label, "label", "", labelFlag)
	s.StringVar(&f.pattern, "pattern", r.Prune.Pattern, "element, block4x1, block8x1, block16x1, neuron, head or width")
	s.StringVar(&f.score, "score", r.Prune.Score, "magnitude, snip, taylor or random")
	sharesVar(s, &f.levels, "levels", core.ScanLevels, "rising `shares` that go, 0.5 = 50 %")
	s.IntVar(&f.samples, "samples", 0, fmt.Sprintf("validation samples of an evaluation; by default up to %d, of text up to %d tokens", core.ScanSamples, core.ScanTokens))
	s.StringSliceVar(&f.skip, "skip", nil, "layers left out")
	s.StringVar(&f.hw, "hw", "", "profile `NAME` that ms and J are predicted for; this machine by default")
	return c
}

// scanFlags are what a scan can be told.
type scanFlags struct {
	data, label, pattern, score, hw string
	levels                          []float64
	samples                         int
	skip                            []string
}

func (e *env) runScan(c *cobra.Command, arg string, r *core.Recipe, f *scanFlags) error {
	given := c.Flags().Changed
	src := core.ScanSource{Threads: e.threads}
	s, err := e.find([]string{arg})
	switch {
	case err == nil && !given("data"):
		if given("seed") {
			return usagef("scan takes the seed of session %s from its recipe: leave --seed out", s.ID)
		}
		if r, err = s.RecipeUsed(); err != nil {
			return err
		}
		st, err := s.State()
		if err != nil {
			return err
		}
		src.Known = st.Scan
		if src.Checkpoint, err = s.Checkpoint("baseline"); err != nil {
			return fmt.Errorf("session %s has no dense model yet: %w", s.ID, err)
		}
	case isModelPath(arg):
		r.Model = core.ModelSpec{Path: arg}
	default:
		r.Model = core.ModelSpec{Name: arg}
	}
	if src.Checkpoint == nil {
		if !given("data") {
			return usagef("scan %s: no session has that name, and a model needs --data", arg)
		}
		r.Seed, r.Data = e.seed, core.DataSpec{Name: f.data, Label: f.label}
		if isDataPath(f.data) {
			r.Data.Path, r.Data.Name = f.data, ""
		}
	}
	for name, set := range map[string]func(){
		"pattern": func() { r.Prune.Pattern = f.pattern }, "score": func() { r.Prune.Score = f.score },
		"levels": func() { r.Scan.Levels = f.levels }, "samples": func() { r.Scan.Samples = f.samples },
		"skip": func() { r.Prune.Skip = f.skip }, "hw": func() { r.Hardware.Profile = f.hw },
		"device": func() { r.Hardware.Device = e.device },
	} {
		if given(name) {
			set()
		}
	}
	if given("levels") { // these and no others: nothing is spread by this scan
		r.Prune.Distribution = "layer"
	}
	if err := r.Check(); err != nil {
		return usage{err}
	}
	if err := core.Precheck(r); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second interrupt leaves at once
	src.Recipe, src.Say = r, e.sayScan
	done, err := core.Scan(ctx, src)
	if err != nil {
		return err
	}
	if !e.json {
		fmt.Fprint(e.out, "\n"+plain.ScanTable(done))
	}
	if !done.Complete() {
		e.code = core.ExitInterrupted
	}
	return nil
}

// sayScan prints a scan while it goes on: with --json its events, one a line, of the end
// without the rows that were there before; else progress on stderr.
func (e *env) sayScan(b event.Body) error {
	if e.json {
		if s, ok := b.(*event.Scan); ok && s.State != "running" {
			end := *s
			end.Rows = nil
			b = &end
		}
		body, err := json.Marshal(b)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "{\"kind\":%q,\"body\":%s}\n", b.Kind(), body)
		return err
	}
	switch b := b.(type) {
	case *event.Scan:
		if b.State == "running" {
			fmt.Fprintln(e.out, plain.ScanHead(b))
		}
	case *event.ScanRow:
		fmt.Fprint(e.err, "scanned "+harmless(b.Name)+"\n")
	case *event.Warning:
		text := b.Text
		if b.Fix != "" {
			text += ": " + b.Fix
		}
		fmt.Fprintln(e.err, "pare: warning:", text)
	}
	return nil
}
