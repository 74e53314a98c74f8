package data

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pare/core/data/internal/pix"
)

// The checksums beside the embedded files hold, and none is missing.
func TestEmbeddedChecksums(t *testing.T) {
	sums, err := os.ReadFile("embedded/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(sums)); s.Scan(); {
		sum, name, _ := strings.Cut(s.Text(), "  ")
		listed[name] = sum
	}
	files, err := os.ReadDir("embedded")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "SHA256SUMS" {
			continue
		}
		b, err := os.ReadFile(filepath.Join("embedded", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != listed[f.Name()] {
			t.Errorf("%s: SHA-256 is %s, SHA256SUMS says %q", f.Name(), got, listed[f.Name()])
		}
		delete(listed, f.Name())
	}
	if len(listed) > 0 {
		t.Errorf("SHA256SUMS lists files that are not there: %v", listed)
	}
	for name, b := range map[string][]byte{"train": fashionTrain, "val": fashionVal, "test": fashionTest} {
		if want := sumOf(t, sums, "fashion-mnist-"+name+".pix"); fmt.Sprintf("%x", sha256.Sum256(b)) != want {
			t.Errorf("the compiled-in %s split is not the listed one", name)
		}
	}
}

func sumOf(t *testing.T, sums []byte, name string) string {
	for s := bufio.NewScanner(bytes.NewReader(sums)); s.Scan(); {
		if sum, ok := strings.CutSuffix(s.Text(), "  "+name); ok {
			return sum
		}
	}
	t.Fatalf("SHA256SUMS has no %s", name)
	return ""
}

// fashion is the embedded data, unpacked once for all tests that only read it.
var fashion = sync.OnceValue(func() *Data {
	d, err := Open("fashion-mnist", Options{})
	if err != nil {
		panic(err)
	}
	return d
})

// What the picker says of a data set is what opening it gives.
func TestBuiltin(t *testing.T) {
	for _, i := range Builtin() {
		if !i.Ready {
			if i.Hint == "" {
				t.Errorf("%s is not here and does not say how to get it", i.Name)
			}
			continue
		}
		if i.Name == "fashion-mnist-full" && testing.Short() {
			continue
		}
		d, err := Open(i.Name, Options{})
		if err != nil {
			t.Errorf("%s: %v", i.Name, err)
			continue
		}
		if d.Name != i.Name || len(d.Classes) != i.Classes || d.License != i.License || !slices.Equal(d.Train.Shape, i.Shape) {
			t.Errorf("%s: opened as %s, %d classes, licence %s, %v", i.Name, d.Name, len(d.Classes), d.License, d.Train.Shape)
		}
		if d.Train.N() != i.Train || d.Val.N() != i.Val || d.Test.N() != i.Test {
			t.Errorf("%s: %d, %d and %d samples, %d, %d and %d announced", i.Name, d.Train.N(), d.Val.N(), d.Test.N(), i.Train, i.Val, i.Test)
		}
		if vocab := 0; d.Text != nil {
			if vocab = d.Text.Vocab; vocab != i.Vocab {
				t.Errorf("%s: a vocabulary of %d, %d announced", i.Name, vocab, i.Vocab)
			}
		} else if i.Vocab != vocab {
			t.Errorf("%s announces a vocabulary and has none", i.Name)
		}
		checkData(t, d)
	}
}

// classCount is how many labels there are: a language model's are its vocabulary.
func classCount(d *Data) int {
	if d.Text != nil && d.Text.LM {
		return d.Text.Vocab
	}
	return len(d.Classes)
}

// checkData checks what every consumer leans on.
func checkData(t *testing.T, d *Data) {
	t.Helper()
	for _, s := range []*Set{d.Train, d.Val, d.Test} {
		if s.N() == 0 || len(s.X) != s.N()*s.F() || !slices.Equal(s.Shape, d.Train.Shape) {
			t.Fatalf("%s: %d samples, %d values of shape %v", d.Name, s.N(), len(s.X), s.Shape)
		}
		for i, l := range s.Labels {
			if k := classCount(d); l < 0 || int(l) >= k {
				t.Fatalf("%s: label %d of sample %d with %d classes", d.Name, l, i, k)
			}
		}
		for i, v := range s.X {
			if v-v != 0 {
				t.Fatalf("%s: value %d is %v", d.Name, i, v)
			}
		}
	}
	if len(d.Hash) != 64 {
		t.Errorf("%s: hash %q", d.Name, d.Hash)
	}
}

func TestFashionIsBalanced(t *testing.T) {
	d := fashion()
	for _, s := range []*Set{d.Train, d.Val, d.Test} {
		count := make([]int, len(d.Classes))
		for i, l := range s.Labels {
			count[l]++
			if count[l] != i/10+1 {
				t.Fatalf("sample %d: the classes do not come in turn", i)
			}
		}
	}
	// Pinned: the splits are part of what sessions refer to.
	if want := "0d0e264b98604eb34b6d5db7820f0414517baeb51eaf21ce25675dcdfebd6690"; d.Hash != want {
		t.Errorf("hash %s, want %s", d.Hash, want)
	}
}

// The embedded splits hold different images.
func TestFashionSplitsAreDisjoint(t *testing.T) {
	seen := map[[32]byte]string{}
	for name, blob := range map[string][]byte{"train": fashionTrain, "val": fashionVal, "test": fashionTest} {
		m, err := pix.Decode(blob)
		if err != nil {
			t.Fatal(err)
		}
		for i := range m.N() {
			k := sha256.Sum256(m.Pix[i*784 : (i+1)*784])
			if other, ok := seen[k]; ok && other != name {
				t.Errorf("image %d of %s is also in %s", i, name, other)
			}
			seen[k] = name
		}
	}
}

// The test split can be learnt: the nearest class mean is right for more than
// 60 % (chance is 10 %).
func TestFashionIsLearnable(t *testing.T) {
	d := fashion()
	if acc := nearestMean(d); acc < 0.6 || acc > 0.9 {
		t.Errorf("nearest class mean is right for %.1f %% of the test split", 100*acc)
	}
	iris, err := Open("iris", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if acc := nearestMean(iris); acc < 0.7 {
		t.Errorf("iris: nearest class mean is right for %.1f %% of the test split", 100*acc)
	}
}

// nearestMean is the accuracy on Test of the nearest class mean of Train.
func nearestMean(d *Data) float64 {
	f := d.Train.F()
	means := make([]float64, len(d.Classes)*f)
	count := make([]float64, len(d.Classes))
	for i, l := range d.Train.Labels {
		count[l]++
		m := means[int(l)*f:][:f]
		for k, v := range d.Train.X[i*f : (i+1)*f] {
			m[k] += float64(v)
		}
	}
	right := 0
	for i, l := range d.Test.Labels {
		best, arg := math.Inf(1), -1
		for c, n := range count {
			dist := 0.0
			for k, v := range d.Test.X[i*f : (i+1)*f] {
				e := float64(v) - means[c*f+k]/n
				dist += e * e
			}
			if dist < best {
				best, arg = dist, c
			}
		}
		if arg == int(l) {
			right++
		}
	}
	return float64(right) / float64(d.Test.N())
}

// With the full set at hand, the embedded images are the ones it should hold.
func TestEmbeddedAgainstFull(t *testing.T) {
	dir, ok := fullDir()
	if testing.Short() {
		t.Skip("reads 47 MB")
	}
	if !ok {
		t.Skip("the full Fashion-MNIST is not on this machine: " + fullHint)
	}
	id := &Prep{Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	d, err := Open("fashion-mnist", Options{Prep: id})
	if err != nil {
		t.Fatal(err)
	}
	check := func(part string, sets ...*Set) {
		paths, err := idxFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		p := paths[:2]
		if part == "test" {
			p = paths[2:]
		}
		images, labels, err := openPair(p[0], p[1])
		if err != nil {
			t.Fatal(err)
		}
		defer images.Close()
		next := make([]int, 10) // images of a class so far
		err = readImages(images, func(i int, item []byte) {
			c := int(labels[i])
			k := next[c]
			next[c]++
			for _, s := range sets {
				per := s.N() / 10
				if k < per {
					for j, v := range s.X[(k*10+c)*784:][:784] {
						if v != float32(item[j]) {
							t.Fatalf("%s: image %d of class %d differs", part, k, c)
						}
					}
					return
				}
				k -= per
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check("training", d.Train, d.Val)
	check("test", d.Test)
}

func TestFullIsNamedWhenMissing(t *testing.T) {
	t.Setenv("PARE_DATA", t.TempDir())
	defer func(dir string) { debianFashion = dir }(debianFashion)
	debianFashion = t.TempDir()
	_, err := Open("fashion-mnist-full", Options{})
	if want := "fashion-mnist-full is not on this machine: " + fullHint; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	for _, i := range Builtin() {
		if i.Ready != (i.Name != "fashion-mnist-full") {
			t.Errorf("%s: ready %v", i.Name, i.Ready)
		}
	}
}

// PARE_DATA comes before Debian's folder.
func TestFullFromPareData(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PARE_DATA", dir)
	writeFolder(t, filepath.Join(dir, "fashion-mnist"), nil)
	d, err := Open("fashion-mnist-full", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Train.N()+d.Val.N() != 12 || !strings.HasPrefix(d.Source, dir) {
		t.Errorf("%d images from %s", d.Train.N()+d.Val.N(), d.Source)
	}
}

func TestOpenUnknown(t *testing.T) {
	for name, want := range map[string]string{
		"":             "no data set named: choose fashion-mnist, fashion-mnist-full, iris, kjv, or give a CSV",
		"fasion-mnist": `"fasion-mnist" is neither a built-in data set (fashion-mnist, fashion-mnist-full, iris, kjv) nor a folder or file here`,
	} {
		if _, err := Open(name, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): error %v, want %q in it", name, err, want)
		}
	}
}
