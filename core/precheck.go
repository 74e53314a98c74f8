package core

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"pare/core/data"
	"pare/core/deploy"
	"pare/core/energy"
	"pare/core/model/hf"
	"pare/core/model/zoo"
	"pare/hwprofiles"
)

// Precheck finds what can be found wrong with a recipe without loading
// anything: unknown names, missing files. It makes a mistake an answer at the
// prompt instead of a failed session.
func Precheck(r *Recipe) error {
	if err := PrecheckEach(r); err != nil {
		return err
	}
	return needsText(r)
}

// needsText refuses data that no language model can learn from, as far as the names tell.
func needsText(r *Recipe) error {
	if !scoresNext(r.Model) {
		return nil
	}
	what := r.Data.Path
	if n := r.Data.Name; n != "" {
		for _, i := range data.Builtin() {
			if i.Name == n && i.Vocab > 0 {
				return nil
			}
		}
		what = n
	} else if i, err := os.Stat(what); err != nil || i.IsDir() || data.RunningText(what, r.Data.Label) {
		return nil // what a folder holds is seen when it is read
	}
	return fmt.Errorf("%s is a language model: it learns which token follows from running text, and %s has samples with labels: give text (kjv, a .txt file, a folder of them), or a model for samples: mlp or lenet-300-100 for numbers, bert-mini for texts with labels", or(r.Model.Name, r.Model.Path), what)
}

// scoresNext reports whether a model says which token follows.
func scoresNext(m ModelSpec) bool {
	if m.Name != "" {
		return zoo.LanguageModel(m.Name)
	}
	if !IsFolder(m.Path) {
		return false
	}
	d, err := openHF(m.Path)
	if err != nil { // said by PrecheckEach
		return false
	}
	task, err := d.Task()
	return err == nil && task == hf.CausalLM
}

// PrecheckEach is Precheck of the model and of the data by themselves: whether they fit each
// other is left open.
func PrecheckEach(r *Recipe) error {
	if err := r.Check(); err != nil {
		return err
	}
	if n := r.Model.Name; n != "" {
		known := false
		for _, i := range zoo.List() {
			known = known || i.Name == n
		}
		if !known {
			return UnknownModel(n)
		}
	} else if err := precheckModel(r.Model.Path); err != nil {
		return err
	}
	if n := r.Data.Name; n != "" {
		var names []string
		known := false
		for _, i := range data.Builtin() {
			names = append(names, i.Name)
			known = known || i.Name == n
		}
		if !known {
			return fmt.Errorf("no built-in data set %q: choose %s, or give a folder or file (./%s)", n, strings.Join(names, ", "), n)
		}
	} else if _, err := there("data", r.Data.Path); err != nil {
		return err
	}
	wall := r.Energy.Wall
	if wall == "" {
		wall = os.Getenv("PARE_WALL")
	}
	if wall != "" {
		if _, err := energy.ReadWall(wall); err != nil {
			return err
		}
	}
	if p := r.Hardware.Profile; p != "" {
		if _, err := hwprofiles.Load(p); err != nil {
			return err
		}
	}
	return nil
}

// there is what lies at a path, or that nothing does.
func there(what, path string) (os.FileInfo, error) {
	i, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: %s does not exist: check the path", what, path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return i, nil
}

// precheckModel opens a folder, of which the headers alone are read.
func precheckModel(path string) error {
	i, err := there("model", path)
	if err != nil || !i.IsDir() {
		return err
	}
	if !IsFolder(path) {
		_, err = deploy.Open(path)
		return err
	}
	_, err = openHF(path)
	return err
}

// UnknownModel is the error for a name that is not in the zoo.
func UnknownModel(name string) error {
	var names []string
	for _, i := range zoo.List() {
		names = append(names, i.Name)
	}
	return fmt.Errorf("no built-in model %q: choose %s, or give a file (./%s)", name, strings.Join(names, ", "), name)
}
