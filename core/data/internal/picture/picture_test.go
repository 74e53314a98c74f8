package picture

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestPillow: the same pixels as Pillow's BILINEAR, to one level of 255: its weights
// are whole numbers. testdata/make.py wrote the cases.
func TestPillow(t *testing.T) {
	b, err := os.ReadFile("testdata/want.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File   string
		Shape  [3]int
		Pixels string
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) < 20 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.File, c.Shape), func(t *testing.T) {
			want, err := hex.DecodeString(c.Pixels)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(want))
			if err := Read(filepath.Join("testdata", c.File), got, c.Shape[0], c.Shape[1], c.Shape[2]); err != nil {
				t.Fatal(err)
			}
			off := 0
			for i := range want {
				switch d := int(got[i]) - int(want[i]); d {
				case 0:
				case 1, -1:
					off++
				default:
					t.Fatalf("pixel %d is %d, Pillow's %d", i, got[i], want[i])
				}
			}
			if off*20 > len(want) {
				t.Errorf("%d of %d pixels differ by one", off, len(want))
			}
		})
	}
}

func TestLook(t *testing.T) {
	for file, want := range map[string]Head{"colour.png": {37, 53, false}, "grey.png": {37, 53, true}, "tall.png": {53, 37, false}, "photo.jpg": {37, 53, false}} {
		got, err := Look(filepath.Join("testdata", file))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", file, got, err)
		}
	}
	var x [3 * 37 * 53]byte
	if err := Read("testdata/photo.jpg", x[:], 3, 37, 53); err != nil {
		t.Error(err)
	}
	if v := x[36*53+52]; v < 190 { // 4 · 52 = 208 in the picture that became the JPEG
		t.Errorf("the red of the last pixel is %d", v)
	}
}

// encode is a picture of one colour as PNG.
func encode(t testing.TB, c color.Color, h, w int) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTransparent(t *testing.T) {
	var x [3]byte
	if err := Decode(encode(t, color.NRGBA{R: 200, A: 128}, 4, 4), "x", x[:], 3, 1, 1); err != nil || x != [3]byte{227, 127, 127} {
		t.Errorf("half transparent red on white is %v, %v", x, err)
	}
}

// head is the beginning of a PNG file that says its picture has such a size.
func head(h, w uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	b = append(b, byte(w>>24), byte(w>>16), byte(w>>8), byte(w), byte(h>>24), byte(h>>16), byte(h>>8), byte(h), 8, 2, 0, 0, 0)
	c := crc(b[12:])
	return append(b, byte(c>>24), byte(c>>16), byte(c>>8), byte(c))
}

func crc(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0xedb88320*(c&1)
		}
	}
	return ^c
}

func TestBad(t *testing.T) {
	whole := encode(t, color.White, 9, 9)
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":  {nil, "is empty: remove it"},
		"text":   {[]byte("hello"), "cannot be read as PNG or JPEG (image: unknown format): save it again, or remove it"},
		"cut":    {whole[:len(whole)-30], "cannot be read as PNG or JPEG"},
		"huge":   {head(1<<30, 1<<30), "cannot be read as PNG or JPEG"},
		"large":  {head(30000, 30000), "says that it has 30000×30000 pixels"},
		"narrow": {head(1, 1<<21), "says that it has 2097152×1 pixels"},
	} {
		before := allocated()
		var x [3 * 64]byte
		err := Decode(c.b, "x.png", x[:], 3, 8, 8)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.png: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
		if n := allocated() - before; n > 1<<20 { // a header believed would take gigabytes
			t.Errorf("%s: took %d bytes", name, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range []string{"colour.png", "grey.png", "palette.png", "photo.jpg"} {
		b, err := os.ReadFile(filepath.Join("testdata", p))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(5), uint8(3))
	}
	f.Add(head(30000, 30000), uint8(1), uint8(1))
	f.Add(head(64, 64), uint8(9), uint8(9))
	f.Fuzz(func(t *testing.T, b []byte, h, w uint8) {
		if h == 0 || w == 0 {
			return
		}
		dst := make([]byte, 3*int(h)*int(w))
		if err := Decode(b, "x", dst, 3, int(h), int(w)); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is not one line", err)
		}
	})
}

// allocated is how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
