package cuda

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cufake"
)

// TestAttentionTF32Emulated: the same for kernels/attention_tf32.cu.
func TestAttentionTF32Emulated(t *testing.T) {
	m := newEmulator(t)
	for i, dim := range []int{64, 80, 16, 128} {
		for j, c := range []struct{ seq, heads, kv int }{{1, 1, 1}, {70, 2, 1}, {200, 1, 1}, {160, 2, 2}} {
			bits := (i + j) % 4
			if i > 0 && j%2 == 0 { // other sizes differ by constants alone
				continue
			}
			a := &attn{Attn: device.Attn{Heads: c.heads, KVHeads: c.kv, Dim: dim, Causal: bits&1 > 0, Pads: bits&2 > 0, Pad: 3, Scale: float32(1 / math.Sqrt(float64(dim)))}, n: 1 + j%2, seq: c.seq, packed: (i+j/2)%2 > 0}
			t.Run(fmt.Sprintf("dim%d/seq%d/kv%d/causal=%v/pads=%v/packed=%v", dim, c.seq, c.kv, a.Causal, a.Pads, a.packed), func(t *testing.T) {
				card := cufake.New(1 << 26)
				card.OnLaunch = func(name string, grid, block [3]int, shared int, args []unsafe.Pointer) error {
					return m.run(card, name, grid, block, shared, args)
				}
				a.compare(t, With(card, nil, TF32))
				for _, name := range []string{"tf32_attend", "tf32_attend_dq", "tf32_attend_dkv"} {
					if card.Calls(name) != 2 {
						t.Errorf("%s ran %d times", name, card.Calls(name))
					}
				}
			})
		}
	}
}

// TestAttentionEmulated runs the source of kernels/attention_wide.cu on the processor, by
// testdata/emulate.hh, with the launches that the device makes, and compares with loops in
// float64.
func TestAttentionEmulated(t *testing.T) {
	m := newEmulator(t)
	defer wideTilings(wideForward, wideDQ, wideDKV)
	for i, w := range wideSizes {
		if w == ([3]wideTiling{}) {
			continue
		}
		wideTilings(w[0], w[1], w[2])
		for j, c := range []struct{ seq, heads, kv int }{{1, 1, 1}, {100, 1, 1}, {200, 2, 1}, {256, 1, 1}} {
			for bits := range 4 {
				if i > 0 && (j != 2 || bits != 1+i%2) { // they differ by constants alone
					continue
				}
				a := &attn{Attn: device.Attn{Heads: c.heads, KVHeads: c.kv, Dim: 128, Causal: bits&1 > 0, Pads: bits&2 > 0, Pad: 3, Scale: float32(1 / math.Sqrt(128))}, n: 1 + j%2, seq: c.seq, packed: j%2 > 0}
				t.Run(fmt.Sprintf("%v/seq%d/kv%d/causal=%v/pads=%v", w, c.seq, c.kv, a.Causal, a.Pads), func(t *testing.T) {
					card := cufake.New(1 << 26)
					card.OnLaunch = func(name string, grid, block [3]int, shared int, args []unsafe.Pointer) error {
						return m.run(card, name, grid, block, shared, args)
					}
					a.compare(t, With(card, nil, BF16))
					for k, name := range []string{"wide_attend", "wide_attend_dq", "wide_attend_dkv"} {
						if w[k].groups > 0 && card.Calls(name) != 2 {
							t.Errorf("%s ran %d times", name, card.Calls(name))
						}
					}
				})
			}
		}
	}
}
