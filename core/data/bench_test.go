package data

import (
	"testing"

	"pare/core/data/internal/pix"
)

// BenchmarkDecode is unpacking the three embedded splits to bytes.
func BenchmarkDecode(b *testing.B) {
	for b.Loop() {
		n := 0
		for _, blob := range [][]byte{fashionTrain, fashionVal, fashionTest} {
			m, err := pix.Decode(blob)
			if err != nil {
				b.Fatal(err)
			}
			n += len(m.Pix)
		}
		b.SetBytes(int64(n))
	}
}

// BenchmarkOpenFashion is unpacking, preprocessing and hashing them.
func BenchmarkOpenFashion(b *testing.B) {
	for b.Loop() {
		if _, err := Open("fashion-mnist", Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
