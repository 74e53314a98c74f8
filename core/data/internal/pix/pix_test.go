package pix

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// images draws a set that looks a little like pictures: flat areas and noise.
func images(t *rapid.T) *Images {
	n := rapid.IntRange(1, 9).Draw(t, "n")
	m := &Images{H: rapid.IntRange(1, 9).Draw(t, "h"), W: rapid.IntRange(1, 9).Draw(t, "w")}
	m.Labels = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "labels")
	px := rapid.OneOf(rapid.SampledFrom([]byte{0, 0, 0, 255}), rapid.Byte())
	m.Pix = rapid.SliceOfN(px, n*m.H*m.W, n*m.H*m.W).Draw(t, "pixels")
	return m
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := images(t)
		b, err := Encode(m, rapid.IntRange(1, 12).Draw(t, "chunk"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if got.H != m.H || got.W != m.W || !bytes.Equal(got.Pix, m.Pix) || !bytes.Equal(got.Labels, m.Labels) {
			t.Fatalf("decoding gives other images")
		}
	})
}

// sample is a small valid file with several chunks, the last of an odd number
// of images.
func sample(t testing.TB) []byte {
	m := &Images{H: 6, W: 5, Labels: make([]byte, 7), Pix: make([]byte, 7*30)}
	for i := range m.Pix {
		m.Pix[i] = byte(i * i % 251)
	}
	b, err := Encode(m, 4)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every cut is noticed, and nearly every changed byte: where two symbols are
// equally frequent, one may stand for the other.
func TestDamage(t *testing.T) {
	b := sample(t)
	for n := range b {
		if _, err := Decode(b[:n]); !errors.Is(err, errDamaged) {
			t.Fatalf("cut to %d of %d bytes: error %v", n, len(b), err)
		}
	}
	if _, err := Decode(append(b[:len(b):len(b)], 0)); !errors.Is(err, errDamaged) {
		t.Fatalf("one byte more: error %v", err)
	}
	missed := 0
	for i := len(b) - 100; i < len(b); i++ {
		c := bytes.Clone(b)
		c[i] ^= 0x10
		m, err := Decode(c)
		switch {
		case err == nil && len(m.Pix) == 7*30:
			missed++
		case !errors.Is(err, errDamaged):
			t.Errorf("byte %d of the streams changed: error %v", i, err)
		}
	}
	if missed > 10 {
		t.Errorf("%d of 100 changed bytes went unnoticed", missed)
	}
}

func TestHeader(t *testing.T) {
	good := sample(t)
	for _, c := range []struct {
		name string
		edit func(b []byte) []byte
		want string
	}{
		{"empty", func([]byte) []byte { return nil }, `no "pixpack1" at the start`},
		{"other magic", func(b []byte) []byte { b[0] = 'P'; return b }, `no "pixpack1" at the start`},
		{"no images", func(b []byte) []byte { binary.LittleEndian.PutUint32(b[8:], 0); return b }, "0 images of 6×5"},
		{"no chunk", func(b []byte) []byte { binary.LittleEndian.PutUint32(b[16:], 0); return b }, "in chunks of 0"},
		{"too many", func(b []byte) []byte { binary.LittleEndian.PutUint32(b[8:], 1<<31); return b }, "cannot hold 2147483648 images"},
		{"too wide", func(b []byte) []byte { binary.LittleEndian.PutUint16(b[14:], 65535); return b }, "7 images of 6×65535"},
		{"too large", func(b []byte) []byte {
			binary.LittleEndian.PutUint16(b[12:], 1024)
			binary.LittleEndian.PutUint16(b[14:], 1024)
			return b
		}, "cannot hold 7 images of 1024×1024"},
		{"wild table", func(b []byte) []byte { b[20+7] = 0xff; return b }, "table 0"},
	} {
		_, err := Decode(c.edit(bytes.Clone(good)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, m := range []*Images{
		{H: 2, W: 2},
		{H: 0, W: 2, Labels: []byte{0}},
		{H: 2, W: maxSide + 1, Labels: []byte{0}, Pix: make([]byte, 2*(maxSide+1))},
		{H: 2, W: 2, Labels: []byte{0}, Pix: make([]byte, 3)},
		{H: 1024, W: 1024, Labels: []byte{0}, Pix: make([]byte, 1<<20)}, // all black: Decode's bound
	} {
		if _, err := Encode(m, 1); err == nil {
			t.Errorf("%d images of %d×%d with %d pixels: no error", m.N(), m.H, m.W, len(m.Pix))
		}
	}
	if _, err := Encode(&Images{H: 1, W: 1, Labels: []byte{0}, Pix: []byte{9}}, 0); err == nil {
		t.Error("chunk 0: no error")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample(f))
	f.Add(sample(f)[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		if len(m.Pix) != m.N()*m.H*m.W || len(m.Pix) > maxGain*len(b) {
			t.Fatalf("%d pixels for %d images of %d×%d from %d bytes", len(m.Pix), m.N(), m.H, m.W, len(b))
		}
		// What decodes can be encoded again, unless it is all but empty.
		c, err := Encode(m, 3)
		if err != nil {
			return
		}
		again, err := Decode(c)
		if err != nil || !bytes.Equal(again.Pix, m.Pix) {
			t.Fatalf("second round: %v", err)
		}
	})
}
