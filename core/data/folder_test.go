package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// idxFile builds an idx file of unsigned bytes.
func idxFile(data []byte, dims ...uint32) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

// ramp is n bytes 0, 1, 2, …
func ramp(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// writeFolder writes a small valid data folder, 12 training and 4 test images
// of 2×3 in 3 classes; replace overrides files, nil removes one.
func writeFolder(t testing.TB, dir string, replace map[string][]byte) {
	t.Helper()
	files := map[string][]byte{
		"train-images-idx3-ubyte": idxFile(ramp(72), 12, 2, 3),
		"train-labels-idx1-ubyte": idxFile([]byte{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}, 12),
		"t10k-images-idx3-ubyte":  idxFile(ramp(24), 4, 2, 3),
		"t10k-labels-idx1-ubyte":  idxFile([]byte{2, 1, 0, 2}, 4),
	}
	for name, b := range replace {
		files[name] = b
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if b == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func gz(t testing.TB, b []byte) []byte {
	var w bytes.Buffer
	z := gzip.NewWriter(&w)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	writeFolder(t, dir, nil)
	id := &Prep{Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	d, err := Open(dir, Options{Prep: id, Val: 0.25, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if d.Name != "mine" || d.Source != dir || !slices.Equal(d.Classes, []string{"0", "1", "2"}) || !slices.Equal(d.Train.Shape, []int{1, 2, 3}) {
		t.Errorf("%s, %s, %v, %v", d.Name, d.Source, d.Classes, d.Train.Shape)
	}
	if d.Train.N() != 9 || d.Val.N() != 3 || d.Test.N() != 4 {
		t.Errorf("%d, %d and %d samples", d.Train.N(), d.Val.N(), d.Test.N())
	}
	// Together training and validation are the 12 images, each with its label.
	seen := map[int]bool{}
	for _, s := range []*Set{d.Train, d.Val} {
		for i, l := range s.Labels {
			x := s.X[i*6 : (i+1)*6]
			k := int(x[0]) / 6
			for j, v := range x {
				if int(v) != 6*k+j {
					t.Fatalf("image %d is torn: %v", k, x)
				}
			}
			if int(l) != k%3 || seen[k] {
				t.Errorf("image %d has label %d, seen before: %v", k, l, seen[k])
			}
			seen[k] = true
		}
	}
	if len(seen) != 12 || d.Test.X[23] != 23 || !slices.Equal(d.Test.Labels, []int32{2, 1, 0, 2}) {
		t.Errorf("%d images, test %v %v", len(seen), d.Test.X, d.Test.Labels)
	}
	// Another seed, another split, another hash.
	e, err := Open(dir, Options{Val: 0.25, Seed: 6})
	if err != nil || e.Hash == d.Hash {
		t.Errorf("seed 6: %v, hash equal: %v", err, e != nil && e.Hash == d.Hash)
	}
}

// Plain, gzipped under a plain name, gzipped under its own, dotted names: the
// same data.
func TestFolderForms(t *testing.T) {
	base := filepath.Join(t.TempDir(), "a")
	writeFolder(t, base, nil)
	want, err := Open(base, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []func(name string) (string, bool){
		func(n string) (string, bool) { return n, true },
		func(n string) (string, bool) { return n + ".gz", true },
		func(n string) (string, bool) { return n + ".gz", false },
		func(n string) (string, bool) { return strings.Replace(n, "-idx", ".idx", 1), false },
	} {
		dir := t.TempDir()
		files, err := os.ReadDir(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(filepath.Join(base, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			name, zipped := form(f.Name())
			if zipped {
				b = gz(t, b)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Open(dir, Options{})
		if err != nil || got.Hash != want.Hash {
			t.Errorf("%v", err)
		}
	}
}

func TestFolderChannelsAndNames(t *testing.T) {
	dir := t.TempDir()
	writeFolder(t, dir, map[string][]byte{
		"train-images-idx3-ubyte": idxFile(ramp(72), 12, 3, 2, 1),
		"t10k-images-idx3-ubyte":  idxFile(ramp(24), 4, 3, 2, 1),
		"classes.txt":             []byte("cat\r\ndog\r\nnewt \r\n"),
	})
	d, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if !slices.Equal(d.Train.Shape, []int{3, 2, 1}) || !slices.Equal(d.Classes, []string{"cat", "dog", "newt"}) || len(d.Prep.Mean) != 3 {
		t.Errorf("%v, %q, %+v", d.Train.Shape, d.Classes, d.Prep)
	}
	for k := range 3 {
		if m, s := meanStd(d.Train, k); m*m > 1e-9 || s < 0.9999 || s > 1.0001 {
			t.Errorf("channel %d: mean %g, deviation %g", k, m, s)
		}
	}
}

func TestFolderErrors(t *testing.T) {
	images := "train-images-idx3-ubyte"
	labels := "train-labels-idx1-ubyte"
	timages := "t10k-images-idx3-ubyte"
	tlabels := "t10k-labels-idx1-ubyte"
	for _, c := range []struct {
		name    string
		replace map[string][]byte
		want    string // DIR/ stands for the folder
	}{
		{"no test set", map[string][]byte{timages: nil, tlabels: nil}, "DIR: has no t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte: a data folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (each may end in .gz); a table is given as its CSV file"},
		{"fewer labels", map[string][]byte{labels: idxFile([]byte{0, 1}, 2)}, "DIR/" + images + " has 12 images but DIR/" + labels + " has 2 labels: they do not belong together"},
		{"images as labels", map[string][]byte{labels: idxFile(ramp(72), 12, 2, 3)}, "DIR/" + labels + ": has 3 axes, labels have 1: are images and labels mixed up?"},
		{"labels as images", map[string][]byte{images: idxFile(ramp(12), 12)}, "DIR/" + images + ": has 1 axes, images have 3 (or 4, with channels): are images and labels mixed up?"},
		{"other size", map[string][]byte{timages: idxFile(ramp(24), 4, 3, 2)}, "DIR/" + timages + ": images are 1×3×2, those of DIR/" + images + " are 1×2×3: both must have one size"},
		{"channels last", map[string][]byte{images: idxFile(ramp(12*30), 12, 10, 1, 3)}, "DIR/" + images + ": has shape 12×10×1×3: with 4 axes they are images, channels (1 to 4), rows, columns, in this order"},
		{"one class", map[string][]byte{labels: idxFile(make([]byte, 12), 12)}, "DIR/" + labels + ": all labels are 0: there is nothing to tell apart with one class"},
		{"test label too high", map[string][]byte{tlabels: idxFile([]byte{0, 1, 2, 3}, 4)}, "DIR/" + tlabels + ": label 3 of test image 4 is above every training label (0 … 2): do both files belong together?"},
		{"lonely class", map[string][]byte{labels: idxFile([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2}, 12)}, "DIR/" + labels + ": class 1 has only one sample: it needs at least 2, one each for training and validation"},
		{"short names", map[string][]byte{"classes.txt": []byte("a\nb\n")}, "DIR/classes.txt: has 2 names for 3 classes: write one a line"},
		{"cut images", map[string][]byte{images: idxFile(ramp(71), 12, 2, 3)}, "DIR/" + images + ": is cut short: its header (12×2×3) promises 72 bytes, 71 follow: fetch it again"},
		{"cut gzip", map[string][]byte{images: gz(t, idxFile(ramp(71), 12, 2, 3))}, "DIR/" + images + ": is cut short: it ends in item 12 of 12: fetch it again"},
		{"both cut", map[string][]byte{images: gz(t, idxFile(ramp(71), 12, 2, 3)), timages: gz(t, idxFile(ramp(23), 4, 2, 3))}, "DIR/" + images + ": is cut short: it ends in item 12 of 12: fetch it again"},
		{"no idx", map[string][]byte{labels: []byte("hello, world")}, "DIR/" + labels + ": is not an idx file: it starts with bytes 68 65, not 00 00"},
	} {
		dir := t.TempDir()
		writeFolder(t, dir, c.replace)
		_, err := Open(dir, Options{})
		want := strings.ReplaceAll(strings.ReplaceAll(c.want, "DIR/", dir+string(filepath.Separator)), "DIR", dir)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, want)
		}
	}
}

// TestFolderOptions: names of classes and preprocessing from a recipe.
func TestFolderOptions(t *testing.T) {
	want := fashion()
	d, err := Open("fashion-mnist", Options{Normalize: ScaleOnly})
	if err != nil || d.Prep.Mean[0] != 0 || d.Prep.Std[0] != 1 || d.Prep.Scale != 1.0/255 || d.Hash != want.Hash {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := Open("fashion-mnist", Options{Normalize: "half"}); err == nil || err.Error() != `data.normalize = "half": choose std, scale or none` {
		t.Errorf("error %v", err)
	}
}
