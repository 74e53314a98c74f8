package sessions

import (
	"encoding/json"
	"fmt"
	"strings"

	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// Weights are those of one layer in a checkpoint.
type Weights struct {
	Checkpoint string
	Layer      string
	Shape      []int     // [N, K] of a dense layer, [N, C, R, S] of a convolution
	Data       []float32 // row-major
	Mask       *tensor.Mask
}

// Rows and Cols are the weights as a matrix: a row an output.
func (w *Weights) Rows() int {
	if len(w.Shape) == 0 {
		return 0
	}
	return w.Shape[0]
}

// Cols is the number of weights of one output.
func (w *Weights) Cols() int {
	if w.Rows() == 0 {
		return 0
	}
	return len(w.Data) / w.Rows()
}

// Weights reads the weights and the mask of one layer from a checkpoint on disk. The
// rest of the file is not read. An error where the checkpoint is not kept, or has no such
// layer, says so.
func (s *Session) Weights(checkpoint, layer string) (*Weights, error) {
	if err := checkName(checkpoint); err != nil {
		return nil, err
	}
	w, err := layerOf(checkpointPath(s.Dir, checkpoint, ckptExt), layer)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", checkpoint, err)
	}
	w.Checkpoint = checkpoint
	return w, nil
}

func layerOf(path, layer string) (*Weights, error) {
	f, err := safetensors.OpenLazy(path)
	if err != nil {
		return nil, err
	}
	m := new(graph.Model)
	if err := json.Unmarshal([]byte(f.Meta["graph"]), m); err != nil {
		return nil, fmt.Errorf("its graph does not parse: %w", err)
	}
	at := -1
	for i := range m.Params {
		if p := &m.Params[i]; strings.TrimSuffix(p.Name, ".weight") == layer {
			at = i
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("it has no layer %s: the structure was changed", layer)
	}
	p := &m.Params[at]
	left := map[string]*safetensors.Tensor{}
	for _, name := range []string{"param/" + p.Name, "mask/" + p.Name} {
		if t, ok := f.Get(name); ok {
			left[name] = t
		}
	}
	if err := readParam(p, left); err != nil {
		return nil, err
	}
	return &Weights{Layer: layer, Shape: p.Shape, Data: p.Data, Mask: p.Mask}, nil
}
