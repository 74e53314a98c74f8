package hf

import (
	"fmt"
	"strconv"
)

// Label is the name that config.json gives to class i, else the one that transformers does.
func (d *Dir) Label(i int) string {
	if s, ok := d.Config.Labels[strconv.Itoa(i)]; ok {
		return s
	}
	return fmt.Sprint("LABEL_", i)
}

// Score is what the logits of a classifier of sequences are made into.
type Score string

// Scores, as transformers' pipelines choose them.
const (
	Shares Score = "softmax" // one class of several
	Each   Score = "sigmoid" // each class by itself
	Plain  Score = "none"    // a regression
)

// Score tells how sure a classifier with n classes is: by problem_type, else by n.
func (d *Dir) Score(n int) Score {
	switch {
	case d.Config.Problem == "regression":
		return Plain
	case d.Config.Problem == "multi_label_classification" || d.Config.Problem == "" && n == 1:
		return Each
	}
	return Shares
}

// Fills reports whether sequences may be filled up behind their end without a change of
// what their own tokens give: id is what to fill with.
func (d *Dir) Fills(t Task) (id int, ok bool) {
	for _, r := range []*Rope{d.Config.Rope, d.Config.RopeScaling} {
		if r != nil && (r.kind() == "dynamic" || r.kind() == "longrope") { // turn by the length
			return 0, false
		}
	}
	if t == CausalLM { // no token looks ahead
		return 0, true
	}
	if p := d.Config.Pad; p != nil && *p >= 0 {
		return *p, true
	}
	return 0, false
}
