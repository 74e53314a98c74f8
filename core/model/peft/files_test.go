package peft_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/model/peft"
	"pare/core/model/safetensors"
)

// TestWhatFilesMayHold: a rank beyond the smaller side of a weight, and the weight under
// an adapter of the head, which PEFT writes too; adapters of embeddings are refused.
func TestWhatFilesMayHold(t *testing.T) {
	const q, head, embed = "base_model.model.model.layers.0.self_attn.k_proj", "base_model.model.lm_head", "base_model.model.model.embed_tokens"
	tensorOf := func(name string, shape ...int) safetensors.Tensor {
		x := make([]float32, shape[0]*shape[1])
		for i := range x {
			x[i] = float32(i%7) / 8
		}
		return safetensors.FromFloat32(name, shape, x)
	}
	all := []safetensors.Tensor{
		tensorOf(q+".lora_A.weight", 30, 24), tensorOf(q+".lora_B.weight", 8, 30),
		tensorOf(head+".lora_A.weight", 30, 24), tensorOf(head+".lora_B.weight", 40, 30), tensorOf(head+".base_layer.weight", 40, 24),
	}
	read := func(ts []safetensors.Tensor) (*graph.Model, error) {
		dir, m := t.TempDir(), open(t, filepath.Join(bases, "hf-mistral-linear"), 4)
		var b bytes.Buffer
		if err := safetensors.Write(&b, ts, nil); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{peft.ConfigFile: []byte(`{"peft_type":"LORA","r":30,"lora_alpha":1}`), peft.WeightsFile: b.Bytes()} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := peft.Read(dir, m)
		return m, err
	}
	m, err := read(all)
	if err != nil {
		t.Fatal(err)
	}
	w := m.Params[m.Param("lm_head.weight")]
	if len(m.Adapters()) != 2 || m.Rank(m.Adapters()[0]) != 30 || !w.Frozen || w.Data[8] != 0.125 {
		t.Errorf("%d adapters, head frozen: %v, its value 8 is %g", len(m.Adapters()), w.Frozen, w.Data[8])
	}
	if _, err := read(append(all, tensorOf(embed+".lora_embedding_A", 30, 40))); err == nil || !strings.Contains(err.Error(), "adapter of an embedding") {
		t.Errorf("an adapter of an embedding: %v", err)
	}
	if _, err := read(append(all[:2:2], all[4])); err == nil || !strings.Contains(err.Error(), "belongs to no adapter") {
		t.Errorf("a weight without an adapter: %v", err)
	}
}
