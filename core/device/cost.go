package device

import (
	"math/bits"

	"pare/core/tensor"
)

// Cost is what one call moves and multiplies for a given batch. Skipped counts
// multiply-adds that the kernel really left out: a mask on a dense kernel has
// Skipped = 0. That rule keeps every energy figure honest.
type Cost struct {
	MACs    int64 // multiply-adds of the dense operation
	Skipped int64 // of these, not executed
	Read    int64 // bytes
	Written int64 // bytes
}

// Add returns the sum of both.
func (c Cost) Add(o Cost) Cost {
	return Cost{c.MACs + o.MACs, c.Skipped + o.Skipped, c.Read + o.Read, c.Written + o.Written}
}

// CostOf counts call c of plan p on weights ws for a batch of b samples.
func CostOf(p *Plan, ws []Weight, c *Call, b int) Cost { return CostIn(p, ws, c, b, Micro{}) }

// CostIn is CostOf in a run that is part m of a step.
func CostIn(p *Plan, ws []Weight, c *Call, b int, m Micro) Cost {
	var r Cost
	if m.Hold && (c.Kernel.FromGradient() || c.Kernel == Update) { // the last part's work
		return r
	}
	rowsOf := func(v int) int64 { return int64(b) * int64(p.Per(v)) }
	rows := int64(p.Rows(b))
	if len(c.In) > 0 {
		rows = rowsOf(c.In[0])
	}
	size := func(v int) int64 {
		x := p.Vals[v]
		if x.Kind == PartVal {
			tiles := p.Tiles(b)
			if x.Sample {
				tiles = p.OfSamples().Tiles(b)
			}
			return int64(x.C) * int64(tiles) * 4
		}
		return int64(x.C) * int64(x.H) * int64(x.W) * rowsOf(v) * 4
	}
	for i, v := range c.In {
		// dw of packed weights and of grouped convolutions works from dy as it is.
		if i == 2 && (c.Kernel == LinearDW || c.Kernel == ConvDW) && !ws[c.W[0]].NeedsDYT() {
			continue
		}
		r.Read += size(v)
	}
	for _, v := range c.Out {
		r.Written += size(v)
	}
	weight := func(i int) int64 { return int64(ws[i].Stored()) * 4 }
	for _, w := range c.W { // where the blocks of a packed weight lie
		if ws[w].Format.Height() > 0 && c.Kernel != Update {
			r.Read += int64(storedBlocks(ws[w])) * 4
		}
	}
	if c.Kernel != Update {
		for _, w := range c.W {
			switch c.Kernel {
			case LinearDW, ConvDW, BiasD, EmbedD, PositionsD, PartD, SegmentD, FirstD:
				r.Written += weight(w)
				if c.Accum || m.Onto {
					r.Read += weight(w)
				}
			case Adapt, AdaptA, AdaptB: // the first is written; of Adapt its base is read
				if w == c.W[0] {
					r.Written += weight(w)
				}
				if w != c.W[0] || c.Kernel == Adapt {
					r.Read += weight(w)
				}
			case Embed: // the rows that are looked up
				r.Read += size(c.Out[0])
			default:
				r.Read += weight(w)
			}
		}
	}
	if c.Update && !m.Hold || c.Kernel == Update {
		n := weight(c.W[0])
		s := int64(p.Optim.Slots())
		r.Read += n * (2 + s)
		r.Written += n * (1 + s)
	}
	pixels := func(v int) int64 { return int64(p.Vals[v].H) * int64(p.Vals[v].W) * rowsOf(v) }
	switch c.Kernel {
	case Linear, LinearDX, LinearDW:
		w := ws[c.W[0]]
		if c.Pairs || c.Kernel == Linear && w.Pairs(p) { // instead of all values: two of four, and their places
			n := int64(w.Shape.Len())
			r.MACs, r.Skipped, r.Read = n*rows, n/2*rows, r.Read-4*n+2*n+n/8
			if c.Pairs && (w.Train || w.Adapted) { // packed before
				r.Read, r.Written = r.Read+4*n, r.Written+2*n+n/8
			}
			break
		}
		r.MACs = int64(w.Shape.Len()) * rows
		r.Skipped = int64(w.Shape.Len()-w.Stored()) * rows
	case Adapt, AdaptA, AdaptB: // not by the sample, and dense: masks come after the product
		w, rank := ws[c.W[0]], int64(ws[c.W[len(c.W)-1]].Shape[1])
		if c.Kernel != Adapt {
			w = ws[c.W[1]]
		}
		if c.Kernel == AdaptB {
			rank = int64(ws[c.W[0]].Shape[1])
		}
		r.MACs = int64(w.Shape.Len()) * rank
	case Attention:
		r.MACs = 2 * c.Attn.pairs(p.Seq) * int64(b)
	case AttentionDX: // scores once more, dp, dq, dk, dv
		r.MACs = 5 * c.Attn.pairs(p.Seq) * int64(b)
	case Conv, ConvDX, ConvDW:
		w := ws[c.W[0]]
		out := c.Out
		if c.Kernel != Conv {
			out = c.In // dy is In[0] of ConvDX, In[1] of ConvDW
			if c.Kernel == ConvDW {
				out = c.In[1:]
			}
		}
		r.MACs = int64(w.Shape.Len()) * pixels(out[0])
		r.Skipped = int64(w.Shape.Len()-w.Stored()) * pixels(out[0])
	}
	return r
}

// pairs is the number of multiply-adds of one product of queries and keys of a
// sequence.
func (a *Attn) pairs(seq int) int64 {
	n := int64(seq) * int64(seq)
	if a.Causal {
		n = int64(seq) * int64(seq+1) / 2
	}
	return n * int64(a.Heads) * int64(a.Dim)
}

// Pairs reports whether plan p multiplies with the kept two of each four inputs of
// a 2:4 weight on the processor: one sample at a time, and not while it trains. Devices
// without panels have no such kernel, or choose by the product (Call.Pairs).
func (w Weight) Pairs(p *Plan) bool {
	return w.Format == tensor.NM24 && !w.Train && !w.Adapted && p.Batch == 1 && p.Seq == 0 && p.P > 1
}

// NeedsDYT reports whether dw of a matrix works from the transposed gradient.
func (w Weight) NeedsDYT() bool { return w.Format.Height() == 0 && w.Groups <= 1 && !w.Narrow() }

// Narrow reports whether a dense matrix has so few outputs, or of a linear layer so few
// inputs, that its dw works from dy as it lies: a product with the transposed gradient would
// be padding for the most part, or take less time than to transpose it.
func (w Weight) Narrow() bool {
	return w.Matrix && w.Format.Height() == 0 && w.Shape.Len() > 0 && (w.N() <= narrowOutputs || !w.Conv && w.K() <= narrowInputs)
}

// Measured on Zen 4; see BenchmarkAdapters of core/device/cpu.
const (
	narrowOutputs = 8
	narrowInputs  = 16
)

// Stored is the number of values a weight really keeps in its format. A block
// with one kept element is stored whole.
func (w Weight) Stored() int {
	if w.Format.Height() == 0 || w.Mask == nil {
		return w.Shape.Len()
	}
	_, values := blocks(w)
	return values
}

// storedBlocks is the number of blocks that Stored counts the values of.
func storedBlocks(w Weight) int {
	n, _ := blocks(w)
	return n
}

// blocks counts the blocks that are stored, and the values in them: 64 columns at a
// time, since masks are counted after each of their changes.
func blocks(w Weight) (blocks, values int) {
	r, n, k := w.Format.Height(), w.N(), w.K()
	for nb := 0; nb < n; nb += r {
		rows := min(r, n-nb)
		for j := 0; j < k; j += 64 {
			some := uint64(0)
			if w.Mask == nil {
				some = ^some
			}
			for i := nb; i < nb+rows && w.Mask != nil; i++ {
				some |= w.Mask.Word(i*k + j)
			}
			if left := k - j; left < 64 {
				some &= 1<<left - 1
			}
			c := bits.OnesCount64(some)
			blocks, values = blocks+c, values+c*rows
		}
	}
	return blocks, values
}
