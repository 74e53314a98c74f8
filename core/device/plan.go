package device

import (
	"fmt"

	"pare/core/tensor"
)

// ValKind is the layout family of a value.
type ValKind uint8

// Kinds of values; see the package documentation for their layouts.
const (
	ActVal ValKind = iota
	ActTVal
	PartVal
)

// Val is one value of a plan, per row (ActVal, ActTVal) or per tile
// (PartVal, C floats).
type Val struct {
	Name    string
	Kind    ValKind
	C, H, W int
	// Off is the offset in floats inside the tile's slab, a multiple of 16.
	Off int
	// Sample: of a plan with sequences, this value has a row for each sample
	// instead of one for each token, and lies in slabs of its own.
	Sample bool `json:",omitempty"`
}

// Size is the number of floats the value takes in a tile's slab.
func (v Val) Size(t, p int) int {
	switch v.Kind {
	case ActTVal:
		return v.H * v.W * ((v.C + p - 1) / p) * t * p
	case PartVal:
		return v.C
	}
	return v.C * v.H * v.W * t
}

// Window is the geometry of a convolution or pool. Padding is added at the
// top, left, bottom and right; Groups divides channels (1 = ordinary,
// C = depthwise). CountPad makes AvgPool divide by KH·KW also at the border,
// otherwise it divides by the pixels inside.
type Window struct {
	KH, KW, SH, SW, PT, PL, PB, PR, Groups int
	CountPad                               bool
}

// Out is the output size for an input of h×w pixels.
func (g Window) Out(h, w int) (oh, ow int) {
	return (h+g.PT+g.PB-g.KH)/g.SH + 1, (w+g.PL+g.PR-g.KW)/g.SW + 1
}

// Attn is the geometry of attention: Heads heads of queries and KVHeads of keys
// and values, Dim channels each; consecutive Heads/KVHeads queries share a key
// (Ainslie et al. 2023). Freq [Dim/2] is the angle of Rope per token.
type Attn struct {
	Heads, KVHeads, Dim int
	Causal              bool
	Scale               float32
	Freq                []float64 `json:",omitempty"`
	// Pads: keys whose id, the first channel of one more input, is Pad are left
	// out. A query that is left with no key at all gets zeros.
	Pads bool    `json:",omitempty"`
	Pad  float32 `json:",omitempty"`
}

// NoLabel marks a token that the loss leaves out.
const NoLabel = -1

// Weight describes one weight of a bank. A matrix has N outputs and K inputs
// (linear: K = in; convolution: Shape = [N, C/groups, KH, KW]); everything else
// is a vector of Shape.Len() values.
type Weight struct {
	Name   string
	Shape  tensor.Shape // logical, row-major in files and in Set and Get
	Matrix bool
	Conv   bool // Shape is [N, Cg, KH, KW]
	Groups int  // of a convolution
	Format tensor.Format
	Mask   *tensor.Mask // over Shape, row-major; nil keeps all
	Train  bool         // has a gradient and optimiser state
	Decay  bool         // weight decay applies
	// Adapted weights are made from a base and an adapter at the start of each run
	// (Adapt). Set and Get are of the base. They have a gradient, for the adapter's,
	// but no optimiser state; the bank keeps both base and weight.
	Adapted bool `json:",omitempty"`
	// Open weights have a gradient at masked places, too, which Grad reads: scores that
	// may give weights back need it. Values and state stay zero there. Dense only.
	Open bool `json:",omitempty"`
}

// N is the number of outputs of a matrix.
func (w Weight) N() int { return w.Shape[0] }

// K is the number of inputs of one output of a matrix.
func (w Weight) K() int { return w.Shape[1:].Len() }

// Check tests the description for a device of that name, which knows blocks.
func (w Weight) Check(device string) error {
	if err := w.Shape.Check(); err != nil {
		return err
	}
	switch {
	case w.Mask != nil && (w.Mask.N != w.Shape.Len() || len(w.Mask.Bits) != (w.Mask.N+63)/64):
		return fmt.Errorf("mask over %d elements for a weight of %d", w.Mask.N, w.Shape.Len())
	case w.Conv && (!w.Matrix || len(w.Shape) != 4 || w.Groups < 1 || w.Shape[0]%w.Groups != 0):
		return fmt.Errorf("convolution of shape %v in %d groups: need N×C/groups×KH×KW with N a multiple of the groups", w.Shape, w.Groups)
	case w.Matrix && len(w.Shape) < 2:
		return fmt.Errorf("matrix of shape %v: need at least two axes", w.Shape)
	case w.Open && (!w.Train || w.Format != tensor.Dense):
		return fmt.Errorf("gradients at masked places are for dense weights that train, this is %v", w.Format)
	case w.Format == tensor.Dense:
	case w.Format == tensor.NM24:
		if !w.Matrix || w.Conv || !tensor.TwoInFour(w.Mask, w.N(), w.K()) {
			return fmt.Errorf("only the weight of a linear layer of which each four inputs keep two is stored 2:4, this is %v: make it dense", w.Shape)
		}
	case w.Format.Height() == 0:
		return fmt.Errorf("format %v is not known to device %s", w.Format, device)
	case !w.Matrix || w.Conv && w.Groups > 1:
		return fmt.Errorf("only linear layers and convolutions of one group are stored in blocks, this is %v: make it dense", w.Shape)
	}
	return nil
}

// Call is one kernel launch. Cost follows from it and the bank alone.
type Call struct {
	Kernel Kernel
	Node   int // index in Plan.Nodes
	In     []int
	Out    []int
	W      []int
	Attn   *Attn   `json:",omitempty"` // Rope, Attention*
	Stat   int     // index of a batch-norm's batch statistics (Norm* kernels)
	Win    *Window // Conv*, *Pool*
	Act    Act
	S      [2]float32
	Key    uint64 // Dropout: hash of the node's name
	Update bool   // gradients of weights: run the optimiser on each part
	// Pairs: the product leaves out two of each four inputs of a 2:4 weight. A device that
	// measures whether that pays (Pairer) says so here when it compiles the plan.
	Pairs bool `json:",omitempty"`
	// Accum adds to the gradient that an earlier region left (LinearDW, EmbedD, PositionsD).
	Accum bool `json:",omitempty"`
}

// Region is a list of calls of one scope. Those of scope Tile work on tiles of
// samples if Sample is set, else on tiles of tokens (or of samples, in a plan
// without sequences).
type Region struct {
	Scope  Scope
	Calls  []Call
	Sample bool `json:",omitempty"`
}

// Plan is everything a device needs to run a model: plain data.
type Plan struct {
	Nodes   []string
	Vals    []Val
	Regions []Region
	Batch   int   // most samples of one run
	Micros  int   `json:",omitempty"` // runs of an optimiser's step of the largest batch, see Micro; below 2: it is one
	Seq     int   `json:",omitempty"` // tokens of a sample, each a row; 0: a sample is one row
	Slab    int   // floats per tile
	Samples int   `json:",omitempty"` // floats per tile of samples, of a plan with Seq > 0
	Stats   []int // channels of each batch-norm statistic
	Output  int   // value that Step.Out receives, -1 if none
	Input   int   // value that Load fills
	InGrad  int   // gradient of Input for Step.InGrad, -1 if not wanted
	Seed    uint64
	Optim   Optim
	T, P    int // tile and panel the layout was made for
}

// Rows is the number of rows of n samples: values of a plan are per row, but for
// those of samples.
func (p *Plan) Rows(n int) int { return n * max(p.Seq, 1) }

// Per is the number of rows that value v has for each sample.
func (p *Plan) Per(v int) int {
	if v >= 0 && v < len(p.Vals) && p.Vals[v].Sample {
		return 1
	}
	return max(p.Seq, 1)
}

// Values is the number of elements that the values of the largest batch take.
func (p *Plan) Values() int64 {
	n := int64(p.Slab) * int64(p.Tiles(p.Batch))
	if p.Seq > 0 {
		n += int64(p.Samples) * int64(p.OfSamples().Tiles(p.Batch))
	}
	return n
}

// OfSamples is the part of a plan with sequences that works on samples: the same
// plan, as one without sequences sees it.
func (p *Plan) OfSamples() *Plan {
	q := *p
	q.Seq, q.Slab = 0, p.Samples
	return &q
}

// Tiles is the number of tiles of n samples. A sequence begins with a tile of
// its own.
func (p *Plan) Tiles(n int) int {
	if p.Seq > 0 {
		return n * ((p.Seq + p.T - 1) / p.T)
	}
	return (n + p.T - 1) / p.T
}

// OptimKind is the update rule.
type OptimKind uint8

// Update rules, with PyTorch's formulas (torch.optim.SGD, Adam, AdamW).
const (
	SGD OptimKind = iota
	Adam
	AdamW
)

// Optim are the constants of the update rule; the learning rate comes with
// each Step.
//
//	SGD    g += wd·w; v = mom·v + g (v = g at the first step, dampening 0);
//	       w −= lr·(nesterov ? g + mom·v : v)
//	Adam   g += wd·w; m, v moments; w −= lr·m̂/(√v̂ + eps)
//	AdamW  w −= lr·wd·w first, then Adam without wd
type Optim struct {
	Kind         OptimKind
	Momentum     float32
	Nesterov     bool
	Beta1, Beta2 float32
	Eps          float32
	WeightDecay  float32
}

// Slots is the number of state values per weight.
func (o Optim) Slots() int {
	switch {
	case o.Kind != SGD:
		return 2
	case o.Momentum != 0:
		return 1
	}
	return 0
}
