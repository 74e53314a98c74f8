package data

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// grey is a PNG file of one grey.
func grey(t testing.TB, v byte, h, w int) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = v
	}
	return encoded(t, m)
}

func encoded(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPictures(t *testing.T) {
	d, err := Open("testdata/pictures", Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if !slices.Equal(d.Classes, []string{"ant", "bee", "cat"}) || !slices.Equal(d.Train.Shape, []int{3, 6, 5}) || d.Train.N() != 27 || d.Val.N() != 3 || d.Test.N() != 12 {
		t.Errorf("%q, %v, %d, %d, %d", d.Classes, d.Train.Shape, d.Train.N(), d.Val.N(), d.Test.N())
	}
	want := []string{"42 images of 6×5, as 6×5 colour", "validation: 10 % of the training images, stratified by class", "test: as the source has it"}
	if !slices.Equal(d.Notes, want) {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
	d, err = Open("testdata/pictures", Options{Size: []int{8, 8}, Channels: 1})
	if err != nil || !slices.Equal(d.Train.Shape, []int{1, 8, 8}) || !strings.Contains(d.Notes[0], "Pillow's BILINEAR") {
		t.Errorf("%v, %v", d, err)
	}
}

// TestPictureFolders: classes without splits, of several sizes, deeper folders, other
// files beside them.
func TestPictureFolders(t *testing.T) {
	files := map[string][]byte{"README.txt": []byte("hello"), "dark/.hidden.png": []byte("no"), "dark/notes.txt": nil, ".git/x.png": nil}
	for i := range 10 {
		files["dark/"+string(rune('a'+i))+".png"] = grey(t, byte(i), 10+i, 40)
		files["light/deep/"+string(rune('a'+i))+".PNG"] = grey(t, byte(200+i), 40, 10+i)
	}
	dir := place(t, files)
	d, err := Open(dir, Options{LabelMap: map[string]string{"light": "bright"}, Normalize: AsIs})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if !slices.Equal(d.Classes, []string{"bright", "dark"}) || !slices.Equal(d.Train.Shape, []int{1, 32, 32}) || d.Train.N() != 14 {
		t.Errorf("%q, %v, %d", d.Classes, d.Train.Shape, d.Train.N())
	}
	for i, l := range d.Train.Labels {
		if bright := d.Train.X[i*1024+512] >= 200; bright != (l == 0) {
			t.Errorf("sample %d of class %d is %v", i, l, d.Train.X[i*1024])
		}
	}
	// The same files by name of class: the order of a recipe.
	d, err = Open(dir, Options{Classes: []string{"light", "dark"}})
	if err != nil || !slices.Equal(d.Classes, []string{"light", "dark"}) {
		t.Errorf("%v", err)
	}
	// Folders called train and test beside others are classes.
	if err := os.Rename(filepath.Join(dir, "dark"), filepath.Join(dir, "test")); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(dir, Options{}); err != nil || !slices.Equal(d.Classes, []string{"light", "test"}) {
		t.Errorf("%v", err)
	}
}

func TestPictureErrors(t *testing.T) {
	some := func(more map[string][]byte) map[string][]byte {
		for _, c := range []string{"a", "b"} {
			for i := range 3 {
				more[c+"/"+string(rune('0'+i))+".png"] = grey(t, 9, 4, 4)
			}
		}
		return more
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		o     Options
		want  string
	}{
		"nothing":     {map[string][]byte{"a/x.gif": nil}, Options{}, "holds nothing that is read here"},
		"damaged":     {some(map[string][]byte{"b/9.png": []byte("\x89PNG\r\n")}), Options{}, "9.png: cannot be read as PNG or JPEG"},
		"cut":         {some(map[string][]byte{"b/9.png": grey(t, 9, 4, 4)[:60]}), Options{}, "9.png: cannot be read as PNG or JPEG (png: invalid format: unexpected EOF)"},
		"empty":       {some(map[string][]byte{"b/9.jpg": nil}), Options{}, "9.jpg: is empty: remove it"},
		"one class":   {map[string][]byte{"a/1.png": grey(t, 1, 4, 4)}, Options{}, `every image has the label "a"`},
		"few":         {some(map[string][]byte{"c/1.png": grey(t, 1, 4, 4)}), Options{}, `class "c" has too few images`},
		"size":        {some(map[string][]byte{}), Options{Size: []int{4}}, "data.size = [4]: give [rows, columns]"},
		"channels":    {some(map[string][]byte{}), Options{Channels: 2}, "data.channels = 2: give 1 (grey) or 3 (colour)"},
		"other class": {some(map[string][]byte{}), Options{Classes: []string{"a", "c"}}, `the label "b" is none of the recipe's classes a, c`},
		"no train":    {map[string][]byte{"train/a/x.txt": nil, "test/a/1.png": grey(t, 1, 4, 4), "test/b/1.png": grey(t, 1, 4, 4)}, Options{}, "has no training images"},
	} {
		_, err := Open(place(t, c.files), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
}
