package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
)

// Set is one split, row-major float32, preprocessed. Its samples are in X, or in a
// file if the whole set is large (Options.Memory); Batch reads both.
type Set struct {
	X []float32 // [N][F]; of text the ids of tokens, whole numbers
	// Labels are [N], each in [0, len(Classes)). A language model's are [N][T], the
	// token that follows each, or NoLabel; nil if the set is in a file.
	Labels []int32
	Shape  []int // one sample: [C,H,W] for images, [F] for tables, [T] for text

	disk disk // samples that are in a file instead of X; Batch reads both
}

// NoLabel marks a token that a language model's loss and accuracy leave out. It is
// device.NoLabel.
const NoLabel = -1

// N is the number of samples.
func (s *Set) N() int {
	if s.disk != nil {
		return s.disk.samples()
	}
	if f := s.F(); f > 0 && len(s.X) > 0 {
		return len(s.X) / f
	}
	return len(s.Labels)
}

// F is the number of values of one sample: the product of Shape.
func (s *Set) F() int { return volume(s.Shape) }

// Data is a data set with its three separate splits and what was understood of
// it. The test split is for the validate stage alone.
type Data struct {
	Name    string
	Source  string   // "embedded", or the path
	License string   // of known data; empty for the user's own
	Kind    string   // Tables, Images, Arrays, Idx or Words
	Classes []string // names, by label
	Columns []string // names of a table's columns, in the order of Set.X, or of those with text; nil for images
	// Categories are those of Columns that say whether another column has a value,
	// "column=value".
	Categories []string

	Train, Val, Test *Set

	Text *Text  // how text became tokens; nil for images and tables
	Prep Prep   // preprocessing that was applied; part of the recipe. Text has none
	Hash string // sha256 over shapes, labels and raw values of all splits, in hex

	// Notes says in sentences what was decided about the data, such as which
	// column was taken as the label. For the person; may be empty.
	Notes []string
}

// Kinds of sources.
const (
	Tables = "table"
	Images = "images" // files
	Arrays = "arrays"
	Idx    = "idx"
	Words  = "text" // running text; a table may hold text too
)

// Text says how the samples of a set came from text: T tokens each.
type Text struct {
	// LM: the label of each token is the one after it, the classes are the
	// vocabulary and have no names. Else each text has one label.
	LM    bool
	Kind  string // char | byte | bpe | wordpiece | unigram
	Vocab int    // number of ids
	Chars string // of kind char: the characters in the order of their ids
	Len   int    // T
	Pad   int32  // id that fills up short texts; −1: none
	// Pair: a sample is two texts, [T][2]: each id is followed by the number of its
	// segment, the token types of BERT.
	Pair bool
	// Masked, of an LM: the labels are the tokens that were masked, at their places.
	Masked bool
	Path   string // of the tokenizer's file or folder; empty for char and byte
	Tokens Tokens

	mask *masking
}

// Tokens turns text into ids and back, for what a person types and reads.
type Tokens interface {
	Encode(text string) ([]int32, error)
	Decode(ids []int32) string
}

// Options of Open. The zero value is fine.
type Options struct {
	// Seed of the split into training, validation and test set.
	Seed uint64
	// Val and Test are the shares taken for validation and test when the source
	// has no such split, stratified by class; 0 means 0.1 and 0.2.
	Val, Test float64
	// LabelColumn of a table: its name, or its number from 1. Empty: the one called
	// label or target, or class if it is the first, else the last.
	LabelColumn string
	// Classes are the names of the classes by label, e.g. from a recipe. Empty: those
	// of the data, numbers by size and other names by alphabet.
	Classes []string
	// Categories of a table, as Data has them, e.g. from a recipe. Empty: found.
	Categories []string
	// TextColumns of a table are classified by their words. Empty: all columns, if
	// they all hold text of many values.
	TextColumns []string
	// Pair: the two text columns of a table are a pair, such as question and answer, in
	// the order of TextColumns; the tokenizer's file says how it is encoded. Else texts
	// are joined by a line end.
	Pair bool
	// Masked: running text is for a masked language model (Devlin et al. 2019).
	Masked bool
	// Tokenizer of text: char, byte, or the path of a tokenizer.json or of the folder
	// that holds it (see core/data/tokenizer). Empty: char for a language model, byte
	// for texts with labels.
	Tokenizer string
	// ModelTokenizer is what to take for text where Tokenizer is empty: the folder of a
	// model that brings its own.
	ModelTokenizer string
	// ModelTokens is how many tokens the model takes at most, where that is known.
	ModelTokens int
	// Tokens is T, the tokens of one sample of text; 0: 128, or the most that the model takes.
	Tokens int
	// Vocab are the characters of the tokenizer char in the order of their ids, e.g.
	// from a recipe. Empty: those of the training part.
	Vocab string
	// LabelMap gives labels of the source other names, before they become classes:
	// two with one name are one class.
	LabelMap map[string]string
	// Size of images from a folder, [rows, columns], and their Channels, 1 or 3.
	// Empty: see openImages.
	Size     []int
	Channels int
	// Layout of arrays that hold images: chw or hwc. Empty: found by the sizes.
	Layout string
	// Shape of the samples of a table, [C,H,W]: its columns are the pixels of an
	// image, row by row, channel after channel. Empty: [F].
	Shape []int
	// Prep to apply, e.g. from a recipe; nil: computed from the training split.
	Prep *Prep
	// Normalize says how it is computed: std, scale or none. Empty: std.
	Normalize string
	// Memory that all samples may take as float32, in bytes; a larger set is kept in
	// a file, see the package comment. 0: 1 GiB.
	Memory int64
}

// Open reads a data set: the name of a built-in one (see Builtin), or a file or folder
// as the package comment lists them. A built-in name wins over a
// file of that name; write ./NAME for the file. Errors are one line that names
// the thing and the way out.
func Open(nameOrPath string, o Options) (*Data, error) {
	name := nameOrPath
	if name == "" {
		return nil, fmt.Errorf("no data set named: choose %s, or give %s", names(), forms)
	}
	for _, b := range builtins {
		if b.Name == name {
			return b.open(o)
		}
	}
	st, err := os.Stat(name)
	switch {
	case os.IsNotExist(err):
		return nil, fmt.Errorf("%q is neither a built-in data set (%s) nor a folder or file here", name, names())
	case err != nil:
		return nil, err
	case st.IsDir():
		return openDir(name, o)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: give %s", name, forms)
	}
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == ".npy" || ext == ".npz":
		return openNumpy(name, o)
	case RunningText(name, o.LabelColumn):
		return openText(name, false, o)
	}
	return openTable(name, o)
}

// forms are what can be opened, for messages.
const forms = "a CSV, TSV or JSON-lines file, a .npz file, text, or a folder of tables by split, of images by class, of .npy or idx files"

// openDir tells by its files what a folder holds: idx, NumPy arrays, a table for each
// split, images in folders by class, or text.
func openDir(dir string, o Options) (*Data, error) {
	if paths, err := idxFiles(dir); err == nil || paths != [4]string{} {
		return openFolder(dir, o)
	}
	if found, err := filepath.Glob(filepath.Join(escaped(dir), "*.npy")); err == nil && found != nil {
		return openNumpy(dir, o)
	}
	if files, err := tableFiles(dir); err != nil || files[inTrain] != "" {
		if err != nil {
			return nil, err
		}
		return openTables(dir, files, o)
	}
	p := &pictures{}
	if err := p.find(dir); err != nil {
		return nil, err
	}
	if p.files != nil {
		return openImages(p, dir, o)
	}
	files, _, err := textFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files[inTrain]) > 0 {
		return openText(dir, true, o)
	}
	return nil, fmt.Errorf("%s: holds nothing that is read here: give a folder of images in folders named as their classes, of x.npy and y.npy, of train.csv and test.csv, of the four idx files (train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with t10k), or of .txt files; a table is given as its file", dir)
}

// names lists the built-in data sets for a message.
func names() string {
	var s []string
	for _, b := range builtins {
		s = append(s, b.Name)
	}
	return strings.Join(s, ", ")
}

// splitHash hashes one split while it is read.
type splitHash struct{ h hash.Hash }

func newSplitHash() splitHash { return splitHash{sha256.New()} }

// finishHash is Data.Hash: over a version, the element type of the raw values,
// the shape of a sample, and per split its number of samples, its labels
// (little-endian int32) and the digest of its raw values.
func (d *Data) finishHash(elem string, raw [3]splitHash) error {
	h := sha256.New()
	fmt.Fprintf(h, "pare data 1\n%s %v\n", elem, d.Train.Shape)
	for i, s := range []*Set{d.Train, d.Val, d.Test} {
		fmt.Fprintf(h, "%d\n", s.N())
		b := make([]byte, 0, 1<<12)
		err := s.eachLabel(func(l int32) {
			if b = binary.LittleEndian.AppendUint32(b, uint32(l)); len(b) == cap(b) {
				h.Write(b)
				b = b[:0]
			}
		})
		if err != nil {
			return err
		}
		h.Write(b)
		h.Write(raw[i].h.Sum(nil))
	}
	d.Hash = hex.EncodeToString(h.Sum(nil))
	return nil
}
