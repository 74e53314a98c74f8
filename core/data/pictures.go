package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"pare/core/data/internal/picture"
)

// isPicture says whether a name is that of an image file.
func isPicture(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".png", ".jpg", ".jpeg":
		return true
	}
	return false
}

// pictures are the image files of a folder and what they are.
type pictures struct {
	labelled
	files []string
}

// find lists the images of a folder: in a folder for each class, these perhaps in
// one for each split. Names that start with a point are left out.
func (p *pictures) find(dir string) error {
	top, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	splits := map[string]int{}
	classes := 0
	for _, e := range top {
		if !isFolder(dir, e) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if part, ok := splitNames[strings.ToLower(e.Name())]; ok {
			splits[e.Name()] = part
		} else {
			classes++
		}
	}
	seen := map[string]int32{}
	if hasTrain := slices.Contains(values(splits), inTrain); !hasTrain || classes > 0 {
		return p.walk(dir, inTrain, seen) // folders that are called test are classes then
	}
	for _, e := range top {
		if part, ok := splits[e.Name()]; ok {
			if err := p.walk(filepath.Join(dir, e.Name()), part, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func values(m map[string]int) (v []int) {
	for _, x := range m {
		v = append(v, x)
	}
	return v
}

func isFolder(dir string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink != 0 {
		st, err := os.Stat(filepath.Join(dir, e.Name()))
		return err == nil && st.IsDir()
	}
	return e.IsDir()
}

// walk takes the folders of a folder for classes.
func (p *pictures) walk(dir string, part int, seen map[string]int32) error {
	top, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range top {
		if !isFolder(dir, e) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		class := filepath.Join(dir, e.Name())
		err := filepath.WalkDir(class+string(filepath.Separator), func(path string, f fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if f.Type().IsDir() || !isPicture(path) || strings.HasPrefix(f.Name(), ".") {
				return nil
			}
			name := clean(e.Name())
			id, known := seen[name]
			if !known {
				id = int32(len(p.raw))
				p.raw = append(p.raw, name)
				seen[name] = id
			}
			p.files = append(p.files, path)
			p.labels = append(p.labels, id)
			p.from = append(p.from, uint8(part))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Sizes of images where Options leave them open.
const (
	defaultSize = 32 // if the files have different sizes, or a larger one than
	largestSize = 64
)

// openImages reads a folder of PNG and JPEG files in folders that are called as their
// classes. All become images of one size: Options.Size, else the size of the files if
// that is the same for all and at most 64 × 64, else 32 × 32. They are grey if all
// files are, else they have three channels. See picture.Read for how they are resized.
func openImages(p *pictures, dir string, o Options) (*Data, error) {
	p.name, p.what = dir, "image"
	shape, note, err := p.shape(o)
	if err != nil {
		return nil, err
	}
	st := newStore(dir, true, o)
	if err := p.read(st, shape); err != nil {
		return nil, err
	}
	d := &Data{Kind: Images, Name: filepath.Base(filepath.Clean(dir)), Source: dir, Notes: []string{note}}
	labels, part, err := d.deal(&p.labelled, o)
	if err != nil {
		return nil, err
	}
	return done(d, d.fill(st, labels, part, shape, o))
}

// shape is [C,H,W] of all images, and how it was found.
func (p *pictures) shape(o Options) (shape []int, note string, err error) {
	if len(o.Size) != 0 && (len(o.Size) != 2 || min(o.Size[0], o.Size[1]) < 1 || max(o.Size[0], o.Size[1]) > 4096) {
		return nil, "", fmt.Errorf("data.size = %v: give [rows, columns], such as [32, 32]", o.Size)
	}
	if o.Channels != 0 && o.Channels != 1 && o.Channels != 3 {
		return nil, "", fmt.Errorf("data.channels = %d: give 1 (grey) or 3 (colour)", o.Channels)
	}
	heads := make([]picture.Head, len(p.files))
	err = p.parallel(0, len(p.files), func(i int) (err error) {
		heads[i], err = picture.Look(p.files[i])
		return err
	})
	if err != nil {
		return nil, "", err
	}
	same, grey := true, true
	for _, h := range heads {
		same = same && h.H == heads[0].H && h.W == heads[0].W
		grey = grey && h.Grey
	}
	c, h, w := 3, defaultSize, defaultSize
	if grey {
		c = 1
	}
	if same && max(heads[0].H, heads[0].W) <= largestSize {
		h, w = heads[0].H, heads[0].W
	}
	if o.Channels != 0 {
		c = o.Channels
	}
	if len(o.Size) == 2 {
		h, w = o.Size[0], o.Size[1]
	}
	from := "of different sizes"
	if same {
		from = fmt.Sprintf("of %d×%d", heads[0].H, heads[0].W)
	}
	colour := "colour"
	if c == 1 {
		colour = "grey"
	}
	note = fmt.Sprintf("%d images %s, as %d×%d %s", len(p.files), from, h, w, colour)
	if !same || heads[0].H != h || heads[0].W != w {
		note += ": cropped around the centre to that form, resized by triangles as Pillow's BILINEAR"
	}
	return []int{c, h, w}, note, nil
}

// read puts all images into st, in the order of files.
func (p *pictures) read(st *store, shape []int) error {
	f := volume(shape)
	const some = 64
	pix := make([]byte, some*f)
	for lo := 0; lo < len(p.files); lo += some {
		n := min(some, len(p.files)-lo)
		err := p.parallel(lo, n, func(i int) error {
			return picture.Read(p.files[i], pix[(i-lo)*f:(i-lo+1)*f], shape[0], shape[1], shape[2])
		})
		if err != nil {
			return err
		}
		for i := range n {
			if err := st.addBytes(pix[i*f : (i+1)*f]); err != nil {
				return err
			}
		}
	}
	return nil
}

// parallel does files lo … lo+n−1 and returns the error of the first that has one.
func (p *pictures) parallel(lo, n int, do func(i int) error) error {
	workers := min(runtime.GOMAXPROCS(0), n)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			for i := lo + k; i < lo+n && errs[k] == nil; i += workers {
				if err := do(i); err != nil {
					errs[k] = &fileError{i, err}
				}
			}
		})
	}
	wg.Wait()
	var first *fileError
	for _, err := range errs {
		var e *fileError
		if errors.As(err, &e) && (first == nil || e.at < first.at) {
			first = e
		}
	}
	if first != nil {
		return first.error
	}
	return nil
}

type fileError struct {
	at int
	error
}
