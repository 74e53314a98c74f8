package work

import (
	"context"
	"math"

	"pare/core/event"
	"pare/core/tensor"
	"pare/sessions"
)

// heatMost bounds the columns of the heat strip that are kept; beyond it every second
// one goes.
const heatMost = 512

// heatCol is the share of zeros of each layer from a step on.
type heatCol struct {
	step  int64
	zeros []float64 // by layer, NaN unknown
}

// heated keeps what a mask says of the layers.
func (r *watch) heated(b *event.Mask) {
	if b.Stage != event.Sparsify {
		return
	}
	col := heatCol{step: b.Step, zeros: make([]float64, len(r.st.Dense.Layers))}
	by := map[string]event.LayerMask{}
	for _, l := range b.Layers {
		by[l.Name] = l
	}
	for i, l := range r.st.Dense.Layers {
		col.zeros[i] = math.NaN()
		if m := by[l.Name]; m.Of > 0 {
			col.zeros[i] = float64(m.Zeros) / float64(m.Of)
		}
	}
	r.cool(b.Step - 1)
	r.heat = append(r.heat, col)
	if len(r.heat) > heatMost {
		for i := range len(r.heat) / 2 {
			r.heat[i] = r.heat[2*i]
		}
		r.heat = append(r.heat[:len(r.heat)/2], col)
	}
}

// cool forgets what came after a step: the run went back to it.
func (r *watch) cool(step int64) {
	for n := len(r.heat); n > 0 && r.heat[n-1].step > step; n = len(r.heat) {
		r.heat = r.heat[:n-1]
	}
}

// strip is the share of zeros of a layer over n columns of the stage's steps; NaN for
// columns that are still to come.
func (r *watch) strip(layer, n int) []float64 {
	out := make([]float64, n)
	now, end := r.metric.Step, r.metric.Steps
	if r.metric.Stage != event.Sparsify || end < 1 {
		now, end = 0, 1
		if k := len(r.heat); k > 0 {
			now, end = r.heat[k-1].step, max(r.heat[k-1].step, 1)
		}
	}
	if r.st.Stage > event.Sparsify {
		now = end
	}
	k := 0
	for c := range out {
		step := end * int64(c+1) / int64(n)
		if first := end * int64(c) / int64(n); first > now {
			out[c] = math.NaN()
			continue
		}
		for k < len(r.heat) && r.heat[k].step <= step {
			k++
		}
		if k > 0 && layer < len(r.heat[k-1].zeros) {
			out[c] = r.heat[k-1].zeros[layer]
		}
	}
	return out
}

// weigher is a source whose checkpoints can be read.
type weigher interface {
	Weights(checkpoint, layer string) (*sessions.Weights, error)
}

func (s *session) Weights(c, l string) (*sessions.Weights, error) { return s.s.Weights(c, l) }
func (p *replay) Weights(c, l string) (*sessions.Weights, error) {
	return p.r.Session().Weights(c, l)
}

// The sizes that weights are summed up in.
const (
	statBins           = 240
	gridRows, gridCols = 96, 192
)

// layerStats are the weights of a layer summed up: small, whatever the layer's size.
type layerStats struct {
	checkpoint, layer string
	rows, cols        int
	zeros, odd        int // odd are not finite
	bins              [statBins]int
	lim               float64 // bins span −lim…lim
	mean, dev, least  float64 // of what is kept; least is the smallest magnitude
	gr, gc            int
	kept              []float64 // share kept of each block of the grid
	mask              *tensor.Mask
	err               string
}

// weightsMsg are the weights that were asked for.
type weightsMsg struct {
	src   source
	stats layerStats
}

// readWeights reads the layer under the cursor from the newest checkpoint, or that under
// the cursor of the view of checkpoints.
func (d *desk) readWeights() []effect {
	ls := d.run.st.Dense.Layers
	src, ok := d.run.src.(weigher)
	name := d.tradeCheckpoint()
	if cs := d.run.st.Checkpoints; name == "" && len(cs) > 0 {
		name = cs[len(cs)-1].Name
	}
	if !ok || len(ls) == 0 || name == "" {
		return nil
	}
	layer, from := ls[min(d.look.at, len(ls)-1)].Name, d.run.src
	if s := &d.run.weights; s.checkpoint == name && s.layer == layer {
		return nil
	}
	return []effect{func(context.Context) any {
		w, err := src.Weights(name, layer)
		s := layerStats{checkpoint: name, layer: layer}
		if err != nil {
			s.err = err.Error()
		} else {
			s.sum(w)
		}
		return weightsMsg{from, s}
	}}
}

func (d *desk) onWeights(m weightsMsg) {
	if d.run != nil && m.src == d.run.src {
		d.run.weights = m.stats
	}
}

// sum takes the weights in.
func (s *layerStats) sum(w *sessions.Weights) {
	s.rows, s.cols, s.mask = w.Rows(), w.Cols(), w.Mask
	n, s2 := 0, 0.0
	s.least = math.Inf(1)
	for i, x := range w.Data {
		v := float64(x)
		switch {
		case !w.Mask.Kept(i):
			s.zeros++
			continue
		case v-v != 0:
			s.odd++
			continue
		}
		n++
		s.mean += v
		s2 += v * v
		s.lim, s.least = max(s.lim, math.Abs(v)), min(s.least, math.Abs(v))
	}
	if n > 0 {
		s.mean /= float64(n)
		s.dev = math.Sqrt(max(s2/float64(n)-s.mean*s.mean, 0))
	}
	for i, x := range w.Data {
		if v := float64(x); v-v == 0 && w.Mask.Kept(i) && s.lim > 0 {
			k := int((v/s.lim + 1) / 2 * statBins)
			s.bins[min(max(k, 0), statBins-1)]++
		}
	}
	s.gr, s.gc = min(s.rows, gridRows), min(s.cols, gridCols)
	s.kept = make([]float64, s.gr*s.gc)
	for y := range s.gr {
		for x := range s.gc {
			r0, r1 := y*s.rows/s.gr, (y+1)*s.rows/s.gr
			c0, c1 := x*s.cols/s.gc, (x+1)*s.cols/s.gc
			k := 0
			for r := r0; r < r1; r++ {
				for c := c0; c < c1; c++ {
					if w.Mask.Kept(r*s.cols + c) {
						k++
					}
				}
			}
			s.kept[y*s.gc+x] = float64(k) / float64((r1-r0)*(c1-c0))
		}
	}
}

// histogram are the bins merged to n columns.
func (s *layerStats) histogram(n int) []float64 {
	n = min(max(n, 1), statBins)
	out := make([]float64, n)
	for i, k := range s.bins {
		out[i*n/statBins] += float64(k)
	}
	return out
}
