package data

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pare/core/data/internal/idx"
)

// openFolder reads the four idx files of the MNIST family. Labels are read
// first, so every image goes straight to the split it belongs to.
func openFolder(dir string, o Options) (*Data, error) {
	val, _, err := o.shares()
	if err != nil {
		return nil, err
	}
	paths, err := idxFiles(dir)
	if err != nil {
		return nil, err
	}
	trainImages, trainLabels, err := openPair(paths[0], paths[1])
	if err != nil {
		return nil, err
	}
	defer trainImages.Close()
	testImages, testLabels, err := openPair(paths[2], paths[3])
	if err != nil {
		return nil, err
	}
	defer testImages.Close()

	shape, err := imageShape(trainImages)
	if err != nil {
		return nil, err
	}
	testShape, err := imageShape(testImages)
	if err != nil {
		return nil, err
	}
	if shape != testShape {
		return nil, fmt.Errorf("%s: images are %s, those of %s are %s: both must have one size", paths[2], sizes(testShape[:]), paths[0], sizes(shape[:]))
	}

	d := &Data{Kind: Idx, Name: filepath.Base(filepath.Clean(dir)), Source: dir}
	if err := d.nameClasses(dir, paths, trainLabels, testLabels); err != nil {
		return nil, err
	}
	if o.Classes != nil {
		if len(o.Classes) < len(d.Classes) {
			return nil, fmt.Errorf("%s: has %d classes, the recipe names %d: name all", dir, len(d.Classes), len(o.Classes))
		}
		d.Classes = slices.Clone(o.Classes)
	}
	part, class := split(trainLabels, len(d.Classes), val, 0, o.Seed)
	if class >= 0 {
		return nil, fmt.Errorf("%s: class %s has only one sample: it needs at least 2, one each for training and validation", paths[1], d.Classes[class])
	}
	nval := 0
	for _, p := range part {
		nval += int(p)
	}
	train := newImageSplit(len(part)-nval, shape[:], true)
	valid := newImageSplit(nval, shape[:], false)
	test := newImageSplit(len(testLabels), shape[:], false)

	testDone := make(chan error, 1)
	go func() {
		testDone <- readImages(testImages, func(i int, item []byte) { test.add(item, testLabels[i]) })
	}()
	err = readImages(trainImages, func(i int, item []byte) {
		if part[i] == inVal {
			valid.add(item, trainLabels[i])
		} else {
			train.add(item, trainLabels[i])
		}
	})
	if err := errors.Join(err, <-testDone); err != nil {
		return nil, oneLine(err)
	}
	d.Notes = append(d.Notes, fmt.Sprintf("validation: %d of the %d training images, stratified by class", nval, len(part)))
	given, err := o.known(shape[0], true)
	if err != nil {
		return nil, err
	}
	return done(d, d.prepareImages(train, valid, test, given))
}

// idxFiles finds images and labels of the training and of the test set.
func idxFiles(dir string) (paths [4]string, err error) {
	var missing []string
	for i, stem := range []string{"train-images", "train-labels", "t10k-images", "t10k-labels"} {
		kind := "idx3-ubyte"
		if i%2 == 1 {
			kind = "idx1-ubyte"
		}
		for _, name := range []string{stem + "-" + kind, stem + "." + kind} {
			for _, ext := range []string{"", ".gz"} {
				p := filepath.Join(dir, name+ext)
				if st, err := os.Stat(p); paths[i] == "" && err == nil && !st.IsDir() {
					paths[i] = p
				}
			}
		}
		if paths[i] == "" {
			missing = append(missing, stem+"-"+kind)
		}
	}
	if missing != nil {
		return paths, fmt.Errorf("%s: has no %s: a data folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (each may end in .gz); a table is given as its CSV file", dir, strings.Join(missing, ", "))
	}
	return paths, nil
}

// openPair opens images and reads their labels.
func openPair(images, labels string) (*idx.Reader, []int32, error) {
	l, err := idx.Open(labels)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if len(l.Dims) != 1 {
		return nil, nil, fmt.Errorf("%s: has %d axes, labels have 1: are images and labels mixed up?", labels, len(l.Dims))
	}
	if l.N() > math.MaxInt32 {
		return nil, nil, fmt.Errorf("%s: has %d labels: at most %d are read", labels, l.N(), math.MaxInt32)
	}
	raw := make([]byte, l.N())
	if err := l.Next(raw); err != nil {
		return nil, nil, err
	}
	if err := l.Finish(); err != nil {
		return nil, nil, err
	}
	out := make([]int32, len(raw))
	for i, v := range raw {
		out[i] = int32(v)
	}
	im, err := idx.Open(images)
	if err != nil {
		return nil, nil, err
	}
	if im.N() != len(out) {
		im.Close()
		return nil, nil, fmt.Errorf("%s has %d images but %s has %d labels: they do not belong together", images, im.N(), labels, len(out))
	}
	return im, out, nil
}

// imageShape is [C,H,W] of an image file: N×H×W or N×C×H×W.
func imageShape(r *idx.Reader) (s [3]int, err error) {
	switch len(r.Dims) {
	case 3:
		return [3]int{1, r.Dims[1], r.Dims[2]}, nil
	case 4:
		if c := r.Dims[1]; c > 4 {
			return s, fmt.Errorf("%s: has shape %s: with 4 axes they are images, channels (1 to 4), rows, columns, in this order", r.Name, sizes(r.Dims))
		}
		return [3]int(r.Dims[1:]), nil
	}
	return s, fmt.Errorf("%s: has %d axes, images have 3 (or 4, with channels): are images and labels mixed up?", r.Name, len(r.Dims))
}

// readImages hands every image to add, in file order.
func readImages(r *idx.Reader, add func(i int, item []byte)) error {
	size := r.Item()
	buf := make([]byte, min(r.N(), max(1, 1<<16/size))*size)
	for i := 0; i < r.N(); {
		b := buf[:min(len(buf)/size, r.N()-i)*size]
		if err := r.Next(b); err != nil {
			return err
		}
		for ; len(b) > 0; b = b[size:] {
			add(i, b[:size])
			i++
		}
	}
	return r.Finish()
}

// fashionLabels is the SHA-256 of Fashion-MNIST's 10000 test labels, by which
// its folder is known under any name.
const fashionLabels = "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9"

// nameClasses fills in Classes: from classes.txt in the folder (a name a line),
// from the known data, or numbers.
func (d *Data) nameClasses(dir string, paths [4]string, train, test []int32) error {
	k, seen := int32(0), map[int32]bool{}
	for _, l := range train {
		k = max(k, l+1)
		seen[l] = true
	}
	if len(seen) == 1 {
		return fmt.Errorf("%s: all labels are %d: there is nothing to tell apart with one class", paths[1], k-1)
	}
	for i, l := range test {
		if l >= k {
			return fmt.Errorf("%s: label %d of test image %d is above every training label (0 … %d): do both files belong together?", paths[3], l, i+1, k-1)
		}
	}
	names, err := os.ReadFile(filepath.Join(dir, "classes.txt"))
	switch {
	case err == nil:
		d.Classes = strings.FieldsFunc(string(names), func(r rune) bool { return r == '\n' || r == '\r' })
		for i, c := range d.Classes {
			d.Classes[i] = clean(c)
		}
		if len(d.Classes) < int(k) {
			return fmt.Errorf("%s: has %d names for %d classes: write one a line", filepath.Join(dir, "classes.txt"), len(d.Classes), k)
		}
	case !os.IsNotExist(err):
		return err
	case sumLabels(test) == fashionLabels:
		d.Classes, d.License = append([]string(nil), fashionClasses...), "MIT"
	default:
		for i := range k {
			d.Classes = append(d.Classes, strconv.Itoa(int(i)))
		}
	}
	return nil
}

// sumLabels is the SHA-256 of labels as bytes, in hex.
func sumLabels(labels []int32) string {
	b := make([]byte, len(labels))
	for i, l := range labels {
		b[i] = byte(l)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// sizes writes a shape as people do: 60000×28×28.
func sizes(dims []int) string {
	p := make([]string, len(dims))
	for i, n := range dims {
		p[i] = strconv.Itoa(n)
	}
	return strings.Join(p, "×")
}

// oneLine keeps the first of joined errors: the person gets one line.
func oneLine(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}
