package npy

import (
	"strings"
	"testing"
)

// header builds a version 1 file as NumPy does.
func header(dict string, data []byte) []byte {
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(dict)), byte(len(dict)>>8))
	return append(append(b, dict...), data...)
}

func TestParse(t *testing.T) {
	f := header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0})
	s, x, err := Parse(f)
	if err != nil || len(s) != 2 || s[0] != 1 || s[1] != 2 || x[0] != 1 || x[1] != -2 {
		t.Fatalf("got %v %v %v", s, x, err)
	}
	for name, f := range map[string][]byte{
		"not a .npy":    []byte("hello there"),
		"C order":       header("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", make([]byte, 4)),
		"does not fit":  header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999,99999999), }", make([]byte, 4)),
		"needs 8 bytes": header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", make([]byte, 4)),
		"float32":       header("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", make([]byte, 8)),
	} {
		if _, _, err := Parse(f); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", make([]byte, 8)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, x, err := Parse(b)
		if err != nil {
			return
		}
		n := 1
		for _, d := range s {
			n *= d
		}
		if n != len(x) {
			t.Fatalf("shape %v for %d values", s, len(x))
		}
	})
}
