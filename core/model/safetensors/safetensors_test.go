package safetensors

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// file builds the bytes of a file from its header's JSON and its data.
func file(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// testdata/reference.safetensors was written by the Python package safetensors
// 0.8.0 (safetensors.numpy.save_file): one tensor of each dtype numpy has, a
// scalar, an empty tensor and a name that needs escapes.
func TestReferenceFile(t *testing.T) {
	path := filepath.Join("testdata", "reference.safetensors")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	inf := float32(math.Inf(1))
	negZero := float32(math.Copysign(0, -1))
	floats := map[string][]float32{
		"fc1.weight": {1, -2, 3.5, 0, negZero, 1e-3},
		"half":       {1, -2, 6.103515625e-05, 5.960464477539063e-08, 65504, inf, negZero},
		"brain":      {1, -2, 0.10009765625, 3.0040553e38},
		"double":     {0.1, negZero},
		"empty":      {},
	}
	for name, want := range floats {
		x, ok := f.Get(name)
		if !ok {
			t.Fatalf("no tensor %q", name)
		}
		got, err := x.Float32()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		if _, err := x.Int64s(); err == nil {
			t.Errorf("%s: floating point read as integers", name)
		}
	}
	ints := map[string][]int64{
		"steps":                {1234567890123},
		"small":                {-128, 127},
		"idx":                  {-1, 2, 2147483647},
		"bits":                 {0, 1, 255},
		"keep":                 {1, 0},
		"naïve \"name\" <a&b>": {7},
	}
	for name, want := range ints {
		x, ok := f.Get(name)
		if !ok {
			t.Fatalf("no tensor %q", name)
		}
		if got, err := x.Int64s(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v %v, want %v", name, got, err, want)
		}
		if _, err := x.Float32(); err == nil {
			t.Errorf("%s: integers read as floating point", name)
		}
	}
	if x, _ := f.Get("steps"); len(x.Shape) != 0 || x.Len() != 1 {
		t.Errorf("steps: shape %v, want a scalar", x.Shape)
	}
	if x, _ := f.Get("bits"); true {
		if got, err := x.Uint8s(); err != nil || !slices.Equal(got, []uint8{0, 1, 255}) {
			t.Errorf("bits: got %v %v", got, err)
		}
	}
	if x, _ := f.Get("big"); true {
		if _, err := x.Int64s(); err == nil || !strings.Contains(err.Error(), "18446744073709551615") {
			t.Errorf("big: got %v, want an error that names the value", err)
		}
	}
	if want := map[string]string{"format": "pt <&>"}; !reflect.DeepEqual(f.Meta, want) {
		t.Errorf("meta %v, want %v", f.Meta, want)
	}

	// Our writer gives the reference's bytes.
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(f.Tensors)
	got, err := Marshal(f.Tensors, f.Meta)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("written bytes differ from the reference:\n%q\n%q", got, want)
	}
}

func TestRefuses(t *testing.T) {
	const a = `"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`
	four, eight := make([]byte, 4), make([]byte, 8)
	deep := `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	for name, c := range map[string]struct {
		file []byte
		want string // part of the message
	}{
		"nothing":             {nil, "only 0 bytes"},
		"seven bytes":         {make([]byte, 7), "only 7 bytes"},
		"zeros":               {make([]byte, 64), "too few"},
		"header over limit":   {binary.LittleEndian.AppendUint64(nil, 100_000_001), "allows 100000000"},
		"header past 2^63":    {binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "allows 100000000"},
		"header past end":     {binary.LittleEndian.AppendUint64(nil, 50), "only 0 follow"},
		"git lfs pointer":     {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:0"), "git lfs pull"},
		"torch zip":           {[]byte("PK\x03\x04........................"), "pickle"},
		"not an object":       {file(`[1,2]`, nil), "does not start with {"},
		"leading space":       {file(` {}`, nil), "does not start with {"},
		"not JSON":            {file(`{"a" 1}`, nil), "not JSON"},
		"cut JSON":            {file(`{"a":{"dtype":"F32"`, nil), "too early"},
		"trailing comma":      {file(`{`+a+`,}`, four), "not JSON"},
		"bad UTF-8":           {file("{\"a\xff\":1}", nil), "UTF-8"},
		"junk after header":   {file(`{`+a+`} x`, four), "closing }"},
		"second object":       {file(`{`+a+`}{}`, four), "closing }"},
		"duplicate tensor":    {file(`{`+a+`,`+a+`}`, four), `"a" stands twice`},
		"duplicate escaped":   {file(`{`+a+`,`+strings.Replace(a, `"a"`, `"\u0061"`, 1)+`}`, four), `"a" stands twice`},
		"duplicate field":     {file(`{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four), `"dtype" stands twice`},
		"field in other case": {file(`{"a":{"Dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four), "unknown field"},
		"duplicate metadata":  {file(`{"__metadata__":{"k":"1","k":"2"}}`, nil), `"k" stands twice`},
		"metadata twice":      {file(`{"__metadata__":{},"__metadata__":{}}`, nil), `stands twice`},
		"metadata number":     {file(`{"__metadata__":{"k":1}}`, nil), "where a string belongs"},
		"missing field":       {file(`{"a":{"dtype":"F32","shape":[1]}}`, nil), "needs dtype, shape and data_offsets"},
		"unknown dtype":       {file(`{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}`, four), `unknown dtype "F33"`},
		"dtype null":          {file(`{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}`, four), "where a string belongs"},
		"negative axis":       {file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, four), "-1 is not a whole number"},
		"fractional axis":     {file(`{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}`, four), "1.0 is not a whole number"},
		"axis past 2^63":      {file(`{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}`, four), "not a whole number"},
		"shape overflow":      {file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, four), "overflows"},
		"overflow then zero":  {file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}`, nil), "overflows"},
		"half a byte":         {file(`{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}`, four[:2]), "whole number of bytes"},
		"size ≠ shape":        {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, four), "needs 8 bytes but has 4"},
		"begin > end":         {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, four), "not inside"},
		"end past data":       {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, four), "not inside"},
		"three offsets":       {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}`, four), "needs 2"},
		"hole at start":       {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, eight), "belong to no tensor"},
		"hole at end":         {file(`{`+a+`}`, eight), "end at byte 4 of 8"},
		"hole between":        {file(`{`+a+`,"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}}`, eight[:6]), `tensor "b": 1 bytes before it`},
		"overlap":             {file(`{`+a+`,"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}`, eight[:5]), `tensor "b": its bytes 3:5 overlap`},
		"same bytes twice":    {file(`{`+a+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four), "overlap"},
		"deep nesting":        {file(deep, nil), "where { belongs"},
		"deep in shape":       {file(`{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}`, four), "where a number belongs"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Parse(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Parse: %v; want one line with %q", err, c.want)
			}
			_, err = Open(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v; want the path and %q", err, c.want)
			}
		})
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): %v", path, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	x := FromFloat32("a", []int{2}, []float32{1, 2})
	for name, ts := range map[string][]Tensor{
		"shape ≠ data":  {FromFloat32("a", []int{3}, []float32{1, 2})},
		"negative axis": {FromFloat32("a", []int{-2}, []float32{1, 2})},
		"same name":     {x, x},
		"reserved name": {FromUint8(metaKey, []int{1}, []uint8{1})},
		"bad UTF-8":     {FromUint8("\xff", []int{1}, []uint8{1})},
		"unknown dtype": {{Name: "a", DType: "F5", Shape: []int{1}, Data: []byte{0}}},
	} {
		if _, err := Marshal(ts, nil); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if _, err := Marshal(nil, map[string]string{"k": "\xff"}); err == nil {
		t.Error("metadata of bad UTF-8: written")
	}
	if _, err := f64(1e300).Float32(); err == nil {
		t.Error("1e300 read as float32")
	}
}

// f64 makes an F64 scalar, which no constructor makes.
func f64(v float64) *Tensor {
	return &Tensor{Name: "a", DType: "F64", Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))}
}

// genTensor draws a tensor of any dtype and shape, empty and scalar included.
func genTensor(t *rapid.T, name string) Tensor {
	d := rapid.SampledFrom(dtypes).Draw(t, "dtype")
	shape := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "shape")
	size, err := byteSize(d.name, shape)
	if err != nil { // part of a byte: make it whole
		shape = append(shape, 4)
		size, _ = byteSize(d.name, shape)
	}
	return Tensor{Name: name, DType: d.name, Shape: shape, Data: rapid.SliceOfN(rapid.Byte(), int(size), int(size)).Draw(t, "data")}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.String(), 0, 6, rapid.ID[string]).Draw(t, "names")
		var ts []Tensor
		for _, n := range names {
			if n != metaKey {
				ts = append(ts, genTensor(t, n))
			}
		}
		meta := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "meta")
		b, err := Marshal(ts, meta)
		if err != nil {
			t.Fatal(err)
		}
		if n := binary.LittleEndian.Uint64(b); n%8 != 0 {
			t.Fatalf("header of %d bytes: the data is not 8-aligned", n)
		}
		f, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Tensors) != len(ts) || len(f.Meta) != len(meta) {
			t.Fatalf("%d tensors and %d metadata became %d and %d", len(ts), len(meta), len(f.Tensors), len(f.Meta))
		}
		for k, v := range meta {
			if f.Meta[k] != v {
				t.Fatalf("metadata %q: %q became %q", k, v, f.Meta[k])
			}
		}
		for _, want := range ts {
			got, ok := f.Get(want.Name)
			if !ok || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("%+v became %+v", want, got)
			}
		}
		slices.Reverse(ts)
		again, err := Marshal(ts, meta)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatal("the order of the argument shows in the bytes")
		}
	})
}

func TestConstructorsRoundTrip(t *testing.T) {
	f32 := []float32{1, -0.5, float32(math.Inf(-1))}
	i64 := []int64{math.MinInt64, 0, math.MaxInt64}
	ts := []Tensor{
		FromFloat32("f32", []int{3}, f32), FromInt64("i64", []int{3, 1}, i64),
		FromUint8("u8", []int{2}, []uint8{0, 255}), FromInt32("i32", nil, []int32{math.MinInt32}),
		FromUint64("u64", []int{1}, []uint64{math.MaxInt64}),
	}
	b, err := Marshal(ts, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string) *Tensor {
		x, ok := f.Get(name)
		if !ok {
			t.Fatalf("no tensor %q", name)
		}
		return x
	}
	if x, err := get("f32").Float32(); err != nil || !slices.Equal(x, f32) {
		t.Error(x, err)
	}
	for name, want := range map[string][]int64{"i64": i64, "u8": {0, 255}, "i32": {math.MinInt32}, "u64": {math.MaxInt64}} {
		if x, err := get(name).Int64s(); err != nil || !slices.Equal(x, want) {
			t.Error(name, x, err)
		}
	}
	if f.Meta != nil {
		t.Error("metadata from nothing")
	}
}

// TestLazy: a file opened lazily gives what one that was read gives, is written again
// byte for byte, and says so when it was cut short in the meantime.
func TestLazy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	b, err := Marshal([]Tensor{FromFloat32("a", []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}), FromInt64("b", []int{1}, []int64{7}), FromUint8("none", []int{0}, nil)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	lazy, err := OpenLazy(path)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := lazy.Get("a")
	if x, err := a.Float32(); err != nil || a.Data != nil || !slices.Equal(x, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("a is %v (%v), kept: %v", x, err, a.Data != nil)
	}
	if again, err := Marshal(lazy.Tensors, nil); err != nil || !bytes.Equal(again, b) {
		t.Errorf("written again: %d bytes, want %d (%v)", len(again), len(b), err)
	}
	if err := os.Truncate(path, int64(len(b)-20)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Float32(); err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("a file cut short: %v", err)
	}
}
