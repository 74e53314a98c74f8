// Package data owns data sets: where they come from, how they are split and
// what is done to the raw values before a model sees them. It imports nothing
// of ours but its own parts and knows no model, no device and no session.
//
// Open returns a Data with three separate splits of float32 rows, in memory or, if that
// is too much, in a file:
// Train for the weights, Val for decisions on the way (accuracy floor, best
// checkpoint), Test for the verdict alone. Order shuffles an epoch.
//
// # What can be opened
//
// A built-in name (Builtin lists them):
//
//   - fashion-mnist: 8000 / 1500 / 5000 images of Fashion-MNIST, embedded. The
//     test split is large on purpose: the verdict needs narrow intervals.
//   - fashion-mnist-full: all of it, from $PARE_DATA/fashion-mnist or from
//     Debian's package dataset-fashion-mnist.
//   - iris: 150 flowers, embedded.
//   - kjv: text for language models, embedded: the New Testament in the King James
//     Version, 949 kB, one verse a line.
//
// A folder with the four idx files of MNIST (train-images-idx3-ubyte,
// train-labels-idx1-ubyte and the same with t10k), plain or gzipped; unsigned
// bytes; images N×H×W or N×C×H×W. Test is the t10k set, Val a share of the
// training images. A file classes.txt there, one name a line, names the
// classes; else they are numbers.
//
// A table: CSV, plain or gzipped, separated by comma, semicolon or tab (found by
// itself), with or without a header, LF or CRLF, UTF-8 with or without byte
// order mark, quoted as in RFC 4180; or JSON, one row a line, an object or an array.
// In a tab-separated file whose quotation marks do not match they mean nothing. The
// label is the column named in Options, else the one called label or target, or
// class if it stands first, else the last; it may hold text or numbers. The first row is a header if no cell of it is a
// number, or if the named label column stands there. Other columns hold finite numbers,
// or one of at most 32 texts, which become a column of 0 and 1 each (Data.Categories).
// If all of them hold text of many values, or Options ask for it, they are texts to
// classify: joined by a line end, tokenised, cut off at T tokens or filled up with
// Text.Pad. The tokenizer char takes U+0000 for that, byte the byte 0, a tokenizer's
// file its pad token; this adds its special tokens too. With Options.Pair two columns are
// the two texts of a pair, encoded as the tokenizer's file says, and each id is followed by
// its segment. A missing value is an error with
// its line. Val and Test are shares of the rows. A folder may hold a table for each split,
// of the same columns: train.csv, val.csv, test.csv (or .tsv, .jsonl, packed or not).
//
// NumPy arrays: a .npz file, or .npy files in a folder (the path of one or of the
// folder). Samples are called x, images, image, data, features or inputs, labels y,
// labels, label, target, targets or classes; the parts x_train, y_train, x_val, x_test and
// so on. Bool, integers and floats of every width and byte order, C and Fortran order.
// Samples are values [N,F] or images [N,H,W], [N,C,H,W] or [N,H,W,C] (Options.Layout where
// that is open); labels are numbers or texts [N], or [N,K] with a single 1 a row.
//
// A folder of images: PNG and JPEG files in folders named as their classes, these perhaps
// in train, val (valid, validation, dev) and test. All become images of one size and one
// number of channels, see openImages and package picture for the rule.
//
// Text for a language model: a file that ends in .txt, .text or .md, plain or
// gzipped, or a folder of such files, which follow one another by name. Files or
// folders in it that are called train, val (valid, validation, dev) and test are
// the splits. Options say the tokenizer and T, the tokens of one sample. Samples are
// windows that follow one another; the label of a token is the one after it. For a masked
// language model (Options.Masked) what the tokenizer puts around a text stands around each
// window, and 15 % of the tokens are masked and are the labels, see masking.
//
// # Sets larger than memory
//
// Samples of tables (also of text), arrays and folders of images are kept in memory as
// float32 up to Options.Memory, 1 GiB by default, else in a file in the user's cache
// folder: images one byte a pixel and channel, others four a value. Set.X is nil then and
// Batch.Read brings in the samples of a step. What stays in memory is independent of the
// size of samples and files: 20 to 40 bytes a sample (label, split, place), of images also
// the path while the folder is read. Running text of more bytes than a quarter of
// Options.Memory is read piece by piece in the same way, its training tokens are kept in
// the file and validation and test, in memory, take at most a sixteenth of Options.Memory
// in bytes of text each. All this gives the same bits as in memory, but for these
// shares. An array in Fortran order is held once as it is and must fit in Options.Memory;
// idx files are always in memory. The file has no name and goes when the process ends.
//
// # Splitting
//
// Splits the source does not have are dealt out by Options.Seed within each
// class, so every class keeps its share to within one sample and is in every
// split. Samples stay in the order of the source.
//
// Text is cut into blocks: validation and test are one each, at the end by seed 0,
// else where the seed draws; no token is in two splits. The vocabulary of the
// tokenizer char is that of the training part; if other parts hold more
// characters, U+FFFD stands last in it for all of them.
//
// # Preprocessing
//
// Prep is x' = (x*Scale - Mean)/Std, per channel of images and per column of
// tables, computed from the training split alone unless given. It belongs to
// the recipe: give Options.Prep to open the same or other data for a model that
// was trained before, and Prep.Apply to treat what a person feeds the model.
// Both give the same bits for the same raw values. Options.Normalize leaves mean and
// deviation at 0 and 1, or does nothing at all.
//
// Data.Hash is the SHA-256 of shapes, labels and raw values of all splits, so
// it stands for data and split, whatever the preprocessing.
//
// # How the embedded part of Fashion-MNIST was made
//
// `go generate` runs internal/subset on the full set: it checks the four files
// against their SHA-256, takes the first 800 training images of each class in
// file order for Train, the next 150 for Val and the first 500 test images of
// each class for Test, and writes them class after class in turn to embedded/,
// packed by internal/pix (5.2 MB, where gzip needs 6.4), with SHA256SUMS.
// Licences stand beside the data. internal/kjv writes the text.
//
// # Errors
//
// Every error is one line that names the file, for tables the line and the
// column (file:line:column), and says what to do.
package data
