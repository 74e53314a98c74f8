package bench

import (
	"fmt"
	"slices"
	"strings"

	"pare/core/plan"
	"pare/core/tensor"
)

// tiny is a net of layers so small that what a kernel does once counts.
var tiny = bnet{name: "64-32-10", sizes: []int{64, 32, 10}, input: []int{64}, batches: []int{64}}

// choiceZeros are the shares of zeros that the chooser is measured at, in percent.
var choiceZeros = []int{10, 20, 30, 40, 50, 60, 70, 80, 90, 95}

// Chooser measures training steps in the formats that core/plan chooses by
// o.Prices, for masks of single weights and of 4×1 blocks on all layers but the
// last. What it says at the end is the claim to look at: a chosen format is never
// slower than dense. Each takes its turn between two of the dense net and is held
// against these, so that what the machine does in other minutes is not in the share; a
// second dense net does so, too, and its share is the noise.
func Chooser(o Options) error {
	var slowest, noise beside
	for _, n := range append([]bnet{tiny}, nets...) {
		name := fmt.Sprintf("%s batch %d", n.name, n.batches[0])
		if !strings.Contains(name, o.Filter) {
			continue
		}
		for _, threads := range o.Threads {
			rows, err := n.besideDense(o, name, threads)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for _, r := range rows {
				o.Report(r)
				switch r.Who {
				case denseWho:
				case againWho:
					noise.raise(r, max(r.Times, 1/r.Times))
				default:
					slowest.raise(r, r.Times)
				}
			}
		}
	}
	if o.Say != nil {
		o.Say("the slowest choice beside dense: " + slowest.String())
		o.Say("dense beside itself: " + noise.String())
	}
	return nil
}

const denseWho, againWho = "pare dense", "pare dense again"

// beside is the row that takes the most time, as a share of dense.
type beside struct {
	row   Row
	share float64
}

func (b *beside) raise(r Row, share float64) {
	if share > b.share {
		b.row, b.share = r, share
	}
}

func (b beside) String() string {
	if b.share == 0 {
		return "nothing was measured"
	}
	return fmt.Sprintf("%.3f of the time (%s, %s, threads %d)", b.share, b.row.Case, b.row.Who, b.row.Threads)
}

// besideDense measures the contenders of a net, each between two turns of the dense one.
func (n bnet) besideDense(o Options, name string, threads int) ([]Row, error) {
	cs, err := n.chosen(n.batches[0], threads, o.Prices)
	defer closeAll(cs)
	if err != nil {
		return nil, err
	}
	return o.pairs("chooser", name, threads, cs)
}

// chosen makes the contenders of a net: dense, the choices, and dense again.
func (n bnet) chosen(batch, threads int, prices plan.Prices) ([]contender, error) {
	var cs []contender
	add := func(who string, s share, prices *plan.Prices) error {
		m, err := n.build()
		if err != nil {
			return err
		}
		e, err := newEngine(m, engineOptions{mode: plan.Train, batch: batch, threads: threads, share: s, prices: prices})
		if err != nil {
			return err
		}
		if prices != nil {
			who = s.String() + ": " + formatsOf(e.chosen)
		}
		c := of(who, 0, e.run)
		c.close = e.close
		cs = append(cs, c)
		return nil
	}
	if err := add(denseWho, share{}, nil); err != nil {
		return cs, err
	}
	for _, f := range []tensor.Format{tensor.Single, tensor.Block4} {
		for _, z := range choiceZeros {
			if err := add("", share{f, float64(z) / 100}, &prices); err != nil {
				return cs, err
			}
		}
	}
	return cs, add(againWho, share{}, nil)
}

// formatsOf counts the formats of a net: "2 in 4×1, 1 dense".
func formatsOf(cs []plan.Choice) string {
	var words []string
	for _, f := range append(slices.Clone(tensor.Blocks), tensor.Dense) {
		n := 0
		for _, c := range cs {
			if c.Format == f {
				n++
			}
		}
		switch {
		case n == 0:
		case f == tensor.Dense:
			words = append(words, fmt.Sprintf("%d dense", n))
		default:
			words = append(words, fmt.Sprintf("%d in %v", n, f))
		}
	}
	return strings.Join(words, ", ")
}
