package event

// LayerVerdict says what a layer gained.
type LayerVerdict struct {
	Name    string  `json:"name"`
	Shape   []int   `json:"shape"`
	Zeros   float64 `json:"zeros"`
	RunsAs  string  `json:"runs_as"`
	DenseMS float64 `json:"dense_ms"` // CPU ms per training step, on a card ms there
	NowMS   float64 `json:"now_ms"`
	Text    string  `json:"text"` // "3.1× less CPU time", "no gain here: …"
}

// LayerVerdicts is the table of all layers.
type LayerVerdicts struct {
	Layers []LayerVerdict `json:"layers"`
}
