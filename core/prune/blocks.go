package prune

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"pare/core/graph"
)

// layerPattern drops whole residual blocks: x + f(x) becomes x.
const layerPattern = "layer"

// Drop works out which residual blocks to drop so that at least k = round(share·n) of
// the n weights in base are gone: the ones worth least first, as few as reach k. m stays
// as it is.
//
// A block's worth is by magnitude the root mean square of its weights, by gradients the
// mean of what they are worth; of equal ones the later goes first. Taylor's says what the
// loss would change by to first order; small weights say little about a whole block.
// Blocks that hold a skipped layer stay, and so do those whose shortcut is a layer of its
// own.
func Drop(m *graph.Model, s Spec, share float64, base Base) ([]graph.DropBlock, Report, error) {
	if err := s.Check(m); err != nil {
		return nil, Report{}, err
	}
	if err := checkShare(share); err != nil {
		return nil, Report{}, err
	}
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return nil, Report{}, err
	}
	if err := base.check(ls); err != nil {
		return nil, Report{}, err
	}
	byParam, of, gone := map[int]*layer{}, 0, 0
	for i := range ls {
		l := &ls[i]
		byParam[l.param] = l
		if !l.skip {
			of, gone = of+base[l.name], gone+base[l.name]-l.n*l.k
		}
		if err := errors.Join(l.checkWeights(), l.bring(&s)); err != nil {
			return nil, Report{}, err
		}
	}
	missing := base.Dropped(m, s.Skip)
	of, gone = of+missing, gone+missing
	type block struct {
		name  string
		size  int
		score float64
	}
	sc := scoreOf(s.Score)
	weigh, worth := sc.weights()
	var blocks []block
	for _, b := range m.ResidualBlocks() {
		x, sum, keeps := block{name: b.Name}, 0.0, false
		for _, p := range b.Params {
			l := byParam[p]
			if l == nil {
				continue
			}
			keeps = keeps || l.skip
			for i := range l.n * l.k {
				sum += weigh(l, i)
			}
			x.size += l.n * l.k
		}
		if keeps || x.size == 0 {
			continue
		}
		x.score = sc.channel(&s, b.Name, 0, worth(sum, x.size))
		blocks = append(blocks, x)
	}
	sort.SliceStable(blocks, func(i, j int) bool { return blocks[i].score < blocks[j].score })
	// Of equal ones the later goes first.
	for i := 0; i < len(blocks); {
		j := i + 1
		for j < len(blocks) && blocks[j].score == blocks[i].score {
			j++
		}
		slices.Reverse(blocks[i:j])
		i = j
	}
	k := count(share, of)
	var drops []graph.DropBlock
	after := m.Shallow() // dropping writes into no weight
	for _, b := range blocks {
		if gone >= k {
			break
		}
		d := graph.DropBlock{Block: b.name}
		if _, err := d.Apply(after); err != nil {
			return nil, Report{}, fmt.Errorf("prune: %w", err)
		}
		drops, gone = append(drops, d), gone+b.size
	}
	if gone < k {
		return nil, Report{}, fmt.Errorf("prune: target %g %%: at most %.1f %% of the weights are in residual blocks that can be dropped", 100*share, 100*float64(gone)/float64(of))
	}
	r, err := Survey(after, s, base)
	r.Share = share
	return drops, r, err
}

// weights are how single weights add up to the worth of what goes together.
func (sc *score) weights() (weigh func(l *layer, i int) float64, worth func(sum float64, n int) float64) {
	if sc.weigh != nil {
		return sc.weigh, sc.worth
	}
	return func(l *layer, i int) float64 { return float64(float64(l.w[i]) * float64(l.w[i])) },
		func(sum float64, n int) float64 { return math.Sqrt(sum / float64(n)) }
}

// missing are the layers of the base that the model has no more, in order. A layer that
// was factorised is there as two.
func (b Base) missing(m *graph.Model) (l []string) {
	have := map[string]bool{}
	for _, x := range m.Layers() {
		have[x.Name] = true
	}
	for name := range b {
		if !strings.HasPrefix(name, channelsOf) && !have[name] && !have[name+".down"] {
			l = append(l, name)
		}
	}
	slices.Sort(l)
	return l
}

// Dropped is how many weights of the base were in layers that the model has no more,
// those in skip not counted.
func (b Base) Dropped(m *graph.Model, skip []string) (n int) {
	for _, name := range b.missing(m) {
		if !slices.Contains(skip, name) {
			n += b[name]
		}
	}
	return n
}
