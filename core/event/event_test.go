package event

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// draw fills a value of any type of this package with random content that JSON
// can carry.
func draw(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-9, 9)).Draw(t, "int"))
	case reflect.Float64:
		v.SetFloat(rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1), rapid.Map(rapid.IntRange(-99, 99), func(i int) float64 { return float64(i) })).Draw(t, "float"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "val", "4×1", "a\"b\\c\n</script>\u2028", "\U0001f525"})).Draw(t, "string"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			draw(t, v.Elem())
		}
	case reflect.Slice: // nil and empty differ
		if n := rapid.IntRange(-1, 3).Draw(t, "len"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				draw(t, v.Index(i))
			}
		}
	case reflect.Map:
		if n := rapid.IntRange(-1, 3).Draw(t, "len"); n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				draw(t, key)
				draw(t, value)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i))
		}
	default:
		t.Fatalf("an event holds a %v: teach this test to draw it", v.Type())
	}
}

func drawBody(t *rapid.T) Body {
	names := slices.Sorted(maps.Keys(kinds)) // in order, or a failure could not be replayed
	b := kinds[rapid.SampledFrom(names).Draw(t, "kind")]()
	draw(t, reflect.ValueOf(b).Elem())
	return b
}

// TestRoundTrip: what was said is what is read, for every kind.
func TestRoundTrip(t *testing.T) {
	for name, mk := range kinds {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			b := mk()
			draw(t, reflect.ValueOf(b).Elem())
			e := Event{
				Seq:  rapid.Int64Range(1, math.MaxInt64).Draw(t, "seq"),
				At:   time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC(),
				Body: b, Prev: rapid.StringMatching("|[0-9a-f]{16}").Draw(t, "prev"),
			}
			line, err := Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsAny(line, "\n\r") {
				t.Fatalf("more than one line: %q", line)
			}
			got, err := Decode(line)
			if err != nil {
				t.Fatalf("%v\n%s", err, line)
			}
			if !reflect.DeepEqual(got, e) {
				t.Fatalf("\n got %+v %+v\nwant %+v %+v", got, got.Body, e, e.Body)
			}
		}))
	}
}

// TestTimeZone: a line is in UTC wherever it was written.
func TestTimeZone(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("x", 3600))
	line, err := Encode(Event{Seq: 1, At: at, Body: &Paused{}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(line, []byte(`"at":"2026-03-01T11:00:00.000000005Z"`)) {
		t.Errorf("%s", line)
	}
}

// TestAllKindsRegistered: every type with a Kind can be read back, under a name
// of its own.
func TestAllKindsRegistered(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "Kind" || fn.Recv == nil {
			continue
		}
		n++
		typ := fn.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
		found := false
		for name, mk := range kinds {
			if reflect.TypeOf(mk()).Elem().Name() == typ {
				found = mk().Kind() == name
			}
		}
		if !found {
			t.Errorf("%s is not in kinds: logs with it read as unknown", typ)
		}
	}
	if n != len(kinds) {
		t.Errorf("%d types with Kind, %d kinds", n, len(kinds))
	}
}

// TestFieldNames: every field has a JSON name in the log's style, none is used
// twice in a type.
func TestFieldNames(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(x reflect.Type) {
		switch x.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(x.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		seen := map[string]bool{}
		for i := range x.NumField() {
			name, _, _ := strings.Cut(x.Field(i).Tag.Get("json"), ",")
			if name == "" || name != strings.ToLower(name) || seen[name] {
				t.Errorf("%s.%s: JSON name %q", x.Name(), x.Field(i).Name, name)
			}
			seen[name] = true
			walk(x.Field(i).Type)
		}
	}
	for _, mk := range kinds {
		walk(reflect.TypeOf(mk()).Elem())
	}
}

// TestUnknown: a reader keeps what it does not know, byte for byte, and the
// fold passes over it.
func TestUnknown(t *testing.T) {
	line := `{"seq":3,"at":"2026-01-01T00:00:00Z","kind":"sung","body":{"song":[1,2,{"x":null}]},"prev":"00"}`
	e, err := Decode([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := e.Body.(*Unknown); !ok || u.Kind() != "sung" {
		t.Fatalf("%+v", e.Body)
	}
	back, err := Encode(e)
	if err != nil || string(back) != line {
		t.Errorf("%v\n got %s\nwant %s", err, back, line)
	}
	var s State
	s.Apply(e)
	if s.Seq != 3 || s.Status != StatusNew {
		t.Errorf("%+v", s)
	}
}

// TestRefuse: what is no event line is an error that says so; a number JSON
// cannot carry is an error when it is written.
func TestRefuse(t *testing.T) {
	good, _ := Encode(Event{Seq: 1, Body: &Paused{Why: "x"}})
	for _, line := range []string{
		"", " ", "null x", "{", string(good) + "{}", string(good) + "x", string(good[:len(good)-1]), `{"seq":"1"}`, `[]`,
		`{"seq":1,"at":"yesterday","kind":"paused","body":{}}`, `{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"paused","body":[]}`,
		`{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"paused"}`,
	} {
		if e, err := Decode([]byte(line)); err == nil {
			t.Errorf("%q decodes to %+v", line, e)
		}
	}
	for _, x := range []float64{math.NaN(), math.Inf(1)} {
		if _, err := Encode(Event{Seq: 7, Body: &Metric{Loss: x}}); err == nil || !strings.Contains(err.Error(), "event 7 (metric)") {
			t.Errorf("%v: %v", x, err)
		}
	}
}

// TestNullEnergy: energy that was not measured is null in the log, never 0.
func TestNullEnergy(t *testing.T) {
	line, err := Encode(Event{Seq: 1, Body: &EpochCost{}})
	if err != nil || !bytes.Contains(line, []byte(`"uj":null`)) {
		t.Fatalf("%v %s", err, line)
	}
	var s State
	e, err := Decode(line)
	if err != nil {
		t.Fatal(err)
	}
	s.Apply(e)
	if len(s.Curves[0].Joules) != 0 || len(s.Curves[0].CPU) != 1 {
		t.Errorf("%+v", s.Curves[0])
	}
}

// FuzzDecode: no line panics, neither when it is read nor when it is folded;
// what is accepted survives being written again.
func FuzzDecode(f *testing.F) {
	for _, mk := range kinds {
		b, err := Encode(Event{Seq: 1, At: time.Unix(1, 2), Body: mk(), Prev: "0123456789abcdef"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"seq":1,"kind":"sung","body":{}}`))
	f.Add([]byte(`{"seq":-5,"at":"2026-01-01T00:00:00Z","kind":"metric","body":{"stage":99,"step":-1},"prev":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		var s State
		s.Apply(e)
		s.Apply(Event{Seq: e.Seq + 1, Body: &Resumed{Stage: Baseline}})
		s.Apply(e)
		s.BaselineAcc()
		line, err := Encode(e)
		if err != nil {
			if u, ok := e.Body.(*Unknown); ok && !json.Valid(u.Raw) {
				return // a kind without a body
			}
			if y := e.At.UTC().Year(); y < 0 || y > 9999 {
				return // JSON has no such year
			}
			t.Fatalf("read but not written: %v", err)
		}
		back, err := Decode(line)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, line)
		}
		if _, ok := e.Body.(*Unknown); !ok && !reflect.DeepEqual(back.Body, e.Body) {
			t.Fatalf("changed: %+v to %+v", e.Body, back.Body)
		}
	})
}
