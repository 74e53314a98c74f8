// Command subset writes the embedded part of Fashion-MNIST from the full set:
//
//	go run ./core/data/internal/subset -from /usr/share/datasets/fashion-mnist -to core/data/embedded
//
// (`go generate ./core/data` does the same.) From the official training images
// it takes, class by class and in file order, the first 800 for training and
// the next 150 for validation; from the official test images the first 500 of
// each class. They are stored class after class in turn (0, 1, …, 9, 0, …), so
// that every prefix is balanced. The four source files are checked against
// their SHA-256 first, so the outcome is the same bytes everywhere. It also
// writes SHA256SUMS for the whole folder.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"pare/core/data/internal/idx"
	"pare/core/data/internal/pix"
	"pare/core/data/internal/sums"
)

// Images per class.
const (
	classes  = 10
	perTrain = 800
	perVal   = 150
	perTest  = 500
	// chunk is the number of images in one stream of a packed file: enough
	// chunks for the cores of a laptop, few enough to cost nothing.
	chunk = 250
)

// sources are the files as Zalando published them, and as Debian's package
// dataset-fashion-mnist 0.0~git20200523 holds them.
var sources = map[string]string{
	"train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
	"train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
	"t10k-images-idx3-ubyte.gz":  "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
	"t10k-labels-idx1-ubyte.gz":  "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}

func main() {
	from := flag.String("from", "/usr/share/datasets/fashion-mnist", "folder with the four files of Fashion-MNIST (.gz)")
	to := flag.String("to", "core/data/embedded", "folder to write to")
	flag.Parse()
	if err := run(*from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "subset:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	files, err := build(from)
	if err != nil {
		return err
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(to, name), b, 0o644); err != nil {
			return err
		}
		fmt.Printf("%s  %d bytes\n", name, len(b))
	}
	return sums.Write(to)
}

// build returns the packed files by name.
func build(from string) (map[string][]byte, error) {
	for name, want := range sources {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			if errors.Is(err, os.ErrNotExist) {
				err = fmt.Errorf("%w: install Debian's dataset-fashion-mnist or name its folder with -from", err)
			}
			return nil, err
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
			return nil, fmt.Errorf("%s: SHA-256 is %s, not %s: fetch the original", filepath.Join(from, name), got, want)
		}
	}
	train, err := pick(from, "train", perTrain, perVal)
	if err != nil {
		return nil, err
	}
	test, err := pick(from, "t10k", perTest)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name, m := range map[string]*pix.Images{"train": train[0], "val": train[1], "test": test[0]} {
		b, err := pix.Encode(m, chunk)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		back, err := pix.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("%s: reading back: %w", name, err)
		}
		if !bytes.Equal(back.Pix, m.Pix) || !bytes.Equal(back.Labels, m.Labels) {
			return nil, fmt.Errorf("%s: reading back gives other images", name)
		}
		out["fashion-mnist-"+name+".pix"] = b
	}
	return out, nil
}

// pick takes images in file order: per class the first per[0] go to the first
// set, the next per[1] to the second, and so on.
func pick(dir, part string, per ...int) ([]*pix.Images, error) {
	labels, err := read(filepath.Join(dir, part+"-labels-idx1-ubyte.gz"))
	if err != nil {
		return nil, err
	}
	images, err := read(filepath.Join(dir, part+"-images-idx3-ubyte.gz"))
	if err != nil {
		return nil, err
	}
	const h, w = 28, 28
	var byClass [classes][][]byte
	for i, c := range labels {
		byClass[c] = append(byClass[c], images[i*h*w:(i+1)*h*w])
	}
	var out []*pix.Images
	at := 0
	for _, n := range per {
		m := &pix.Images{H: h, W: w}
		for i := at; i < at+n; i++ {
			for c := range byClass {
				if i >= len(byClass[c]) {
					return nil, fmt.Errorf("%s: class %d has only %d images", part, c, len(byClass[c]))
				}
				m.Pix = append(m.Pix, byClass[c][i]...)
				m.Labels = append(m.Labels, byte(c))
			}
		}
		at += n
		out = append(out, m)
	}
	return out, nil
}

// read returns all data of an idx file.
func read(path string) ([]byte, error) {
	r, err := idx.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, r.N()*r.Item())
	if err := r.Next(b); err != nil {
		return nil, err
	}
	return b, r.Finish()
}
