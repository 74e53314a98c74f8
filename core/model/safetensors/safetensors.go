// Package safetensors reads and writes the safetensors file format: a length,
// a JSON header, and raw little-endian tensors. It owns the format and nothing
// else: it knows no model, no graph and no device, and must not import them.
//
// The format, from safetensors/src/tensor.rs of huggingface/safetensors:
//
//	u64 LE N (N ≤ 100 MB) | N bytes of JSON, space-padded | data
//	{"__metadata__":{"k":"v"}, "NAME":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}
//
// Offsets count from the start of the data; sorted, they tile it exactly.
//
// The reader is strict: a file that two readers could understand differently
// (duplicate keys, holes, overlapping tensors, a size that does not follow from
// the shape) is refused with one line that names the tensor.
package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxHeader is the limit of the reference implementation, in bytes.
const maxHeader = 100_000_000

// metaKey is the one header entry that is not a tensor.
const metaKey = "__metadata__"

// Tensor is one entry of a file.
type Tensor struct {
	Name  string
	DType string // as the file says: "F32", "I64", "BF16", …
	Shape []int  // row-major, outermost axis first; empty for a scalar
	Data  []byte // little endian, len = prod(Shape)·itemsize; may alias the loaded file; nil as long as it lies in the file

	file *os.File // of a tensor that OpenLazy left in its file
	at   int64    // where it begins there
}

// size is the number of bytes of the tensor's data.
func (t *Tensor) size() (int64, error) {
	n, err := byteSize(t.DType, t.Shape)
	if err != nil {
		return 0, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if (t.file == nil || t.Data != nil) && n != int64(len(t.Data)) {
		return 0, fmt.Errorf("tensor %q: %s of shape %v needs %d bytes but has %d", t.Name, t.DType, t.Shape, n, len(t.Data))
	}
	return n, nil
}

// bytes are the tensor's data, read from its file if they lie there.
func (t *Tensor) bytes() ([]byte, error) {
	n, err := t.size()
	if err != nil || t.file == nil || t.Data != nil {
		return t.Data, err
	}
	b := make([]byte, n)
	if _, err := t.file.ReadAt(b, t.at); err != nil {
		return nil, fmt.Errorf("tensor %q: the file changed while it was read (%w): try again", t.Name, err)
	}
	return b, nil
}

// File is a decoded safetensors file.
type File struct {
	Tensors []Tensor          // in the order of their bytes in the file
	Meta    map[string]string // "__metadata__"; nil when the file has none

	index map[string]int // name → position in Tensors
}

// Get finds a tensor by its name. The pointer is into f.Tensors.
func (f *File) Get(name string) (*Tensor, bool) {
	if i, ok := f.index[name]; ok && i < len(f.Tensors) && f.Tensors[i].Name == name {
		return &f.Tensors[i], true
	}
	for i := range f.Tensors { // built by hand, or changed since it was parsed
		if f.Tensors[i].Name == name {
			return &f.Tensors[i], true
		}
	}
	return nil, false
}

// Parse decodes a whole file held in b. The tensors alias b.
func Parse(b []byte) (*File, error) {
	f, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

func parse(b []byte) (*File, error) {
	n, err := headerLen(b[:min(len(b), sniff)], int64(len(b)))
	if err != nil {
		return nil, err
	}
	data := b[8+n:]
	entries, meta, err := parseHeader(b[8:8+n], int64(len(data)))
	if err != nil {
		return nil, err
	}
	return build(entries, meta, data), nil
}

// Open reads and checks the file at path. The header is checked against the
// file's size before the tensors are read, so a large file of another kind is
// refused without being loaded.
func Open(path string) (*File, error) { return named(path, false) }

// OpenLazy reads and checks the header alone: a tensor's data are read when they are
// asked for, and are not kept. The file stays open as long as its tensors are in use.
// Plain reads and no memory map: a file that another process cuts short is then an
// error, and not the end of the program.
func OpenLazy(path string) (*File, error) { return named(path, true) }

func named(path string, lazy bool) (*File, error) {
	f, err := open(path, lazy)
	if err != nil {
		if e := (*os.PathError)(nil); errors.As(err, &e) {
			return nil, fmt.Errorf("safetensors: %w", err) // names the path already
		}
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return f, nil
}

func open(path string, lazy bool) (_ *File, err error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if !lazy || err != nil {
			r.Close() //nolint:errcheck // nothing was written
		}
	}()
	st, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, errors.New("is a folder: give the .safetensors file inside it")
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("is not a regular file: copy it to disk first")
	}
	head := make([]byte, min(st.Size(), sniff))
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("the file changed while it was read (%w): try again", err)
	}
	n, err := headerLen(head, st.Size())
	if err != nil {
		return nil, err
	}
	hdr := make([]byte, n)
	if _, err := r.ReadAt(hdr, 8); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	size := st.Size() - 8 - n
	if int64(int(size)) != size {
		return nil, fmt.Errorf("%d bytes of tensors do not fit this machine's address space", size)
	}
	entries, meta, err := parseHeader(hdr, size)
	if err != nil {
		return nil, err
	}
	if lazy {
		f := build(entries, meta, nil)
		for i := range f.Tensors {
			f.Tensors[i].file, f.Tensors[i].at = r, 8+n+entries[i].begin
		}
		return f, nil
	}
	data := make([]byte, size)
	if _, err := r.ReadAt(data, 8+n); err != nil && (err != io.EOF || size > 0) {
		return nil, fmt.Errorf("reading the tensors: %w", err)
	}
	return build(entries, meta, data), nil
}

// sniff is how much of a file's start is looked at to say what it is instead.
const sniff = 64

// headerLen checks the first bytes of a file of the given size and returns N.
func headerLen(head []byte, size int64) (int64, error) {
	if len(head) < 8 {
		return 0, fmt.Errorf("only %d bytes: a safetensors file has at least 10; it was cut short or is another kind of file", size)
	}
	n := binary.LittleEndian.Uint64(head)
	if n <= maxHeader && n >= 2 && int64(n) <= size-8 {
		return int64(n), nil
	}
	if what := otherKind(head); what != "" {
		return 0, errors.New(what)
	}
	if n > maxHeader {
		return 0, fmt.Errorf("the header claims %d bytes, the format allows %d: this is not a safetensors file", n, maxHeader)
	}
	if n < 2 {
		return 0, fmt.Errorf("the header claims %d bytes, too few for {}: this is not a safetensors file", n)
	}
	return 0, fmt.Errorf("the header claims %d bytes but only %d follow: the file was cut short, download or export it again", n, size-8)
}

// otherKind names the files people most often pass by mistake.
func otherKind(head []byte) string {
	has := func(p string) bool { return len(head) >= len(p) && string(head[:len(p)]) == p }
	switch {
	case has("version https://git-lfs"):
		return "is a Git LFS pointer, not the weights: run 'git lfs pull' in its repository"
	case has("PK\x03\x04"), has("\x80\x02"), has("\x80\x04"):
		return "is a PyTorch pickle or zip: save it with safetensors.torch.save_file (pickles can run code, so they are never read)"
	case has("\x89HDF"):
		return "is an HDF5 file: convert it to safetensors or ONNX first"
	case has("GGUF"):
		return "is a GGUF file: give the safetensors it was converted from"
	}
	return ""
}

func build(entries []entry, meta map[string]string, data []byte) *File {
	f := &File{Tensors: make([]Tensor, len(entries)), Meta: meta, index: make(map[string]int, len(entries))}
	for i, e := range entries {
		f.Tensors[i] = Tensor{Name: e.name, DType: e.dtype, Shape: e.shape}
		if data != nil {
			f.Tensors[i].Data = data[e.begin:e.end:e.end]
		}
		f.index[e.name] = i
	}
	return f
}
