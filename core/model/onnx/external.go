package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DecodeIn is Decode of a file in folder dir, with the values that initializers have in
// other files there.
func DecodeIn(b []byte, dir string) (*Model, error) {
	m, err := Decode(b)
	if err != nil {
		return nil, err
	}
	im := &importer{g: m.Graph, size: int64(len(b))}
	if err := im.external(dir); err != nil {
		return nil, fmt.Errorf("onnx: %w", oneLine{err})
	}
	return m, nil
}

// external fetches the values that initializers have in other files of the model's
// folder. A path that leads out of it is refused; each file is opened once, and no more
// is read than it holds.
func (im *importer) external(dir string) error {
	var root *os.Root
	files := map[string]*os.File{}
	defer func() {
		for _, f := range files {
			f.Close()
		}
		if root != nil {
			root.Close()
		}
	}()
	sizes := map[string]int64{}
	for i := range im.g.Initializers {
		t := &im.g.Initializers[i]
		if t.Location == 0 && len(t.External) == 0 {
			continue
		}
		at, offset, length, err := t.place()
		if err != nil {
			return err
		}
		if root == nil {
			if root, err = os.OpenRoot(dir); err != nil {
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
		}
		if files[at] == nil {
			f, err := root.Open(at)
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("tensor %q: its values lie in %q (external_data), which is not in the model's folder: copy it there", t.Name, at)
				}
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
			files[at] = f
			info, err := f.Stat()
			if err != nil || !info.Mode().IsRegular() {
				return fmt.Errorf("tensor %q: %q is no file that can be read", t.Name, at)
			}
			sizes[at] = info.Size()
			im.size += info.Size()
		}
		if length < 0 {
			length = sizes[at] - offset
		}
		if offset > sizes[at] || length < 0 || length > sizes[at]-offset {
			return fmt.Errorf("tensor %q: bytes %d to %d of %q, which has %d: the file is cut off, copy it again", t.Name, offset, offset+length, at, sizes[at])
		}
		if n, err := t.Len(); err != nil || int64(n) > length { // no type is smaller than a byte
			return fmt.Errorf("tensor %q: %d bytes for shape %v: the file is damaged, export it again", t.Name, length, t.Dims)
		}
		if im.spent += length; im.spent > 2*im.size {
			return errors.New("its tensors share the bytes of other files: export it again")
		}
		t.Raw = make([]byte, length)
		if _, err := files[at].ReadAt(t.Raw, offset); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		t.Location, t.External = 0, nil
	}
	im.spent = 0
	return nil
}

// place is where a tensor's values lie; length −1 is the rest of the file.
func (t *Tensor) place() (file string, offset, length int64, err error) {
	length = -1
	for _, kv := range t.External {
		switch kv.Key {
		case "location":
			file = kv.Value
		case "offset":
			offset, err = strconv.ParseInt(kv.Value, 10, 64)
		case "length":
			length, err = strconv.ParseInt(kv.Value, 10, 64)
		}
		if err != nil || offset < 0 || length < -1 {
			return "", 0, 0, fmt.Errorf("tensor %q: %s = %q in external_data: the file is damaged, export it again", t.Name, kv.Key, kv.Value)
		}
	}
	file = filepath.FromSlash(strings.ReplaceAll(file, "\\", "/"))
	if !filepath.IsLocal(file) {
		return "", 0, 0, fmt.Errorf("tensor %q: external_data at %q leads out of the model's folder, which is not followed", t.Name, file)
	}
	return file, offset, length, nil
}
