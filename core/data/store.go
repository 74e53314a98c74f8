package data

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// defaultMemory is Options.Memory where it is left 0.
const defaultMemory = 1 << 30

// store keeps the raw values of samples in the order of their source: in memory,
// or in a file once they would take more there than a limit.
type store struct {
	name  string // of the source, for messages
	bytes bool   // values are whole numbers 0 … 255
	limit int64  // of memory, for all values as float32

	f, n int         // values of a sample; samples
	per  int         // samples of a chunk
	x    [][]float32 // in memory, in chunks: to grow takes no copy
	b    [][]byte    // the same if bytes
	file *os.File    // else
	w    *bufio.Writer
	buf  []byte
}

// chunk is how many values are allocated at a time, at least.
const chunk = 1 << 16

func newStore(name string, bytes bool, o Options) *store {
	limit := o.Memory
	if limit == 0 {
		limit = defaultMemory
	}
	return &store{name: name, bytes: bytes, limit: limit}
}

// grow takes note of one more sample of f values, and moves on to a file if it is
// time to.
func (s *store) grow(f int) error {
	if s.n == 0 {
		s.f, s.per = f, max(1, chunk/max(f, 1))
	}
	if f != s.f {
		return fmt.Errorf("%s: sample %d has %d values, the first has %d: every sample needs as many", s.name, s.n+1, f, s.f)
	}
	if s.n++; s.n > math.MaxInt32 {
		return fmt.Errorf("%s: has more than %d samples: take a part", s.name, math.MaxInt32)
	}
	if s.file != nil || int64(s.n)*int64(s.f)*4 <= s.limit {
		return nil
	}
	var err error
	if s.file, err = spillFile(); err != nil {
		return fmt.Errorf("%s: takes more than %d MiB of memory, and no file can be made for the rest (%w): set XDG_CACHE_HOME to a folder with room, or raise data.memory_mb", s.name, s.limit>>20, err)
	}
	s.w = bufio.NewWriterSize(s.file, 1<<18)
	x, b := s.x, s.b
	s.x, s.b = nil, nil
	for _, c := range b {
		if err := s.write(c); err != nil {
			return err
		}
	}
	for _, c := range x {
		if err := s.write(s.encode(c)); err != nil {
			return err
		}
	}
	return nil
}

// push appends a sample to the last of the chunks, or to a new one.
func push[T any](chunks [][]T, row []T, per int) [][]T {
	k := len(chunks) - 1
	switch {
	case k < 0:
		chunks = append(chunks, nil) // a small set takes a small chunk
		k = 0
	case len(chunks[k]) == per*len(row):
		chunks = append(chunks, make([]T, 0, per*len(row)))
		k++
	}
	chunks[k] = append(chunks[k], row...)
	return chunks
}

// add appends a sample of floats.
func (s *store) add(row []float32) error {
	if err := s.grow(len(row)); err != nil {
		return err
	}
	if s.file == nil {
		s.x = push(s.x, row, s.per)
		return nil
	}
	return s.write(s.encode(row))
}

// addBytes appends a sample of bytes.
func (s *store) addBytes(row []byte) error {
	if err := s.grow(len(row)); err != nil {
		return err
	}
	if s.file == nil {
		s.b = push(s.b, row, s.per)
		return nil
	}
	return s.write(row)
}

func (s *store) write(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("%s: cannot be kept in a file (%w): set XDG_CACHE_HOME to a folder with room", s.name, err)
	}
	return nil
}

// encode gives the bytes of a row, valid until the next call.
func (s *store) encode(row []float32) []byte {
	s.buf = s.buf[:0]
	for _, v := range row {
		s.buf = binary.LittleEndian.AppendUint32(s.buf, math.Float32bits(v))
	}
	return s.buf
}

// drop forgets the samples up to i that are in memory, as far as whole chunks go.
func (s *store) drop(i int) {
	switch k := i / s.per; {
	case (i+1)%s.per != 0:
	case k < len(s.x):
		s.x[k] = nil
	case k < len(s.b):
		s.b[k] = nil
	}
}

// done ends the adding.
func (s *store) done() error {
	if s.w == nil {
		return nil
	}
	if err := s.w.Flush(); err != nil {
		return s.write(nil)
	}
	s.w = nil
	return nil
}

// size is the bytes of a sample in the file.
func (s *store) size() int {
	if s.bytes {
		return s.f
	}
	return 4 * s.f
}

func (s *store) decode(dst []float32, b []byte) {
	if s.bytes {
		for i := range dst {
			dst[i] = float32(b[i])
		}
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}

// row reads sample i into dst [f]. buf is for its use.
func (s *store) row(i int, dst []float32, buf *[]byte) error {
	switch {
	case s.file == nil && s.bytes:
		s.decode(dst, s.b[i/s.per][i%s.per*s.f:])
	case s.file == nil:
		copy(dst, s.x[i/s.per][i%s.per*s.f:])
	default:
		b, err := s.raw(i, buf)
		if err != nil {
			return err
		}
		s.decode(dst, b)
	}
	return nil
}

// raw reads the bytes of sample i from the file, into buf.
func (s *store) raw(i int, buf *[]byte) ([]byte, error) {
	n := s.size()
	if len(*buf) < n {
		*buf = make([]byte, n)
	}
	b := (*buf)[:n]
	if _, err := s.file.ReadAt(b, int64(i)*int64(n)); err != nil {
		return nil, s.lost(i, err)
	}
	return b, nil
}

func (s *store) lost(i int, err error) error {
	return fmt.Errorf("%s: sample %d cannot be read back from the file that keeps it: %w", s.name, i+1, err)
}

// each reads all samples in their order; x is valid during the call.
func (s *store) each(do func(i int, x []float32)) error {
	x := make([]float32, s.f)
	var r io.Reader
	b := make([]byte, s.size())
	if s.file != nil {
		r = bufio.NewReaderSize(io.NewSectionReader(s.file, 0, math.MaxInt64), 1<<18)
	}
	for i := range s.n {
		if r == nil {
			if err := s.row(i, x, &b); err != nil {
				return err
			}
		} else {
			if _, err := io.ReadFull(r, b); err != nil {
				return s.lost(i, err)
			}
			s.decode(x, b)
		}
		do(i, x)
	}
	return nil
}

// edit changes all samples in their order.
func (s *store) edit(do func(x []float32)) error {
	if s.file == nil {
		for _, c := range s.x {
			for ; len(c) > 0; c = c[s.f:] {
				do(c[:s.f])
			}
		}
		return nil
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, 0), 1<<18)
	var failed error
	err := s.each(func(i int, x []float32) {
		do(x)
		if _, err := w.Write(s.encode(x)); err != nil && failed == nil {
			failed = s.lost(i, err)
		}
	})
	return errors.Join(err, failed, w.Flush())
}

// spillFile makes a file without a name in the user's cache folder, or in that of
// temporary files. It is gone once it is closed or the process ends, however that
// is. Where an open file cannot be removed it is when the next one is made.
func spillFile() (*os.File, error) {
	dir, err := os.UserCacheDir()
	if err == nil {
		dir = filepath.Join(dir, "pare")
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		dir = os.TempDir()
	}
	const pattern = "samples-*.raw"
	old, _ := filepath.Glob(filepath.Join(dir, pattern))
	for _, p := range old {
		os.Remove(p) //nolint:errcheck // another process still has it open
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name()) //nolint:errcheck // see above
	return f, nil
}
