package core

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"pare/core/data"
)

// tokenizerFiles are where a folder's tokenizer may stand, the first that is there.
var tokenizerFiles = []string{"tokenizer.json", "vocab.txt", "vocab.json"}

// ForeignTokenizer says what a pretrained model of a folder loses with a tokenizer
// (char, byte or a path, as data.tokenizer has it) that is not its own; "" where nothing
// is lost, or the model is no folder. Ids are rows of the embedding's table: those of
// another tokenizer name other words.
func ForeignTokenizer(model, tokenizer string) string {
	own := tokenizerOf(model)
	switch {
	case !IsFolder(model) || tokenizer == "" || own != "" && sameTokenizer(own, tokenizer):
		return ""
	case own == "":
		return fmt.Sprintf("the folder of the model, %s, brings no tokenizer, and the text is cut by %s: where that is not the one the model was trained with, its embeddings stand for other words and what it has learnt is lost", model, tokenizer)
	}
	return fmt.Sprintf("the model in %s was trained on its own tokenizer, the text is cut by %s: its embeddings stand for other words, what it has learnt is lost", model, tokenizer)
}

// foreignFix is the way out of that.
func foreignFix(model string) string {
	if tokenizerOf(model) == "" {
		return "put the model's own tokenizer.json into the folder"
	}
	return "leave data.tokenizer out, then the model's own is taken"
}

// sameTokenizer compares the files of two tokenizers, each a folder or a file.
func sameTokenizer(a, b string) bool {
	if b == data.Chars || b == data.Bytes {
		return false
	}
	fa, fb := tokenizerFile(a), tokenizerFile(b)
	ia, erra := os.Stat(fa)
	ib, errb := os.Stat(fb)
	switch {
	case erra != nil || errb != nil || ia.Size() != ib.Size():
		return false
	case os.SameFile(ia, ib):
		return true
	}
	x, erra := os.ReadFile(fa)
	y, errb := os.ReadFile(fb)
	return erra == nil && errb == nil && bytes.Equal(x, y)
}

func tokenizerFile(path string) string {
	for _, name := range tokenizerFiles {
		f := filepath.Join(path, name)
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	return path
}
