package core

import (
	"fmt"
	"path/filepath"

	"pare/core/deploy"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/hf"
)

// formatHF is a folder that transformers loads: config.json, model.safetensors and what
// the folder brings that the model came from.
const formatHF = "hf"

// folderFiles are the files of that folder. Of one that is gone since the run began only
// sizes are known, from the graph.
func (r *run) folderFiles() ([]hf.File, error) {
	var from *hf.Dir
	if IsFolder(r.r.Model.Path) {
		d, err := openAgain(r.r.Model.Path)
		if err != nil {
			return nil, err
		}
		from = d.Dir
	}
	return hf.Files(r.model, from, r.set.Classes)
}

// exportFolder writes the folder, builds the model from it and compares.
func (r *run) exportFolder(want []float32) error {
	files, err := r.folderFiles()
	if err != nil {
		return fmt.Errorf("export %w", err)
	}
	if path := r.r.Model.Path; path != "" && !IsFolder(path) {
		if err := r.refuse("the folder that the model came from, %s, is gone: its tokenizer is not written beside the model: copy it from where the model was fetched", path); err != nil {
			return err
		}
	}
	e := &event.Export{Format: formatHF}
	for _, f := range files {
		var path, sha string
		var n int64
		err := r.whenThereIsSpace(func() (err error) {
			path, sha, n, err = r.cfg.Store.Export(filepath.Join(formatHF, f.Name), f.Write)
			return err
		})
		if err != nil {
			return fmt.Errorf("export hf: %w", err)
		}
		if f.Name == hf.WeightsFile {
			e.File, e.SHA = path, sha
		}
		e.Bytes += n
	}
	back, err := readFolder(filepath.Dir(e.File), r.model)
	if err != nil {
		return fmt.Errorf("export hf: the folder does not read back: %w", err)
	}
	if err := deploy.SameZeros(r.model, back); err != nil {
		return fmt.Errorf("export hf: %w", err)
	}
	got, err := r.logits(back)
	if err != nil {
		return fmt.Errorf("export hf: the folder does not run: %w", err)
	}
	if e.MaxDiff, e.Samples, err = r.agree(want, got); err != nil {
		return fmt.Errorf("export hf: %w", err)
	}
	return r.emit(e)
}

// readFolder builds the model of a folder that holds what like is.
func readFolder(dir string, like *graph.Model) (*graph.Model, error) {
	d, err := hf.Open(dir)
	if err != nil {
		return nil, err
	}
	in := like.Input()
	m, err := d.Build(hf.Options{Tokens: in.Seq, Segments: in.Seq > 0 && in.C == 2})
	if err != nil {
		return nil, err
	}
	deploy.MaskZeros(m)
	return m, deploy.Tidy(m)
}
