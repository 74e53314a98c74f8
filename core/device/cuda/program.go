package cuda

import (
	"embed"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"pare/core/device/cuda/internal/cu"
)

// The kernels' source. Each .cu file is a program of its own, compiled behind
// common.cuh when the first of its kernels is needed.
//
//go:embed kernels
var kernels embed.FS

// program is a compiled file.
type program struct {
	module cu.Module
	funcs  map[string]cu.Func
}

var kernelName = regexp.MustCompile(`extern "C" __global__ void(?:\s+__\w+__\([^)]*\))*\s+(\w+)\s*\(`)

// fileOf says which file holds a kernel.
var fileOf = sync.OnceValue(func() map[string]string {
	files := map[string]string{}
	list, _ := kernels.ReadDir("kernels") // embedded: it is there
	for _, f := range list {
		if path.Ext(f.Name()) != ".cu" {
			continue
		}
		for _, m := range kernelName.FindAllStringSubmatch(source(f.Name()), -1) {
			files[m[1]] = f.Name()
		}
	}
	return files
})

var include = regexp.MustCompile(`(?m)^#include "(\w+\.cuh)"$`)

// source is a file of kernels, with what it includes: NVRTC sees no other files.
func source(name string) string {
	b, _ := kernels.ReadFile("kernels/" + name) // embedded: it is there
	return include.ReplaceAllStringFunc(string(b), func(line string) string {
		return source(include.FindStringSubmatch(line)[1])
	})
}

// mostPrograms is how many compiled files are kept for plans to come. There are some ten
// files, and some of them are compiled for each size of heads.
const mostPrograms = 64

// trim unloads programs when there are many of them and no plan holds their kernels.
func (c *card) trim() error {
	if len(c.programs) <= mostPrograms {
		return nil
	}
	var err error
	for key, p := range c.programs {
		err = firstError(err, p.module.Unload())
		delete(c.programs, key)
	}
	return err
}

// function is a kernel of the device's precision, compiled with further defines.
func (d Device) function(name string, defines ...string) (cu.Func, error) {
	file, ok := fileOf()[name]
	if !ok {
		return 0, fmt.Errorf("no kernel %s", name)
	}
	if d.precision == BF16 {
		defines = append([]string{"VAL_BF16"}, defines...)
	}
	key := file + " " + strings.Join(defines, " ")
	p := d.programs[key]
	if p == nil {
		image, err := cu.CompileFor(d.driver, file, source("common.cuh")+"\n#line 1 \""+file+"\"\n"+source(file), defines)
		if err != nil {
			return 0, err
		}
		m, err := d.driver.Load(image)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		p = &program{module: m, funcs: map[string]cu.Func{}}
		d.programs[key] = p
	}
	f, ok := p.funcs[name]
	if !ok {
		var err error
		if f, err = p.module.Func(name); err != nil {
			return 0, fmt.Errorf("%s: kernel %s: %w", file, name, err)
		}
		p.funcs[name] = f
	}
	return f, nil
}
