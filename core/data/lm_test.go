package data

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// put writes files under a new folder and returns it.
func put(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, s := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s)) //nolint:errcheck // to memory
	z.Close()
	return b.String()
}

// lines is a text of n numbered lines.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d of some text\n", i)
	}
	return b.String()
}

// said is the text of a split, sample after sample.
func said(d *Data, s *Set) string {
	ids := make([]int32, len(s.X))
	for i, v := range s.X {
		ids[i] = int32(v)
	}
	return d.Text.Tokens.Decode(ids)
}

// Labels are the next tokens, samples follow one another, and the splits are three
// different blocks of the text.
func TestTextWindows(t *testing.T) {
	text := lines(400)
	dir := put(t, map[string]string{"a.txt": text})
	for _, o := range []Options{{Tokens: 16}, {Tokens: 16, Tokenizer: Bytes}, {Tokens: 7, Seed: 5}, {Tokens: 50, Val: 0.3, Test: 0.3, Seed: 9}} {
		d, err := Open(filepath.Join(dir, "a.txt"), o)
		if err != nil {
			t.Fatal(err)
		}
		checkData(t, d)
		if !d.Text.LM || d.Text.Len != o.Tokens || d.Text.Pad != -1 || d.Classes != nil || d.Train.F() != o.Tokens {
			t.Fatalf("%+v: %+v, classes %v", o, d.Text, d.Classes)
		}
		used := 0
		for _, s := range []*Set{d.Train, d.Val, d.Test} {
			if len(s.Labels) != len(s.X) {
				t.Fatalf("%d labels for %d tokens", len(s.Labels), len(s.X))
			}
			breaks := 0
			for i := range s.X[:len(s.X)-1] {
				if float32(s.Labels[i]) != s.X[i+1] {
					if breaks++; (i+1)%o.Tokens != 0 {
						t.Fatalf("token %d: label %d, the next one is %v", i, s.Labels[i], s.X[i+1])
					}
				}
			}
			if breaks > 1 { // training may stand around the other two
				t.Errorf("%d breaks in one split", breaks)
			}
			used += len(s.X)
			if breaks == 0 {
				if n := strings.Count(text, said(d, s)); n != 1 {
					t.Errorf("a split's text stands in the file %d times", n)
				}
			}
		}
		if left := len(text) - used; left < 0 || left > 4*(o.Tokens+1) {
			t.Errorf("%d of %d characters used", used, len(text))
		}
		if n := len(d.Test.X); n < len(text)/10 {
			t.Errorf("test has %d tokens", n)
		}
	}
}

// By other seeds, other blocks are validated and tested on; by the same, the same.
func TestTextSeed(t *testing.T) {
	dir := put(t, map[string]string{"a.txt": lines(300)})
	hashes := map[string]bool{}
	for seed := range uint64(4) {
		a, err := Open(filepath.Join(dir, "a.txt"), Options{Seed: seed, Tokens: 8})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := Open(filepath.Join(dir, "a.txt"), Options{Seed: seed, Tokens: 8})
		if a.Hash != b.Hash {
			t.Errorf("seed %d gives two splits", seed)
		}
		hashes[a.Hash] = true
		for _, x := range []*Set{a.Val, a.Test} {
			if strings.Contains(said(a, a.Train), said(a, x)) {
				t.Errorf("seed %d: training holds a part of another split", seed)
			}
		}
	}
	if len(hashes) != 4 {
		t.Errorf("%d different splits by 4 seeds", len(hashes))
	}
}

// A vocabulary from a recipe gives the same ids for other text.
func TestTextVocab(t *testing.T) {
	dir := put(t, map[string]string{"a.txt": lines(200), "b.txt": "0123 five" + lines(200), "new.txt": lines(100) + "a naïve line\n" + lines(100)})
	open := func(name string, o Options) (*Data, error) {
		o.Tokens = 8
		return Open(filepath.Join(dir, name), o)
	}
	a, err := open("a.txt", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "\n 0123456789efilmnostx"; a.Text.Chars != want || a.Text.Vocab != len(want) {
		t.Errorf("characters %q, want %q", a.Text.Chars, want)
	}
	if _, err := open("b.txt", Options{Vocab: a.Text.Chars}); err == nil || !strings.Contains(err.Error(), `b.txt:1: the character 'v' (U+0076) is not in the vocabulary`) {
		t.Errorf("an unknown character: %v", err)
	}
	b, err := open("b.txt", Options{Vocab: a.Text.Chars + "�"})
	if err != nil {
		t.Fatal(err)
	}
	if got := said(b, b.Train); !strings.HasPrefix(got, "0123 fi�eline 0") {
		t.Errorf("read as %q", got[:12])
	}
	// Characters that training has not share the last id.
	dir2 := put(t, map[string]string{"train.txt": lines(50), "val.txt": "naïve " + lines(30), "test.txt": lines(30)})
	v, err := Open(dir2, Options{Tokens: 8})
	if err != nil {
		t.Fatal(err)
	}
	if got := said(v, v.Val); !strings.HasSuffix(v.Text.Chars, "x�") || !strings.HasPrefix(got, "n���e line 0") {
		t.Errorf("characters %q, validation %q", v.Text.Chars, got[:12])
	}
	if i := slices.Index(v.Notes, "validation: files of their own"); i < 0 {
		t.Errorf("notes %q", v.Notes)
	}
}

// A folder's files follow one another by name; hidden and other files are passed over.
func TestTextFolder(t *testing.T) {
	dir := put(t, map[string]string{
		"b/2.txt.gz": zipped("second\n" + lines(100)), "a/1.txt": "first", "c.md": lines(100),
		".hidden/x.txt": "!", "picture.bin": "\x00\x01",
	})
	d, err := Open(dir, Options{Tokens: 8})
	if err != nil {
		t.Fatal(err)
	}
	if got := said(d, d.Train); !strings.HasPrefix(got, "first\nsecond\nline 0 of") || strings.Contains(d.Text.Chars, "!") {
		t.Errorf("read as %q", got[:40])
	}
}

// Byte pair encoding from the files of a published tokenizer.
func TestTextBPE(t *testing.T) {
	dirs, _ := filepath.Glob("tokenizer/testdata/*/tokenizer.json")
	if len(dirs) == 0 {
		t.Fatal("no tokenizer in testdata")
	}
	for _, path := range dirs {
		d, err := Open("kjv", Options{Tokenizer: path, Tokens: 32})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		checkData(t, d)
		if len(d.Text.Kind) < 3 || d.Text.Vocab < 2 {
			t.Errorf("%s: %+v", path, d.Text)
		}
	}
}

func TestTextErrors(t *testing.T) {
	latin := lines(60) + "caf\xe9\n" + lines(60)
	dir := put(t, map[string]string{
		"latin.txt": latin, "short.txt": "too short", "empty.txt": "", "nul.txt": lines(9) + "\x00",
		"bomb.txt.gz": zipped(strings.Repeat("a", 40<<20)), "cut.txt.gz": zipped(lines(99))[:60], "ok.txt": lines(200),
	})
	for _, c := range []struct {
		file string
		o    Options
		want string
	}{
		{"latin.txt", Options{Tokens: 8}, "latin.txt:61: is not UTF-8 here: save it as UTF-8, or take the tokenizer byte"},
		{"short.txt", Options{}, "is too short for one sample of 128 tokens"},
		{"empty.txt", Options{}, "is too short"},
		{"nul.txt", Options{}, "nul.txt: is not text: byte "},
		{"bomb.txt.gz", Options{}, "unpacks to more than 64 times its size"},
		{"cut.txt.gz", Options{}, "is cut short"},
		{"ok.txt", Options{Tokens: 1}, "1 tokens a sample: choose 2 to"},
		{"ok.txt", Options{Tokens: -4}, "choose 2 to"},
		{"ok.txt", Options{Tokenizer: "nowhere"}, "tokenizer nowhere: "},
		{"ok.txt", Options{Vocab: "aa"}, "the vocabulary has 'a' twice"},
		{"ok.txt", Options{Val: 2}, "validation share 2"},
	} {
		_, err := Open(filepath.Join(dir, c.file), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %+v: %v, want %q", c.file, c.o, err, c.want)
		}
	}
	if d, err := Open(filepath.Join(dir, "latin.txt"), Options{Tokens: 8, Tokenizer: Bytes}); err != nil || said(d, d.Train)[:6] != "line 0" {
		t.Errorf("as bytes: %v", err)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte(lines(30)), uint8(8), uint8(0), "")
	f.Add([]byte(zipped(lines(30))), uint8(3), uint8(1), "abc")
	f.Add([]byte("\xef\xbb\xbfcaf\xe9 \xff\xfe"), uint8(2), uint8(0), "�")
	f.Fuzz(func(t *testing.T, b []byte, n, kind uint8, vocab string) {
		s, err := readText(bytes.NewReader(b), int64(len(b)), "x.txt")
		if err != nil {
			return
		}
		d, err := languageModel("x.txt", [3][]document{{{"x.txt", s}}}, false, Options{Tokens: int(n), Tokenizer: []string{Chars, Bytes}[kind%2], Vocab: vocab, Seed: uint64(kind)})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of two lines: %q", err)
			}
			return
		}
		checkData(t, d)
	})
}
