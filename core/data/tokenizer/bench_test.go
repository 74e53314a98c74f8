package tokenizer

import (
	"os"
	"strings"
	"testing"
)

// english is half a megabyte of English: the package's own documentation and
// comments, repeated.
func english(b *testing.B) string {
	var s strings.Builder
	for _, name := range []string{"doc.go", "tokenizer.go", "bpe.go", "open.go", "text.go"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "// "); ok {
				s.WriteString(text + "\n")
			}
		}
	}
	return strings.Repeat(s.String(), 1+1<<19/s.Len())
}

// BenchmarkEncode: in MB/s of text.
func BenchmarkEncode(b *testing.B) {
	text := english(b)
	for _, name := range []string{"gpt2", "llama2", "llama3", "bert", "unigram"} {
		b.Run(name, func(b *testing.B) {
			tok := tiny(b, name)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				encode(b, tok, text, Options{})
			}
		})
	}
}
