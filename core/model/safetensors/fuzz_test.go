package safetensors

import (
	"bytes"
	"encoding/binary"
	"os"
	"reflect"
	"runtime/metrics"
	"testing"
)

// allocated is the number of bytes this process has ever allocated. (The
// runtime's MemStats would say the same but stop the world for it.)
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// FuzzParse: no input panics or makes the reader allocate more than a small
// factor of its own size, and what is accepted survives being written again.
func FuzzParse(f *testing.F) {
	ref, err := os.ReadFile("testdata/reference.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ref)
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 4)))
	f.Add(file(`{"__metadata__":{"k":"v"},"a":{"dtype":"F4","shape":[2,0],"data_offsets":[0,0]}}  `, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := allocated()
		file, err := Parse(b)
		if used := allocated() - before; used > 64*uint64(len(b))+1<<20 {
			t.Fatalf("%d bytes allocated for an input of %d", used, len(b))
		}
		if err != nil {
			return
		}
		for i := range file.Tensors { // converters may refuse, never panic
			x := &file.Tensors[i]
			_, _ = x.Float32()
			_, _ = x.Int64s()
			_, _ = x.Uint8s()
		}
		out, err := Marshal(file.Tensors, file.Meta)
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("written but not read: %v", err)
		}
		if len(again.Tensors) != len(file.Tensors) || len(file.Meta) > 0 && !reflect.DeepEqual(again.Meta, file.Meta) {
			t.Fatal("changed by a round trip")
		}
		for _, x := range file.Tensors {
			y, ok := again.Get(x.Name)
			if !ok || y.DType != x.DType || !reflect.DeepEqual(y.Shape, x.Shape) || !bytes.Equal(y.Data, x.Data) {
				t.Fatalf("tensor %q changed by a round trip", x.Name)
			}
		}
	})
}

// FuzzHeader puts the input where the JSON is, so that the fuzzer does not
// have to keep a length in step.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"a":{"dtype":"U8","shape":[1,8],"data_offsets":[0,8]}}`))
	f.Add([]byte(`{"__metadata__":{"k":"v"},"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}  `))
	f.Add([]byte(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F4","shape":[8],"data_offsets":[4,8]}}`))
	f.Fuzz(func(t *testing.T, hdr []byte) {
		b := binary.LittleEndian.AppendUint64(nil, uint64(len(hdr)))
		b = append(append(b, hdr...), make([]byte, 8)...)
		file, err := Parse(b)
		if err != nil {
			return
		}
		n := 0
		for _, x := range file.Tensors {
			n += len(x.Data)
		}
		if n != 8 {
			t.Fatalf("tensors of %d bytes were cut from 8", n)
		}
	})
}
