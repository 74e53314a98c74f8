package hf

import (
	"errors"
	"fmt"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/tensor"
)

// vit builds ViTForImageClassification (Dosovitskiy et al. 2021): patches of the image
// through a convolution with their size for a stride, a class token in front of them,
// positions, layer norm before attention and before the network behind it, and a
// classifier on the class token.
func vit(b *builder) error {
	c := b.c
	err := positive(map[string]int{
		"hidden_size": c.Hidden, "intermediate_size": c.Intermediate, "num_hidden_layers": c.HiddenLayers, "num_attention_heads": c.AttnHeads,
		"image_size": min(c.Image.H, c.Image.W), "patch_size": min(c.Patch.H, c.Patch.W), "num_channels": c.Channels,
	})
	switch {
	case err != nil:
		return err
	case c.Image.H%c.Patch.H != 0 || c.Image.W%c.Patch.W != 0:
		return fmt.Errorf("config.json: images of %d×%d pixels do not divide into patches of %d×%d", c.Image.H, c.Image.W, c.Patch.H, c.Patch.W)
	case b.d.tensors["classifier.weight"] == nil && b.o.Classes == 0:
		return errors.New("has no classifier: of ViT, only ViTForImageClassification is supported")
	}
	b.classify(SequenceClassifier)
	bias := c.QKVBias == nil || *c.QKVBias
	eps := c.NormEps
	if eps == 0 {
		eps = 1e-12 // the default of ViT's configuration
	}
	b.M = graph.New(b.M.Name, c.Channels, c.Image.H, c.Image.W)
	const e = "vit.embeddings."
	patch := &device.Window{KH: c.Patch.H, KW: c.Patch.W, SH: c.Patch.H, SW: c.Patch.W, Groups: 1}
	w := []int{
		b.param(e+"patch_embeddings.projection.weight", graph.Weight, tensor.Shape{c.Hidden, c.Channels, c.Patch.H, c.Patch.W}, false),
		b.param(e+"patch_embeddings.projection.bias", graph.Bias, tensor.Shape{c.Hidden}, false),
	}
	x := b.node(e+"patch_embeddings.projection", "conv2d", graph.Attrs{Win: patch}, w, 0)
	x = b.node(e+"cls_token", "tokens", graph.Attrs{}, []int{b.param(e+"cls_token", graph.Shift, tensor.Shape{c.Hidden}, false)}, x)
	places := c.Image.H/c.Patch.H*(c.Image.W/c.Patch.W) + 1
	x = b.node(e+"position_embeddings", "positions", graph.Attrs{}, []int{b.param(e+"position_embeddings", graph.Table, tensor.Shape{places, c.Hidden}, false)}, x)
	for i := range b.layers(c.HiddenLayers) {
		l := fmt.Sprintf("vit.encoder.layer.%d.", i)
		n := b.layerNorm(l+"layernorm_before", x, eps)
		part := func(s string) int { return b.linear(l+"attention.attention."+s, n, c.Hidden, bias, false) }
		a := b.Attention(l+"attention.attention", c.AttnHeads, c.AttnHeads, false, part("query"), part("key"), part("value"))
		x = b.Op(l+"attention.add", "add", x, b.linear(l+"attention.output.dense", a, c.Hidden, true, false))
		m := b.linear(l+"intermediate.dense", b.layerNorm(l+"layernorm_after", x, eps), c.Intermediate, true, false)
		m = b.linear(l+"output.dense", b.act(l+"intermediate.act", c.HiddenAct, m), c.Hidden, true, false)
		x = b.Op(l+"output.add", "add", x, m)
	}
	x = b.layerNorm("vit.layernorm", x, eps)
	b.linear("classifier", b.Token("vit.first", x, 0), b.classes(), true, false)
	b.extra = append(b.extra, "vit.pooler.")
	return nil
}
