package device

import "strconv"

// Kernel names one piece of work a device knows how to do. Each constant says
// what its Call carries: In and Out are indices into Plan.Vals, W indices into
// the bank's weights, S scalars.
type Kernel uint8

// Kernels of scope Tile, forward.
const (
	// Load fills Out[0] with the rows of the batch, transposed into the tile;
	// samples past the end become zero. S[0] = 0 takes Step.X, 1 takes
	// Step.OutGrad (a gradient fed from outside, for tests).
	// X is row-major [C][H][W] per sample, as files hold it.
	Load Kernel = iota + 1
	// Linear: y[N] = w[N][K]·x[K] + b[N], then Act. In x, Out y, W w [, b].
	// x must have H = W = 1.
	Linear
	// Conv: y = w ⋆ x + b with Win, then Act. In x, Out y, W w [, b].
	Conv
	// MaxPool and AvgPool over Win. In x, Out y. Padding never wins a maximum.
	MaxPool
	AvgPool
	// Act: y = f(x). In x, Out y. Call.Act says which f.
	ActFn
	// Add: y = a + b. In a, b, Out y.
	Add
	// Flatten copies [H][W][C] to the logical order C, H, W: Out has
	// C = C·H·W, H = W = 1. In x, Out y.
	Flatten
	// Dropout: y = x·keep/(1−p), keep from the counter generator keyed by
	// (Plan.Seed, Step.Index, Call.Key, sample, element). S[0] = p.
	Dropout
	// Softmax over the C values of each sample. In x, Out y. H = W = 1.
	Softmax
	// NormStats: mean and centred sum of squares of each channel over the
	// tile's samples and pixels. In x, Out part [2C]: mean, then M2.
	NormStats
	// NormApply: y = (x − mean)·rstd·gamma + beta. In x, Out y,
	// W gamma, beta; the batch's mean and rstd come from Stat.
	NormApply
	// NormInfer is NormApply with running statistics.
	// W gamma, beta, running mean, running variance. S[0] = eps.
	NormInfer
	// CrossEntropy: softmax cross-entropy against the labels, averaged over the
	// valid samples of the batch; in sequences over the tokens whose label is not
	// NoLabel. In logits, Out [dlogits, part], or [part] when only evaluated;
	// part [2]: sum of losses, number of correct samples.
	// Also writes Step.Pred when it is given. Ties of the arg max go to the
	// lower class.
	CrossEntropy
	// Mul: y = a·b, element by element. In a, b, Out y.
	Mul
	// LayerNorm: y = (x − μ)/√(σ² + eps)·gamma + beta over the C values of each
	// row. In x, Out y [, stat], W gamma [, beta]; S[0] = eps. stat [2], written
	// when it is given: μ and 1/√(σ² + eps).
	LayerNorm
	// RMSNorm: y = x/√(mean x² + eps)·gamma. In x, Out y [, stat], W gamma;
	// S[0] = eps. stat [2]: 0 and 1/√(mean x² + eps).
	RMSNorm
	// Embed: y = w[id]. In ids, whole numbers kept as floats in the first channel,
	// Out y [C], W w [V, C].
	Embed
	// Positions: y = x + w[t], t the token's place in its sequence. In x, Out y,
	// W w [at least Seq, C].
	Positions
	// Rope turns pairs of channels (i, i + Dim/2) of each head by the angle
	// S[0]·t·Freq[i]; S[0] is 1, or −1 for the gradient. In x, Out y, Attn.
	Rope
	// Scale: y = S[0]·x. In x, Out y.
	Scale
	// Gate: y = x·s, one factor for each channel of a sample. In x, s [C], Out y.
	Gate
	// Concat puts the channels of its inputs side by side. In x1, x2, …, Out y.
	Concat
	// Slice takes the channels of y from channel S[0] of x on. In x, Out y.
	Slice
	// Segment: y = x + w[s]; s is the whole number in the ids' second channel, 0
	// without ids. In x [, ids], Out y, W w [segments, C].
	Segment
)

// Kernels of scope Tile, backward. Names as in the forward kernels.
const (
	// LinearDX: dx = wᵀ·dy. In dy, Out dx, W w.
	LinearDX Kernel = iota + 32
	// ConvDX: dx of Conv. In dy, Out dx, W w.
	ConvDX
	// Transpose writes dy as ActT for dw. In dy, Out dyT.
	Transpose
	// MaxPoolDX sends dy to the first maximum of each window. In x, dy, Out dx.
	MaxPoolDX
	// AvgPoolDX: In dy, Out dx.
	AvgPoolDX
	// ActDX: dx = dy·f′. In (y where Act.FromOutput says so, x otherwise), dy, Out dx.
	ActDX
	// FlattenDX: In dy, Out dx.
	FlattenDX
	// DropoutDX repeats the mask of Dropout. In dy, Out dx.
	DropoutDX
	// Accum: y += x. In x, Out y. For values with several readers.
	Accum
	// Copy: y = x. In x, Out y.
	Copy
	// NormDStats: sums of dy and dy·x̂ of a tile. In x, dy, Out part [2C].
	NormDStats
	// NormDX: dx of NormApply from the merged sums. In x, dy, Out dx, W gamma.
	NormDX
	// LayerNormDX: dx of LayerNorm and the tile's share of dgamma and dbeta.
	// In x, stat, dy, Out dx, part [2C], W gamma.
	LayerNormDX
	// RMSNormDX is LayerNormDX of RMSNorm; part [C].
	RMSNormDX
	// GateD: ds[c] = Σ dy·x over the pixels of channel c. In dy, x, Out ds.
	GateD
	// SliceDX is dy at the channels from S[0] on and zero elsewhere. In dy, Out dx.
	SliceDX
)

// Kernels of scope Task and Serial.
const (
	// LinearDW: dw = dy·xᵀ over the batch, at the kept places only when the
	// weight is packed. In x, dy, dyT (dyT may be absent for packed weights),
	// W w. The optimiser's update follows on the same part when Update is set.
	LinearDW Kernel = iota + 64
	// ConvDW: dw of Conv. In x, dy, dyT, W w.
	ConvDW
	// BiasD: db = Σ dy over samples and pixels. In dy, W b.
	BiasD
	// NormMerge (Serial): merges the parts of all tiles (Chan et al. 1979) into
	// Stat: mean, rstd of the batch, and moves the running statistics:
	// r ← (1−m)·r + m·batch, with the unbiased variance, as PyTorch does.
	// In part, W running mean, running variance. S[0] = eps, S[1] = momentum.
	NormMerge
	// NormDMerge (Serial): sums the parts into Stat and into the gradients.
	// In part, W gamma, beta.
	NormDMerge
	// Update (Task): the optimiser's step for W[0] from its gradient.
	Update
	// LossMerge (Serial): sums the parts of CrossEntropy into the Result.
	LossMerge
	// Attention: y = softmax(scale·q·kᵀ)·v for each head, over the tokens of a
	// sequence, Causal: over those up to the query. In q, k, v (or qkv, their
	// channels side by side), Out y [, lse], Attn. lse [Heads], written when it
	// is given: the logarithm of the softmax's denominator. Scores are kept for
	// a tile of queries at a time. With Attn.Pads the last input is ids.
	Attention
	// AttentionDX computes the scores once more (Dao et al. 2022). In q, k, v
	// (or qkv), y, lse, dy [, ids], Out dq, dk, dv (or dqkv), Attn.
	AttentionDX
	// EmbedD: dw[id] = Σ dy over the tokens with that id, none for the id S[1] if S[0]
	// is 1. In ids, dy, W w.
	EmbedD
	// PositionsD: dw[t] = Σ dy over the sequences. In dy, W w.
	PositionsD
	// PartD: the gradient of a vector from the parts of all tiles. In part, W w;
	// S[0] is where the vector begins in a part.
	PartD
	// Adapt makes an adapted weight from its base: w = w₀ + S[0]·M⊙(b·a), M its mask.
	// W w [N, K], a [R, K], b [N, R]. It runs before all that reads w.
	Adapt
	// AdaptA: da = S[0]·bᵀ·dw, from the gradient that LinearDW left. W a, w, b.
	AdaptA
	// AdaptB: db = S[0]·dw·aᵀ. W b, w, a.
	AdaptB
	// SegmentD: dw[s] = Σ dy over the tokens of segment s. In dy [, ids], W w.
	SegmentD
	// Token takes token S[0] of each sequence: x per token, y per sample. In x, Out y.
	Token
	// TokenDX is dy at that token and zero elsewhere. In dy, Out dx.
	TokenDX
	// Tokens makes the pixels of a sample the tokens of a sequence, row by row; with
	// a weight, that stands in front of them. In x per sample, Out y per token [C],
	// Seq = H·W (+ 1), W [w [C]].
	Tokens
	// TokensDX: In dy, Out dx.
	TokensDX
	// MeanTokens: y of a sample is the mean of x over its tokens. In x, Out y.
	MeanTokens
	// MeanTokensDX: dx = dy/Seq at every token. In dy, Out dx.
	MeanTokensDX
	// FirstD: dw = Σ dy over the first tokens of all sequences. In dy, W w.
	FirstD
)

var kernelNames = map[Kernel]string{
	Load: "load", Linear: "linear", Conv: "conv", MaxPool: "maxpool", AvgPool: "avgpool", ActFn: "act", Add: "add",
	Flatten: "flatten", Dropout: "dropout", Softmax: "softmax", NormStats: "norm.stats", NormApply: "norm",
	NormInfer: "norm.infer", CrossEntropy: "crossentropy", LinearDX: "linear.dx", ConvDX: "conv.dx",
	Transpose: "transpose", MaxPoolDX: "maxpool.dx", AvgPoolDX: "avgpool.dx", ActDX: "act.dx", FlattenDX: "flatten.dx",
	DropoutDX: "dropout.dx", Accum: "accum", Copy: "copy", NormDStats: "norm.dstats", NormDX: "norm.dx",
	LinearDW: "linear.dw", ConvDW: "conv.dw", BiasD: "bias.d", NormMerge: "norm.merge", NormDMerge: "norm.dmerge",
	Update: "update", LossMerge: "loss.merge", Mul: "mul", LayerNorm: "layernorm", RMSNorm: "rmsnorm", Embed: "embed",
	Positions: "positions", Rope: "rope", LayerNormDX: "layernorm.dx", RMSNormDX: "rmsnorm.dx",
	Gate: "gate", Concat: "concat", Slice: "slice", GateD: "gate.d", SliceDX: "slice.dx",
	Attention: "attention", AttentionDX: "attention.dx", EmbedD: "embed.d", PositionsD: "positions.d", PartD: "part.d",
	Scale: "scale", Adapt: "adapt", AdaptA: "adapt.a", AdaptB: "adapt.b",
	Segment: "segment", SegmentD: "segment.d", Token: "token", TokenDX: "token.dx", Tokens: "tokens", TokensDX: "tokens.dx",
	FirstD: "first.d", MeanTokens: "meantokens", MeanTokensDX: "meantokens.dx",
}

// String is the short name used in traces and on the screen.
func (k Kernel) String() string {
	if s, ok := kernelNames[k]; ok {
		return s
	}
	return "kernel(" + strconv.Itoa(int(k)) + ")"
}

// Scope says how a kernel is spread over workers.
type Scope uint8

// Scopes; see the package documentation.
const (
	Tile Scope = iota
	Task
	Serial
)

// Scope returns the scope of k.
func (k Kernel) Scope() Scope {
	switch k {
	case LinearDW, ConvDW, BiasD, Update, Attention, AttentionDX, EmbedD, PositionsD, PartD, Adapt, AdaptA, AdaptB, SegmentD, Token, TokenDX,
		Tokens, TokensDX, MeanTokens, MeanTokensDX, FirstD:
		return Task
	case NormMerge, NormDMerge, LossMerge:
		return Serial
	}
	return Tile
}

// Act is an activation function, applied by ActFn or fused behind Linear and
// Conv.
type Act uint8

// Activation functions. GELU is the exact one, x·Φ(x) with erf; GELUTanh is
// x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))), GPT-2's. At their corners
// ReLU′(0) = 0 and HardSwish′(±3) is the middle part's; ReLU′ of NaN is 0.
// Those after Sigmoid take constants a, b from Call.S and are never fused:
// HardSigmoid is min(max(a·x + b, 0), 1), LeakyReLU x or a·x, ELU x or a·(eˣ − 1),
// Clip min(max(x, a), b), Affine a·x + b. HardSigmoid′ and Clip′ are 0 where the
// value is a bound, LeakyReLU′(0) and ELU′(0) the left part's.
const (
	NoAct Act = iota
	ReLU
	GELU
	SiLU
	HardSwish
	Tanh
	GELUTanh
	Sigmoid
	HardSigmoid
	LeakyReLU
	ELU
	Clip
	Affine
)

// String is the function's common name.
func (a Act) String() string {
	return [...]string{"none", "relu", "gelu", "silu", "hardswish", "tanh", "gelu_tanh", "sigmoid", "hardsigmoid", "leakyrelu", "elu", "clip", "affine"}[a]
}

// FromOutput reports whether the derivative is taken from y instead of x.
func (a Act) FromOutput() bool {
	switch a {
	case ReLU, Tanh, Sigmoid, HardSigmoid, Clip:
		return true
	}
	return false
}

// Constants reports whether a takes constants from Call.S.
func (a Act) Constants() bool { return a > Sigmoid }
