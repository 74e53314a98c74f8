// Package idx reads the idx files of the MNIST family, strictly. It owns that
// format and imports nothing of ours.
//
// An idx file is two zero bytes, an element type, the number of axes, the axes
// as big-endian uint32, and the elements row-major
// (http://yann.lecun.com/exdb/mnist). Only unsigned bytes are read. A file may
// be gzipped; that is seen from its content, not from its name.
//
// A Reader hands out one item (one image, one label) at a time, so a caller
// holds what it converts to and nothing else. What the header promises is
// checked against what the file can hold before anybody allocates.
package idx

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"strconv"
	"strings"
)

const (
	ubyte   = 0x08
	maxRank = 4
	// maxItem bounds one item (one image), in bytes.
	maxItem = 1 << 24
	// lavish is how many bytes a gzipped file may promise per byte of its own
	// before it is unpacked once just to count them. Real images stay under 10.
	lavish = 32
)

// elems names the element types of the format.
var elems = map[byte]string{0x08: "unsigned byte", 0x09: "signed byte", 0x0b: "int16", 0x0c: "int32", 0x0d: "float32", 0x0e: "float64"}

// Reader reads one idx file item by item.
type Reader struct {
	Name string // of the file, for errors
	Dims []int  // axes; Dims[0] is the number of items

	src  io.ReadSeeker
	r    *bufio.Reader
	size int64 // bytes of src
	read int   // items handed out
}

// Open opens a file and reads its header. Call Finish after the last item and
// Close in any case.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	var r *Reader
	if err == nil {
		r, err = New(f, st.Size(), path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// New reads the header of src, which has size bytes.
func New(src io.ReadSeeker, size int64, name string) (*Reader, error) {
	d := &Reader{Name: name, src: src, size: size}
	packed, err := d.rewind()
	if err != nil {
		return nil, err
	}
	need, err := d.header()
	if err != nil {
		return nil, err
	}
	head := int64(4 + 4*len(d.Dims))
	switch {
	case !packed && size-head < need:
		return nil, fmt.Errorf("%s: is cut short: its header (%s) promises %d bytes, %d follow: fetch it again", name, d.shape(), need, size-head)
	case !packed && size-head > need:
		return nil, fmt.Errorf("%s: has %d bytes after the data its header (%s) promises: fetch it again", name, size-head-need, d.shape())
	case packed && need > lavish*size:
		n, err := io.Copy(io.Discard, d.r)
		if err != nil {
			return nil, d.broken(err)
		}
		if n != need {
			return nil, fmt.Errorf("%s: its header (%s) promises %d bytes, %d follow: fetch it again", name, d.shape(), need, n)
		}
		if _, err := d.rewind(); err != nil {
			return nil, err
		}
		if _, err := d.header(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// rewind starts at the first byte again and says whether it is gzipped.
func (d *Reader) rewind() (packed bool, err error) {
	if _, err := d.src.Seek(0, io.SeekStart); err != nil {
		return false, fmt.Errorf("%s: %w", d.Name, err)
	}
	d.r = bufio.NewReaderSize(d.src, 1<<16)
	if b, _ := d.r.Peek(2); len(b) == 2 && b[0] == 0x1f && b[1] == 0x8b {
		z, err := gzip.NewReader(d.r)
		if err != nil {
			return true, d.broken(err)
		}
		d.r = bufio.NewReaderSize(z, 1<<16)
		return true, nil
	}
	return false, nil
}

// header reads magic and axes and returns the bytes of data they promise.
func (d *Reader) header() (need int64, err error) {
	var b [4 + 4*maxRank]byte
	if n, err := io.ReadFull(d.r, b[:4]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("%s: is empty", d.Name)
		}
		return 0, d.broken(err)
	}
	if b[0] != 0 || b[1] != 0 {
		return 0, fmt.Errorf("%s: is not an idx file: it starts with bytes %02x %02x, not 00 00", d.Name, b[0], b[1])
	}
	if b[2] != ubyte {
		kind, ok := elems[b[2]]
		if !ok {
			kind = "unknown"
		}
		return 0, fmt.Errorf("%s: element type 0x%02x (%s) is not read: write the data as unsigned bytes (0x08)", d.Name, b[2], kind)
	}
	rank := int(b[3])
	if rank < 1 || rank > maxRank {
		return 0, fmt.Errorf("%s: has %d axes: 1 (labels), 3 (images) or 4 (images with channels) are read", d.Name, rank)
	}
	if _, err := io.ReadFull(d.r, b[4:4+4*rank]); err != nil {
		return 0, d.broken(err)
	}
	d.Dims = make([]int, 0, rank)
	total, item := uint64(1), uint64(1)
	for i := range rank {
		n := uint64(binary.BigEndian.Uint32(b[4+4*i:]))
		if n > 1<<31-1 {
			return 0, fmt.Errorf("%s: axis %d of its header has size %d: the file is damaged", d.Name, i, n)
		}
		d.Dims = append(d.Dims, int(n))
		if i > 0 {
			item *= n // each factor under 2^31, checked before the next
			if n == 0 || item > maxItem {
				return 0, fmt.Errorf("%s: items of shape %s: one item has from 1 to %d bytes", d.Name, d.shape(), maxItem)
			}
		}
		hi, lo := bits.Mul64(total, n)
		if hi != 0 || lo > 1<<62 {
			return 0, fmt.Errorf("%s: its header (%s) promises more bytes than can exist: the file is damaged", d.Name, d.shape())
		}
		total = lo
	}
	if d.Dims[0] == 0 {
		return 0, fmt.Errorf("%s: holds no items", d.Name)
	}
	return int64(total), nil
}

// N is the number of items, Item the bytes of one.
func (d *Reader) N() int { return d.Dims[0] }

// Item is the number of bytes of one item.
func (d *Reader) Item() int {
	n := 1
	for _, a := range d.Dims[1:] {
		n *= a
	}
	return n
}

// Next reads the next items into buf, as many as fit; its length is a multiple
// of Item.
func (d *Reader) Next(buf []byte) error {
	n, err := io.ReadFull(d.r, buf)
	item := d.Item()
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%s: is cut short: it ends in item %d of %d: fetch it again", d.Name, d.read+n/item+1, d.N())
		}
		return d.broken(err)
	}
	d.read += n / item
	return nil
}

// Finish checks that nothing follows the last item and, in a gzipped file, its
// checksum.
func (d *Reader) Finish() error {
	_, err := d.r.ReadByte()
	if err == nil {
		return fmt.Errorf("%s: has bytes after the data its header (%s) promises: fetch it again", d.Name, d.shape())
	}
	if !errors.Is(err, io.EOF) {
		return d.broken(err)
	}
	return nil
}

// Close closes the file, if New was given one.
func (d *Reader) Close() error {
	if c, ok := d.src.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// broken wraps an error of the file or of gzip.
func (d *Reader) broken(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: is cut short: fetch it again", d.Name)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("%s: is damaged (%w): fetch it again", d.Name, err)
	}
	return fmt.Errorf("%s: cannot be read: %w", d.Name, err)
}

// shape writes the axes as people do: 60000×28×28.
func (d *Reader) shape() string {
	p := make([]string, 0, len(d.Dims))
	for _, n := range d.Dims {
		p = append(p, strconv.Itoa(n))
	}
	return strings.Join(p, "×")
}
