package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"
)

// TestReference compares with what testdata/reference.py had `tokenizers` compute
// in the folder that PARE_TOKENIZERS names.
func TestReference(t *testing.T) {
	root := os.Getenv("PARE_TOKENIZERS")
	if root == "" {
		t.Skip("set PARE_TOKENIZERS to a folder made with testdata/reference.py")
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "reference.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no */reference.jsonl (%v)", root, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) { testReference(t, path) })
	}
}

func testReference(t *testing.T, path string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	texts, bytes, tokens, wrong := 0, 0, 0, 0
	for lines.Scan() {
		var want struct {
			Text    string   `json:"text"`
			IDs     []int32  `json:"ids"`
			Offsets [][2]int `json:"offsets"`
			Decoded string   `json:"decoded"`
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		texts++
		bytes += len(want.Text)
		tokens += len(want.IDs)
		e := encode(t, tok, want.Text, Options{})
		offsets := characters(want.Text, e.Offsets)
		decoded := tok.Decode(want.IDs, true)
		if slices.Equal(e.IDs, want.IDs) && slices.Equal(offsets, want.Offsets) && decoded == want.Decoded {
			continue
		}
		if wrong++; wrong > 8 {
			continue
		}
		i := 0
		for i < min(len(e.IDs), len(want.IDs)) && e.IDs[i] == want.IDs[i] && offsets[i] == want.Offsets[i] {
			i++
		}
		around := ""
		if i < len(want.Offsets) {
			r := []rune(want.Text)
			around = string(r[max(0, want.Offsets[i][0]-5):min(len(r), want.Offsets[i][1]+5)])
		}
		t.Errorf("text %d (of %d characters), near %+q:", texts, utf8.RuneCountInString(want.Text), around)
		same(t, "ids", e.IDs, want.IDs)
		same(t, "offsets", offsets, want.Offsets)
		same(t, "decoded", []rune(decoded), []rune(want.Decoded))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d texts, %d bytes, %d tokens: %d texts differ", texts, bytes, tokens, wrong)
}
