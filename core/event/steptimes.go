package event

// StepTimes is where the time of the dense model goes at the end of the baseline, in a
// training step and in one inference, measured: what predictions for this machine
// start from.
type StepTimes struct {
	Step    int64  `json:"step"`             // of the baseline
	Machine string `json:"machine"`          // profile, or name of a card that none describes
	Device  string `json:"device,omitempty"` // as the recipe names it
	Threads int    `json:"threads"`
	Batch   int    `json:"batch"`
	// Steps of the baseline whose mean is StepCPUUS; 0: of steps that were timed for it.
	Steps      int64   `json:"steps"`
	StepCPUUS  float64 `json:"step_cpu_us"` // CPU µs of a training step on Batch samples, on a card µs there
	StepEnergy Joules  `json:"step_energy"`
	InferUS    float64 `json:"infer_us"` // wall µs of one inference, one thread
	// Calls are the probed calls: shares of these times, not the times themselves.
	Calls []CallTime `json:"calls"`
}

// CallTime is the work of one kernel at one node of the model. Both times are 0 where
// the plan has no such call.
type CallTime struct {
	Node    string  `json:"node"`
	Kernel  string  `json:"kernel"`
	StepUS  float64 `json:"step_us,omitempty"`  // µs of a training step, summed over workers
	InferUS float64 `json:"infer_us,omitempty"` // µs of one inference
}
