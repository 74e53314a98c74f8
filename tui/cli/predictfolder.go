package cli

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"

	"pare/core"
)

// predictFolder runs the model of a folder of Hugging Face on texts or numbers.
func (e *env) predictFolder(model, input string, texts []string) error {
	dev, err := core.OpenDevice(e.device)
	if err != nil {
		return err
	}
	if strings.EqualFold(filepath.Ext(input), ".txt") {
		if texts, err = benchTexts(input, math.MaxInt); err != nil {
			return err
		}
	} else if input != "" {
		out, err := core.PredictFolder(model, dev, input, e.threads)
		if err != nil {
			return err
		}
		return json.NewEncoder(e.out).Encode(out)
	}
	task, answers, err := core.PredictTexts(model, texts, dev, e.threads)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false) // tokens are often in angle brackets
	return enc.Encode(map[string]any{"task": task, "answers": answers})
}
