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
	_, err = hf.Open(path)
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
