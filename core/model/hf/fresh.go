package hf

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/tensor"
)

// classifiers are the layers between an encoder and its classes, by what their names
// begin with.
var classifiers = []string{"classifier", "pre_classifier"}

// headless reports whether a name is that of a layer that stands on an encoder.
func headless(name string) bool {
	return slices.ContainsFunc(classifiers, func(s string) bool { return name == s || strings.HasPrefix(name, s+".") })
}

// new reports whether a tensor that the folder lacks may be drawn: those of a
// classifier that the data ask for, and of the pooler below it.
func (b *builder) new(tensor string) bool {
	return b.o.Classes > 0 && (headless(tensor) || strings.Contains(tensor, "pooler."))
}

// draw makes fresh weights as transformers does, of standard deviation 0.02; biases are
// zero. The name of the layer is kept.
func (b *builder) draw(name string, role graph.Role, shape tensor.Shape) []float32 {
	if layer := name[:max(strings.LastIndexByte(name, '.'), 0)]; !slices.Contains(b.d.fresh, layer) {
		b.d.fresh = append(b.d.fresh, layer)
	}
	x := make([]float32, shape.Len())
	if role != graph.Weight {
		return x
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.New(rand.NewPCG(b.o.Seed, h.Sum64()))
	for i := range x {
		x[i] = float32(r.NormFloat64() * 0.02)
	}
	return x
}

// classify makes a classifier the task where the data have classes; a head for another
// task is left out, and so is a classifier of another size.
func (b *builder) classify(task Task) Task {
	if b.o.Classes == 0 {
		return task
	}
	if t := b.d.tensors["classifier.weight"]; t != nil && (task == TokenClassifier || len(t.Shape) != 2 || t.Shape[0] != b.o.Classes) {
		b.replaced = true
	}
	b.extra = append(b.extra, "classifier.", "cls.", "vocab_")
	return SequenceClassifier
}

// rename puts an encoder's names under that of its model, see under.
func (b *builder) rename() {
	if b.under == "" {
		return
	}
	at := func(s *string) {
		if !headless(*s) {
			*s = b.under + *s
		}
	}
	for i := range b.M.Nodes {
		at(&b.M.Nodes[i].Name)
	}
	for i := range b.d.fresh {
		at(&b.d.fresh[i])
	}
	for i := range b.M.Params {
		p := &b.M.Params[i]
		l := b.d.layout[p.Name]
		delete(b.d.layout, p.Name)
		at(&p.Name)
		b.d.layout[p.Name] = l
	}
}
