package event

// Scan is a sensitivity scan: each layer, or each group of channels, pruned alone to
// several levels, without training after it. It stands in the log when the scan begins,
// without rows, and when it ends, with all.
type Scan struct {
	Stage Stage  `json:"stage"`
	Step  int64  `json:"step"`
	Key   string `json:"key"`  // of model, rule, levels and samples: rows hold for these
	Rule  string `json:"rule"` // "magnitude, 4×1 blocks"
	// Groups: rows are groups of channels that are cut together, not layers.
	Groups  bool      `json:"groups,omitempty"`
	Levels  []float64 `json:"levels"` // share of the weights of a layer, of the channels of a group
	Split   string    `json:"split"`  // val: held out from training; never test
	Samples int       `json:"samples"`
	N       int       `json:"n"`        // labels: samples, or tokens
	Acc     float64   `json:"acc"`      // of the model as it is, on these
	Loss    float64   `json:"loss"`     // mean, in nats
	Of      int       `json:"of"`       // rows there are to be
	Dense   ScanCost  `json:"dense"`    // predicted, of the model as it is
	Batch   int       `json:"batch"`    // of a predicted training step
	HW      string    `json:"hardware"` // predicted for
	HWKind  string    `json:"hw_kind"`  // cpu or gpu
	// State is running, done, or cancelled: then the rows are those there were time for.
	State string    `json:"state"`
	Rows  []ScanRow `json:"rows"`
	Known int       `json:"known,omitempty"` // rows that an earlier scan had
	Cost  StageCost `json:"cost"`            // of the scan itself, part of its stage's
}

// ScanRow is one layer or group.
type ScanRow struct {
	Name    string     `json:"name"`
	Layers  []string   `json:"layers"` // that lose weights
	Size    int        `json:"size"`   // weights; of a group channels
	Refused string     `json:"refused,omitempty"`
	Cells   []ScanCell `json:"cells"` // one a level
}

// ScanCell is a row at a level.
type ScanCell struct {
	Level   float64  `json:"level"`
	Gone    float64  `json:"gone"`    // the share that went: blocks and multiples are coarser
	Weights int64    `json:"weights"` // of all prunable ones, that are gone
	Acc     float64  `json:"acc"`
	Loss    float64  `json:"loss"`
	Cost    ScanCost `json:"cost"` // predicted
}

// ScanCost is what a model should take, predicted from counted work.
type ScanCost struct {
	StepUS      float64 `json:"step_us"` // CPU µs a training step; µs on a GPU; 0: not known
	StepEnergy  Joules  `json:"step_energy"`
	InferUS     float64 `json:"infer_us"` // µs for one sample on one CPU; on the GPU
	InferEnergy Joules  `json:"infer_energy"`
	AtLeast     bool    `json:"at_least,omitempty"` // times are lower limits, see Ledger
}

// Complete reports whether all rows are there.
func (s *Scan) Complete() bool { return s != nil && s.State == "done" }

// Lost is by how much a cell's accuracy is below that of the model as it is, 0.01 = one
// point.
func (s *Scan) Lost(c ScanCell) float64 { return s.Acc - c.Acc }

// Spread is what distribution sensitivity makes of a scan: what each layer loses at the
// target. It is logged before it takes effect.
type Spread struct {
	Stage  Stage       `json:"stage"`
	Step   int64       `json:"step"`
	Target float64     `json:"target"`
	Zeros  int         `json:"zeros"` // of all prunable weights
	Of     int         `json:"of"`
	Layers []LayerMask `json:"layers"` // without hashes: they are made step by step
	// Lost is the accuracy that the curves promise to lose, added up over layers or
	// groups, before any training; an estimate.
	Lost float64 `json:"lost"`
	Text string  `json:"text"`
}
