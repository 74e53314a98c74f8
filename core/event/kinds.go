package event

// Stage is one of the five stages, 1 to 5.
type Stage int

// The five stages, in order.
const (
	Baseline Stage = iota + 1
	Configure
	Sparsify
	Validate
	Deploy
)

var stageNames = [...]string{"", "baseline", "configure", "sparsify", "validate", "deploy"}

// String is the stage's word on the rail.
func (s Stage) String() string {
	if s < Baseline || s > Deploy {
		return "–"
	}
	return stageNames[s]
}

// Joules is an amount of energy with its provenance. UJ is nil when it was not
// measured; it is never zero instead.
type Joules struct {
	UJ     *int64  `json:"uj"`     // microjoules
	Tier   string  `json:"tier"`   // A wall meter, B counter, C integrated power, D calibrated model, E profile only
	Source string  `json:"source"` // "rapl package+dram", "profile generic-x86-cpu"
	Band   float64 `json:"band,omitempty"`
	// Coverage is the share of the time with valid samples, 0…1; nil: not known, as
	// are then the counts below.
	Coverage *float64 `json:"coverage,omitempty"`
	Rejected int      `json:"rejected,omitempty"` // samples thrown away as impossible
	Wraps    int      `json:"wraps,omitempty"`    // counter wraps put right
	Resets   int      `json:"resets,omitempty"`   // times a counter was anchored anew
}

// Started opens a run's log, and stands again after each resume.
type Started struct {
	Format   int    `json:"format"` // Version
	Session  string `json:"session"`
	Pare     string `json:"pare"` // version of the program
	Model    string `json:"model"`
	Data     string `json:"data"`
	DataHash string `json:"data_hash"`
	Recipe   string `json:"recipe"` // SHA-256 of recipe.toml at this point
	Device   string `json:"device"`
	ISA      string `json:"isa"`
	Threads  int    `json:"threads"`
	Machine  string `json:"machine"`           // processor model
	Hardware string `json:"hardware"`          // profile name
	HWKind   string `json:"hw_kind,omitempty"` // cpu or gpu: what computes
	Meter    string `json:"meter"`             // energy source in use
	Tier     string `json:"tier"`
	MeterWhy string `json:"meter_why"` // why not a better one, and the way out
	Boundary string `json:"boundary"`
	Pid      int    `json:"pid"`
	Auto     bool   `json:"auto"`           // goes through all stages by itself
	Grid     *Grid  `json:"grid,omitempty"` // nil: nobody said where the electricity comes from
}

// Layer describes one layer that holds weights.
type Layer struct {
	Name     string `json:"name"`
	Op       string `json:"op"`
	Shape    []int  `json:"shape"` // of the weight
	Params   int64  `json:"params"`
	MACs     int64  `json:"macs"` // per sample, dense
	Prunable bool   `json:"prunable"`
}

// Model describes the model at a point: at the start and after each rewrite
// that changes shapes.
type Model struct {
	Name    string   `json:"name"`
	Params  int64    `json:"params"`
	MACs    int64    `json:"macs"` // per sample, dense
	Layers  []Layer  `json:"layers"`
	Input   []int    `json:"input"`
	Tokens  int      `json:"tokens,omitempty"` // of a sample of text
	Vocab   int      `json:"vocab,omitempty"`
	Pad     int      `json:"pad,omitempty"`    // of texts with labels: the id that fills them up, −1: none
	LM      bool     `json:"lm,omitempty"`     // a language model: accuracy is of the next token
	Masked  bool     `json:"masked,omitempty"` // or of those that were masked
	Pair    bool     `json:"pair,omitempty"`   // texts with labels are pairs
	Classes []string `json:"classes"`
	Train   int      `json:"train"` // samples per split
	Val     int      `json:"val"`
	Test    int      `json:"test"`
	Step    int64    `json:"step"`
}

// RunsAs says which kernel a layer runs on, and why.
type RunsAs struct {
	Name   string `json:"name"`
	Format string `json:"format"` // "dense", "4×1"
	Why    string `json:"why"`
}

// Plan is the choice of kernels taken at a step. Timed choices are written
// before they take effect and are used again on resume and re-run.
type Plan struct {
	Stage  Stage    `json:"stage"`
	Step   int64    `json:"step"`
	Layers []RunsAs `json:"layers"`
	Hash   string   `json:"hash"`
	Memory *Memory  `json:"memory,omitempty"` // of the card; nil: the run is on the processor
}

// StageChange tells that a stage began, finished, or waits for the person.
type StageChange struct {
	Stage Stage  `json:"stage"`
	State string `json:"state"` // started | waiting | done | failed
	// Evidence says what was shown (done), what is missing (waiting, failed).
	Evidence string `json:"evidence,omitempty"`
}

// Metric is a sample of the training loop, at most about ten a second.
type Metric struct {
	Stage    Stage   `json:"stage"`
	Epoch    int     `json:"epoch"` // from 1
	Epochs   int     `json:"epochs"`
	Step     int64   `json:"step"` // of this stage
	Steps    int64   `json:"steps"`
	Loss     float64 `json:"loss"` // mean since the last metric
	Acc      float64 `json:"acc"`  // on the training batches since the last metric
	LR       float64 `json:"lr"`
	Zeros    float64 `json:"zeros"`  // share of the prunable weights, 0…1
	Target   float64 `json:"target"` // of the schedule at this step
	CPUUS    int64   `json:"cpu_us"` // CPU microseconds since the stage began, before this metric
	WallUS   int64   `json:"wall_us"`
	StepCPU  float64 `json:"step_cpu_us"` // CPU µs per step since the last metric, on a card µs there
	StepWall float64 `json:"step_wall_us"`
	Energy   Joules  `json:"energy"` // since the stage began
}

// Eval is a pass over a split.
type Eval struct {
	Stage   Stage   `json:"stage"`
	Epoch   int     `json:"epoch"`
	Step    int64   `json:"step"`
	Split   string  `json:"split"` // val | test
	Correct int     `json:"correct"`
	N       int     `json:"n"`    // samples; of a language model tokens
	Loss    float64 `json:"loss"` // mean; a language model's perplexity is its exponential
	Lo      float64 `json:"lo"`   // 95 % interval of the accuracy: train.Score.Interval
	Hi      float64 `json:"hi"`
	Zeros   float64 `json:"zeros"`
	// Perplexity of a language model: the exponential of the mean loss in nats.
	Perplexity float64 `json:"perplexity,omitempty"`
}

// Acc is the accuracy, 0…1.
func (e Eval) Acc() float64 {
	if e.N == 0 {
		return 0
	}
	return float64(e.Correct) / float64(e.N)
}

// EpochCost is the bill of one epoch's training steps.
type EpochCost struct {
	Stage  Stage   `json:"stage"`
	Epoch  int     `json:"epoch"`
	Step   int64   `json:"step"` // at the end of the epoch
	Steps  int64   `json:"steps"`
	CPUUS  int64   `json:"cpu_us"`
	WallUS int64   `json:"wall_us"`
	Energy Joules  `json:"energy"`
	Zeros  float64 `json:"zeros"`
	// MACs are the multiply-adds of the dense operations of these steps, Skipped
	// those of them that were not computed. MACs 0: not counted.
	MACs    int64 `json:"macs,omitempty"`
	Skipped int64 `json:"skipped,omitempty"`
	// Short: no joules, because the counter needs longer windows than this epoch. Over:
	// Energy is the mean of so many epochs up to this one, the others of them Short: of
	// what the counter told over all of them the share of their CPU time.
	Short bool `json:"short,omitempty"`
	Over  int  `json:"over,omitempty"`
}

// StageCost is the bill of a stage so far, evaluations and probes included.
type StageCost struct {
	Stage  Stage  `json:"stage"`
	CPUUS  int64  `json:"cpu_us"`
	WallUS int64  `json:"wall_us"`
	Energy Joules `json:"energy"`
	Apart  *Apart `json:"apart,omitempty"` // nil: the energy is not told apart
}

// LayerMask is the mask of one layer: its rule's outcome, not its bits.
type LayerMask struct {
	Name  string `json:"name"`
	Zeros int    `json:"zeros"`
	Of    int    `json:"of"`
	Hash  string `json:"hash"`
}

// Mask tells that the masks changed.
type Mask struct {
	Stage  Stage       `json:"stage"`
	Step   int64       `json:"step"`
	Rule   string      `json:"rule"` // "magnitude, global, 4×1 blocks, cubic"
	Target float64     `json:"target"`
	Zeros  int         `json:"zeros"` // of the prunable weights
	Of     int         `json:"of"`
	Layers []LayerMask `json:"layers"`
	Hash   string      `json:"hash"`
}

// Rewrite tells that the graph changed; Op is the serialised graph rewrite.
type Rewrite struct {
	Stage Stage  `json:"stage"`
	Step  int64  `json:"step"`
	Op    string `json:"op"`
	Text  string `json:"text"` // in words
}

// Checkpoint names a file that is safely on disk.
type Checkpoint struct {
	Name   string  `json:"name"`
	Stage  Stage   `json:"stage"`
	Epoch  int     `json:"epoch"`
	Step   int64   `json:"step"`
	SHA    string  `json:"sha256"`
	Bytes  int64   `json:"bytes"`
	Acc    float64 `json:"acc"` // validation accuracy when it was taken, −1 if unknown
	Zeros  float64 `json:"zeros"`
	Good   bool    `json:"good"`   // not under the floor
	AtGoal bool    `json:"atgoal"` // holds the target share of zeros
}

// Dropped names a checkpoint whose file was removed to save room.
type Dropped struct {
	Name string `json:"name"`
}

// Decision is a choice that took effect at a step: a person's command, or an
// automatic one that was not a function of the recipe alone.
type Decision struct {
	Stage Stage   `json:"stage"`
	Step  int64   `json:"step"`
	Cmd   string  `json:"cmd"` // pause | go | target | rollback | next | configure | stop
	Value float64 `json:"value,omitempty"`
	Text  string  `json:"text,omitempty"` // checkpoint name; recipe
	By    string  `json:"by"`             // person | pare
	// Pass counts how often the floor had sent the run back: a stage may come to
	// the same step several times.
	Pass int `json:"pass,omitempty"`
}

// Floor tells that validation accuracy fell under the floor and what was done.
type Floor struct {
	Step  int64   `json:"step"`
	Acc   float64 `json:"acc"`
	Floor float64 `json:"floor"`
	Back  string  `json:"back"` // checkpoint gone back to
	Zeros float64 `json:"zeros"`
}

// Side is one side of a comparison.
type Side struct {
	Acc         float64 `json:"acc"`
	Lo          float64 `json:"lo"`
	Hi          float64 `json:"hi"`
	Zeros       float64 `json:"zeros"`
	Params      int64   `json:"params"` // non-zero weights and everything else that is trained
	FileBytes   int64   `json:"file_bytes"`
	Resident    int64   `json:"resident_bytes"`
	StepCPUUS   float64 `json:"step_cpu_us"` // CPU µs per training step; µs where Ledger.HWKind is "gpu"
	StepBand    float64 `json:"step_band"`   // ± %, 95 % of the alternations
	StepEnergy  Joules  `json:"step_energy"`
	StepBytes   int64   `json:"step_bytes,omitempty"` // read and written by the calls of a step; predicted only
	InferUS     float64 `json:"infer_us"`             // wall µs per single inference
	InferBand   float64 `json:"infer_band"`
	InferEnergy Joules  `json:"infer_energy"`
	Perplexity  float64 `json:"perplexity,omitempty"` // of a language model
}

// ClassRow is the accuracy of one class, dense and pared.
type ClassRow struct {
	Name  string `json:"name"`
	N     int    `json:"n"`
	Dense int    `json:"dense"` // correct
	Now   int    `json:"now"`
}

// Verdict is the outcome of validate.
type Verdict struct {
	Verdict string     `json:"verdict"` // PASS | FAIL | UNDECIDED
	Diff    float64    `json:"diff"`    // pared − dense accuracy
	Lo      float64    `json:"lo"`      // paired 95 % interval of the difference
	Hi      float64    `json:"hi"`
	Floor   float64    `json:"floor"` // lowest accepted accuracy
	N       int        `json:"n"`
	Looks   int        `json:"looks"` // how often the test set was used so far
	Classes []ClassRow `json:"classes"`
	Text    string     `json:"text"` // the sentence on the screen
}

// Export is a file that was written, read again and compared.
type Export struct {
	Format  string  `json:"format"` // packed | safetensors | onnx | report
	File    string  `json:"file"`   // absolute path
	Bytes   int64   `json:"bytes"`
	SHA     string  `json:"sha256"`
	MaxDiff float64 `json:"max_diff"` // largest difference of a logit, file against memory
	Samples int     `json:"samples"`
}

// LastPoints says what the last points of the baseline's accuracy cost.
type LastPoints struct {
	Points []float64 `json:"points"` // 1, 2, 3
	Share  []float64 `json:"share"`  // of the stage's training energy, 0…1; −1 unknown
	Text   string    `json:"text"`
	Live   bool      `json:"live,omitempty"`   // the baseline goes on
	Advice string    `json:"advice,omitempty"` // to stop; of a live one only
}

// Warning is something the person should know; Fix says what can be done.
type Warning struct {
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// Failure ends or pauses a run.
type Failure struct {
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
	// Recipe is set where going on would end the same way: the recipe, or what it
	// names, has to change first.
	Recipe bool `json:"recipe,omitempty"`
}

// Diverged tells of a loss that was not finite. The run pauses at Back.
type Diverged struct {
	Stage Stage  `json:"stage"`
	Step  int64  `json:"step"`
	Loss  string `json:"loss"` // "NaN", "+Inf": JSON has no such numbers
	Back  string `json:"back"`
}

// Paused and Continued frame a pause.
type Paused struct {
	Stage Stage  `json:"stage"`
	Step  int64  `json:"step"`
	Why   string `json:"why"` // WhyPerson, WhyFloor, …, or words; PausedFor says it
	// By is where a stop came from: "signal TERM", "a key of the workbench".
	By string `json:"by,omitempty"`
}

// Continued ends a pause.
type Continued struct {
	Stage Stage `json:"stage"`
	Step  int64 `json:"step"`
}

// Resumed tells that the run went back to a checkpoint: curve points after it
// are dropped, their joules stay billed. Seq is the checkpoint's event.
type Resumed struct {
	Checkpoint string `json:"checkpoint"`
	Seq        int64  `json:"seq"`
	Stage      Stage  `json:"stage"`
	Step       int64  `json:"step"`
	Why        string `json:"why"` // crash | rollback | floor | diverged | branch
}

// Done ends a run. Exit is the exit code of the design.
type Done struct {
	Exit    int    `json:"exit"`
	Text    string `json:"text"`
	Weights string `json:"weights"` // hash of the final weights
}

// Kind implementations.
func (*Started) Kind() string       { return "started" }
func (*Idle) Kind() string          { return "idle" }
func (*Model) Kind() string         { return "model" }
func (*Plan) Kind() string          { return "plan" }
func (*StageChange) Kind() string   { return "stage" }
func (*Metric) Kind() string        { return "metric" }
func (*Eval) Kind() string          { return "eval" }
func (*EpochCost) Kind() string     { return "epoch_cost" }
func (*StageCost) Kind() string     { return "stage_cost" }
func (*Mask) Kind() string          { return "mask" }
func (*Rewrite) Kind() string       { return "rewrite" }
func (*Checkpoint) Kind() string    { return "checkpoint" }
func (*Dropped) Kind() string       { return "dropped" }
func (*Decision) Kind() string      { return "decision" }
func (*Floor) Kind() string         { return "floor" }
func (*Ledger) Kind() string        { return "ledger" }
func (*Attribution) Kind() string   { return "attribution" }
func (*StepTimes) Kind() string     { return "step_times" }
func (*Verdict) Kind() string       { return "verdict" }
func (*Factors) Kind() string       { return "factors" }
func (*FineTune) Kind() string      { return "fine_tune" }
func (*EarlyBird) Kind() string     { return "early_bird" }
func (*Export) Kind() string        { return "export" }
func (*Scan) Kind() string          { return "scan" }
func (*ScanRow) Kind() string       { return "scan_row" }
func (*Spread) Kind() string        { return "spread" }
func (*LayerVerdicts) Kind() string { return "layer_verdicts" }
func (*LastPoints) Kind() string    { return "last_points" }
func (*Budget) Kind() string        { return "budget" }
func (*Warning) Kind() string       { return "warning" }
func (*Failure) Kind() string       { return "failure" }
func (*Diverged) Kind() string      { return "diverged" }
func (*Paused) Kind() string        { return "paused" }
func (*Continued) Kind() string     { return "continued" }
func (*Resumed) Kind() string       { return "resumed" }
func (*Done) Kind() string          { return "done" }
func (*Branch) Kind() string        { return "branch" }
func (*Infer) Kind() string         { return "infer" }
func (*Samples) Kind() string       { return "samples" }
func (*Chosen) Kind() string        { return "chosen" }
func (*Progress) Kind() string      { return "progress" }

var kinds = map[string]func() Body{}

func init() {
	for _, mk := range []func() Body{
		func() Body { return new(Started) }, func() Body { return new(Idle) }, func() Body { return new(Model) }, func() Body { return new(Plan) },
		func() Body { return new(StageChange) }, func() Body { return new(Metric) }, func() Body { return new(Eval) },
		func() Body { return new(EpochCost) }, func() Body { return new(StageCost) }, func() Body { return new(Mask) },
		func() Body { return new(Rewrite) }, func() Body { return new(Checkpoint) }, func() Body { return new(Dropped) }, func() Body { return new(Decision) },
		func() Body { return new(Floor) }, func() Body { return new(Ledger) }, func() Body { return new(Attribution) }, func() Body { return new(Verdict) },
		func() Body { return new(Export) }, func() Body { return new(LayerVerdicts) }, func() Body { return new(LastPoints) },
		func() Body { return new(Warning) }, func() Body { return new(Failure) }, func() Body { return new(Diverged) },
		func() Body { return new(Paused) }, func() Body { return new(Continued) }, func() Body { return new(Resumed) },
		func() Body { return new(Done) }, func() Body { return new(Budget) }, func() Body { return new(Factors) }, func() Body { return new(FineTune) },
		func() Body { return new(EarlyBird) }, func() Body { return new(Branch) },
		func() Body { return new(Scan) }, func() Body { return new(ScanRow) }, func() Body { return new(Spread) },
		func() Body { return new(StepTimes) }, func() Body { return new(Infer) }, func() Body { return new(Samples) }, func() Body { return new(Progress) },
		func() Body { return new(Chosen) },
	} {
		kinds[mk().Kind()] = mk
	}
}
