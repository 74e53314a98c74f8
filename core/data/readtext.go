package data

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// document is one file of text.
type document struct {
	name string // for messages
	text string
}

// textNames are the ends of names that make a file text for a language model.
var textNames = []string{".txt", ".text", ".md"}

// isText says whether a name, less .gz, is that of a file of text.
func isText(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, ".gz"))
	return slices.ContainsFunc(textNames, func(end string) bool { return strings.HasSuffix(name, end) })
}

// RunningText reports whether Open reads the file of that name as running text, for a
// language model, given the recipe's label column; other files hold samples with labels.
func RunningText(path, label string) bool { return isText(path) && label == "" }

// readTextFile reads a file of text, plain or gzipped.
func readTextFile(path string) (document, error) {
	f, err := os.Open(path)
	if err != nil {
		return document{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return document{}, err
	}
	s, err := readText(f, st.Size(), path)
	return document{path, s}, err
}

// How far a gzipped text may unpack: real text takes a third to a tenth.
const (
	maxGrowth   = 64
	alwaysAllow = 1 << 20
)

// readText reads text of size bytes, plain or gzipped, and drops a byte order mark.
func readText(r io.Reader, size int64, name string) (string, error) {
	var b bytes.Buffer
	b.Grow(int(min(size, 1<<30)) + bytes.MinRead)
	if _, err := io.Copy(&b, r); err != nil {
		return "", fmt.Errorf("%s: cannot be read: %w", name, err)
	}
	raw := b.Bytes()
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return "", fmt.Errorf("%s: is damaged (%w): fetch it again", name, err)
		}
		limit := max(int64(len(raw))*maxGrowth, alwaysAllow)
		var out bytes.Buffer
		n, err := io.Copy(&out, io.LimitReader(z, limit+1))
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return "", fmt.Errorf("%s: is cut short: fetch it again", name)
		case err != nil:
			return "", fmt.Errorf("%s: is damaged (%w): fetch it again", name, err)
		case n > limit:
			return "", fmt.Errorf("%s: unpacks to more than %d times its size: unpack it, or take a part", name, maxGrowth)
		}
		raw = out.Bytes()
	}
	for _, f := range foreign {
		if bytes.HasPrefix(raw, []byte(f.magic)) {
			return "", fmt.Errorf("%s: is %s", name, strings.ReplaceAll(f.what, "CSV", "text"))
		}
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		return "", fmt.Errorf("%s: is not text: byte %d of it is 0", name, i+1)
	}
	return string(raw), nil
}

// splitNames are the names of files and folders that hold a split.
var splitNames = map[string]int{
	"train": inTrain, "training": inTrain,
	"val": inVal, "valid": inVal, "validation": inVal, "dev": inVal,
	"test": inTest, "testing": inTest,
}

// textFiles finds the files of text under a folder, in the order of their names.
// In files [part] they are apart if the folder has splits, else all are in part 0.
func textFiles(dir string) (files [3][]string, given bool, err error) {
	var all []string
	part := map[string]int{}
	given = true
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || !isText(d.Name()):
			return nil
		}
		all = append(all, path)
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		stem, _, _ := strings.Cut(first, ".")
		p, ok := splitNames[strings.ToLower(stem)]
		part[path], given = p, given && ok
		return nil
	})
	if err != nil {
		return files, false, err
	}
	for _, path := range all {
		p := part[path]
		if !given {
			p = inTrain
		}
		files[p] = append(files[p], path)
	}
	if given && len(files[inTrain]) == 0 && len(all) > 0 { // test.txt alone is just a text
		files[inTrain], files[inVal], files[inTest], given = all, nil, nil, false
	}
	return files, given && len(files[inVal])+len(files[inTest]) > 0, nil
}
