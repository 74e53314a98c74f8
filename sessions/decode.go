package sessions

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"pare/core/event"
)

// decoder reads lines of a log. It gives what event.Decode gives, several times
// faster for the flat events that make up nearly all of a long log: those are
// read in one pass, as long as the line has exactly the form event.Encode
// writes. Any other line goes to event.Decode.
type decoder struct {
	words  map[string]string // strings seen again and again, kept once
	expect string            // the prev of the next line, most likely
}

// flat lists the kinds read in one pass: no slices, no nested JSON.
var flat = map[string]*shape{}

func init() {
	for _, b := range []event.Body{
		&event.Metric{}, &event.Eval{}, &event.EpochCost{}, &event.StageCost{}, &event.StageChange{}, &event.Checkpoint{},
		&event.Dropped{}, &event.Decision{}, &event.Floor{}, &event.Warning{}, &event.Paused{}, &event.Continued{}, &event.Resumed{},
	} {
		if s := shapeOf(reflect.TypeOf(b).Elem()); s != nil {
			flat[b.Kind()] = s
		}
	}
}

// line reads one line without its newline.
func (d *decoder) line(b []byte) (event.Event, error) {
	if e, ok := d.quick(b); ok {
		return e, nil
	}
	return event.Decode(b)
}

// quick reads a line of a flat kind; false when it is of another form.
func (d *decoder) quick(b []byte) (e event.Event, ok bool) {
	c := cursor{b: b, d: d}
	var l envelope
	if !c.open(&l) {
		return e, false
	}
	s := flat[string(l.kind)]
	if s == nil {
		return e, false
	}
	e.Seq = l.seq
	if e.At.UnmarshalText(l.at) != nil {
		return e, false
	}
	v := reflect.New(s.of)
	if !c.fields(s, v.Elem()) || !c.lit(`,"prev":`) {
		return e, false
	}
	p, ok := c.text()
	if !ok || !c.lit("}") || c.i != len(c.b) {
		return e, false
	}
	if e.Prev = d.expect; e.Prev != string(p) {
		e.Prev = string(p)
	}
	e.Body = v.Interface().(event.Body)
	return e, true
}

// envelope is the start of a line, up to its body.
type envelope struct {
	seq  int64
	at   []byte
	kind []byte
}

// open reads up to the body.
func (c *cursor) open(l *envelope) (ok bool) {
	if !c.lit(`{"seq":`) {
		return false
	}
	if l.seq, ok = c.integer(); !ok || !c.lit(`,"at":`) {
		return false
	}
	if l.at, ok = c.text(); !ok || !c.lit(`,"kind":`) {
		return false
	}
	if l.kind, ok = c.text(); !ok {
		return false
	}
	return c.lit(`,"body":`)
}

// shape is the plan for reading one struct type.
type shape struct {
	of     reflect.Type
	fields []field
}

type field struct {
	key  string // `"loss":`
	opt  bool   // omitempty
	kind reflect.Kind
	sub  *shape // of a struct
}

// shapeOf plans a type; nil when it has something quick does not read.
func shapeOf(t reflect.Type) *shape {
	s := &shape{of: t}
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Anonymous || name == "" || name == "-" || opts != "" && opts != "omitempty" {
			return nil
		}
		x := field{key: strconv.Quote(name) + ":", opt: opts == "omitempty", kind: f.Type.Kind()}
		switch x.kind {
		case reflect.Int, reflect.Int64, reflect.Float64, reflect.String, reflect.Bool:
		case reflect.Pointer: // *int64 or *float64, null for what is not known
			if e := f.Type.Elem(); e != reflect.TypeFor[int64]() && e != reflect.TypeFor[float64]() {
				return nil
			}
		case reflect.Struct:
			if x.sub = shapeOf(f.Type); x.sub == nil {
				return nil
			}
		default:
			return nil
		}
		if f.Type.PkgPath() != "" && reflect.PointerTo(f.Type).Implements(reflect.TypeFor[json.Unmarshaler]()) {
			return nil
		}
		s.fields = append(s.fields, x)
	}
	return s
}

// cursor walks a line. Its methods report false, and leave it anywhere, when
// the line is not of the expected form.
type cursor struct {
	b []byte
	i int
	d *decoder
}

// fields reads an object whose keys stand in the order of the struct.
func (c *cursor) fields(s *shape, v reflect.Value) bool {
	if !c.lit("{") {
		return false
	}
	first := true
	for i := range s.fields {
		f := &s.fields[i]
		at := c.i
		if (!first && !c.lit(",")) || !c.lit(f.key) {
			if !f.opt {
				return false
			}
			c.i = at
			continue
		}
		first = false
		if !c.value(f, v.Field(i)) {
			return false
		}
	}
	return c.lit("}")
}

func (c *cursor) value(f *field, v reflect.Value) bool {
	switch f.kind {
	case reflect.Int, reflect.Int64:
		n, ok := c.integer()
		if ok {
			v.SetInt(n)
		}
		return ok
	case reflect.Float64:
		x, ok := c.float()
		if ok {
			v.SetFloat(x)
		}
		return ok
	case reflect.String:
		s, ok := c.text()
		if ok {
			v.SetString(c.d.word(s))
		}
		return ok
	case reflect.Bool:
		switch {
		case c.lit("true"):
			v.SetBool(true)
			return true
		case c.lit("false"):
			v.SetBool(false)
			return true
		}
		return false
	case reflect.Pointer:
		if c.lit("null") {
			return true
		}
		if v.Type().Elem().Kind() == reflect.Float64 {
			x, ok := c.float()
			if ok {
				v.Set(reflect.ValueOf(&x))
			}
			return ok
		}
		n, ok := c.integer()
		if ok {
			v.Set(reflect.ValueOf(&n))
		}
		return ok
	}
	return c.fields(f.sub, v)
}

func (c *cursor) lit(s string) bool {
	if len(c.b)-c.i < len(s) || string(c.b[c.i:c.i+len(s)]) != s {
		return false
	}
	c.i += len(s)
	return true
}

// text is a string without escapes and of plain ASCII: what it stands for is
// what it says.
func (c *cursor) text() ([]byte, bool) {
	if !c.lit(`"`) {
		return nil, false
	}
	n := bytes.IndexByte(c.b[c.i:], '"')
	if n < 0 {
		return nil, false
	}
	s := c.b[c.i : c.i+n]
	for _, x := range s {
		if x < ' ' || x >= 0x80 || x == '\\' {
			return nil, false
		}
	}
	c.i += n + 1
	return s, true
}

// number takes the longest JSON number at the cursor.
func (c *cursor) number() (tok []byte, whole bool) {
	b, at := c.b, c.i
	i := at
	digits := func() bool {
		n := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > n
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	if !digits() || b[first] == '0' && i > first+1 {
		return nil, false
	}
	whole = true
	if i < len(b) && b[i] == '.' {
		i++
		if whole = false; !digits() {
			return nil, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if whole = false; !digits() {
			return nil, false
		}
	}
	c.i = i
	return b[at:i], whole
}

func (c *cursor) integer() (int64, bool) {
	tok, whole := c.number()
	if !whole || len(tok) > 18 { // 18 characters cannot overflow
		return 0, false
	}
	neg := tok[0] == '-'
	if neg {
		tok = tok[1:]
	}
	n := int64(0)
	for _, d := range tok {
		n = n*10 + int64(d-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

func (c *cursor) float() (float64, bool) {
	tok, whole := c.number()
	if tok == nil {
		return 0, false
	}
	if whole && len(tok) < 16 && tok[0] != '-' { // exact in a float64
		n := int64(0)
		for _, d := range tok {
			n = n*10 + int64(d-'0')
		}
		return float64(n), true
	}
	x, err := strconv.ParseFloat(string(tok), 64)
	return x, err == nil
}

// word gives equal strings one copy.
func (d *decoder) word(b []byte) string {
	if w, ok := d.words[string(b)]; ok {
		return w
	}
	w := string(b)
	if len(b) <= 64 && len(d.words) < 256 {
		if d.words == nil {
			d.words = map[string]string{}
		}
		d.words[w] = w
	}
	return w
}
