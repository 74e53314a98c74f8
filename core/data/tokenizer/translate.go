package tokenizer

import (
	"fmt"
	"strings"
)

// Oniguruma's word characters are all that is alphabetic, marks, digits and
// connectors; outside of sets ²³¹¼½¾ too. regexp2 (as .NET) has fewer.
const (
	wordSet = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}Ⓐ-ⓩ🄰-🅉🅐-🅩🅰-🆉`
	latin   = `²³¹¼½¾`
	word    = `[` + wordSet + latin + `]`
	edge    = `(?:(?<=` + word + `)(?!` + word + `)|(?<!` + word + `)(?=` + word + `))`
	noEdge  = `(?:(?<=` + word + `)(?=` + word + `)|(?<!` + word + `)(?!` + word + `))`
)

// translate writes a pattern of Oniguruma for regexp2. What has another meaning
// there, or none, is refused: sets in sets, their intersections, POSIX brackets,
// and escapes that only one of them has.
func translate(expr string) (string, error) {
	var b strings.Builder
	inSet := false
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		rest := expr[i:]
		switch {
		case c == '\\' && i+1 < len(expr):
			i++
			switch e := expr[i]; {
			case e == 'w' && inSet:
				b.WriteString(wordSet)
			case e == 'w':
				b.WriteString(word)
			case e == 'W' && !inSet:
				b.WriteString(`[^` + wordSet + latin + `]`)
			case e == 'b' && !inSet:
				b.WriteString(edge)
			case e == 'B' && !inSet:
				b.WriteString(noEdge)
			case e >= '0' && e <= '9', e >= 'a' && e <= 'z', e >= 'A' && e <= 'Z':
				if !strings.ContainsRune(`nrtfvadDsSpPxuAzZ`, rune(e)) {
					return "", fmt.Errorf(`\%c is not supported`, e)
				}
				n := 2
				if end := strings.IndexByte(rest, '}'); len(rest) > 2 && rest[2] == '{' && end > 0 { // \p{L}
					n = end + 1
				}
				b.WriteString(rest[:n])
				i += n - 2
			default:
				b.WriteString(rest[:2])
			}
			continue
		case inSet && c == '[', inSet && strings.HasPrefix(rest, "&&"):
			return "", fmt.Errorf("a set in a set is not supported")
		case !inSet && strings.HasPrefix(rest, "}+"): // repeats again, in regexp2 possessive
			return "", fmt.Errorf("{…}+ is not supported")
		case inSet && c == ']':
			inSet = false
		case !inSet && c == '[':
			inSet = true
			b.WriteByte(c)
			if strings.HasPrefix(rest, "[^") {
				b.WriteByte('^')
				i++
			}
			if i+1 < len(expr) && expr[i+1] == ']' {
				return "", fmt.Errorf("a set that starts with ] is not supported")
			}
			continue
		case !inSet && strings.HasPrefix(rest, "(?"):
			if !group(rest[2:]) {
				return "", fmt.Errorf("the group %.4s is not supported", rest)
			}
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// group reports whether a group that starts with (? and s means the same to both:
// look around, atomic, without capture, and whether case counts.
func group(s string) bool {
	for _, p := range []string{":", "=", "!", ">", "<=", "<!", "i:", "i)", "-i:", "-i)"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
