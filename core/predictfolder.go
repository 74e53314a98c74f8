package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/deploy"
	"pare/core/device"
	"pare/core/model/hf"
)

// The inputs of a folder's model, by the names that transformers has for them.
const (
	idsName, typesName, maskName = "input_ids", "token_type_ids", "attention_mask"
)

// PredictFolder runs the model of a folder of Hugging Face on the samples of a file. Ids
// of tokens, [B, T] or [T], may be of any length that the model has places for; JSON may
// give token_type_ids and attention_mask beside input_ids. Without a mask tokens with
// pad_token_id are left out, with one of ones they are tokens as others.
func PredictFolder(path string, dev device.Device, input string, threads int) (*Outputs, error) {
	d, err := openHF(path)
	if err != nil {
		return nil, err
	}
	task, err := d.Task()
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	if task == hf.ImageClassifier {
		m, _, err := openFolder(path, 0, Sample{}, false)
		if err != nil {
			return nil, err
		}
		m.InputName = "pixel_values"
		return PredictFile(m, dev, input, threads)
	}
	in, o, err := readTokens(input, d.Dir, task)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", input, err)
	}
	m, err := d.Build(o)
	if err != nil {
		return nil, err
	}
	if err := deploy.Tidy(m); err != nil {
		return nil, err
	}
	return predictOn(m, dev, in, input, threads)
}

// readTokens reads ids, and what else is to be said of them.
func readTokens(path string, d *hf.Dir, task hf.Task) (in Tensor, o hf.Options, err error) {
	all := map[string]Tensor{}
	if strings.EqualFold(filepath.Ext(path), ".json") {
		b, err := os.ReadFile(path)
		if err != nil {
			return in, o, err
		}
		if err := json.Unmarshal(b, &all); err != nil {
			return in, o, fmt.Errorf(`not of the form {"input_ids": {"shape": […], "data": […]}}: %w`, err)
		}
	} else if all[idsName], err = readInput(path, idsName, false); err != nil {
		return in, o, err
	}
	if x, ok := all["input"]; ok && len(all) == 1 {
		all = map[string]Tensor{idsName: x}
	}
	in, ok := all[idsName]
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch t := all[name]; {
		case name != idsName && name != typesName && name != maskName:
			return in, o, fmt.Errorf("names the input %q; this model takes %s, and beside it %s and %s", name, idsName, typesName, maskName)
		case ok && !slices.Equal(t.Shape, in.Shape) || len(t.Data) != len(in.Data):
			return in, o, fmt.Errorf("%s has shape %v and %s %v: need one number for each token", idsName, in.Shape, name, t.Shape)
		}
	}
	switch {
	case !ok:
		return in, o, fmt.Errorf("holds no %s", idsName)
	case len(in.Shape) < 1 || len(in.Shape) > 2 || slices.Min(in.Shape) < 1:
		return in, o, fmt.Errorf("%s has shape %v: need [B, tokens] or [tokens]", idsName, in.Shape)
	}
	o.Tokens = in.Shape[len(in.Shape)-1]
	if mask, ok := all[maskName]; ok {
		if o.Pads, err = padMask(in.Data, mask.Data, o.Tokens, d.Config.Pad, task); err != nil {
			return in, o, err
		}
	}
	if types, ok := all[typesName]; ok && (d.Config.ModelType == "bert" || slices.Max(append(types.Data, 0)) > 0) {
		if o.Segments = true; d.Config.ModelType != "bert" {
			return in, o, fmt.Errorf("gives %s, which a %s does not know: leave them out", typesName, d.Config.ModelType)
		}
		both := Tensor{Shape: append(slices.Clone(in.Shape), 2)}
		for i, id := range in.Data {
			both.Data = append(both.Data, id, types.Data[i])
		}
		in = both
	}
	return in, o, nil
}

// padMask puts padding where a mask is 0, and tells whether padding is a token as others.
func padMask(ids, mask []float32, tokens int, pad *int, task hf.Task) (bool, error) {
	zeros := false
	for i, on := range mask {
		if on != 0 && on != 1 {
			return false, fmt.Errorf("%s holds %g: need 0 and 1", maskName, on)
		}
		zeros = zeros || on == 0
		if task == hf.CausalLM && i%tokens > 0 && on > mask[i-1] {
			return false, fmt.Errorf("%s leaves out tokens before others, which is not supported of a %s: fill up behind the text", maskName, task)
		}
	}
	switch {
	case !zeros:
		return true, nil
	case task == hf.CausalLM: // no token looks at what is behind it
		return true, nil
	case pad == nil || *pad < 0:
		return false, fmt.Errorf("%s leaves tokens out, but config.json has no pad_token_id", maskName)
	}
	for i, on := range mask {
		if on == 0 {
			ids[i] = float32(*pad)
		} else if ids[i] == float32(*pad) {
			return false, errors.New("a token with pad_token_id is not masked while others are: give such texts one by one")
		}
	}
	return false, nil
}
