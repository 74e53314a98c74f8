package work

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/vt"
	"pgregory.net/rapid"

	"pare/core"
	"pare/core/event"
	"pare/tui/plain"
	"pare/tui/theme"
)

// hostile are texts from outside that try to break the screen.
var hostile = []string{
	"", "\x1b[2J\x1b[H", "a\nb\tc\rd", "日本語テスト", "e\u0301\u0301\u0301", "\u202eevil", "👩‍👩‍👧‍👦", "\xff\xfe",
	strings.Repeat("long ", 200), "`rm -rf`", "\x1b]0;x\a", "\u0915\u094d\u0937", "%s%d%!", "a\x00b",
	strings.Repeat("x", 10<<10), strings.Repeat("名", 10<<10/3), strings.Repeat("\x1b[31m", 2<<10),
	"\x9b2J", "\u009b2J", "\x1bPq#0\x1b\\", "\x1b_Gf=1\x1b\\", "\b\b\b", "a\u2028b\u2029c", "\u200b\u200d\ufeff", "🇩🇪🏴‍☠️", "\x1b[38;2;1;2", "\x1b", "x\x1b[5mblink", "\u2066iso\u2069", "\x7f\x7f",
}

// raw finds in a frame what is neither text nor a colour: the terminal would
// obey it.
func raw(frame string) string {
	for i := 0; i < len(frame); {
		if frame[i] == '\x1b' {
			j := i + 1
			if j < len(frame) && frame[j] == '[' {
				for j++; j < len(frame) && strings.IndexByte("0123456789;:", frame[j]) >= 0; j++ { //nolint:revive // only counts
				}
				if j < len(frame) && frame[j] == 'm' {
					i = j + 1
					continue
				}
			}
			return fmt.Sprintf("%q", frame[i:min(i+12, len(frame))])
		}
		r, n := utf8.DecodeRuneInString(frame[i:])
		if r == utf8.RuneError && n == 1 || r != '\n' && unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return fmt.Sprintf("%q", frame[i:min(i+12, len(frame))])
		}
		i += n
	}
	return ""
}

// fits checks that a screen is exactly h lines of exactly w cells, and that the
// terminal finds only text and colours in it.
func fits(t interface{ Fatalf(string, ...any) }, d *desk, what string) {
	got := d.Render()
	if len(what) > 80 {
		what = what[:80]
	}
	if d.w < 1 || d.h < 1 {
		if got != "" {
			t.Fatalf("%s: %d×%d draws %q", what, d.w, d.h, got)
		}
		return
	}
	lines := strings.Split(got, "\n")
	if len(lines) != d.h {
		t.Fatalf("%s: %d×%d has %d lines:\n%s", what, d.w, d.h, len(lines), bare(got))
	}
	for i, l := range lines {
		if n := theme.Width(l); n != d.w {
			t.Fatalf("%s: %d×%d: line %d has %d cells: %q\n%s", what, d.w, d.h, i+1, n, l, bare(got))
		}
	}
	if c := raw(got); c != "" {
		t.Fatalf("%s: %d×%d: the terminal is sent %s:\n%s", what, d.w, d.h, c, bare(got))
	}
}

// TestEverySize draws every size from 0×0 to 132×50 and every eleventh up to 200×200,
// with PARE_EVERY_SIZE all of these, once, the scenes in turn; in short mode a part.
func TestEverySize(t *testing.T) {
	t.Parallel()
	all := scenes()
	ds := make([]*desk, len(all))
	for i, s := range all {
		d, f := watching(t, 120, 40, s.story)
		if s.do != nil {
			s.do(d, f)
		}
		ds[i] = d
	}
	every := os.Getenv("PARE_EVERY_SIZE") != "" // takes a minute
	for w := 0; w <= 200; w++ {
		for h := 0; h <= 200; h++ {
			if !every && (testing.Short() || w > 132 || h > 50) && (w*7+h*3)%11 != 0 {
				continue
			}
			i := (w*201 + h) % len(all)
			ds[i].look.tab = (w + h) % 4
			ds[i].resize(w, h)
			fits(t, ds[i], all[i].name)
		}
	}
}

// spoil fills a value with hostile texts and figures, whatever its type.
func spoil(r *rand.Rand, v reflect.Value, deep int) {
	switch v.Kind() {
	case reflect.String:
		switch r.IntN(4) {
		case 0: // words the fold knows
			v.SetString([]string{"started", "waiting", "done", "failed", "val", "test", "crash", "stop", "rollback", "floor", "diverged", "PASS", "FAIL", core.CmdTarget, core.CmdConfigure, core.CmdSettle, "packed", "dense", "B", "E", "person", "stopped", "s3-000100", "linear"}[r.IntN(24)])
		default:
			v.SetString(hostile[r.IntN(len(hostile))])
		}
	case reflect.Float64:
		v.SetFloat([]float64{0, 1, 0.5, -1, 1e300, -1e300, 1e-300, 0.884, 100, 3, math.MaxFloat64, math.NaN(), math.Inf(1)}[r.IntN(13)])
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, 2, 3, 4, 5, 100, 900, -1, 1 << 40, math.MaxInt64, math.MinInt64}[r.IntN(12)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Pointer:
		if deep < 5 && r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			spoil(r, v.Elem(), deep+1)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 || deep > 4 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(12), 12))
		for i := range v.Len() {
			spoil(r, v.Index(i), deep+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				spoil(r, v.Field(i), deep)
			}
		}
	}
}

// anyBody is an event of any kind with anything in it.
func anyBody(t interface{ Fatalf(string, ...any) }, r *rand.Rand) event.Body {
	kinds := event.Kinds()
	k := kinds[r.IntN(len(kinds))]
	line, err := json.Marshal(map[string]any{"seq": 1, "at": begun, "kind": k, "body": map[string]any{}})
	if err != nil {
		t.Fatalf("%v", err)
	}
	e, err := event.Decode(line)
	if err != nil {
		t.Fatalf("%v", err)
	}
	spoil(r, reflect.ValueOf(e.Body).Elem(), 0)
	return e.Body
}

// TestAnyEventsInAnyOrder mixes the events of a true run with events of all
// kinds that hold anything, at random sizes, with random keys in between.
func TestAnyEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		rnd := rand.New(rand.NewPCG(seed, 11))
		honest := newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B").deployed().es
		d, f := watching(t, 100, 30, newStory())
		d.ascii = rnd.IntN(4) == 0
		d.th = theme.New(theme.Mode(1+rnd.IntN(3)), true, d.ascii)
		f.id = hostile[rnd.IntN(len(hostile))]
		s := &story{at: begun}
		for range 60 {
			switch rnd.IntN(6) {
			case 0:
				d.resize(rnd.IntN(201), rnd.IntN(201))
			case 1:
				key(d, names[rnd.IntN(len(names))])
			case 2, 3:
				from := rnd.IntN(len(honest))
				for _, e := range honest[from:min(from+1+rnd.IntN(12), len(honest))] {
					s.add(e.Body)
				}
			default:
				s.add(anyBody(rt, rnd))
			}
			if n := len(s.es); n > len(f.log) {
				f.log = append(f.log, s.es[len(f.log):]...)
				sample(d)
			}
			d.quit = false
			fits(rt, d, fmt.Sprintf("seed %d", seed))
		}
	})
}

// TestPlainIsPlain: what is printed without a screen holds no control characters
// either, whatever the log says.
func TestPlainIsPlain(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	var st event.State
	for i := range 4000 {
		e := event.Event{Seq: int64(i + 1), At: begun, Body: anyBody(t, rnd)}
		st.Apply(e)
		if c := raw(plain.Line(e, &st)); c != "" {
			t.Fatalf("%s: the terminal is sent %s", e.Body.Kind(), c)
		}
		if i%50 == 49 {
			st = event.State{}
		}
	}
}

// TestTerminalAgrees draws hostile frames in a terminal of their size: nothing
// wraps, and every line ends where it should.
func TestTerminalAgrees(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 120 {
		d, f := watching(t, 1+rnd.IntN(140), 1+rnd.IntN(50), newStory().start("B").baselineDone("B"))
		s := &story{at: begun, es: f.log}
		for range 20 {
			s.add(anyBody(t, rnd))
		}
		f.log = s.es
		sample(d)
		d.quit = false
		term := vt.NewEmulator(d.w+1, d.h+1)
		for i, l := range strings.Split(d.Render(), "\n") {
			fmt.Fprintf(term, "\x1b[%d;1H%s", i+1, l)
			if p := term.CursorPosition(); p.X != d.w || p.Y != i {
				t.Fatalf("%d×%d: after line %d the cursor is at %d,%d: %q", d.w, d.h, i+1, p.X, p.Y, l)
			}
		}
		term.Close() //nolint:errcheck // nothing is lost
	}
}
