package event

// Progress tells how far work without training steps has come, where it takes long: the
// alternations of validate, the timing of the layers in deploy. At most one a second.
type Progress struct {
	Stage Stage  `json:"stage"`
	What  string `json:"what"` // "timing the layers"
	Done  int    `json:"done"`
	Of    int    `json:"of"`
}
