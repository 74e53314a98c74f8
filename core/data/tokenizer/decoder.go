package tokenizer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoder turns the tokens of a text into the parts of it.
type decoder func(tokens []string) []string

// newDecoders reads the section decoder.
func newDecoders(raw json.RawMessage) ([]decoder, error) {
	const section = "decoder"
	list, err := steps(section, raw, func(s *spec) []json.RawMessage { return s.Decoders })
	if err != nil {
		return nil, err
	}
	var out []decoder
	growth := 1
	for _, s := range list {
		switch s.Type {
		case "ByteLevel":
			out = append(out, decodeByteLevel)
		case "WordPiece":
			out = append(out, decodeWordPiece(or(s.Prefix, "##"), or(s.Cleanup, true)))
		case "BPEDecoder":
			out = append(out, decodeSuffix(or(s.Suffix, "</w>")))
		case "Metaspace":
			m, err := newMetaspace(section, s)
			if err != nil {
				return nil, err
			}
			out = append(out, m.decode)
		case "ByteFallback":
			out = append(out, decodeByteFallback)
		case "Fuse":
			out = append(out, func(tokens []string) []string { return []string{strings.Join(tokens, "")} })
		case "Strip":
			r, err := oneRune(section, "content", s.Content)
			if err != nil {
				return nil, err
			}
			out = append(out, decodeStrip(string(r), s.Start, s.Stop))
		case "Replace":
			f, shortest, err := s.Pattern.compile(section)
			if err != nil {
				return nil, err
			}
			if growth *= 1 + len(s.Content)/shortest; growth > maxGrowth {
				return nil, fmt.Errorf("%s: makes a text more than %d times as long", section, maxGrowth)
			}
			out = append(out, decodeReplace(f, s.Content))
		default:
			return nil, fmt.Errorf("decoder %q is not supported", s.Type)
		}
	}
	return out, nil
}

func decodeByteLevel(tokens []string) []string {
	var b []byte
	for _, t := range tokens {
		b = fromByteLevel(b, t)
	}
	return []string{validUTF8(b)}
}

// cleanup is what WordPiece decoding does to its spaces, in this order.
var cleanup = []string{" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't",
	" 'm", "'m", " do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re"}

func decodeWordPiece(prefix string, clean bool) decoder {
	return func(tokens []string) []string {
		for i, t := range tokens {
			if i > 0 {
				if rest, ok := strings.CutPrefix(t, prefix); ok {
					t = rest
				} else {
					t = " " + t
				}
			}
			for k := 0; clean && k < len(cleanup); k += 2 {
				t = strings.ReplaceAll(t, cleanup[k], cleanup[k+1])
			}
			tokens[i] = t
		}
		return tokens
	}
}

// decodeSuffix makes the suffix that ends a word a space.
func decodeSuffix(suffix string) decoder {
	return func(tokens []string) []string {
		for i, t := range tokens {
			if suffix == "" {
				break
			}
			to := " "
			if i == len(tokens)-1 {
				to = ""
			}
			tokens[i] = strings.ReplaceAll(t, suffix, to)
		}
		return tokens
	}
}

func (m *metaspace) decode(tokens []string) []string {
	for i, t := range tokens {
		to := " "
		if i == 0 && m.scheme != "never" {
			to = ""
		}
		tokens[i] = strings.ReplaceAll(t, string(m.mark), to)
	}
	return tokens
}

// decodeByteFallback puts tokens like <0xE2> that follow each other together;
// each of them is a U+FFFD if that is not UTF-8.
func decodeByteFallback(tokens []string) []string {
	var out []string
	var b []byte
	flush := func() {
		if utf8.Valid(b) {
			if len(b) > 0 {
				out = append(out, string(b))
			}
		} else {
			for range b {
				out = append(out, "\uFFFD")
			}
		}
		b = b[:0]
	}
	for _, t := range tokens {
		if len(t) == 6 && t[:3] == "<0x" && t[5] == '>' {
			if v, err := strconv.ParseUint(t[3:5], 16, 8); err == nil {
				b = append(b, byte(v))
				continue
			}
		}
		flush()
		out = append(out, t)
	}
	flush()
	return out
}

// decodeStrip takes up to start of c off the start of each token, and up to stop
// off its end.
func decodeStrip(c string, start, stop int) decoder {
	return func(tokens []string) []string {
		for i, t := range tokens {
			for n := 0; n < start && strings.HasPrefix(t, c); n++ {
				t = t[len(c):]
			}
			for n := 0; n < stop && strings.HasSuffix(t, c); n++ {
				t = t[:len(t)-len(c)]
			}
			tokens[i] = t
		}
		return tokens
	}
}

// decodeReplace replaces what f finds in each token. Where a search gives up (a
// pattern that backtracks without end), the rest of that token stays as it is.
func decodeReplace(f find, content string) decoder {
	return func(tokens []string) []string {
		for i, t := range tokens {
			var b strings.Builder
			done := 0
			_ = f(t, func(from, to int) {
				b.WriteString(t[done:from])
				b.WriteString(content)
				done = to
			})
			b.WriteString(t[done:])
			tokens[i] = b.String()
		}
		return tokens
	}
}
