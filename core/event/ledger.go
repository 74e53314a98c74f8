package event

// Ledger is dense against pared. Predicted marks the table of the configure
// stage, made without running.
type Ledger struct {
	Predicted bool   `json:"predicted,omitempty"`
	Hardware  string `json:"hardware"`
	HWKind    string `json:"hw_kind,omitempty"` // of the hardware predicted for: cpu or gpu
	Dense     Side   `json:"dense"`
	Now       Side   `json:"now"`
	Rounds    int    `json:"rounds"`           // A/B alternations
	Batch     int    `json:"batch"`            // of a training step
	Tokens    int    `json:"tokens,omitempty"` // of one inference, of text
	// LaunchesApart: the hardware's profile does not say what a launch costs, so that
	// predicted times and joules are without.
	LaunchesApart bool `json:"launches_apart,omitempty"`
	// AtLeast: predicted times are lower limits, see hwprofiles.Estimate.
	AtLeast bool `json:"at_least,omitempty"`
	// Measured: a prediction that starts from what the baseline took on this machine.
	Measured bool `json:"measured,omitempty"`
	// Adapters is a training step while adapters train, predicted; nil: the recipe has none.
	Adapters *StepSide `json:"adapters,omitempty"`
	Text     string    `json:"text,omitempty"` // what to expect, in a sentence; predicted only
	Note     string    `json:"note,omitempty"` // what else to know: figures that are missing, limits, windows measured again
}
