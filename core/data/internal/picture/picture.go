// Package picture reads PNG and JPEG files as samples of one size. It owns the rule
// by which they are cropped, resized and made grey, and imports nothing of ours.
//
// The rule: the largest part of the picture that has the form of the sample, around
// its centre, is resampled in each axis by a triangle as wide as a step of the larger
// of both grids (Pillow's Image.BILINEAR, torchvision's bilinear with antialias),
// columns first. Transparent places show white. Grey is 0.299 R + 0.587 G + 0.114 B
// (ITU-R BT.601), taken before resampling. Bits beyond 8 a channel and the rotation that
// a camera notes beside the picture (EXIF) are not used.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // decoder
	_ "image/png"  // decoder
	"io"
	"os"
)

// maxPixels is the largest picture that is read.
const maxPixels = 1 << 26

// promised is how many pixels a file may have per byte beside the first 65536. PNG
// packs up to 1032 bytes into one, a white page some 300 pixels, photographs a few.
const promised = 1024

// Head is what a file says about its picture.
type Head struct {
	H, W int
	Grey bool
}

// Look reads the head of a file.
func Look(path string) (Head, error) {
	f, err := os.Open(path)
	if err != nil {
		return Head{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Head{}, err
	}
	return look(f, st.Size(), path)
}

func look(r io.Reader, size int64, name string) (Head, error) {
	c, _, err := image.DecodeConfig(r)
	if err != nil {
		return Head{}, broken(name, size, err)
	}
	n := int64(c.Width) * int64(c.Height)
	if c.Width < 1 || c.Height < 1 || c.Width > 1<<20 || c.Height > 1<<20 || n > maxPixels || n > 1<<16+promised*size {
		return Head{}, fmt.Errorf("%s: says that it has %d×%d pixels, more than %d or than its %d bytes can hold: remove it, or save it smaller", name, c.Width, c.Height, maxPixels, size)
	}
	grey := c.ColorModel == color.GrayModel || c.ColorModel == color.Gray16Model
	return Head{c.Height, c.Width, grey}, nil
}

func broken(name string, size int64, err error) error {
	if size == 0 {
		return fmt.Errorf("%s: is empty: remove it", name)
	}
	return fmt.Errorf("%s: cannot be read as PNG or JPEG (%w): save it again, or remove it", name, err)
}

// Read decodes a file into dst, [C,H,W] with C 1 or 3.
func Read(path string, dst []byte, c, h, w int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return Decode(b, path, dst, c, h, w)
}

// Decode decodes the bytes of a file called name.
func Decode(b []byte, name string, dst []byte, c, h, w int) error {
	if _, err := look(bytes.NewReader(b), int64(len(b)), name); err != nil {
		return err
	}
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return broken(name, int64(len(b)), err)
	}
	planes, sh, sw := pixels(m, c)
	y0, x0, ch, cw := crop(sh, sw, h, w)
	for k, p := range planes {
		resize(dst[k*h*w:(k+1)*h*w], h, w, p[y0*sw+x0:], ch, cw, sw)
	}
	return nil
}

// pixels are the channels of a picture, [H·W] each.
func pixels(m image.Image, c int) (planes [][]byte, h, w int) {
	r := m.Bounds()
	h, w = r.Dy(), r.Dx()
	for range c {
		planes = append(planes, make([]byte, h*w))
	}
	i := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			var p [3]byte
			switch m := m.(type) {
			case *image.Gray:
				v := m.GrayAt(x, y).Y
				p = [3]byte{v, v, v}
			case *image.YCbCr:
				q := m.YCbCrAt(x, y)
				p[0], p[1], p[2] = color.YCbCrToRGB(q.Y, q.Cb, q.Cr)
			default:
				q := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
				p = [3]byte{white(q.R, q.A), white(q.G, q.A), white(q.B, q.A)}
			}
			if c == 1 {
				planes[0][i] = byte((299*int(p[0]) + 587*int(p[1]) + 114*int(p[2]) + 500) / 1000)
			} else {
				planes[0][i], planes[1][i], planes[2][i] = p[0], p[1], p[2]
			}
			i++
		}
	}
	return planes, h, w
}

// white is a channel of a colour with opacity a on a white ground.
func white(v, a byte) byte {
	return byte((int(v)*int(a) + 255*(255-int(a)) + 127) / 255)
}

// crop is the largest part of sh×sw around the centre that has the form of h×w.
func crop(sh, sw, h, w int) (y0, x0, ch, cw int) {
	ch, cw = sh, sw
	if sh*w > sw*h {
		ch = max(1, (sw*h+w/2)/w)
	} else {
		cw = max(1, (sh*w+h/2)/h)
	}
	return (sh - ch) / 2, (sw - cw) / 2, ch, cw
}
