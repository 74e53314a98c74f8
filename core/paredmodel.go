package core

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/lowrank"
	"pare/core/prune"
	"pare/core/tensor"
)

// triedParams is the size of models whose weights are really ranked for a prediction,
// about a tenth of a second; of larger ones every layer loses the same share.
const triedParams = 2 << 20

// shapeOf is a copy of m without weights.
func shapeOf(m *graph.Model) *graph.Model {
	c := *m
	c.Params = slices.Clone(m.Params)
	for i := range c.Params {
		c.Params[i].Data = nil
	}
	return c.Clone()
}

// filled reports whether all weights are here, and few enough to be ranked.
func filled(m *graph.Model) bool {
	n := 0
	for _, p := range m.Params {
		if len(p.Data) != p.Shape.Len() {
			return false
		}
		n += len(p.Data)
	}
	return n <= triedParams
}

// factorised puts two factors in place of the layers that the recipe's svd is for, m
// itself when there are none. Which of them are faster is measured in the run; here
// those are that multiply less. Their values are noise.
func factorised(m *graph.Model, rec *Recipe) (f *graph.Model, notes []string, err error) {
	f = m
	for i, s := range rec.LowRank {
		if s.adapters() {
			continue
		}
		if f == m {
			f = m.Clone()
		}
		ranks := s.Ranks
		if !s.Measured {
			var note string
			if ranks, note, err = guessRanks(f, rec, s); err != nil {
				return nil, nil, fmt.Errorf("lowrank %d (%s): %w", i+1, s.words(), err)
			}
			notes = append(notes, note)
		}
		r := rand.New(rand.NewPCG(1, uint64(i)))
		var fs []graph.Factorise
		for _, l := range f.Layers() {
			if rank, w := ranks[l.Name], f.Params[l.Param].Shape; rank > 0 {
				fs = append(fs, graph.Factorise{Layer: l.Name, Rank: rank, Down: noise(r, rank*w[1], w[1]), Up: noise(r, w[0]*rank, rank)})
			}
		}
		for _, x := range fs {
			if _, err := x.Apply(f); err != nil {
				return nil, nil, err
			}
		}
	}
	return f, notes, nil
}

// guessRanks are the ranks of a step of svd by layer: of those whose factors multiply
// less than the layer.
func guessRanks(m *graph.Model, rec *Recipe, s LowRankSpec) (ranks map[string]int, note string, err error) {
	layers, err := lowrank.Select(m, s.Layers, rec.takes(m, s))
	if err != nil {
		return nil, "", err
	}
	if s.Rank == 0 && !filled(m) {
		return nil, fmt.Sprintf("what rank keeps %.4g %% of the energy is found in the run: no factors predicted", 100*s.Energy), nil
	}
	ranks = map[string]int{}
	for _, l := range layers {
		w := m.Params[l.Param]
		rank := s.Rank
		if rank == 0 {
			sigma, err := lowrank.Spectrum(w.Data, w.Shape[0], w.Shape[1])
			if err != nil {
				return nil, "", fmt.Errorf("layer %s: %w", l.Name, err)
			}
			rank = lowrank.RankOf(sigma, s.Energy)
		}
		if float64(rank) < lowrank.BreakEven(w.Shape[0], w.Shape[1]) {
			ranks[l.Name] = rank
		}
	}
	if len(ranks) == 0 {
		return ranks, "factors of such a rank multiply as much as the layers: none put in", nil
	}
	return ranks, "layers get factors here where these multiply less; the run times them and may keep some as they are", nil
}

// cutDown takes the recipe's share of zeros from a model: the weights that its rule
// takes now where they are here, else the same share of every layer, which only works
// for masks. ok reports whether zeros were taken or none are due. m is changed; base is of
// the net as it came.
func cutDown(m *graph.Model, dev device.Device, rec *Recipe, base prune.Base) (ok bool, note string, err error) {
	p := rec.Prune
	if p.Target <= 0 {
		return true, "", nil
	}
	if filled(m) {
		s := rec.ruleOn(dev, base)
		if s.Needs() || s.Learns() {
			s.Score = "magnitude" // gradients are taken, and movement is learnt, in the run
		}
		rs, _, err := prune.Step(m, s, p.Target, prune.NewBase(m))
		if err != nil {
			return false, "", err
		}
		for _, x := range rs {
			if _, err := x.Apply(m); err != nil {
				return false, "", err
			}
		}
		return true, "", nil
	}
	if p.Pattern == "layer" {
		return false, "", nil
	}
	if prune.Structured(p.Pattern) { // which channels go does not matter where all groups lose the same share
		s := rec.ruleOn(dev, base)
		s.Score, s.Distribution, s.ByHand = "random", "layer", nil
		cuts, _, err := prune.Cut(m, s, p.Target, prune.NewBase(m))
		if err != nil {
			return false, "", err
		}
		for _, x := range cuts {
			if _, err := x.Apply(m); err != nil {
				return false, "", err
			}
		}
		if p.Distribution != "layer" || len(p.ByHand) > 0 {
			note = "as if every layer lost the same share"
		}
		return true, note, nil
	}
	for _, l := range m.Layers() {
		if w := &m.Params[l.Param]; !slices.Contains(p.Skip, l.Name) && w.Mask == nil {
			w.Mask = evenMask(w.Shape, blockHeight(p.Pattern), p.Target)
		}
	}
	if p.Distribution != "layer" || len(p.ByHand) > 0 {
		note = "as if every layer lost the same share"
	}
	return true, note, nil
}

// blockHeight is that of a recipe's pattern of masks.
func blockHeight(pattern string) int {
	for _, f := range tensor.Blocks {
		if "block"+strings.Replace(f.String(), "×", "x", 1) == pattern {
			return f.Height()
		}
	}
	return 1
}

// evenMask drops a share of the blocks of h outputs of a weight, evenly spread.
func evenMask(shape tensor.Shape, h int, share float64) *tensor.Mask {
	n, k := shape[0], shape[1:].Len()
	m := tensor.NewMask(n * k)
	due := 0.0
	for b := range (n + h - 1) / h * k {
		if due += share; due < 1 {
			continue
		}
		due--
		for i := b / k * h; i < min(b/k*h+h, n); i++ {
			m.Drop(i*k + b%k)
		}
	}
	return m
}

// adapted is a model with the adapters of the recipe's last such step, as it is while
// they train; nil where there are none. m has its masks already.
func adapted(m *graph.Model, rec *Recipe) (*graph.Model, error) {
	at := -1
	for i, s := range rec.LowRank {
		if s.adapters() {
			at = i
		}
	}
	if at < 0 {
		return nil, nil
	}
	s := rec.LowRank[at]
	a := shapeOf(m)
	layers, err := lowrank.Select(a, s.Layers, func(l graph.Layer) error {
		err := rec.takes(a, s)(l)
		if w := a.Params[l.Param].Shape; err != nil && len(w) == 2 && s.Rank > min(w[0], w[1]) {
			return nil // left as it is, see attach
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lowrank %d (%s): %w", at+1, s.words(), err)
	}
	alpha := s.Alpha
	if alpha == 0 {
		alpha = float64(s.Rank)
	}
	var rs []graph.Rewrite
	for _, l := range layers {
		if rec.takes(a, s)(l) == nil {
			rs = append(rs, graph.AttachLoRA{Layer: l.Name, Rank: s.Rank, Alpha: alpha, RSLoRA: s.Method == "rslora", Dropout: float32(s.Dropout), Seed: rec.Seed})
		}
	}
	for _, x := range append(rs, graph.Freeze{Except: s.Train}) {
		if _, err := x.Apply(a); err != nil {
			return nil, fmt.Errorf("lowrank %d (%s): %w", at+1, s.words(), err)
		}
	}
	return shapeOf(a), nil
}

// noise is n values like weights of a layer with that many inputs.
func noise(r *rand.Rand, n, in int) []float32 {
	x, bound := make([]float32, n), float32(1/math.Sqrt(float64(in)))
	for i := range x {
		x[i] = bound * (2*r.Float32() - 1)
	}
	return x
}
