package core

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"pare/core/energy"
	"pare/core/prune"
)

// RecipeVersion is the newest recipe format this program reads.
const RecipeVersion = 1

// Recipe is everything a run is told beforehand. Together with the decision log
// it determines the run.
type Recipe struct {
	Version int    `toml:"version"`
	Name    string `toml:"name,omitempty"`
	Seed    uint64 `toml:"seed"`
	// Auto goes through all stages without waiting for a person.
	Auto bool `toml:"auto"`

	Model    ModelSpec     `toml:"model"`
	Data     DataSpec      `toml:"data"`
	Train    TrainSpec     `toml:"train"`
	Prune    PruneSpec     `toml:"prune"`
	LowRank  []LowRankSpec `toml:"lowrank,omitempty"`
	Scan     ScanSpec      `toml:"scan,omitempty"`
	Distill  DistillSpec   `toml:"distill,omitempty"`
	Floor    FloorSpec     `toml:"floor"`
	Budget   BudgetSpec    `toml:"budget"`
	Grid     energy.Grid   `toml:"grid,omitempty"` // where the electricity comes from
	Energy   EnergySpec    `toml:"energy,omitempty"`
	Hardware HWSpec        `toml:"hardware"`
	Deploy   DeploySpec    `toml:"deploy"`
	// Plan is what choices of kernels follow from, so that a run resumes, and a saved
	// recipe runs, on the same ones.
	Plan PlanSpec `toml:"plan,omitempty"`
	// Decisions are what a person did while the run this recipe was saved from
	// went on; a new run repeats them at the same steps.
	Decisions []Decision `toml:"decision,omitempty"`
}

// Decision is one command that took effect at a step of a stage.
type Decision struct {
	Stage int     `toml:"stage"`
	Step  int64   `toml:"step"`
	Cmd   string  `toml:"cmd"` // target | rollback
	Value float64 `toml:"value,omitempty"`
	Text  string  `toml:"text,omitempty"`
	Pass  int     `toml:"pass,omitempty"` // how often the floor had sent the run back
}

// ModelSpec names a zoo model, a file (.onnx, or safetensors written by us), or a folder
// of Hugging Face.
type ModelSpec struct {
	Name string `toml:"name,omitempty"`
	Path string `toml:"path,omitempty"`
}

// TrainSpec is the dense training of stage 1. Fields left out take the model's
// published set-up.
type TrainSpec struct {
	Epochs      int     `toml:"epochs"` // 0 = evaluate only
	Batch       int     `toml:"batch"`
	Optimizer   string  `toml:"optimizer"` // sgd | momentum | nesterov | adam | adamw
	LR          float64 `toml:"lr"`
	Momentum    float64 `toml:"momentum"`
	WeightDecay float64 `toml:"weight_decay"`
	Schedule    string  `toml:"schedule"` // constant | cosine | step
	Warmup      int     `toml:"warmup"`   // steps
	// Accumulate is the number of parts that a batch runs in, one after the other: the
	// weights move once, by the mean over the whole batch, and values of one part take the
	// memory that those of all would. 0 and 1: in one go.
	Accumulate int `toml:"accumulate,omitempty"`
	// Recompute keeps of each block of the model, a layer of a transformer or a residual
	// block, but the value that leads in, and makes the others again for their gradients:
	// the same bits in less memory, for the multiply-adds of the forward part once more.
	Recompute bool `toml:"recompute,omitempty"`
}

// PruneSpec is what stage 3 does.
type PruneSpec struct {
	Score        string             `toml:"score"`          // one of prune.Scores
	Pattern      string             `toml:"pattern"`        // one of prune.Patterns
	Distribution string             `toml:"distribution"`   // layer | global | erk | sensitivity
	Schedule     string             `toml:"schedule"`       // one of prune.Schedules
	Target       float64            `toml:"target"`         // share of zeros among the prunable weights, 0…1
	Epochs       int                `toml:"epochs"`         // length of the stage (iterative: of each level; earlybird: 0 = what the baseline has left)
	Every        int                `toml:"every"`          // cubic, linear, constant: steps between mask updates, 0 = a twentieth of the ramp
	Ramp         float64            `toml:"ramp,omitempty"` // cubic, linear: share of the stage at the end of which the target is reached, 0 = three quarters
	Levels       int                `toml:"levels"`         // iterative
	RewindStep   int64              `toml:"rewind_step"`    // iterative: −1 no rewind, k ≥ 0 = weights of baseline step k
	LR           float64            `toml:"lr"`             // 0 = half the baseline's, its own after a rewind or an early bird
	LRSchedule   string             `toml:"lr_schedule"`
	RoundTo      int                `toml:"round_to,omitempty"` // neuron: keep a multiple of so many channels, 0 = any number, on a card 8 (ruleOn)
	Skip         []string           `toml:"skip"`               // layers left dense
	ByHand       map[string]float64 `toml:"by_hand,omitempty"`  // shares of zeros of some layers; the distribution is over the others

	Penalty  float64 `toml:"penalty,omitempty"`  // movement-soft: λ at the target; 0 = 100
	Permute  bool    `toml:"permute,omitempty"`  // 2:4: channels change places first, so that it keeps more
	Control  string  `toml:"control,omitempty"`  // iterative with rewind: one of prune.Controls at the last level
	Distance float64 `toml:"distance,omitempty"` // earlybird: the mask has settled when it moves by less; 0 = 0.1
}

// FloorSpec is the lowest accuracy accepted: either points under the baseline,
// or an absolute accuracy.
type FloorSpec struct {
	Points   float64 `toml:"points"`             // e.g. 1.0 = one percentage point under the baseline
	Accuracy float64 `toml:"accuracy,omitempty"` // 0…1, overrides Points
	Pause    bool    `toml:"pause,omitempty"`    // under it the run goes back and waits for a person, if there is one
}

// BudgetSpec bounds what the run may spend, with everything before it counted. 0 =
// none; of several the one that is spent first acts.
type BudgetSpec struct {
	Joules  float64 `toml:"joules,omitempty"`
	KWh     float64 `toml:"kwh,omitempty"`
	Money   float64 `toml:"money,omitempty"`   // in grid.currency, at grid.price_per_kwh and grid.pue
	GCO2e   float64 `toml:"gco2e,omitempty"`   // grams, by [grid] and its PUE
	Seconds float64 `toml:"seconds,omitempty"` // of wall time; waiting for a person is not counted
	Action  string  `toml:"action,omitempty"`  // warn | stop | target
}

func (b BudgetSpec) action() string {
	if b.Action == "" {
		return BudgetStop
	}
	return b.Action
}

// HWSpec names the hardware profile predictions are made for.
type HWSpec struct {
	Profile string `toml:"profile,omitempty"` // "" = this machine
	Device  string `toml:"device"`            // auto | cpu | cuda | cuda:tf32 | cuda:bf16 | ref
	Threads int    `toml:"threads"`           // 0 = all
}

// DeploySpec lists the export formats.
type DeploySpec struct {
	Formats []string `toml:"formats"` // packed | safetensors | onnx | hf (a folder of Hugging Face) | peft (adapters by themselves)
}

// DefaultRecipe is what a newcomer starts from: the demo's model and data.
func DefaultRecipe() *Recipe {
	return &Recipe{
		Version: RecipeVersion, Seed: 1,
		Model:    ModelSpec{Name: "lenet-300-100"},
		Data:     DataSpec{Name: "fashion-mnist"},
		Train:    TrainSpec{Epochs: 15},
		Prune:    PruneSpec{Score: "magnitude", Pattern: "block4x1", Distribution: "global", Schedule: "cubic", Target: 0.9, Epochs: 20, Levels: 8, RewindStep: -1, LRSchedule: "cosine"},
		Floor:    FloorSpec{Points: 2},
		Hardware: HWSpec{Device: "auto"},
		Deploy:   DeploySpec{Formats: []string{"packed", "safetensors", "onnx"}},
	}
}

// ReadRecipe loads a recipe file.
func ReadRecipe(path string) (*Recipe, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	if len(bytes.TrimSpace(b)) == 0 { // perhaps the wrong file: nothing says that the defaults are meant
		return nil, fmt.Errorf("%s: is empty: `pare run --example` prints a recipe, `pare run` alone takes the defaults", path)
	}
	r, err := ParseRecipe(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// ParseRecipe reads a recipe. Keys it does not know are errors that name them.
func ParseRecipe(b []byte) (*Recipe, error) {
	r := DefaultRecipe()
	r.Version = 0
	def := *r
	r.Model, r.Data = ModelSpec{}, DataSpec{} // a path in the file must not meet a default name
	d := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		var miss *toml.StrictMissingError
		if errors.As(err, &miss) && len(miss.Errors) > 0 {
			row, _ := miss.Errors[0].Position()
			return nil, fmt.Errorf("line %d: unknown key %q; `pare run --example` lists the keys", row, strings.Join(miss.Errors[0].Key(), "."))
		}
		var de *toml.DecodeError
		if errors.As(err, &de) {
			row, col := de.Position()
			return nil, fmt.Errorf("line %d, column %d: %s; a recipe is TOML: `pare run --example` prints one", row, col, de.Error())
		}
		return nil, err
	}
	if r.Version > RecipeVersion {
		return nil, fmt.Errorf("recipe version %d is newer than this program reads (%d): use a newer pare", r.Version, RecipeVersion)
	}
	r.Version = RecipeVersion
	if r.Model == (ModelSpec{}) {
		r.Model = def.Model
	}
	if r.Data.Name == "" && r.Data.Path == "" {
		r.Data.Name = def.Data.Name
	}
	return r, r.Check()
}

// Marshal writes the recipe as TOML.
func (r *Recipe) Marshal() ([]byte, error) { return toml.Marshal(r) }

// Hash identifies the recipe: SHA-256 of its TOML, first 16 hex digits.
func (r *Recipe) Hash() string {
	b, err := r.Marshal()
	if err != nil {
		return ""
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// Check refuses what cannot work, before anything runs. Each message names the
// key and the way out.
func (r *Recipe) Check() error {
	oneOf := func(key, v string, ok ...string) error {
		for _, o := range ok {
			if v == o {
				return nil
			}
		}
		return fmt.Errorf("%s = %q: choose one of %s", key, v, strings.Join(ok, ", "))
	}
	p, t := r.Prune, r.Train
	rates, err := r.Grid.Resolve()
	checks := []error{
		err,
		r.Plan.Check(),
		r.checkLowRank(),
		r.checkScan(),
		r.checkDistill(),
		r.checkPEFT(),
		r.checkMethod(),
		r.Data.check(),
		oneOf("prune.score", p.Score, names(prune.Scores())...),
		oneOf("prune.pattern", p.Pattern, names(prune.Patterns())...),
		oneOf("prune.distribution", p.Distribution, names(prune.Distributions())...),
		oneOf("prune.schedule", p.Schedule, names(prune.Schedules())...),
		oneOf("prune.control", p.Control, append([]string{""}, names(prune.Controls())...)...),
		oneOf("prune.lr_schedule", p.LRSchedule, "", "constant", "cosine", "step"),
		oneOf("train.optimizer", t.Optimizer, "", "sgd", "momentum", "nesterov", "adam", "adamw"),
		oneOf("train.schedule", t.Schedule, "", "constant", "cosine", "step"),
		oneOf("budget.action", r.Budget.Action, "", BudgetWarn, BudgetStop, BudgetTarget),
		oneOf("hardware.device", r.Hardware.Device, deviceNames...),
	}
	for _, f := range r.Deploy.Formats {
		checks = append(checks, oneOf("deploy.formats", f, "packed", "safetensors", "onnx", formatHF, formatPEFT))
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	if err := r.finite(); err != nil {
		return err
	}
	switch {
	case !(p.Target >= 0 && p.Target < 1):
		return fmt.Errorf("prune.target = %g: the share of zeros must be at least 0 and below 1 (0.9 = 90 %%)", p.Target)
	case p.Epochs < 0 || p.Epochs > 100000:
		return fmt.Errorf("prune.epochs = %d: give 0 to 100000", p.Epochs)
	case t.Epochs < 0 || t.Epochs > 100000:
		return fmt.Errorf("train.epochs = %d: give 0 (evaluate only) to 100000", t.Epochs)
	case t.Batch < 0 || t.Batch > 65536:
		return fmt.Errorf("train.batch = %d: give 1 to 65536", t.Batch)
	case t.Accumulate < 0 || t.Accumulate > 65536:
		return fmt.Errorf("train.accumulate = %d: give the number of parts that a batch runs in, 1 to its samples", t.Accumulate)
	case t.Batch > 0 && t.Accumulate > t.Batch:
		return fmt.Errorf("train.accumulate = %d: a batch of train.batch = %d samples runs in that many parts at most", t.Accumulate, t.Batch)
	case t.LR < 0 || t.LR > 100 || p.LR < 0 || p.LR > 100:
		return fmt.Errorf("train.lr = %g, prune.lr = %g: give a rate between 0 and 100", t.LR, p.LR)
	case t.Momentum < 0 || t.Momentum >= 1:
		return fmt.Errorf("train.momentum = %g: must be at least 0 and below 1", t.Momentum)
	case t.WeightDecay < 0:
		return fmt.Errorf("train.weight_decay = %g: must not be negative", t.WeightDecay)
	case t.Warmup < 0:
		return fmt.Errorf("train.warmup = %d: must not be negative", t.Warmup)
	case p.Schedule == "iterative" && p.Levels < 1:
		return fmt.Errorf("prune.levels = %d: iterative pruning needs at least one level", p.Levels)
	case p.RoundTo < 0:
		return fmt.Errorf("prune.round_to = %d: give the number of channels to keep multiples of, 1 for any, 0 for any number on a processor and 8 on a card", p.RoundTo)
	case p.RewindStep < -1:
		return fmt.Errorf("prune.rewind_step = %d: give −1 (no rewind) or a step of the baseline", p.RewindStep)
	case p.RewindStep >= 0 && t.Epochs == 0 && p.RewindStep > 0:
		return fmt.Errorf("prune.rewind_step = %d needs baseline training, but train.epochs = 0", p.RewindStep)
	case p.RewindStep >= 0 && p.Schedule == "iterative" && prune.Structured(p.Pattern):
		return fmt.Errorf("prune.rewind_step with prune.pattern = %q: what was cut out cannot be rewound; use −1, or a pattern that masks", p.Pattern)
	case p.Schedule == "iterative" && p.Epochs < 1:
		return fmt.Errorf("prune.epochs = %d: iterative pruning trains at least one epoch a level", p.Epochs)
	case !(p.Ramp >= 0 && p.Ramp <= 1):
		return fmt.Errorf("prune.ramp = %g: give the share of the stage over which the target is reached, above 0 and up to 1 (0 = three quarters)", p.Ramp)
	case p.Ramp > 0 && p.Schedule != "cubic" && p.Schedule != "linear":
		return fmt.Errorf("prune.ramp = %g with prune.schedule = %q: only cubic and linear have a ramp", p.Ramp, p.Schedule)
	case p.Every < 0:
		return fmt.Errorf("prune.every = %d: must not be negative", p.Every)
	case r.Floor.Points < 0 || r.Floor.Points > 100:
		return fmt.Errorf("floor.points = %g: give percentage points under the baseline, 0 to 100", r.Floor.Points)
	case r.Floor.Accuracy < 0 || r.Floor.Accuracy > 1:
		return fmt.Errorf("floor.accuracy = %g: give a share between 0 and 1 (0.88 = 88 %%)", r.Floor.Accuracy)
	case r.Data.Val < 0 || r.Data.Test < 0 || r.Data.Val+r.Data.Test >= 1:
		return fmt.Errorf("data.val = %g, data.test = %g: the shares must leave something to train on", r.Data.Val, r.Data.Test)
	case min(r.Budget.Joules, r.Budget.KWh, r.Budget.Money, r.Budget.GCO2e, r.Budget.Seconds) < 0:
		return errors.New("budget: limits must not be negative; 0 is none")
	case r.Budget.Action != "" && r.Budget.Joules+r.Budget.KWh+r.Budget.Money+r.Budget.GCO2e+r.Budget.Seconds == 0:
		return errors.New("budget.action without a limit: give budget.joules, kwh, money, gco2e or seconds")
	case r.Budget.Money > 0 && rates.PriceKWh == nil:
		return errors.New("budget.money needs grid.price_per_kwh and grid.currency")
	case r.Budget.GCO2e > 0 && rates.Intensity == nil:
		return errors.New("budget.gco2e needs to know the grid: give grid.country, grid.region or grid.g_per_kwh")
	case r.Energy.IdleSeconds != nil && !(*r.Energy.IdleSeconds >= 0 && *r.Energy.IdleSeconds <= 600):
		return fmt.Errorf("energy.idle_seconds = %g: give 0 (not measured) to 600", *r.Energy.IdleSeconds)
	case r.Hardware.Threads < 0 || r.Hardware.Threads > 4096:
		return fmt.Errorf("hardware.threads = %d: give 0 (all) to 4096", r.Hardware.Threads)
	case r.Model.Name == "" && r.Model.Path == "":
		return errors.New("no model: give model.name (a zoo model) or model.path")
	case r.Data.Name == "" && r.Data.Path == "":
		return errors.New("no data: give data.name (a built-in set) or data.path")
	case r.Model.Name != "" && r.Model.Path != "":
		return errors.New("model.name and model.path are both set: give one")
	case r.Data.Name != "" && r.Data.Path != "":
		return errors.New("data.name and data.path are both set: give one")
	}
	return nil
}

// names are the words a recipe may hold.
func names(l []prune.Word) []string {
	var out []string
	for _, w := range l {
		out = append(out, w.Name)
	}
	return out
}

// finite refuses NaN and infinities: no comparison would notice a NaN.
func (r *Recipe) finite() error {
	for _, x := range []struct {
		key string
		v   []float64
	}{
		{"train.lr", []float64{r.Train.LR}}, {"train.momentum", []float64{r.Train.Momentum}}, {"train.weight_decay", []float64{r.Train.WeightDecay}},
		{"prune.target", []float64{r.Prune.Target}}, {"prune.lr", []float64{r.Prune.LR}}, {"prune.penalty", []float64{r.Prune.Penalty}}, {"prune.distance", []float64{r.Prune.Distance}}, {"prune.ramp", []float64{r.Prune.Ramp}},
		{"floor.points", []float64{r.Floor.Points}}, {"floor.accuracy", []float64{r.Floor.Accuracy}}, {"budget.*", []float64{r.Budget.Joules, r.Budget.KWh, r.Budget.Money, r.Budget.GCO2e, r.Budget.Seconds}},
		{"data.val", []float64{r.Data.Val}}, {"data.test", []float64{r.Data.Test}}, {"data.scale", []float64{r.Data.Scale}},
		{"data.mean", r.Data.Mean}, {"data.std", r.Data.Std},
	} {
		for _, v := range x.v {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%s holds %v: give a number", x.key, v)
			}
		}
	}
	return nil
}
