package plan

import (
	"pare/core/device"
	"pare/core/graph"
)

// Class is a kind of work in a step, for saying where its time goes.
type Class string

// The classes, in the order in which they are shown.
const (
	ClassLinear     Class = "linear"
	ClassConv       Class = "conv"
	ClassNorm       Class = "norm"
	ClassActivation Class = "activation"
	ClassAttention  Class = "attention"
	ClassLoss       Class = "loss"
	ClassOptimiser  Class = "optimiser"
	ClassOther      Class = "other" // pooling, shapes, embeddings, loading the batch
)

// Classes lists them all.
func Classes() []Class {
	return []Class{ClassLinear, ClassConv, ClassNorm, ClassActivation, ClassAttention, ClassLoss, ClassOptimiser, ClassOther}
}

// classOfOp is the class of every op of the table in core/graph.
var classOfOp = map[string]Class{
	"linear": ClassLinear, "lora": ClassLinear, "conv2d": ClassConv,
	"batchnorm": ClassNorm, "layernorm": ClassNorm, "rmsnorm": ClassNorm,
	"relu": ClassActivation, "gelu": ClassActivation, "gelu_tanh": ClassActivation, "silu": ClassActivation,
	"hardswish": ClassActivation, "tanh": ClassActivation, "sigmoid": ClassActivation, "hardsigmoid": ClassActivation,
	"leakyrelu": ClassActivation, "elu": ClassActivation, "clip": ClassActivation, "affine": ClassActivation, "softmax": ClassActivation,
	"attention": ClassAttention, "rope": ClassAttention,
	"maxpool": ClassOther, "avgpool": ClassOther, "globalavgpool": ClassOther, "flatten": ClassOther,
	"add": ClassOther, "scale": ClassOther, "mul": ClassOther, "dropout": ClassOther, "gate": ClassOther, "concat": ClassOther, "slice": ClassOther, "embedding": ClassOther, "positions": ClassOther,
	"segment": ClassOther, "token": ClassOther, "meantokens": ClassOther, "tokens": ClassOther,
}

// ClassOf is the class of a call of a plan for m: that of the op it was lowered from,
// forward or backward. Work that runs inside another's call counts with that: an
// activation fused into its layer, the optimiser's step behind a weight's gradient.
func ClassOf(m *graph.Model, c *device.Call) Class {
	switch {
	case c.Kernel == device.Update:
		return ClassOptimiser
	case c.Node < len(m.Nodes):
		return classOfOp[m.Nodes[c.Node].Op]
	case c.Node == len(m.Nodes)+1: // see Build
		return ClassLoss
	}
	return ClassOther
}
