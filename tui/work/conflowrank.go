package work

import (
	"slices"

	"pare/core"
)

// The form's low rank: one step from the start of stage 3, or none. What a recipe
// says beyond that stays as it is until another method is chosen.

const asRecipe = "recipe"

var (
	lowRanks     = []string{"none", "lora", "rslora", "svd", asRecipe}
	lowRankWords = []string{"none", "LoRA, the rest frozen", "rsLoRA, the rest frozen", "SVD where faster", "as in the recipe"}
)

// lowRankFields are the method and its rank.
func lowRankFields(r *core.Recipe) []field {
	opts, words, now, rank := lowRanks, lowRankWords, asRecipe, 8
	switch len(r.LowRank) {
	case 0:
		now = "none"
	case 1:
		now, rank = r.LowRank[0].Method, r.LowRank[0].Rank
	}
	if now != asRecipe {
		opts, words = opts[:len(opts)-1], words[:len(words)-1]
	}
	return []field{
		pick("lowrank", "low rank", now, opts, words),
		{key: "rank", label: "its rank", kind: number, num: float64(rank), hi: 4096, step: 1, whole: true, zero: "0 (SVD: 90 % of the energy)"},
	}
}

// setLowRank takes the fields into r, which shares its steps with the run's recipe.
func (f *form) setLowRank(r *core.Recipe) {
	method, rank := f.get("lowrank").chosen(), int(f.get("rank").num)
	switch method {
	case asRecipe, "":
		return
	case "none":
		r.LowRank = nil
		return
	}
	r.LowRank = slices.Clone(r.LowRank)
	if len(r.LowRank) != 1 || r.LowRank[0].Method != method {
		r.LowRank = []core.LowRankSpec{{Method: method}}
	}
	s := &r.LowRank[0]
	if s.Rank != rank {
		s.Rank, s.Measured, s.Ranks = rank, false, nil
	}
	switch {
	case method == "svd" && rank > 0:
		s.Energy = 0
	case method == "svd" && s.Energy == 0:
		s.Energy = 0.9
	}
}
