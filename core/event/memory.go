package event

import "fmt"

// Memory is that of the card a run computes on, bytes: what its plans take (weights,
// gradients, optimiser state, values, buffers), what was free with them in place, all.
type Memory struct {
	Takes int64 `json:"takes"`
	Free  int64 `json:"free"`
	All   int64 `json:"all"`
}

// Text is it in words.
func (m Memory) Text() string {
	gib := func(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
	return fmt.Sprintf("the run takes %s of the card's %s, %s are free", gib(m.Takes), gib(m.All), gib(m.Free))
}
