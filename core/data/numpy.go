package data

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/data/numpy"
)

// Words in the names of arrays. A name is one of the first two, or one of them and
// that of a split (see splitNames), with _ or - between: x, y_test, train-images.
var (
	sampleWords = []string{"x", "images", "image", "data", "features", "inputs"}
	labelWords  = []string{"y", "labels", "label", "target", "targets", "classes"}
)

// arrays are those of a .npz file, or the .npy files of a folder.
type arrays struct {
	name string // for messages
	// samples and labels by split; "": none.
	samples, labels [3]string
	open            func(name string) (*numpy.Array, io.Closer, error)
}

// role tells by a name what an array is.
func role(name string) (part int, samples, ok bool) {
	name = strings.TrimSuffix(name, ".npy")
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' })
	if len(words) < 1 || len(words) > 2 {
		return 0, false, false
	}
	roles := 0
	for _, w := range words {
		switch p, split := splitNames[w]; {
		case split:
			part = p
		case slices.Contains(sampleWords, w):
			samples = true
			roles++
		case slices.Contains(labelWords, w):
			roles++
		default:
			return 0, false, false
		}
	}
	return part, samples, roles == 1
}

// sort finds the roles of the arrays that are called names. Of two that could be the
// same, first wins.
func (a *arrays) sort(names []string, first string) error {
	for _, n := range names {
		part, samples, ok := role(filepath.Base(n))
		if !ok {
			continue
		}
		at := &a.labels[part]
		if samples {
			at = &a.samples[part]
		}
		if *at != "" && *at != first && n != first {
			return fmt.Errorf("%s: both %s and %s could be its %s part: keep one, or give the path of a file", a.name, filepath.Base(*at), filepath.Base(n), partNames[part])
		}
		if *at != first || first == "" {
			*at = n
		}
	}
	const want = "name the samples x and the labels y (or x_train, y_train, x_test, y_test; images and labels also do)"
	if a.samples[inTrain] == "" {
		var shown []string
		for _, n := range names {
			shown = append(shown, filepath.Base(n))
		}
		return fmt.Errorf("%s: has no array of samples among %s: %s", a.name, list(shown), want)
	}
	for p, s := range a.samples {
		l := a.labels[p]
		if (s == "") != (l == "") {
			return fmt.Errorf("%s: has %s but nothing that belongs to it: %s", a.name, filepath.Base(s+l), want)
		}
	}
	return nil
}

// openNumpy reads a .npz file, or a .npy file and those beside it that belong to it,
// or those of a folder.
func openNumpy(path string, o Options) (*Data, error) {
	limit := newStore("", false, o).limit
	a := &arrays{name: path}
	var names []string
	var first string
	if strings.HasSuffix(strings.ToLower(path), ".npz") {
		z, err := zip.OpenReader(path)
		if err != nil {
			return nil, fmt.Errorf("%s: is no .npz file (%w): save it again with np.savez", path, err)
		}
		defer z.Close()
		names = a.inZip(&z.Reader, limit)
	} else {
		dir := path
		if st, err := os.Stat(path); err == nil && !st.IsDir() {
			dir, first = filepath.Dir(path), path
			if _, samples, ok := role(filepath.Base(path)); !ok || !samples {
				return nil, fmt.Errorf("%s: is not known to hold samples by its name: call it x.npy and the labels beside it y.npy, or give the folder", path)
			}
		}
		var err error
		if names, err = filepath.Glob(filepath.Join(escaped(dir), "*.npy")); err != nil {
			return nil, err
		}
		a.open = func(name string) (*numpy.Array, io.Closer, error) { return openArray(name, limit) }
	}
	if err := a.sort(names, first); err != nil {
		return nil, err
	}
	d := &Data{Kind: Arrays, Name: stem(path), Source: path}
	return done(d, d.readArrays(a, o))
}

// escaped is a folder for Glob.
func escaped(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// inflation is the most that deflate packs.
const inflation = 1032

// inZip lists the arrays of a .npz file.
func (a *arrays) inZip(z *zip.Reader, limit int64) (names []string) {
	files := map[string]*zip.File{}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if name = clean(name); ok && files[name] == nil {
			files[name] = f
			names = append(names, name)
		}
	}
	a.open = func(name string) (*numpy.Array, io.Closer, error) {
		f, full := files[name], a.name+"/"+name
		if f.UncompressedSize64 > inflation*f.CompressedSize64+1<<16 {
			return nil, nil, fmt.Errorf("%s: claims to unpack to %d bytes from %d: the file is damaged", full, f.UncompressedSize64, f.CompressedSize64)
		}
		r, err := f.Open()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: cannot be read: %w", full, err)
		}
		x, err := numpy.New(r, int64(f.UncompressedSize64), limit, full)
		if err != nil {
			r.Close()
			return nil, nil, err
		}
		return x, r, nil
	}
	return names
}

func openArray(path string, limit int64) (*numpy.Array, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	var x *numpy.Array
	if err == nil {
		x, err = numpy.New(bufio.NewReaderSize(f, 1<<18), st.Size(), limit, path)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return x, f, nil
}

// readArrays reads samples and labels and splits them.
func (d *Data) readArrays(a *arrays, o Options) error {
	l := &labelled{name: a.name, what: "sample"}
	seen := map[string]int32{}
	var st *store
	var shape []int
	for p := range a.samples {
		if a.samples[p] == "" {
			continue
		}
		before := len(l.labels)
		if err := a.readLabels(a.labels[p], l, seen); err != nil {
			return err
		}
		n := len(l.labels) - before
		for range n {
			l.from = append(l.from, uint8(p))
		}
		x, c, err := a.open(a.samples[p])
		if err != nil {
			return err
		}
		form, err := arrayForm(x, o)
		if err == nil && x.N() != n {
			err = fmt.Errorf("%s has %d samples but %s has %d labels: they do not belong together", x.Name, x.N(), filepath.Base(a.labels[p]), n)
		}
		if err == nil && st != nil && !slices.Equal(shape, form.shape) {
			err = fmt.Errorf("%s: samples are %s, those before %s: all must have one size", x.Name, sizes(form.shape), sizes(shape))
		}
		if err == nil {
			if st == nil {
				st, shape = newStore(a.name, x.IsBytes() && len(form.shape) == 3, o), form.shape
			}
			err = form.read(x, st)
		}
		c.Close()
		if err != nil {
			return err
		}
		d.Notes = append(d.Notes, fmt.Sprintf("%s: %s, %s%s", filepath.Base(a.samples[p]), x.Type, numpy.Sizes(x.Shape), form.note))
	}
	labels, part, err := d.deal(l, o)
	if err != nil {
		return err
	}
	return d.fill(st, labels, part, shape, o)
}

// form is how the values of an array become those of a sample.
type form struct {
	shape    []int // of a sample here
	channels int   // of pixels whose channels stand together, else 0
	note     string
}

// arrayForm finds out what the axes mean.
func arrayForm(x *numpy.Array, o Options) (form, error) {
	s := x.Shape[1:]
	if x.IsText() {
		return form{}, fmt.Errorf("%s: holds texts, samples are numbers: save texts with their labels as CSV or JSON lines", x.Name)
	}
	if o.Layout != "" && o.Layout != "chw" && o.Layout != "hwc" {
		return form{}, fmt.Errorf("data.layout = %q: choose chw or hwc", o.Layout)
	}
	switch len(s) {
	case 0, 1:
		if o.Shape != nil {
			shape, err := o.imageShape(x.Name, x.Item())
			return form{shape: shape}, err
		}
		return form{shape: []int{x.Item()}}, nil
	case 2:
		return form{shape: []int{1, s[0], s[1]}}, nil
	case 3:
		first, last := s[0] <= 4, s[2] <= 4
		switch {
		case o.Layout == "hwc" || o.Layout == "" && last && !first:
			return form{shape: []int{s[2], s[0], s[1]}, channels: s[2], note: ": rows, columns, channels"}, nil
		case o.Layout == "chw" || first && !last:
			return form{shape: []int{s[0], s[1], s[2]}, note: ": channels, rows, columns"}, nil
		}
		return form{}, fmt.Errorf("%s: has samples of %s, where channels may be first or last: say data.layout = \"chw\" or \"hwc\"", x.Name, numpy.Sizes(s))
	}
	return form{}, fmt.Errorf("%s: has %d axes: samples are values [N,F] or images [N,H,W], [N,H,W,C] or [N,C,H,W]", x.Name, len(x.Shape))
}

// read puts all samples of x into st.
func (f form) read(x *numpy.Array, st *store) error {
	if st.bytes && !x.IsBytes() {
		return fmt.Errorf("%s: holds %s, the training samples are uint8: save both alike", x.Name, x.Type)
	}
	row, moved := make([]float32, x.Item()), make([]float32, x.Item())
	bytes := make([]byte, x.Item())
	for i := 0; ; i++ {
		err := x.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if st.bytes {
			err = st.addBytes(channelsFirst(bytes, x.Bytes(), f.channels))
		} else {
			x.Floats(row)
			for k, v := range row {
				if !finite(float64(v)) {
					return fmt.Errorf("%s: sample %d: value %d is %v: NaN, infinity and what float32 cannot hold cannot be trained on", x.Name, i+1, k+1, v)
				}
			}
			err = st.add(channelsFirst(moved, row, f.channels))
		}
		if err != nil {
			return err
		}
	}
}

// channelsFirst puts the values of one channel together; c is how many channels
// stand together in src, 0 or 1 if none.
func channelsFirst[T any](dst, src []T, c int) []T {
	if c <= 1 {
		return src
	}
	n := len(src) / c
	for i := range n {
		for k := range c {
			dst[k*n+i] = src[i*c+k]
		}
	}
	return dst
}

// readLabels appends the labels of an array: [N] or [N,1] of numbers or texts, or [N,K]
// with a single 1 in each row.
func (a *arrays) readLabels(name string, l *labelled, seen map[string]int32) error {
	y, c, err := a.open(name)
	if err != nil {
		return err
	}
	defer c.Close()
	if len(y.Shape) > 2 || y.IsText() && y.Item() > 1 {
		return fmt.Errorf("%s: has shape %s: labels are [N], or [N,K] with a 1 for the class", y.Name, numpy.Sizes(y.Shape))
	}
	hot := make([]float32, y.Item())
	for i := 0; ; i++ {
		err := y.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text := ""
		if len(hot) > 1 {
			y.Floats(hot)
			at := -1
			for k, v := range hot {
				if v == 1 && at < 0 {
					at = k
				} else if v != 0 {
					at = len(hot)
				}
			}
			if at < 0 || at == len(hot) {
				return fmt.Errorf("%s: row %d is not a single 1 among zeros: labels are [N], or [N,K] with a 1 for the class", y.Name, i+1)
			}
			text = fmt.Sprint(at)
		} else if text = clean(y.Text(0)); text == "" || text == "NaN" {
			return fmt.Errorf("%s: label %d is missing (%q): fill it in, or remove the sample", y.Name, i+1, text)
		}
		id, known := seen[text]
		if !known {
			if id = int32(len(l.raw)); id == maxLabels {
				return fmt.Errorf("%s: has more than %d different values, so it holds no labels", y.Name, maxLabels)
			}
			l.raw = append(l.raw, text)
			seen[text] = id
		}
		l.labels = append(l.labels, id)
	}
}
