package devicetest

import (
	"fmt"

	"pare/core/graph"
	"pare/core/tensor"
)

// adapterModels are layers with low-rank adapters, beside them and in their weights,
// of sizes and ranks around those of panels.
func adapterModels() (l []model) {
	for i, s := range [][3]int{{5, 7, 1}, {16, 16, 16}, {33, 17, 3}, {129, 31, 8}, {40, 127, 17}, {300, 65, 33}} {
		m := vectorNet(fmt.Sprintf("lora/%dx%d-rank%d", s[0], s[1], s[2]), s[0], func(b *graph.Net) {
			adapted(b, "b", adapted(b, "a", 0, s[1], s[2], i%2 == 0), 9, 1, true)
		})
		m.blocks, m.long = true, i == 5
		l = append(l, m)
	}
	rows := model{name: "lora/tokens", c: 12, h: 1, w: 1, seq: 19, batch: 2, train: true, blocks: true, build: func(b *graph.Net) {
		b.Linear("out", b.Op("silu", "silu", adapted(b, "a", 0, 18, 4, true)), 5)
	}}
	for _, rank := range []int{8, 3} {
		l = append(l, vectorNet(fmt.Sprintf("lora/beside-rank%d", rank), 24, func(b *graph.Net) {
			x := b.Op("tanh", "tanh", b.Linear("in", 0, 40))
			x = b.Op("residual", "add", beside(b, "a", x, 40, rank), x)
			b.Linear("out", b.Op("other", "add", x, b.Linear("b", x, 40)), 5)
		}))
	}
	return append(l, rows, vectorNet("scale", 7, func(b *graph.Net) {
		x := scaled(b, "first", b.Linear("a", 0, 18), -1.5)
		b.Linear("out", b.Op("add", "add", x, scaled(b, "second", x, 0.25)), 3)
	}), model{name: "scale/image", c: 2, h: 3, w: 5, train: true, build: func(b *graph.Net) {
		b.Op("mean", "globalavgpool", scaled(b, "s", b.Op("tanh", "tanh", 0), 3))
	}})
}

func scaled(b *graph.Net, name string, in int, s float32) (v int) {
	if b.Err == nil {
		v, b.Err = b.M.Append(name, "scale", graph.Attrs{Scale: s}, nil, in)
	}
	return v
}

// beside adds a layer of n outputs with an adapter beside it, as graph.AttachLoRA does.
func beside(b *graph.Net, name string, in, n, rank int) int {
	bare := func(part string, in, n int) (v int) {
		if b.Err == nil {
			p := b.M.AddParam(name+part+".weight", graph.Weight, tensor.Shape{n, b.M.Values[in].C}, nil)
			v, b.Err = b.M.Append(name+part, "linear", graph.Attrs{}, []int{p}, in)
		}
		return v
	}
	y := b.Linear(name, in, n)
	return b.Op(name+"add", "add", y, bare("B", scaled(b, name+"scale", bare("A", in, rank), 2), n))
}

// adapted adds a layer of n outputs with an adapter in its weight.
func adapted(b *graph.Net, name string, in, n, rank int, bias bool) (v int) {
	if b.Err != nil {
		return 0
	}
	k := b.M.Values[in].C
	p := []int{
		b.M.AddParam(name+".weight", graph.Weight, tensor.Shape{n, k}, nil),
		b.M.AddParam(name+".lora_A.weight", graph.LoraA, tensor.Shape{rank, k}, nil),
		b.M.AddParam(name+".lora_B.weight", graph.LoraB, tensor.Shape{n, rank}, nil),
	}
	b.M.Params[p[0]].Frozen = true
	if bias {
		p = append(p, b.M.AddParam(name+".bias", graph.Bias, tensor.Shape{n}, nil))
	}
	v, b.Err = b.M.Append(name, graph.MaskedLora, graph.Attrs{Scale: 0.5}, p, in)
	return v
}
