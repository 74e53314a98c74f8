package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tableFiles are the tables of a folder that are called as the splits: train.csv,
// test.jsonl. "" stands for none; all is empty without one for training.
func tableFiles(dir string) (files [3]string, err error) {
	top, err := os.ReadDir(dir)
	if err != nil {
		return files, err
	}
	for _, e := range top {
		stem, ext, _ := strings.Cut(strings.ToLower(e.Name()), ".")
		p, ok := splitNames[stem]
		if !ok || !slices.Contains([]string{"csv", "tsv", "json", "jsonl", "ndjson"}, strings.TrimSuffix(ext, ".gz")) {
			continue
		}
		if files[p] != "" {
			return files, fmt.Errorf("%s: both %s and %s are its %s part: keep one", dir, filepath.Base(files[p]), e.Name(), partNames[p])
		}
		files[p] = filepath.Join(dir, e.Name())
	}
	if files[inTrain] == "" {
		return [3]string{}, nil
	}
	return files, nil
}

// openTables reads a folder with a table for each split, all of the same columns.
func openTables(dir string, files [3]string, o Options) (*Data, error) {
	if _, _, err := o.shares(); err != nil {
		return nil, err
	}
	var t *table
	var how attempt
	var from []uint8
	for p, path := range files {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		if p == inTrain {
			t, how, err = parseTable(f, path, o)
		} else {
			t, err = readRows(f, path, o, how, false, t)
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		for len(from) < len(t.labels) {
			from = append(from, uint8(p))
		}
	}
	t.from = from
	d, err := t.data(o)
	if err != nil {
		return nil, err
	}
	d.Name, d.Source = filepath.Base(filepath.Clean(dir)), dir
	return d, nil
}

// follow makes t go on where another table of the same columns ends.
func (t *table) follow(o *table) error {
	same := t.labelAt == o.labelAt && len(t.cols) == len(o.cols)
	for i := 0; same && i < len(t.cols); i++ {
		same = t.cols[i].name == o.cols[i].name
	}
	if !same {
		return fmt.Errorf("%s: has the columns %s and the label %s, %s has %s and %s: all tables of a folder need the same", t.name, list(t.names()), t.label, filepath.Base(o.name), list(o.names()), o.label)
	}
	t.st, t.text, t.labels, t.keys, t.ids = o.st, o.text, o.labels, o.keys, o.ids
	t.notes = o.notes
	return nil
}
