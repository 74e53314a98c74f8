package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pare/core/model/zoo"
)

// misspelt answers a word that is neither a model nor there as a file, but close to a
// verb or a model's name: "pare runn".
func misspelt(root *cobra.Command, word string) error {
	if isModelPath(word) || slices.ContainsFunc(zoo.List(), func(i zoo.Info) bool { return i.Name == word }) {
		return nil
	}
	var verbs, models []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			verbs = append(verbs, c.Name())
		}
	}
	for _, i := range zoo.List() {
		models = append(models, i.Name)
	}
	verb, model := nearest(word, verbs), nearest(word, models)
	switch {
	case verb != "":
		return usagef("%q is no verb and no model: did you mean `pare %s`?", word, verb)
	case model != "":
		return usagef("%q is no verb and no model: did you mean `pare %s`?", word, model)
	}
	return usagef("%q is no verb (%s) and no built-in model (%s); a file is given with its path (./NAME)", word, strings.Join(verbs, ", "), strings.Join(models, ", "))
}

// nearest is the word of a list that takes the fewest changed letters, "" if all take
// more than a third of its own.
func nearest(word string, list []string) string {
	best, at := "", 1<<30
	for _, x := range list {
		if d := edits(strings.ToLower(word), x); d < at && 3*d <= max(len(x), 3) {
			best, at = x, d
		}
	}
	return best
}

// edits is the number of letters to put in, take out, change or swap with their
// neighbour to make a into b (Damerau 1964, optimal string alignment).
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 { // no verb, no model
		return 1 << 20
	}
	d := make([][]int, len(x)+1)
	for i := range d {
		d[i] = make([]int, len(y)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(x)][len(y)]
}
