package tokenizer

import (
	"fmt"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// find calls match for every place in s that a pattern matches, in order and
// without overlap.
type find func(s string, match func(from, to int)) error

// compile gives what finds p; shortest is the least it matches, in bytes, at least 1.
func (p *pattern) compile(section string) (f find, shortest int, err error) {
	switch {
	case p == nil || p.String == nil && p.Regex == nil:
		return nil, 0, fmt.Errorf("%s: pattern is neither a String nor a Regex", section)
	case p.String != nil:
		return findString(*p.String), max(1, len(*p.String)), nil
	}
	if f := knownSplits[*p.Regex]; f != nil {
		return f, 1, nil
	}
	if f, err = findRegex(*p.Regex); err != nil {
		return nil, 0, fmt.Errorf("%s: pattern %.200q: %w", section, *p.Regex, err)
	}
	return f, 1, nil
}

func findString(what string) find {
	return func(s string, match func(from, to int)) error {
		if what == "" {
			return nil
		}
		for at := 0; ; {
			i := strings.Index(s[at:], what)
			if i < 0 {
				return nil
			}
			match(at+i, at+i+len(what))
			at += i + len(what)
		}
	}
}

// findRune finds single characters.
func findRune(ok func(r rune) bool) find {
	return func(s string, match func(from, to int)) error {
		for i, r := range s {
			if ok(r) {
				match(i, i+runeLen(r))
			}
		}
		return nil
	}
}

// Bounds on one search: a published pattern takes microseconds.
const (
	matchTimeout    = time.Second
	maxPattern      = 4096    // bytes
	maxBacktracking = 1 << 20 // entries of the stack
)

// findRegex runs a pattern written for Oniguruma, in whose syntax ^ and $ stand
// at every line.
func findRegex(expr string) (find, error) {
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	translated, err := translate(expr)
	if err != nil {
		return nil, err
	}
	re, err := regexp2.Compile(translated, regexp2.Multiline, regexp2.OptionMaxBacktrackingStackSize(maxBacktracking))
	if err != nil {
		return nil, fmt.Errorf("is not supported: %w", err)
	}
	re.MatchTimeout = matchTimeout
	return func(s string, match func(from, to int)) error {
		m, err := re.FindStringMatch(s)
		for m != nil && err == nil {
			at, n := m.ByteRange()
			match(at, at+n)
			m, err = re.FindNextMatch(m)
		}
		if err != nil {
			return fmt.Errorf("pattern %.200q: %w", expr, err)
		}
		return nil
	}, nil
}
