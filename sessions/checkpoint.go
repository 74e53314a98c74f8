package sessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unsafe"

	"pare/core"
	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// checkpointVersion is the newest checkpoint format this program reads.
const checkpointVersion = 1

// maxSlots bounds the optimiser slots of a checkpoint; Adam has two.
const maxSlots = 64

// A checkpoint file holds the tensors
//
//	param/NAME        F32, the parameter's shape
//	mask/NAME         U8 [⌈N/8⌉], bit i%8 of byte i/8 = element i is kept
//	state/SLOT/NAME   F32, the parameter's shape when it has its length, else [len]
//
// and the metadata pare = "checkpoint", version, graph (graph.Model as JSON),
// loop (core's JSON) and slots.

// writeCheckpoint writes c as one safetensors file.
func writeCheckpoint(w io.Writer, c *core.Checkpoint) error {
	m := c.Model
	if m == nil {
		return errors.New("checkpoint without a model")
	}
	structure, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	meta := map[string]string{
		"pare": "checkpoint", "version": strconv.Itoa(checkpointVersion),
		"graph": string(structure), "slots": strconv.Itoa(len(c.State)),
	}
	if c.Loop != nil {
		meta["loop"] = string(c.Loop)
	}
	var ts []safetensors.Tensor
	for _, p := range m.Params {
		if len(p.Data) != p.Shape.Len() {
			return fmt.Errorf("checkpoint: parameter %s has %d values for shape %v: pull them from the device first", p.Name, len(p.Data), p.Shape)
		}
		ts = append(ts, f32("param/"+p.Name, p.Shape, p.Data))
		if p.Mask != nil {
			b := p.Mask.Bytes()
			ts = append(ts, safetensors.Tensor{Name: "mask/" + p.Name, DType: "U8", Shape: []int{len(b)}, Data: b})
		}
	}
	for slot, state := range c.State {
		if len(state) != len(m.Params) {
			return fmt.Errorf("checkpoint: optimiser slot %d has %d tensors for %d parameters", slot, len(state), len(m.Params))
		}
		for i, x := range state {
			if x == nil {
				continue
			}
			p := &m.Params[i]
			shape := []int(p.Shape)
			if len(x) != p.Shape.Len() {
				shape = []int{len(x)}
			}
			ts = append(ts, f32(stateName(slot, p.Name), shape, x))
		}
	}
	return safetensors.Write(w, ts, meta)
}

func stateName(slot int, param string) string {
	return "state/" + strconv.Itoa(slot) + "/" + param
}

// littleEndian machines hold float32 as the file does, so a checkpoint is
// written without copying the model.
var littleEndian = func() bool {
	x := uint16(1)
	return *(*byte)(unsafe.Pointer(&x)) == 1
}()

func f32(name string, shape []int, x []float32) safetensors.Tensor {
	if !littleEndian || len(x) == 0 {
		return safetensors.FromFloat32(name, shape, x)
	}
	return safetensors.Tensor{Name: name, DType: "F32", Shape: shape, Data: unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))}
}

// readCheckpoint reads what writeCheckpoint wrote and checks all of it: every
// tensor belongs to the graph, every shape fits, the graph is sound.
func readCheckpoint(b []byte) (*core.Checkpoint, error) {
	f, err := safetensors.Parse(b)
	if err != nil {
		return nil, err
	}
	if f.Meta["pare"] != "checkpoint" {
		return nil, errors.New("is a safetensors file but not a checkpoint of pare")
	}
	switch v, err := strconv.Atoi(f.Meta["version"]); {
	case err != nil || v < 1:
		return nil, fmt.Errorf("checkpoint version %q is not a number from 1", f.Meta["version"])
	case v > checkpointVersion:
		return nil, fmt.Errorf("checkpoint version %d %w (this program reads %d): use that version", v, ErrNewer, checkpointVersion)
	}
	m := new(graph.Model)
	if err := json.Unmarshal([]byte(f.Meta["graph"]), m); err != nil {
		return nil, fmt.Errorf("its graph does not parse: %w", err)
	}
	slots, err := strconv.Atoi(f.Meta["slots"])
	if err != nil || slots < 0 || slots > maxSlots {
		return nil, fmt.Errorf("slots = %q: need a number from 0 to %d", f.Meta["slots"], maxSlots)
	}
	c := &core.Checkpoint{Model: m}
	if l, ok := f.Meta["loop"]; ok {
		c.Loop = []byte(l)
		if !json.Valid(c.Loop) {
			return nil, errors.New("its loop state is not JSON")
		}
	}
	left := make(map[string]*safetensors.Tensor, len(f.Tensors))
	for i := range f.Tensors {
		left[f.Tensors[i].Name] = &f.Tensors[i]
	}
	for i := range m.Params {
		if err := readParam(&m.Params[i], left); err != nil {
			return nil, err
		}
	}
	if c.State, err = readState(m, slots, left); err != nil {
		return nil, err
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("tensors that belong to nothing in the graph: %s", shorten(slices.Sorted(maps.Keys(left)), 3))
	}
	if err := m.Verify(); err != nil {
		return nil, err
	}
	return c, nil
}

// readParam takes a parameter's values and mask out of left.
func readParam(p *graph.Param, left map[string]*safetensors.Tensor) error {
	if err := p.Shape.Check(); err != nil {
		return fmt.Errorf("parameter %s: %w", p.Name, err)
	}
	t := take(left, "param/"+p.Name)
	if t == nil {
		return fmt.Errorf("parameter %s: its values are missing", p.Name)
	}
	if t.DType != "F32" || !p.Shape.Equal(t.Shape) {
		return fmt.Errorf("parameter %s: the graph says F32 %v, the file has %s %v", p.Name, p.Shape, t.DType, t.Shape)
	}
	var err error
	if p.Data, err = t.Float32(); err != nil {
		return err
	}
	t = take(left, "mask/"+p.Name)
	if t == nil {
		return nil
	}
	if t.DType != "U8" {
		return fmt.Errorf("mask of %s: is %s, need U8", p.Name, t.DType)
	}
	bits, err := t.Uint8s()
	if err != nil {
		return err
	}
	if p.Mask = tensor.MaskFromBytes(bits, p.Shape.Len()); p.Mask == nil {
		return fmt.Errorf("mask of %s: %d bytes do not fit %d elements", p.Name, len(bits), p.Shape.Len())
	}
	return nil
}

// readState takes the optimiser's slots out of left.
func readState(m *graph.Model, slots int, left map[string]*safetensors.Tensor) ([][][]float32, error) {
	if slots == 0 {
		return nil, nil
	}
	state := make([][][]float32, slots)
	for s := range state {
		state[s] = make([][]float32, len(m.Params))
		for i, p := range m.Params {
			t := take(left, stateName(s, p.Name))
			if t == nil {
				continue
			}
			if t.DType != "F32" || len(t.Shape) != 1 && !p.Shape.Equal(t.Shape) {
				return nil, fmt.Errorf("optimiser slot %d of %s: is %s %v", s, p.Name, t.DType, t.Shape)
			}
			var err error
			if state[s][i], err = t.Float32(); err != nil {
				return nil, err
			}
		}
	}
	return state, nil
}

func take(left map[string]*safetensors.Tensor, name string) *safetensors.Tensor {
	t := left[name]
	delete(left, name)
	return t
}
