package event

import "strings"

// Branch tells that the run from here on is a new one, which goes on from a
// checkpoint of another. What stands before it is the other's log; what that spent
// is on this run's bill too.
type Branch struct {
	Session    string   `json:"session"`    // the other one
	Checkpoint string   `json:"checkpoint"` // of it
	Seq        int64    `json:"seq"`        // the checkpoint's event
	Changed    []string `json:"changed"`    // in the recipe, in words
}

// Text is one line: "branch of brisk-heron at s2-000000: prune.target 0.9 → 0.95".
func (b *Branch) Text() string {
	s := "branch of " + b.Session + " at " + b.Checkpoint
	if len(b.Changed) == 0 {
		return s + ", with the same recipe"
	}
	return s + ": " + strings.Join(b.Changed, ", ")
}
