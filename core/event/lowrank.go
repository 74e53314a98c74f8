package event

// Factors tells of each layer whether two factors of low rank are faster, by timing.
type Factors struct {
	Stage  Stage           `json:"stage"`
	Step   int64           `json:"step"`
	Batch  int             `json:"batch"` // samples of the timed steps
	Layers []FactorVerdict `json:"layers"`
}

// FactorVerdict is one layer.
type FactorVerdict struct {
	Name      string  `json:"name"`
	Rank      int     `json:"rank"`
	Energy    float64 `json:"energy"`     // share of Σσ² kept
	BreakEven float64 `json:"break_even"` // rank from which two factors multiply more
	StepUS    float64 `json:"step_us"`    // of the layer alone, µs summed over workers; 0: not timed, multiplies more
	FactorsUS float64 `json:"factors_us"`
	Applied   bool    `json:"applied"`
	Text      string  `json:"text"`
}

// FineTune sets a training step with adapters against one that trains all weights.
type FineTune struct {
	Stage     Stage    `json:"stage"`
	Step      int64    `json:"step"`
	Layers    []string `json:"layers"` // with adapters
	Trainable int64    `json:"trainable"`
	Of        int64    `json:"of"` // parameters of the model without adapters
	Batch     int      `json:"batch"`
	Rounds    int      `json:"rounds"`
	Adapters  StepSide `json:"adapters"`
	Full      StepSide `json:"full"`
	Saved     float64  `json:"saved"`               // share of the full step's CPU time
	Predicted *float64 `json:"predicted,omitempty"` // from multiply-adds and bytes by the hardware's profile; nil: it cannot say
	Text      string   `json:"text"`
}

// StepSide is what a training step takes.
type StepSide struct {
	CPUUS  float64 `json:"cpu_us"`
	Band   float64 `json:"band"` // ± %
	Energy Joules  `json:"energy"`
	MACs   int64   `json:"macs"`  // really executed
	Bytes  int64   `json:"bytes"` // read and written by the plan's calls
}
