package work

import (
	"fmt"
	"math"
	"strings"

	"pare/core"
	"pare/core/event"
)

// Params of gpt-nano, those that can go, and multiply-adds a sample.
const (
	spokenParams   = 92592
	spokenPrunable = 82944
)

// spokenLayers are those of gpt-nano.
func spokenLayers() (l []event.Layer) {
	for h := range 3 {
		for _, x := range []struct {
			name    string
			out, in int
		}{{"attn.c_attn", 144, 48}, {"attn.c_proj", 48, 48}, {"mlp.c_fc", 192, 48}, {"mlp.c_proj", 48, 192}} {
			n := int64(x.out * x.in)
			l = append(l, event.Layer{Name: fmt.Sprintf("h.%d.%s", h, x.name), Op: "linear", Shape: []int{x.out, x.in}, Params: n, MACs: 64 * n, Prunable: true})
		}
	}
	return l
}

// spoken turns the story of an image classifier into that of a language model: gpt-nano,
// whose accuracy is half as high and comes with a perplexity.
func (s *story) spoken() *story {
	layers := spokenLayers()
	side := func(x *event.Side) {
		x.Acc, x.Lo, x.Hi = x.Acc/2, x.Lo/2, x.Hi/2
		x.Params, x.FileBytes = spokenParams-int64(x.Zeros*spokenPrunable), 370000-int64(x.Zeros*300000)
		x.Perplexity = perplexityAt(x.Acc)
	}
	for i := range s.es {
		switch b := s.es[i].Body.(type) {
		case *event.Started:
			b.Model, b.Data = "gpt-nano", "kjv"
		case *event.Model:
			*b = event.Model{Name: "gpt-nano", LM: true, Params: spokenParams, MACs: 6193152, Layers: layers, Input: []int{64}, Train: 12032, Val: 704, Test: 704}
		case *event.Plan:
			for k := range b.Layers {
				b.Layers[k].Name = ""
			}
			as := b.Layers[0]
			b.Layers = nil
			for _, l := range layers {
				as.Name = l.Name
				b.Layers = append(b.Layers, as)
			}
		case *event.Mask:
			b.Of, b.Zeros, b.Layers = spokenPrunable, 0, nil
			for _, l := range layers {
				z := int(b.Target * float64(l.Params))
				b.Zeros += z
				b.Layers = append(b.Layers, event.LayerMask{Name: l.Name, Zeros: z, Of: int(l.Params)})
			}
		case *event.Metric:
			b.Acc /= 2
		case *event.Eval:
			b.Correct, b.Lo, b.Hi = b.Correct/2, b.Lo/2, b.Hi/2
			b.Perplexity = perplexityAt(b.Acc())
			b.Loss = math.Log(b.Perplexity)
		case *event.Checkpoint:
			b.Acc /= 2
		case *event.Ledger:
			side(&b.Dense)
			side(&b.Now)
		case *event.Verdict:
			b.Diff, b.Lo, b.Hi, b.Floor, b.Classes = b.Diff/2, b.Lo/2, b.Hi/2, b.Floor/2, nil
			b.Text = "PASS  44.2 % against a floor of 43.9 % (difference −0.2 pt, 95 %: −0.4 to +0.1, 704 test sequences)"
		case *event.StageChange:
			b.Evidence = strings.NewReplacer("88.4 %", "44.2 %", "86.7–89.9", "43.4–45.0", "88.0 %", "44.0 %", "86.4 %", "43.2 %").Replace(b.Evidence)
		case *event.Decision:
			if r, err := core.ParseRecipe([]byte(b.Text)); err == nil && b.Cmd == core.CmdConfigure {
				r.Model, r.Data = core.ModelSpec{Name: "gpt-nano"}, core.DataSpec{Name: "kjv"}
				if text, err := r.Marshal(); err == nil {
					b.Text = string(text)
				}
			}
		}
	}
	return s
}

// perplexityAt falls as accuracy rises: 28 at 20 %, 6.9 at 44 %.
func perplexityAt(acc float64) float64 { return math.Exp(4.5 - 5.84*acc) }
