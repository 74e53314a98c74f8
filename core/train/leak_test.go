package train

import (
	"strings"
	"testing"

	"pare/core/data"
	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/graph"
	"pare/core/lowrank"
	"pare/core/plan"
)

// TestNothingIsLeftOnTheCard: whatever is opened gives back all it took, and where the card
// has no room, at whichever allocation, what was taken until then.
func TestNothingIsLeftOnTheCard(t *testing.T) {
	for _, c := range []struct {
		name string
		most int // allocations that are tried, 0: all
		open func(dev device.Device, m, teacher *graph.Model, set *data.Set) (func(), error)
	}{
		{"trainer", 0, func(dev device.Device, m, teacher *graph.Model, set *data.Set) (func(), error) {
			rule := device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}
			tr, err := New(m, dev, Options{Batch: 4, Optim: rule, Teacher: teacher, Distil: plan.Distil{Alpha: 0.5, Temperature: 2}}, nil)
			if err != nil {
				return nil, err
			}
			if _, err := tr.Step(set, []int32{0, 1, 2}, 0.1, 1); err != nil {
				return tr.Close, err
			}
			if _, _, err := tr.Gradients(set, [][]int32{{0, 1}}); err != nil {
				return tr.Close, err
			}
			return tr.Close, tr.Rewrite(nil, false)
		}},
		{"of several", 0, func(dev device.Device, m, _ *graph.Model, set *data.Set) (func(), error) {
			tr, err := New(m, dev, Options{Batch: 4, Optim: device.Optim{Momentum: 0.9}, Ranks: &seat{table: newTable(1)}}, nil)
			if err != nil {
				return nil, err
			}
			_, err = tr.Step(set, []int32{0, 1, 2}, 0.1, 1)
			return tr.Close, err
		}},
		{"evaluator", 0, func(dev device.Device, m, _ *graph.Model, set *data.Set) (func(), error) {
			e, err := NewEvaluator(m, dev, Options{Threads: 1})
			if err != nil {
				return nil, err
			}
			_, err = e.Eval(set)
			return e.Close, err
		}},
		{"calibration", 3, func(dev device.Device, _, _ *graph.Model, _ *data.Set) (func(), error) {
			_, err := plan.Calibrate(dev, "test")
			return nil, err
		}},
		{"ranks", 0, func(dev device.Device, _, _ *graph.Model, _ *data.Set) (func(), error) {
			_, err := lowrank.Probe(dev, lowrank.Setup{Batch: 4}, "layer", 16, 8, 2, 1)
			return nil, err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for full := 0; c.most == 0 || full <= c.most; full++ { // 0: there is room
				dev, card := cudatest.New(1<<30, cuda.BF16)
				if full > 0 {
					card.FailAt("Alloc", full, cudatest.ErrFull)
				}
				m, set := smallNet(t, 1)
				teacher, _ := smallNet(t, 2)
				end, err := c.open(dev, m, teacher, set)
				if end != nil {
					end()
				}
				if l := card.Leaks(); len(l) > 0 {
					t.Errorf("full at allocation %d (%v): left on the card: %v", full, err, l)
				}
				if full == 0 {
					if err != nil {
						t.Fatal(err)
					}
					continue
				}
				if err == nil { // it takes fewer
					if full < 5 {
						t.Errorf("only %d allocations were tried", full)
					}
					return
				}
				if !strings.Contains(err.Error(), "CUDA_ERROR_OUT_OF_MEMORY") {
					t.Fatal(err)
				}
			}
		})
	}
}
