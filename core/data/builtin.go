package data

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"pare/core/data/internal/pix"
)

//go:generate go run ./internal/subset -from /usr/share/datasets/fashion-mnist -to embedded
//go:generate go run ./internal/kjv -to embedded

var (
	//go:embed embedded/fashion-mnist-train.pix
	fashionTrain []byte
	//go:embed embedded/fashion-mnist-val.pix
	fashionVal []byte
	//go:embed embedded/fashion-mnist-test.pix
	fashionTest []byte
	//go:embed embedded/iris.csv
	irisCSV []byte
	//go:embed embedded/kjv.txt.gz
	kjvText []byte
)

// fashionClasses are Zalando's names of the labels 0 … 9.
var fashionClasses = []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}

// Info describes a built-in data set, for a picker.
type Info struct {
	Name             string
	Description      string
	Classes          int
	Shape            []int // one sample
	Vocab            int   // of text for a language model, by its own tokenizer; 0 of other data
	Train, Val, Test int   // samples, with default options
	License          string
	Ready            bool   // Open finds it on this machine
	Hint             string // how to get it when it is not Ready
}

// builtin is a data set known by name.
type builtin struct {
	Info
	open func(Options) (*Data, error)
	// ready looks for data that is not embedded; nil: always there.
	ready func() bool
}

// builtins in the order of the picker. Filled in by init: the openers list the
// names in their messages.
var builtins []builtin

func init() {
	builtins = []builtin{
		{
			Info: Info{
				Name: "fashion-mnist", Description: "clothes, 28×28 grey images: a balanced part, embedded",
				Classes: 10, Shape: []int{1, 28, 28}, Train: 8000, Val: 1500, Test: 5000, License: "MIT",
			},
			open: openFashion,
		},
		{
			Info: Info{
				Name: "fashion-mnist-full", Description: "clothes, 28×28 grey images: all of Fashion-MNIST",
				Classes: 10, Shape: []int{1, 28, 28}, Train: 54000, Val: 6000, Test: 10000, License: "MIT", Hint: fullHint,
			},
			open:  openFashionFull,
			ready: func() bool { _, ok := fullDir(); return ok },
		},
		{
			Info: Info{
				Name: "iris", Description: "a table: three species of flowers (Fisher 1936)",
				Classes: 3, Shape: []int{4}, Train: 105, Val: 15, Test: 30, License: irisLicense,
			},
			open: openIris,
		},
		{
			Info: Info{
				Name: "kjv", Description: "text: the New Testament, King James Version, embedded",
				Shape: []int{defaultTokens}, Vocab: 63, Train: 5193, Val: 741, Test: 1482, License: kjvLicense,
			},
			open: openKJV,
		},
	}
}

// Builtin lists the built-in data sets.
func Builtin() []Info {
	var out []Info
	for _, b := range builtins {
		i := b.Info
		i.Shape = append([]int(nil), i.Shape...)
		i.Ready = b.ready == nil || b.ready()
		out = append(out, i)
	}
	return out
}

// openFashion unpacks the embedded part of Fashion-MNIST. Its splits are fixed:
// Seed and shares play no part, wrong shares are refused all the same.
func openFashion(o Options) (*Data, error) {
	if _, _, err := o.shares(); err != nil {
		return nil, err
	}
	blobs := [3][]byte{fashionTrain, fashionVal, fashionTest}
	var splits [3]*imageSplit
	var errs [3]error
	var wg sync.WaitGroup
	for i, b := range blobs {
		wg.Go(func() {
			m, err := pix.Decode(b)
			if err != nil {
				errs[i] = fmt.Errorf("the embedded fashion-mnist cannot be read, rebuild pare: %w", err)
				return
			}
			splits[i] = newImageSplit(m.N(), []int{1, m.H, m.W}, i == 0)
			f := m.H * m.W
			for k, l := range m.Labels {
				splits[i].add(m.Pix[k*f:(k+1)*f], int32(l))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, oneLine(err)
	}
	d := &Data{
		Kind: Idx, Name: "fashion-mnist", Source: "embedded", License: "MIT",
		Classes: append([]string(nil), fashionClasses...),
	}
	given, err := o.known(1, true)
	if err != nil {
		return nil, err
	}
	return done(d, d.prepareImages(splits[0], splits[1], splits[2], given))
}

// debianFashion is where Debian's package puts its files. Tests change it.
var debianFashion = "/usr/share/datasets/fashion-mnist"

const (
	fullHint    = "apt-get install dataset-fashion-mnist, or put the four idx files of github.com/zalandoresearch/fashion-mnist into $PARE_DATA/fashion-mnist"
	irisLicense = "CC BY 4.0"
	kjvLicense  = "public domain"
)

// fullDir finds the folder of the full Fashion-MNIST.
func fullDir() (string, bool) {
	dirs := []string{debianFashion}
	if p := os.Getenv("PARE_DATA"); p != "" {
		dirs = []string{filepath.Join(p, "fashion-mnist"), debianFashion}
	}
	for _, d := range dirs {
		if _, err := idxFiles(d); err == nil {
			return d, true
		}
	}
	return "", false
}

func openFashionFull(o Options) (*Data, error) {
	dir, ok := fullDir()
	if !ok {
		return nil, fmt.Errorf("fashion-mnist-full is not on this machine: %s", fullHint)
	}
	d, err := openFolder(dir, o)
	if err != nil {
		return nil, err
	}
	d.Name, d.License = "fashion-mnist-full", "MIT"
	return d, nil
}

func openIris(o Options) (*Data, error) {
	d, err := readTable(bytes.NewReader(irisCSV), "iris.csv", o)
	if err != nil {
		return nil, err
	}
	d.Name, d.Source, d.License = "iris", "embedded", irisLicense
	return d, nil
}

func openKJV(o Options) (*Data, error) {
	s, err := readText(bytes.NewReader(kjvText), int64(len(kjvText)), "kjv.txt")
	if err != nil {
		return nil, fmt.Errorf("the embedded text cannot be read, rebuild pare: %w", err)
	}
	d, err := languageModel("kjv", [3][]document{{{"kjv.txt", s}}}, false, o)
	if err != nil {
		return nil, err
	}
	d.Name, d.Source, d.License = "kjv", "embedded", kjvLicense
	return d, nil
}

// done returns d, or nil and the error.
func done(d *Data, err error) (*Data, error) {
	if err != nil {
		return nil, err
	}
	return d, nil
}
