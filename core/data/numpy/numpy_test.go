package numpy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func open(t testing.TB, file string) *Array {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(bytes.NewReader(b), int64(len(b)), 1<<20, file)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTypes: every type, byte order and memory order gives what NumPy saved.
// testdata/make.py wrote the files.
func TestTypes(t *testing.T) {
	b, err := os.ReadFile("testdata/want.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][][]float32
	if err := json.Unmarshal(b, &want); err != nil || len(want) != 13 {
		t.Fatalf("%d types: %v", len(want), err)
	}
	for name, rows := range want {
		for _, form := range []string{"", "-big", "-fortran"} {
			if name == "version2" && form != "" {
				continue
			}
			t.Run(name+form, func(t *testing.T) {
				a := open(t, name+form+".npy")
				if !slices.Equal(a.Shape, []int{3, 2, 4}) || a.Item() != 8 || a.Type != name && name != "version2" || a.IsBytes() != (name == "uint8") {
					t.Errorf("%+v", a)
				}
				x := make([]float32, 8)
				for i, row := range rows {
					if err := a.Next(); err != nil {
						t.Fatal(err)
					}
					if a.Floats(x); !slices.Equal(x, row) {
						t.Errorf("sample %d is %v, want %v", i, x, row)
					}
					for k, v := range row {
						if s := a.Text(k); s != fmt.Sprint(v) && !(v == 0 && s == "-0") {
							t.Errorf("sample %d: text %q of %v", i, s, v)
						}
					}
				}
				if err := a.Next(); !errors.Is(err, io.EOF) {
					t.Errorf("after the last: %v", err)
				}
			})
		}
	}
}

func TestHalf(t *testing.T) {
	a := open(t, "half.npy")
	var x [1]float32
	for i, want := range []float64{0, math.Copysign(0, -1), 1, 65504, 5.960464477539063e-08, -6.097555160522461e-05, math.Inf(1), 0.333251953125} {
		if err := a.Next(); err != nil {
			t.Fatal(err)
		}
		if a.Floats(x[:]); math.Float32bits(x[0]) != math.Float32bits(float32(want)) {
			t.Errorf("value %d is %v, want %v", i, x[0], want)
		}
	}
}

func TestTexts(t *testing.T) {
	for file, want := range map[string][]string{"words.npy": {"cat", "Käse", ""}, "bytes.npy": {"cat", "dog!"}} {
		a := open(t, file)
		for i, w := range want {
			if err := a.Next(); err != nil || !a.IsText() || a.Text(0) != w {
				t.Errorf("%s %d is %q, want %q: %v", file, i, a.Text(0), w, err)
			}
		}
	}
}

// with is a file of version 1 with a header and some data.
func with(header string, data int) []byte {
	return append([]byte(fmt.Sprintf("\x93NUMPY\x01\x00%c%c%s", len(header)&255, len(header)>>8, header)), make([]byte, data)...)
}

func TestBad(t *testing.T) {
	file := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole := file("float32.npy")
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"objects":     {file("objects.npy"), "holds Python objects"},
		"complex":     {file("complex.npy"), `has values of type "<c8"`},
		"fields":      {file("fields.npy"), "it has named fields"},
		"scalar":      {file("scalar.npy"), "is a single value"},
		"empty":       {file("empty.npy"), "holds no samples"},
		"nothing":     {nil, "is not a .npy file"},
		"cut":         {whole[:len(whole)-1], "promises 96 bytes, 95 follow"},
		"more":        {append(slices.Clone(whole), 0), "promises 96 bytes, 97 follow"},
		"cut header":  {whole[:40], "is cut short"},
		"version":     {[]byte("\x93NUMPY\x09\x00\x10\x00"), "is of version 9"},
		"long header": {[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "has a header of 4294967295 bytes"},
		"huge":        {with("{'descr':'<f4','fortran_order':False,'shape':(2147483647,2147483647,2147483647)}", 0), "more bytes than can exist"},
		"large item":  {with("{'descr':'<f4','fortran_order':False,'shape':(1,2147483647)}", 0), "one has from 1 to 67108864 bytes"},
		"large":       {with("{'descr':'<f4','fortran_order':True,'shape':(2147483647,2)}", 4), "promises 17179869176 bytes, 4 follow"},
		"negative":    {with("{'descr':'<f4','fortran_order':False,'shape':(-1,)}", 4), "an axis that is no number"},
		"no shape":    {with("{'descr':'<f4','fortran_order':False}", 4), "is missing"},
		"twice":       {with("{'descr':'<f4','descr':'<f4','shape':(1,)}", 4), "stands there twice"},
		"code":        {with("__import__('os').system('true')", 4), "no dictionary"},
		"two values":  {with("{'descr':'<f4','fortran_order':False,'shape':(1,)} 1", 4), "something follows"},
		"order":       {with("{'descr':'<f4','fortran_order':Maybe,'shape':(1,)}", 4), "neither True nor False"},
	} {
		before := allocated()
		a, err := New(bytes.NewReader(c.b), int64(len(c.b)), 1<<20, "x.npy")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.npy: ") {
			t.Errorf("%s: %+v, error %v, want %q in it", name, a, err, c.want)
		}
		if n := allocated() - before; n > 1<<20 { // a header believed would take gigabytes
			t.Errorf("%s: took %d bytes", name, n)
		}
	}
	a, err := New(bytes.NewReader(whole[:len(whole)-1]), int64(len(whole)), 1<<20, "x.npy")
	for err == nil {
		err = a.Next()
	}
	if want := "x.npy: is cut short: it ends in sample 3 of 3×2×4: fetch it again"; err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	f := file("float32-fortran.npy")
	if _, err := New(bytes.NewReader(f), int64(len(f)), 95, "x.npy"); err == nil || !strings.Contains(err.Error(), "np.ascontiguousarray") {
		t.Errorf("in Fortran order over the limit: %v", err)
	}
}

func FuzzNew(f *testing.F) {
	files, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(files) < 40 {
		f.Fatalf("%d files: %v", len(files), err)
	}
	for _, p := range files {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(with("{'descr':'<f4','fortran_order':False,'shape':(2147483647,2147483647)}", 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := New(bytes.NewReader(b), int64(len(b)), 1<<20, "x")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is not one line", err)
			}
			return
		}
		x := make([]float32, a.Item())
		if 4*len(x) > 4*len(b)*8 {
			t.Errorf("a sample of %d values from %d bytes", len(x), len(b))
		}
		n := 0
		for ; a.Next() == nil; n++ {
			a.Floats(x)
			a.Text(len(x) - 1)
		}
		if n != a.N() {
			t.Errorf("%d samples of %d", n, a.N())
		}
	})
}

// allocated is how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
