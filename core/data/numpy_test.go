package data

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core/data/numpy"
)

// TestNumpySets reads what NumPy saved: testdata/make.py.
func TestNumpySets(t *testing.T) {
	for _, c := range []struct {
		path    string
		shape   []int
		classes []string
		n       [3]int
	}{
		{"table.npz", []int{4}, []string{"0", "1", "2"}, [3]int{42, 6, 12}},
		{"grey.npz", []int{1, 6, 5}, []string{"0", "1", "2"}, [3]int{39, 6, 15}},
		{"colour.npz", []int{3, 6, 5}, []string{"ant", "bee", "cat"}, [3]int{42, 6, 12}},
		{"arrays", []int{4}, []string{"0", "1", "2"}, [3]int{42, 6, 12}},
		{"arrays/x.npy", []int{4}, []string{"0", "1", "2"}, [3]int{42, 6, 12}},
	} {
		d, err := Open(filepath.Join("testdata", c.path), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		checkData(t, d)
		if n := [3]int{d.Train.N(), d.Val.N(), d.Test.N()}; !slices.Equal(d.Train.Shape, c.shape) || !slices.Equal(d.Classes, c.classes) || n != c.n {
			t.Errorf("%s: %v, %q, %v: %q", c.path, d.Train.Shape, d.Classes, n, d.Notes)
		}
	}
	f64, err := Open("testdata/table.npz", Options{})
	if err != nil {
		t.Fatal(err)
	}
	f32, err := Open("testdata/arrays/x.npy", Options{})
	if err != nil || f32.Hash != f64.Hash {
		t.Errorf("float64 in C order and float32 in Fortran order differ: %v", err)
	}
	// The channels of colour.npz are g, 255−g, g/2.
	raw := Prep{Scale: 1, Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
	d, err := Open("testdata/colour.npz", Options{Prep: &raw})
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Test.N() {
		x, err := d.Test.Sample(i)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range x[:30] {
			if x[30+k] != 255-v || x[60+k] != float32(int(v)/2) || int(v)/60 != int(d.Test.Labels[i]) {
				t.Fatalf("sample %d of class %d, pixel %d: %v, %v, %v", i, d.Test.Labels[i], k, v, x[30+k], x[60+k])
			}
		}
	}
}

// place writes files into a new folder.
func place(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// npy is a file of version 1 of some bytes of data.
func npy(descr, shape string, data []byte) []byte {
	h := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }\n"
	return append([]byte("\x93NUMPY\x01\x00"+string([]byte{byte(len(h)), byte(len(h) >> 8)})+h), data...)
}

// archive packs files as np.savez does.
func archive(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestNumpyErrors(t *testing.T) {
	y := npy("|u1", "9,", []byte{0, 0, 0, 1, 1, 1, 2, 2, 2})
	x := npy("|u1", "9, 2", make([]byte, 18))
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"no samples":     {map[string][]byte{"a.npy": x, "b.npy": y}, `has no array of samples among a, b: name the samples x and the labels y`},
		"no labels":      {map[string][]byte{"x.npy": x}, "has x but nothing that belongs to it"},
		"other lengths":  {map[string][]byte{"x.npy": npy("|u1", "8, 2", make([]byte, 16)), "y.npy": y}, "d.npz/x has 8 samples but y has 9 labels: they do not belong together"},
		"two of a kind":  {map[string][]byte{"x.npy": x, "images.npy": x, "y.npy": y}, "both images and x could be its training part"},
		"NaN":            {map[string][]byte{"x.npy": npy("<f2", "9, 1", append([]byte{0, 0, 0, 0x7e}, make([]byte, 14)...)), "y.npy": y}, "d.npz/x: sample 2: value 1 is NaN"},
		"one class":      {map[string][]byte{"x.npy": x, "y.npy": npy("|u1", "9,", make([]byte, 9))}, `every sample has the label "0"`},
		"not one hot":    {map[string][]byte{"x.npy": x, "y.npy": npy("|u1", "9, 2", make([]byte, 18))}, "d.npz/y: row 1 is not a single 1 among zeros"},
		"five axes":      {map[string][]byte{"x.npy": npy("|u1", "9, 1, 1, 1, 1", make([]byte, 9)), "y.npy": y}, "has 5 axes"},
		"which channels": {map[string][]byte{"x.npy": npy("|u1", "9, 3, 5, 3", make([]byte, 9*45)), "y.npy": y}, `say data.layout = "chw" or "hwc"`},
		"other size":     {map[string][]byte{"x.npy": x, "y.npy": y, "x_test.npy": npy("|u1", "9, 3", make([]byte, 27)), "y_test.npy": y}, "d.npz/x_test: samples are 3, those before 2"},
		"few of a class": {map[string][]byte{"x.npy": x, "y.npy": npy("|u1", "9,", []byte{0, 0, 0, 0, 1, 1, 1, 1, 7})}, `class "7" has too few samples`},
		"texts":          {map[string][]byte{"x.npy": npy("|S2", "9, 1", make([]byte, 18)), "y.npy": y}, "holds texts"},
	} {
		dir := place(t, map[string][]byte{"d.npz": archive(t, c.files)})
		_, err := Open(filepath.Join(dir, "d.npz"), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
	dir := place(t, map[string][]byte{"d.npz": []byte("PK"), "a.npy": x})
	if _, err := Open(filepath.Join(dir, "d.npz"), Options{}); err == nil || !strings.Contains(err.Error(), "is no .npz file") {
		t.Errorf("a damaged archive: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "a.npy"), Options{}); err == nil || !strings.Contains(err.Error(), "call it x.npy and the labels beside it y.npy") {
		t.Errorf("an array of another name: %v", err)
	}
}

// FuzzNumpy reads any two arrays as samples and labels.
func FuzzNumpy(f *testing.F) {
	for _, p := range []string{"float32.npy", "uint8-fortran.npy", "words.npy", "int64-big.npy"} {
		b, err := os.ReadFile(filepath.Join("numpy/testdata", p))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, npy("<i4", "3,", make([]byte, 12)), "")
	}
	y := npy("|u1", "9,", []byte{0, 0, 0, 1, 1, 1, 2, 2, 2})
	f.Add(npy("|u1", "9, 1", make([]byte, 9)), y, "")
	f.Add(npy("<f2", "9, 2, 1, 3", make([]byte, 9*12)), y, "hwc")
	f.Add(npy("|u1", "9, 2, 2", make([]byte, 36)), npy("|u1", "9, 3", bytes.Repeat([]byte{1, 0, 0, 0, 1, 0, 0, 0, 1}, 3)), "chw")
	f.Fuzz(func(t *testing.T, x, y []byte, layout string) {
		files := map[string][]byte{"x": x, "y": y}
		a := &arrays{name: "d.npz", samples: [3]string{"x"}, labels: [3]string{"y"}}
		a.open = func(name string) (*numpy.Array, io.Closer, error) {
			b := files[name]
			n, err := numpy.New(bytes.NewReader(b), int64(len(b)), 1<<20, name)
			return n, io.NopCloser(nil), err
		}
		d := &Data{}
		check(t, d, d.readArrays(a, Options{Layout: layout}))
	})
}

// FuzzNpz reads any .npz file.
func FuzzNpz(f *testing.F) {
	f.Add(archive(f, map[string][]byte{"x.npy": npy("|u1", "9, 1", make([]byte, 9)), "y.npy": npy("|u1", "9,", []byte{0, 0, 0, 1, 1, 1, 2, 2, 2})}))
	f.Add(archive(f, map[string][]byte{"a": nil}))
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		a := &arrays{name: "d.npz"}
		d := &Data{}
		if err = a.sort(a.inZip(z, 1<<20), ""); err == nil {
			err = d.readArrays(a, Options{})
		}
		check(t, d, err)
	})
}

// check finds errors of several lines, and data that consumers could not use.
func check(t *testing.T, d *Data, err error) {
	t.Helper()
	if err == nil {
		checkData(t, d)
	} else if strings.Contains(err.Error(), "\n") {
		t.Fatalf("error of several lines: %q", err)
	}
}

// TestNumpyIsIdx: the same images as idx files and as arrays are the same set, bit for
// bit, and so are their columns in a table with a shape.
func TestNumpyIsIdx(t *testing.T) {
	dir := t.TempDir()
	writeFolder(t, dir, nil)
	want, err := Open(dir, Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	labels := bytes.Repeat([]byte{0, 1, 2}, 4)
	npz := archive(t, map[string][]byte{
		"x_train.npy": npy("|u1", "12, 2, 3", ramp(72)), "y_train.npy": npy("|u1", "12,", labels),
		"x_test.npy": npy("|u1", "4, 2, 3", ramp(24)), "y_test.npy": npy("|u1", "4,", []byte{2, 1, 0, 2}),
	})
	got, err := Open(filepath.Join(place(t, map[string][]byte{"m.npz": npz}), "m.npz"), Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	if got.Hash != want.Hash || !slices.Equal(got.Train.X, want.Train.X) || !slices.Equal(got.Test.X, want.Test.X) || !slices.Equal(got.Val.Labels, want.Val.Labels) {
		t.Errorf("arrays differ from idx files: %+v, %+v", got.Prep, want.Prep)
	}
	csv := func(n int, labels []byte) (b []byte) {
		for i := range n {
			b = fmt.Appendf(b, "%d", labels[i])
			for k := range 6 {
				b = fmt.Appendf(b, ",%d", 6*i+k)
			}
			b = append(b, '\n')
		}
		return b
	}
	tables := place(t, map[string][]byte{"train.csv": csv(12, labels), "test.csv": csv(4, []byte{2, 1, 0, 2})})
	got, err = Open(tables, Options{Seed: 7, LabelColumn: "1", Shape: []int{1, 2, 3}, Prep: &want.Prep})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Train.X, want.Train.X) || !slices.Equal(got.Test.Labels, want.Test.Labels) {
		t.Error("the table differs from idx files")
	}
}
