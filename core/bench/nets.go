package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pare/core/deploy"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// bnet is a model that is trained or run.
type bnet struct {
	name    string
	zoo     string
	sizes   []int // of an MLP
	gpt     *zoo.GPT
	input   []int // of a sample
	batches []int
}

var nets = []bnet{
	{name: "784-300-100-10", sizes: []int{784, 300, 100, 10}, input: []int{784}, batches: []int{128, 256}},
	{name: "784-1024-1024-10", sizes: []int{784, 1024, 1024, 10}, input: []int{784}, batches: []int{128, 256}},
	{name: "lenet-5", zoo: "lenet-5", input: []int{1, 28, 28}, batches: []int{64}},
	{name: "resnet-8", zoo: "resnet-8", input: []int{3, 32, 32}, batches: []int{64}},
	// Tokens are bytes.
	{name: "gpt 4×256", gpt: &zoo.GPT{Layers: 4, Width: 256, Heads: 4, Vocabulary: 256, Tokens: 128}, batches: []int{8}},
}

// build makes the model, new each time: masks change it.
func (n bnet) build() (*graph.Model, error) {
	if n.gpt != nil {
		return n.gpt.Build(n.name, 1)
	}
	if n.zoo != "" {
		m, _, err := zoo.New(n.zoo, 1, zoo.Input{C: n.input[0], H: n.input[1], W: n.input[2]}, 10)
		return m, err
	}
	b := &graph.Net{M: graph.New(n.name, n.sizes[0], 1, 1)}
	v := 0
	for i, k := range n.sizes[1:] {
		v = b.Linear(fmt.Sprint("fc", i+1), v, k)
		if i+2 < len(n.sizes) {
			v = b.Op(fmt.Sprint("relu", i+1), "relu", v)
		}
	}
	if b.Err != nil {
		return nil, b.Err
	}
	return b.M, zoo.Init(b.M, 1)
}

func (n bnet) question(batch, threads int) question {
	q := question{Net: n.zoo, Sizes: n.sizes, Input: n.input, Batch: batch, Threads: threads}
	switch {
	case n.gpt != nil:
		q.Net, q.Sizes = "gpt", []int{n.gpt.Layers, n.gpt.Width, n.gpt.Heads, n.gpt.Vocabulary, n.gpt.Tokens}
	case n.zoo == "":
		q.Net = "mlp"
	}
	return q
}

// ours makes contenders of our engine: one for each share of zeros.
func (n bnet) ours(mode plan.Mode, batch, threads int, shares []share) ([]contender, error) {
	var cs []contender
	for _, s := range shares {
		m, err := n.build()
		if err != nil {
			return nil, err
		}
		e, err := newEngine(m, engineOptions{mode: mode, batch: batch, threads: threads, share: s})
		if err != nil {
			return nil, err
		}
		c := of("pare "+s.String(), 0, e.run)
		c.close = e.close
		cs = append(cs, c)
	}
	return cs, nil
}

// Train measures training steps (forward, cross-entropy, backward, SGD with
// momentum) beside PyTorch's, eager and compiled, when o.Python has it.
func Train(o Options) error {
	return o.each("train", nil, func(p *peers, n bnet, batch, threads int) ([]contender, error) {
		cs, err := n.ours(plan.Train, batch, threads, sparse)
		if err != nil || p == nil {
			return cs, err
		}
		for _, mode := range []string{"eager", "compile"} {
			for _, last := range []bool{false, true} {
				if last && n.zoo == "" { // no images
					continue
				}
				q := n.question(batch, threads)
				q.What, q.Mode, q.ChannelsLast = "train", mode, last
				who := "PyTorch " + mode
				if last {
					who += ", channels last"
				}
				c, err := p.open(who, q)
				if err != nil {
					return cs, fmt.Errorf("%s: %w", who, err)
				}
				cs = append(cs, c)
			}
		}
		return cs, nil
	})
}

func or(a, b []int) []int {
	if a != nil {
		return a
	}
	return b
}

// each measures every net with every batch, those of the net for nil, and number
// of threads.
func (o Options) each(group string, batches []int, contenders func(p *peers, n bnet, batch, threads int) ([]contender, error)) error {
	var p *peers
	if o.Python != "" {
		var err error
		if p, err = startPeers(o.Python); err != nil {
			return err
		}
		defer p.close()
	}
	for _, n := range nets {
		for _, batch := range or(batches, n.batches) {
			for _, threads := range o.Threads {
				name := fmt.Sprintf("%s batch %d", n.name, batch)
				if !strings.Contains(name, o.Filter) {
					continue
				}
				cs, err := contenders(p, n, batch, threads)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				if err := o.measure(group, name, threads, cs); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Infer measures inferences of one sample and of a batch, dense and packed,
// beside ONNX Runtime's on the dense model when o.Python has it.
func Infer(o Options) error {
	dir, err := os.MkdirTemp("", "pare-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	shares := []share{{tensor.Dense, 0}, {tensor.Single, 0.7}, {tensor.Single, 0.9}, {tensor.Block4, 0.9}, {tensor.Block16, 0.9}, {tensor.Block16, 0.95}, {tensor.NM24, 0.5}}
	return o.each("infer", []int{1, 64}, func(p *peers, n bnet, batch, threads int) ([]contender, error) {
		cs, err := n.ours(plan.Infer, batch, threads, shares)
		if n.gpt != nil && p != nil && o.Say != nil {
			p = nil
			o.Say("ONNX Runtime is left out for " + n.name + ": sequences are not exported to ONNX yet")
		}
		if err != nil || p == nil {
			return cs, err
		}
		m, err := n.build()
		if err != nil {
			return cs, err
		}
		q := n.question(batch, threads)
		q.What, q.Model = "infer", filepath.Join(dir, n.name+".onnx")
		f, err := os.Create(q.Model)
		if err != nil {
			return cs, err
		}
		if err := errors.Join(deploy.Write(f, m, "onnx"), f.Close()); err != nil {
			return cs, err
		}
		c, err := p.open("ONNX Runtime", q)
		if err != nil {
			return cs, fmt.Errorf("ONNX Runtime: %w", err)
		}
		return append(cs, c), nil
	})
}
