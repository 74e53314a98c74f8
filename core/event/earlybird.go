package event

// EarlyBird tells how far the mask has settled during the dense training, or, at the end
// of the training that follows it, what ending it early has saved.
type EarlyBird struct {
	Stage    Stage   `json:"stage"`
	Epoch    int     `json:"epoch"`
	Step     int64   `json:"step"`
	Distance float64 `json:"distance"` // to the masks of the epochs before, the largest; −1 none
	Eps      float64 `json:"eps"`
	Settled  bool    `json:"settled"`
	Planned  int     `json:"planned"` // epochs of dense training in the recipe
	// At the end: training steps of both stages, and what the planned dense epochs would
	// have cost at the price of those that were trained.
	Spent *StageCost `json:"spent,omitempty"`
	Dense *StageCost `json:"dense,omitempty"`
	Text  string     `json:"text"`
}
