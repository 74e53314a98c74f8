package theme

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"
)

// hostile draws texts as nobody should name a layer: wide runes, clusters,
// escape sequences whole and torn, controls, bidi overrides, kilobytes of them.
func hostile() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"fc1", " ", "日本語", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "❤️", "1️⃣", "é", "e\u0301\u0301\u0301\u0301", "각",
		"\x1b[31m", "\x1b[m", "\x1b[2J", "\x1b[999;999H", "\x1b]0;owned\a", "\x1b]8;;http://x\x1b\\", "\x1bP1$q", "\x1b[", "\x1b",
		"\u009b31m", "\x9b31m", "\xff\xfe", "\x00", "\r", "\n", "\t", "\b", "\x7f", "\u202e", "\u200b", "\u200d", "\ufeff",
		"\u2028", "╭─╮", "±40 %", "−0.3 pt", "…", "\U000e0041", "\u115f", "ا", "क्षि",
	})
	return rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(piece, 0, 20).Draw(t, "pieces"), "")
		if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
			s = strings.Repeat(s+"x", 200)
		}
		return s + rapid.String().Draw(t, "any")
	})
}

var onlySGR = regexp.MustCompile(`\x1b\[[0-9;:]*m`)

// checkBlock fails unless s is h lines of exactly w cells by either way of
// counting, with nothing but colours in it.
func checkBlock(t interface{ Fatalf(string, ...any) }, s string, w, h int) {
	if w < 1 || h < 1 {
		if s != "" {
			t.Fatalf("%d×%d: got %q, want nothing", w, h, s)
		}
		return
	}
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d×%d: %d lines", w, h, len(lines))
	}
	for i, l := range lines {
		bare := onlySGR.ReplaceAllString(l, "")
		for _, r := range bare {
			if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
				t.Fatalf("%d×%d: control %q in line %d %q", w, h, r, i, l)
			}
		}
		if g, wc := ansi.StringWidth(bare), ansi.StringWidthWc(bare); g != w || wc != w {
			t.Fatalf("%d×%d: line %d is %d cells by cluster, %d by character: %q", w, h, i, g, wc, l)
		}
	}
}

func TestBoxIsExact(t *testing.T) {
	themes := []*Theme{New(Dark, true, false), New(Mono, true, true)}
	rapid.Check(t, func(r *rapid.T) {
		th := themes[rapid.IntRange(0, 1).Draw(r, "theme")]
		o := BoxOptions{
			Title: hostile().Draw(r, "title"), Right: hostile().Draw(r, "right"), Body: hostile().Draw(r, "body"),
			Heads: []Head{{rapid.IntRange(-5, 210).Draw(r, "at"), hostile().Draw(r, "head")}, {20, "zeros"}},
		}
		w, h := rapid.IntRange(0, 200).Draw(r, "w"), rapid.IntRange(0, 200).Draw(r, "h")
		checkBlock(r, th.BoxWith(o, w, h), w, h)
		checkBlock(r, th.Block(o.Body, w, h), w, h)
	})
}

func TestBoxEverySize(t *testing.T) {
	th := New(Light, false, false)
	for w := range 201 {
		for _, h := range []int{0, 1, 2, 3, 24, 200} {
			checkBlock(t, th.Box("validation accuracy", "E · est. ±40 %", "日本語 88.7 %\n\x1b[31mred", w, h), w, h)
		}
	}
}

func TestFitIsExact(t *testing.T) {
	themes := []*Theme{New(Dark, true, false), New(Mono, true, true)}
	rapid.Check(t, func(r *rapid.T) {
		th := themes[rapid.IntRange(0, 1).Draw(r, "theme")]
		s, w := hostile().Draw(r, "s"), rapid.IntRange(0, 60).Draw(r, "w")
		for _, got := range []string{th.Fit(s, w), th.FitRight(s, w), th.Center(s, w)} {
			checkBlock(r, got, w, min(w, 1))
		}
	})
}

func TestCleanIsInert(t *testing.T) {
	u, a := New(Dark, true, false), New(Dark, true, true)
	rapid.Check(t, func(r *rapid.T) {
		s := hostile().Draw(r, "s")
		c := u.Clean(s)
		if strings.ContainsAny(c, "\x1b\n\r\t\b\a\x00") || strings.Contains(c, "\u202e") {
			r.Fatalf("Clean(%q) = %q", s, c)
		}
		checkClean(r, u, s)
		if c := a.Clean(s); !isASCII(c) {
			r.Fatalf("ASCII Clean(%q) = %q", s, c)
		}
	})
	for in, want := range map[string]string{
		"fc1\x1b[2J\x1b[31m.weight":       "fc1.weight",
		"a\x1b]0;owned\ab":                "ab",
		"  net\tone\n":                    "net one",
		"abc\u202egnp.exe":                "abcgnp.exe",
		"bad\xffutf8":                     "bad?utf8",
		"Größe 日本":                        "Größe 日本",
		"e\u0301\u0301\u0301\u0301 zalgo": "e\u0301\u0301 zalgo",
		"\u115f각각x":                       "각각x", // a lone consonant joins the syllable behind it
	} {
		if got := u.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// checkClean fails unless s, cleaned, is as wide by clusters as by characters,
// also behind and before other text, and cleaning it again changes nothing.
func checkClean(t interface{ Fatalf(string, ...any) }, th *Theme, s string) {
	c := th.Clean(s)
	for _, in := range [...]string{c, "a" + c + "b", " " + c + " "} {
		if g, wc := ansi.StringWidth(in), ansi.StringWidthWc(in); g != wc {
			t.Fatalf("Clean(%q) = %q: %q is %d cells by cluster, %d by character", s, c, in, g, wc)
		}
	}
	if again := th.Clean(c); again != c {
		t.Fatalf("Clean(%q) is not stable: %q, then %q", s, c, again)
	}
}

// TestCleanEveryCharacter cleans each character of Unicode in the places where
// it could join another, and those that are known to join by threes.
func TestCleanEveryCharacter(t *testing.T) {
	th := New(Dark, true, false)
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cf, unicode.Cc) {
			continue
		}
		for _, s := range [...]string{string(r), "a" + string(r), " " + string(r), "क" + string(r) + "क", "日" + string(r) + "日"} {
			checkClean(t, th, s)
		}
	}
	joins := []rune("a क日é각\u0301\u0308\u094d\u0915\u093f\u0e33\u0eb3\u1087\uff9e\u0d4e\u0600\u1100\u1161\u11a8\u115f\u200d\ufe0f\ufe0e\u20e3" +
		"\U0001d172\U0001f1e9\U0001f3fd❤👩☝1#\u00a0\u3000\u200b\u202e\U000e0041\u0903\u0bbe\u1b44\u0c4d\u09cd\u1039ا\ufdfd")
	for _, a := range joins {
		for _, b := range joins {
			for _, c := range joins {
				checkClean(t, th, string([]rune{a, b, c}))
				for _, s := range [...]string{
					string(a) + "\x1b[31m" + string(b) + string(c), string([]rune{a, b}) + "\x1b[1m\x1b[m" + string(c),
					string(a) + "\x1b[31m\u200b" + string(b) + "\x1b[m" + string(c),
				} {
					for _, w := range [...]int{1, 2, 3, 8} {
						checkBlock(t, th.Fit(s, w), w, 1)
					}
				}
			}
		}
	}
}

func TestASCIIModeIsASCII(t *testing.T) {
	th := New(Dark, true, true)
	box := th.Box("genauigkeit ±40 % – µJ", "E · est.", "−0.3 pt → 日本 ≈12 kJ ╌╌█", 60, 4)
	if !isASCII(box) {
		t.Errorf("not ASCII:\n%s", box)
	}
	if got, want := th.Tr("≈12 kJ E ±40 %, −64 %, 4×1, 日"), "~12 kJ E +-40 %, -64 %, 4x1, ??"; got != want {
		t.Errorf("Tr = %q, want %q", got, want)
	}
	eachGlyph(t, th.G, func(name, g string) {
		if !isASCII(g) {
			t.Errorf("%s = %q", name, g)
		}
	})
}

func TestGlyphsAreOneCell(t *testing.T) {
	for _, g := range []Glyphs{unicodeGlyphs, asciiGlyphs} {
		eachGlyph(t, g, func(name, s string) {
			if w := ansi.StringWidth(s); w != 1 && !(w == 2 && name == "Arrow" || w == 3 && name == "Ellipsis") {
				t.Errorf("%s = %q: %d cells", name, s, w)
			}
			// What ASCII mode cannot name, a user of ASCII mode would see as "?".
			if th := New(Dark, true, true); !isASCII(s) && !strings.HasPrefix(name, "Lines") && !strings.HasPrefix(name, "Sp") {
				if tr := th.Tr(s); strings.Contains(tr, "?") {
					t.Errorf("%s: Tr(%q) = %q", name, s, tr)
				}
			}
		})
	}
}

// TestMarksDiffer: how a run stands is told apart without colours.
func TestMarksDiffer(t *testing.T) {
	for _, g := range []Glyphs{unicodeGlyphs, asciiGlyphs} {
		seen := map[string]string{}
		for name, s := range map[string]string{"Cross": g.Cross, "Check": g.Check, "Running": g.Running, "Pending": g.Pending, "Paused": g.Paused, "Short": g.Short} {
			if seen[s] != "" {
				t.Errorf("%s and %s are both %q", name, seen[s], s)
			}
			seen[s] = name
		}
	}
}

func eachGlyph(t *testing.T, g Glyphs, f func(name, glyph string)) {
	t.Helper()
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			f(name, v.String())
		case reflect.Struct:
			for i := range v.NumField() {
				n := v.Type().Field(i).Name
				if name != "" {
					n = name + "." + n
				}
				walk(n, v.Field(i))
			}
		default:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", name, i), v.Index(i))
			}
		}
	}
	walk("", reflect.ValueOf(g))
}

// TestContrast asks 4.5:1 of text and 3:1 of lines (WCAG 2.2, 1.4.3 and
// 1.4.11) on the grounds people really have: black, the usual dark greys,
// white, and Solarized's light one.
func TestContrast(t *testing.T) {
	for tok := Token(0); tok < tokens; tok++ {
		least := 4.5
		if tok == Border || tok == Track {
			least = 3
		}
		for _, ground := range []string{"#000000", "#1e1e1e", "#282c34"} {
			if c := inks[tok].dark; c != "" && contrast(c, ground) < least {
				t.Errorf("token %d: %s on %s is %.1f:1, want %.1f", tok, c, ground, contrast(c, ground), least)
			}
		}
		for _, ground := range []string{"#ffffff", "#fdf6e3"} {
			if c := inks[tok].light; c != "" && contrast(c, ground) < least {
				t.Errorf("token %d: %s on %s is %.1f:1, want %.1f", tok, c, ground, contrast(c, ground), least)
			}
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	var c [3]uint8
	fmt.Sscanf(hex, "#%02x%02x%02x", &c[0], &c[1], &c[2])
	var l float64
	for i, k := range [3]float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += k * v
	}
	return l
}

func TestMonoHasNoColour(t *testing.T) {
	th := New(Mono, true, false)
	colour := regexp.MustCompile(`\x1b\[[^m]*\b(3[0-9]|4[0-9]|9[0-7]|10[0-7])\b[^m]*m`)
	coloured := New(Dark, true, false)
	for tok := Token(0); tok < tokens; tok++ {
		if s := th.Paint(tok, "x"); colour.MatchString(s) {
			t.Errorf("token %d: %q", tok, s)
		}
		if s := coloured.Paint(tok, "x"); inks[tok].dark != "" && !colour.MatchString(s) {
			t.Errorf("token %d has no colour in the dark theme: %q", tok, s)
		}
		for _, m := range []Mode{Dark, Light, Mono} {
			if s := New(m, true, false).Paint(tok, "x"); regexp.MustCompile(`\x1b\[([0-9;]*;)?4[0-8]\b`).MatchString(s) {
				t.Errorf("token %d sets a background in %v: %q", tok, m, s)
			}
		}
	}
}

func TestModes(t *testing.T) {
	for _, m := range []Mode{Auto, Dark, Light, Mono} {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Errorf("ParseMode(%q) = %v, %v", m, got, err)
		}
	}
	if _, err := ParseMode("solarized"); err == nil || !strings.Contains(err.Error(), "auto, dark, light or mono") {
		t.Errorf("ParseMode(solarized): %v", err)
	}
	if m := New(Auto, true, false).Mode; m != Dark {
		t.Errorf("auto on dark is %v", m)
	}
	if m := New(Auto, false, false).Mode; m != Light {
		t.Errorf("auto on light is %v", m)
	}
	env := func(kv ...string) func(string) string {
		return func(k string) string {
			for i := 0; i < len(kv); i += 2 {
				if kv[i] == k {
					return kv[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		mode  Mode
		env   func(string) string
		want  Mode
		ascii bool
	}{
		{Auto, env(), Auto, false},
		{Auto, env("NO_COLOR", "1"), Mono, false},
		{Dark, env("NO_COLOR", "1"), Dark, false},
		{Auto, env("LANG", "de_DE.UTF-8"), Auto, false},
		{Auto, env("LANG", "de_DE.ISO-8859-1"), Auto, true},
		{Auto, env("LC_ALL", "C", "LANG", "de_DE.UTF-8"), Auto, true},
		{Auto, env("LC_ALL", "C.utf8"), Auto, false},
		{Auto, env("TERM", "vt100"), Auto, true},
	} {
		if m, a := FromEnv(c.mode, false, c.env); m != c.want || a != c.ascii {
			t.Errorf("FromEnv = %v, %v; want %v, %v", m, a, c.want, c.ascii)
		}
	}
}

func TestBoxGolden(t *testing.T) {
	body := " accuracy             88.7 %    88.4 %    −0.3 pt\n zeros                 0.0 %    81.3 %\n J per step          0.021 E   0.0076 E    −64 %"
	o := BoxOptions{Title: "ledger", Heads: []Head{{24, "dense"}, {34, "now"}}, Right: "change", Body: body}
	for _, c := range []struct {
		name string
		th   *Theme
	}{{"mono", New(Mono, true, false)}, {"ascii", New(Mono, true, true)}, {"dark", New(Dark, true, false)}} {
		for _, w := range []int{51, 30, 12} {
			t.Run(fmt.Sprintf("%s-%d", c.name, w), func(t *testing.T) {
				golden.RequireEqual(t, c.th.BoxWith(o, w, 6))
			})
		}
	}
}

// TestQuickCountsAsTheLibrary compares the quick count of cells with that of
// the library, for all characters it takes and for colours between them.
func TestQuickCountsAsTheLibrary(t *testing.T) {
	n := 0
	for r := rune(0x20); r < 0x10000; r++ {
		s := "a" + string(r) + "\x1b[1;38;2;1;2;3m" + string(r) + "\x1b[mb"
		got, ok := quick(s)
		if !ok {
			continue
		}
		n++
		if want := ansi.StringWidth(s); got != want || ansi.StringWidthWc(s) != want {
			t.Errorf("%U: %d cells, the library counts %d and %d", r, got, want, ansi.StringWidthWc(s))
		}
	}
	if n < 1000 {
		t.Errorf("only %d characters go the quick way", n)
	}
	for _, s := range []string{"\x1b[2J", "\x1b]0;x\a", "a\tb", "\x7f", "日本", "e\u0301", "\xff", "\x1b[1", "☃\ufe0f"} {
		if n, ok := quick(s); ok {
			t.Errorf("%q went the quick way, %d cells", s, n)
		}
	}
}
